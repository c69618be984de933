"""The arm `overt` of the Japanese dialogues: the scenes and patients' turns of the first arm with
supporters who say their empathy in so many words, its loader, and what the card says.

Its supporters' turns are formulaic by design: the rules of variety of the first arm do not hold.
"""

import re
from statistics import mean

import pytest
from test_data_japanese import FIELDS, FOLDER
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


def test_supporters_keep_every_number_of_the_first_arm(arms):
    lost = {
        first["id"]: missing
        for first, second in zip(arms["subtle"], arms["overt"], strict=True)
        if (missing := numbers_of_supporters(first) - numbers_of_supporters(second))
    }
    assert lost == {}


def test_supporters_keep_whom_to_call(arms):
    """Where the first arm names the emergency number, an ambulance or a doctor, so does this."""
    for first, second in zip(arms["subtle"], arms["overt"], strict=True):
        said = ["".join(row["turns"][1::2]) for row in (first, second)]
        for word in ("119", "救急", "主治医", "病院", "ナースコール", "低血糖"):
            assert word not in said[0] or word in said[1], (first["id"], word)


def test_lengths_are_in_their_band(rows):
    """In characters; the gloss in words."""
    bands = [
        (row["id"], part, n, band)
        for row in rows
        for part, n, band in (
            *(("supporter", len(text), (70, 160)) for text in row["turns"][1::2]),
            ("gloss", len(row["gloss"].split()), (20, 65)),
        )
    ]
    assert [entry for entry in bands if not entry[3][0] <= entry[2] <= entry[3][1]] == []


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
        for word in ("当然", "一人", "一緒")
    }
    turns = len(said["overt"])
    natural, alone, together = (counts[word] for word in ("当然", "一人", "一緒"))
    assert (
        f"当然 stands in {natural['overt']} of its {turns} supporters' turns "
        f"({natural['subtle']} in `subtle`), 一人 in {alone['overt']} ({alone['subtle']}), "
        f"一緒 in {together['overt']} ({together['subtle']})"
    ) in text
    named = {
        arm: sum(emplifai.JAPANESE[r["emotion"]] in "".join(r["turns"][1::2]) for r in rows)
        for arm, rows in arms.items()
    }
    assert (
        f"label of Table 1 stands in a supporter's turn of {named['overt']} of the 224 dialogues "
        f"({named['subtle']} in `subtle`)"
    ) in text
    length = {arm: round(mean(map(len, said[arm]))) for arm in said}
    assert (
        f"{length['overt']} characters a supporter's turn on average against {length['subtle']}"
    ) in text


def test_the_faults_that_the_card_lists_add_up():
    text = card(FOLDER)[1]
    listed = re.findall(r"^\| [^|]+ \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    faults, rows, mended = (sum(map(int, column)) for column in zip(*listed, strict=True))
    found = re.search(r"found (\d+) faults in (\d+) rows", text).groups()
    mends = re.search(r"The (\d+) mends touch (\d+) rows", text).groups()
    assert (faults, mended) == (int(found[0]), int(mends[0]))
    # A row may have faults of two kinds.
    assert int(mends[1]) <= int(found[1]) <= rows
