"""The arm `overt` of the Japanese dialogues: the scenes and patients' turns of the first arm with
supporters who say their empathy in so many words, its loader, and what the card says.

Its supporters' turns are formulaic by design: the rules of variety of the first arm do not hold.
"""

import csv
import itertools
import re
from statistics import mean

import pytest
from test_data_japanese import FIELDS, FOLDER, shingles
from text_measures import card, load_dataset, read, repeated

from emo_utils import project
from emo_utils.data import emplifai, files
from emo_utils.experiment import provenance

ARM_FILES = {
    "subtle": FOLDER / "dialogues.jsonl",
    "overt": FOLDER / "overt" / "dialogues.jsonl",
}
COUNTED = "つ人か回度日年月週時分秒階枚匹滴段錠粒本足行字個割合通"


@pytest.fixture(scope="module")
def arms() -> dict[str, list[dict]]:
    return {arm: read(path) for arm, path in ARM_FILES.items()}


@pytest.fixture(scope="module")
def rows(arms) -> list[dict]:
    return arms["overt"]


def supporters(rows: list[dict]) -> list[str]:
    return [text for row in rows for text in row["turns"][1::2]]


def numbers_of_supporters(row: dict) -> set[str]:
    """Numbers in digits, and numbers in kanji before a counter; 一 alone is seldom a number."""
    text = "".join(row["turns"][1::2])
    in_kanji = re.findall(rf"[一二三四五六七八九十百千万]+(?=[{COUNTED}])", text)
    return set(re.findall(r"[0-9]+", text)) | set(in_kanji) - {"一"}


# The rows


def test_rows_have_the_fields_in_order_and_none_is_empty(rows):
    for row in rows:
        assert list(row) == FIELDS and len(row["turns"]) == 4, row.get("id")
        for text in (row["id"], row["emotion"], row["situation"], *row["turns"], row["gloss"]):
            assert isinstance(text, str) and text.strip() == text != "", row["id"]
            assert "\n" not in text, row["id"]


def test_scenes_and_patients_turns_are_those_of_the_first_arm(arms):
    kept = {
        arm: [
            (row["id"], row["emotion"], row["situation"], *row["turns"][::2]) for row in arms[arm]
        ]
        for arm in arms
    }
    assert kept["overt"] == kept["subtle"]


def test_supporters_bring_no_figure_that_the_first_arm_does_not_have(arms):
    for first, second in zip(arms["subtle"], arms["overt"], strict=True):
        known = set(re.findall("[0-9]+", "".join([first["situation"], *first["turns"]])))
        assert set(re.findall("[0-9]+", "".join(second["turns"][1::2]))) <= known, first["id"]


def test_supporters_keep_the_emergency_number_and_the_nurse_call(arms):
    for first, second in zip(arms["subtle"], arms["overt"], strict=True):
        said = ["".join(row["turns"][1::2]) for row in (first, second)]
        for word in ("119", "ナースコール"):
            assert word not in said[0] or word in said[1], (first["id"], word)


def test_the_two_supporters_of_a_scene_are_about_equally_long(arms):
    for first, second in zip(arms["subtle"], arms["overt"], strict=True):
        lengths = [sum(map(len, row["turns"][1::2])) for row in (first, second)]
        assert 0.7 <= lengths[1] / lengths[0] <= 1.5, (first["id"], lengths)


def test_glosses_are_in_their_band_of_words(rows):
    assert [row["id"] for row in rows if not 20 <= len(row["gloss"].split()) <= 65] == []


def test_no_near_duplicates(rows):
    """Exact Jaccard overlap of 5-character shingles of the supporters' turns."""
    found = [shingles({"turns": row["turns"][1::2]}) for row in rows]
    assert all(len(a & b) < 0.5 * len(a | b) for a, b in itertools.combinations(found, 2))


def test_turns_are_japanese_in_full_width_kana_with_plain_digits(rows):
    for row in rows:
        for text in row["turns"][1::2]:
            assert re.search("[ぁ-ん]", text) and not re.search(
                r"[\uff61-\uff9f\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]", text
            ), row["id"]
            assert not re.search(r"[,.!?]", text), row["id"]
        assert row["gloss"].isascii(), row["id"]


def test_no_two_supporters_turns_and_no_two_glosses_are_equal(arms):
    assert repeated(text for rows in arms.values() for text in supporters(rows)) == []
    assert repeated(row["gloss"] for rows in arms.values() for row in rows) == []


def test_a_user_of_the_rows_has_nothing_to_mend(rows):
    assert emplifai.findings(rows).empty


# The loader


def test_load_gives_the_rows_of_an_arm_and_notes_its_file(arms, monkeypatch):
    monkeypatch.setattr(provenance, "FILES_READ", {})
    assert emplifai.load() == emplifai.load(arm="overt") == arms["overt"]
    assert provenance.FILES_READ == {
        "data/emplifai_ja/overt/dialogues.jsonl": project.sha256_file(ARM_FILES["overt"])
    }
    assert emplifai.load(arm="subtle") == arms["subtle"]


def test_an_arm_that_there_is_not_is_named():
    with pytest.raises(files.DataError, match="no arm 'loud' .*; there are: subtle, overt"):
        emplifai.load(arm="loud")


# The card


def test_the_card_loads_as_a_data_set_of_its_own(rows, tmp_path):
    loaded = load_dataset(str(FOLDER), "overt", cache=tmp_path)["train"]
    assert loaded.column_names == FIELDS and loaded.to_list() == rows


def test_the_card_says_what_the_file_holds(arms):
    text = re.sub(" +", " ", card(FOLDER)[1])
    assert f"| `overt/dialogues.jsonl` | {len(arms['overt'])} | 28 | 4 | 2 |" in text
    said = {arm: supporters(rows) for arm, rows in arms.items()}
    counts = {
        word: {arm: sum(word in turn for turn in said[arm]) for arm in said}
        for word in ("当たり前", "気持ち", "一人")
    }
    turns = len(said["overt"])
    natural, feeling, alone = (counts[word] for word in ("当たり前", "気持ち", "一人"))
    assert (
        f"当たり前 stands in {natural['overt']} of its {turns} supporters' turns "
        f"({natural['subtle']} in `subtle`), 気持ち in {feeling['overt']} ({feeling['subtle']}), "
        f"一人 in {alone['overt']} ({alone['subtle']})"
    ) in text
    named = {
        arm: sum(emplifai.JAPANESE[r["emotion"]] in "".join(r["turns"][1::2]) for r in rows)
        for arm, rows in arms.items()
    }
    assert (
        f"label of Table 1 stands in a supporter's turn of {named['overt']} of the 224 dialogues "
        f"({named['subtle']} in `subtle`)"
    ) in text
    assert named == {arm: len(emplifai.saying_their_label(rows)) for arm, rows in arms.items()}
    length = {arm: round(mean(map(len, said[arm]))) for arm in said}
    assert (
        f"{length['overt']} characters a supporter's turn on average against {length['subtle']}"
    ) in text


def test_the_card_says_what_was_written_again_and_what_went_with_the_advice(arms):
    text = " ".join(card(FOLDER)[1].split())
    table = text[text.index("| written again for") : text.index("What went with the advice")]
    turns = int(re.search(r"in (\d+) turns of \d+ dialogues", text).group(1))
    assert sum(map(int, re.findall(r"\| (\d+) \|", table))) == turns
    pairs = list(zip(arms["subtle"], arms["overt"], strict=True))
    numbers = sum(bool(numbers_of_supporters(a) - numbers_of_supporters(b)) for a, b in pairs)
    said = [["".join(row["turns"][1::2]) for row in pair] for pair in pairs]
    doctor, hospital = (
        sum(word in first and word not in second for first, second in said)
        for word in ("主治医", "病院")
    )
    assert (
        f"{numbers} dialogues lack a number that the first arm's supporter says, {doctor} no "
        f"longer name the doctor in charge, {hospital} a hospital"
    ) in text


def test_the_card_counts_the_marks(rows):
    with open(ARM_FILES["overt"].parent / "marks.csv", encoding="utf-8", newline="") as table:
        marks = list(csv.DictReader(table))
    assert [mark["id"] for mark in marks] == [row["id"] for row in rows]
    text = card(FOLDER)[1]
    for words, column in (
        ("names the feeling in so many words", "names"),
        ("calls it understandable, natural or all right", "understandable"),
        ("gives advice or information", "advises"),
    ):
        count = sum(mark[column] == "yes" for mark in marks)
        found = re.search(rf"^\| {words} \| [^|]+ \| (\d+) of (\d+):", text, re.MULTILINE)
        assert found.groups() == (str(count), str(len(rows)))
