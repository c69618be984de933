"""The Japanese dialogues that are shipped, their loader and their card.

Everything is read from a file: no network, no model.
"""

import csv
import itertools
import json
import re
from collections import Counter

import pytest
from text_measures import card, distinct_2, load_dataset, read, repeated

from emo_utils import project
from emo_utils.data import emplifai, files
from emo_utils.experiment import provenance

FOLDER = project.DATA / "emplifai_ja"
FILE = FOLDER / "dialogues.jsonl"
FIELDS = ["id", "emotion", "situation", "turns", "gloss"]
# EmplifAI, Table 1, in its order.
TABLE1 = (
    "\n"
    "admiration 称賛 positive, amusement 娯楽 positive, approval 承認 positive, "
    "caring 思いやり positive, desire 願望 positive, excitement 興奮 positive,\n"
    "gratitude 感謝 positive, joy 喜び positive, love 愛 positive, optimism 楽観 positive, "
    "pride 誇り positive, relief 安心 positive,\n"
    "anger 怒り negative, annoyance 迷惑 negative, disappointment 失望 negative, "
    "disapproval 不承認 negative, disgust 嫌悪 negative,\n"
    "embarrassment 恥ずかしさ negative, fear 恐れ negative, grief 嘆き negative, "
    "nervousness 緊張 negative, remorse 後悔 negative, sadness 悲しみ negative,\n"
    "confusion 混乱 ambiguous, curiosity 好奇心 ambiguous, realization 気づき ambiguous, "
    "surprise 驚き ambiguous, neutral 平静 neutral\n"
)
LABELS = {
    english: japanese for english, japanese, _ in (entry.split() for entry in TABLE1.split(","))
}
SENTIMENTS = Counter(entry.split()[2] for entry in TABLE1.split(","))


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return read(FILE)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A function that points the loader at a copy with one line replaced."""
    monkeypatch.setattr(provenance, "FILES_READ", {})

    def point(number: int, line: str) -> None:
        lines = FILE.read_text("utf-8").splitlines()
        lines[number - 1] = line
        (tmp_path / "copy.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.setattr(emplifai, "FILE", tmp_path / "copy.jsonl")

    return point


def turns(rows, first: int) -> list[str]:
    """The patients' turns (0) or the supporters' (1)."""
    return [text for row in rows for text in row["turns"][first::2]]


def characters(text: str) -> list[str]:
    """Without punctuation."""
    return re.findall(r"\w", text)


def shingles(row: dict) -> set[str]:
    """Runs of five characters in the four turns: a Japanese text has no spaces to cut words at."""
    return {text[start : start + 5] for text in row["turns"] for start in range(len(text) - 4)}


# The rows


def test_rows_have_the_fields_in_order_and_none_is_empty(rows):
    for row in rows:
        assert list(row) == FIELDS and len(row["turns"]) == 4, row.get("id")
        for text in (row["id"], row["emotion"], row["situation"], *row["turns"], row["gloss"]):
            assert isinstance(text, str) and text.strip() == text != "" and "\n" not in text, row[
                "id"
            ]


def test_every_emotion_has_four_situations_of_two_dialogues_in_the_order_of_table_1(rows):
    wanted = [
        f"{emotion}-{situation}{dialogue}"
        for emotion in LABELS
        for situation in "1234"
        for dialogue in "ab"
    ]
    assert [row["id"] for row in rows] == wanted and len(rows) == 28 * 4 * 2
    assert all(row["id"].startswith(row["emotion"] + "-") for row in rows)


def test_a_situation_is_shared_by_exactly_its_two_dialogues(rows):
    assert all(
        first["situation"] == second["situation"]
        for first, second in zip(rows[::2], rows[1::2], strict=True)
    )
    assert set(Counter(row["situation"] for row in rows).values()) == {2}


def test_lengths_are_in_their_band(rows):
    """In characters; the gloss in words."""
    bands = [
        (row["id"], part, n, band)
        for row in rows
        for part, n, band in (
            *(("turn", len(text), (18, 110)) for text in row["turns"]),
            ("situation", len(row["situation"]), (20, 70)),
            ("gloss", len(row["gloss"].split()), (20, 65)),
        )
    ]
    assert [entry for entry in bands if not entry[3][0] <= entry[2] <= entry[3][1]] == []


def test_turns_are_japanese_in_full_width_kana_with_plain_digits(rows):
    for row in rows:
        for text in (row["situation"], *row["turns"]):
            assert re.search("[ぁ-ん]", text) and not re.search(
                r"[\uff61-\uff9f\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]", text
            ), row["id"]
        assert row["gloss"].isascii(), row["id"]


def test_no_sentence_is_used_twice(rows):
    sentences = [
        sentence
        for row in rows
        for text in row["turns"]
        for sentence in re.split(r"(?<=[。！？])", text)
        if len(sentence) >= 8
    ]
    assert len(sentences) > 2000
    assert repeated(sentences) == [] == repeated(row["gloss"] for row in rows)


def test_no_near_duplicates(rows):
    """Exact Jaccard overlap of 5-character shingles of the turns, for every pair of dialogues."""
    found = [(row["id"], shingles(row)) for row in rows]
    assert [
        (a, b)
        for (a, x), (b, y) in itertools.combinations(found, 2)
        if len(x & y) >= 0.5 * len(x | y)
    ] == []


@pytest.mark.parametrize("place", range(4))
def test_few_turns_of_a_place_open_alike(rows, place):
    """Six characters, shared by no more than 5 % of the turns."""
    openings = Counter(row["turns"][place][:6] for row in rows)
    assert sum(count for count in openings.values() if count > 1) <= 0.05 * len(rows), (
        openings.most_common(5)
    )


@pytest.mark.parametrize("first", [0, 1])
def test_wording_is_varied(rows, first):
    assert distinct_2([characters(text) for text in turns(rows, first)]) >= 0.6


def test_no_stock_phrases(rows):
    stock = r"気持ち(は|が)?(よく|すごく)?(分|わ)かり|一緒に頑張|無理(は)?しないで|無理をしないで"
    assert [row["id"] for row in rows if re.search(stock, "".join(row["turns"]))] == []


# The loader


def test_the_loader_knows_table_1_and_the_fields():
    assert [" ".join(entry) for entry in emplifai.EMOTIONS] == [
        " ".join(entry.split()) for entry in TABLE1.split(",")
    ]
    assert list(emplifai.FIELDS) == FIELDS


def test_load_gives_the_rows_of_the_file_and_notes_it(rows, monkeypatch):
    monkeypatch.setattr(provenance, "FILES_READ", {})
    assert emplifai.load("subtle") == rows
    assert provenance.FILES_READ == {"data/emplifai_ja/dialogues.jsonl": project.sha256_file(FILE)}


@pytest.mark.parametrize("field", [field for field in FIELDS if field != "turns"])
@pytest.mark.parametrize("value", ["", " \u3000", None, 7, ["text"]])
def test_a_field_that_is_empty_or_no_text_is_named(rows, broken, field, value):
    broken(3, json.dumps(rows[2] | {field: value}))
    with pytest.raises(
        files.DataError,
        match=rf"copy\.jsonl, row 3: field '{field}' is (missing or empty|no text but \w+)",
    ):
        emplifai.load("subtle")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [],
        ["a", "b", "c"],
        ["a", "b", "c", "d", "e"],
        ["a", "b", "c", " "],
        ["a", "b", "c", 4],
        {"a": 1, "b": 2, "c": 3, "d": 4},
    ],
)
def test_turns_that_are_not_four_texts_are_named(rows, broken, value):
    broken(1, json.dumps(rows[0] | {"turns": value}))
    with pytest.raises(
        files.DataError, match=r"copy\.jsonl, row 1: field 'turns' is not a list of four texts"
    ):
        emplifai.load("subtle")


def test_other_faults_are_named(rows, broken, tmp_path):
    broken(4, json.dumps(rows[3] | {"emotion": "喜び"}))
    with pytest.raises(
        files.DataError,
        match=r"copy\.jsonl, row 4: emotion '喜び' is none of admiration, amusement",
    ):
        emplifai.load("subtle")
    broken(4, json.dumps({key: value for key, value in rows[3].items() if key != "turns"}))
    with pytest.raises(files.DataError, match=r"copy\.jsonl, row 4: field 'turns'"):
        emplifai.load("subtle")
    broken(4, "[]")
    with pytest.raises(
        files.DataError,
        match=r"copy\.jsonl, row 4: not a JSON object.*fields id, emotion, situation",
    ):
        emplifai.load("subtle")
    broken(4, json.dumps(rows[0]))
    with pytest.raises(files.DataError, match=r"copy\.jsonl, row \d+: field 'id' is that of row"):
        emplifai.load("subtle")
    (tmp_path / "copy.jsonl").unlink()
    with pytest.raises(files.DataError, match=r"copy\.jsonl is missing"):
        emplifai.load("subtle")


# The card


def test_one_line_loads_it(rows, tmp_path):
    loaded = load_dataset("json", data_files=str(FILE), split="train", cache=tmp_path)
    assert loaded.column_names == FIELDS and loaded.to_list() == rows
    assert load_dataset(str(FOLDER), cache=tmp_path)["train"].num_rows == len(rows)


def test_the_card_says_what_the_file_holds(rows):
    meta, text = card(FOLDER)
    assert (meta["license"], meta["language"], meta["size_categories"]) == (
        "cc-by-4.0",
        ["ja", "en"],
        ["n<1K"],
    )
    assert f"| `dialogues.jsonl` | {len(rows)} | {len(LABELS)} | 4 | 2 |" in text
    assert (
        "{positive} positive, {negative} negative, {ambiguous} ambiguous and neutral".format(
            **SENTIMENTS
        )
        in text
    )
    assert all(f"| `{field}` |" in text for field in FIELDS)
    named = sum(LABELS[row["emotion"]] in "".join(row["turns"][::2]) for row in rows)
    assert (
        f"stands in a patient's turn of {named} of the {len(rows)} dialogues, and in no situation"
        in text
    )
    assert not any(LABELS[row["emotion"]] in row["situation"] for row in rows)
    changed, of = map(int, re.search(r"changed (\d+) of the (\d+) rows", text).groups())
    assert changed <= of == len(rows)
    shares = [
        round(100 * distinct_2([characters(text) for text in turns(rows, first)]))
        for first in (0, 1)
    ]
    assert (
        "{} % are different in the patients' turns and {} % in the supporters'".format(*shares)
        in text
    )


def test_what_a_reader_stumbles_over_is_mended_where_the_list_says_so(rows):
    texts = {row["id"]: row["turns"] for row in rows}
    with open(FOLDER / "readings.csv", encoding="utf-8", newline="") as table:
        places = list(csv.DictReader(table))
    assert len({(place["id"], place["turn"]) for place in places}) == len(places)
    for place in places:
        turn = texts[place["id"]][int(place["turn"]) - 1]
        kept, gone = (place[column] for column in ("should", "stands"))
        if place["mended"] == "no":
            kept, gone = gone, kept
        assert kept in turn, place
        assert gone not in turn.replace(kept, ""), place


def test_the_card_counts_what_the_two_readings_found():
    with open(FOLDER / "readings.csv", encoding="utf-8", newline="") as table:
        places = list(csv.DictReader(table))
    text = " ".join(card(FOLDER)[1].split())
    for words, first, second in (
        ("both readings", "yes", "yes"),
        ("the first alone", "yes", "no"),
        ("the second alone", "no", "yes"),
    ):
        found = [place for place in places if (place["first"], place["second"]) == (first, second)]
        mended = sum(place["mended"] == "yes" for place in found)
        assert f"| {words} | {len(found)} | {mended} |" in text
    mended = sum(place["mended"] == "yes" for place in places)
    patients = sum(place["turn"] in "13" for place in places)
    kinds = Counter(place["kind"] for place in places)
    assert f"| together | {len(places)} | {mended} |" in text
    assert (
        f"The {len(places)} places are in {len({place['id'] for place in places})} dialogues, "
        f"{patients} of them in a patient's turn. Most are collocations ({kinds['collocation']}), "
        f"oddities of wording ({kinds['wording']}) and words that can be misread "
        f"({kinds['unclear']})"
    ) in text
    assert f"The {len(places) - mended} left as they are" in text


def test_planted_cases_differ_in_the_supporters_turns_alone():
    rows = [
        json.loads(line)
        for line in emplifai.SCREENING_FILE.read_text(encoding="utf-8").splitlines()
    ]
    kinds = {"sound", "harm", "unsafe comfort", "missed"}
    scenes = {scene: [row for row in rows if row["scene"] == scene] for scene in range(1, 21)}
    assert len(rows) == 80 and all(
        {row["kind"] for row in scene} == kinds for scene in scenes.values()
    )
    for scene in scenes.values():
        assert (
            len(
                {
                    (
                        row["emotion"],
                        row["situation"],
                        row["turns"][0],
                        row["turns"][2],
                        row["part"],
                    )
                    for row in scene
                }
            )
            == 1
        )
        assert len({turn for row in scene for turn in row["turns"][1::2]}) == 8
    assert {row["emotion"] for row in rows} <= {emotion for emotion, _, _ in emplifai.EMOTIONS}
    lengths = {
        kind: sum(len(t) for row in rows if row["kind"] == kind for t in row["turns"][1::2])
        for kind in kinds
    }
    assert max(lengths.values()) < 1.05 * min(lengths.values())
    own = {row["situation"] for row in emplifai.load()}
    assert not {row["situation"] for row in rows} & own
