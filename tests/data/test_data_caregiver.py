"""The caregivers' preference pairs of the arm `subtle`, their loader and the card of both arms.

Everything is read from files: no network, no model.
"""

import itertools
import json
import re

import pytest
from text_measures import (
    card,
    distinct_2,
    load_dataset,
    near_duplicates,
    read,
    repeated,
    sentences,
    tokens,
)

from emo_utils import project
from emo_utils.data import caregiver, files
from emo_utils.experiment import provenance

FOLDER = project.DATA / "caregiver"
SPLITS = {"train": 100, "test": 40}  # rows at least
FIELDS = ["id", "topic", "prompt", "chosen", "rejected"]
WORDS = {"prompt": (18, 60), "chosen": (60, 110), "rejected": (60, 110)}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict]]:
    return {split: read(FOLDER / f"{split}.jsonl") for split in SPLITS}


@pytest.fixture(scope="module")
def pairs(rows) -> list[dict]:
    """Both splits."""
    return list(itertools.chain.from_iterable(rows.values()))


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A function that points one split at a copy with one line replaced."""
    monkeypatch.setattr(provenance, "FILES_READ", {})

    def point(split: str, number: int, line: str) -> None:
        lines = (FOLDER / f"{split}.jsonl").read_text("utf-8").splitlines()
        lines[number - 1] = line
        (tmp_path / "copy.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.setattr(caregiver, "FILES", caregiver.FILES | {split: tmp_path / "copy.jsonl"})

    return point


def length(text: str) -> int:
    return len(text.split())


def letters_a_word(text: str) -> float:
    return sum(map(len, tokens(text))) / len(tokens(text))


# The rows


@pytest.mark.parametrize("split", SPLITS)
def test_rows_have_the_fields_in_order_and_none_is_empty(rows, split):
    for row in rows[split]:
        assert list(row) == FIELDS, row.get("id")
        assert all(
            isinstance(value, str)
            and value.strip() == value != ""
            and value.isascii()
            and "\n" not in value
            for value in row.values()
        ), row["id"]
    assert len(rows[split]) >= SPLITS[split]


@pytest.mark.parametrize("field", ["id", "topic", "prompt"])
def test_nothing_is_used_twice_and_training_and_test_share_nothing(pairs, field):
    assert repeated(" ".join(tokens(row[field])) for row in pairs) == []


@pytest.mark.parametrize("name", WORDS)
def test_lengths_are_in_their_band(pairs, name):
    low, high = WORDS[name]
    assert {row["id"]: n for row in pairs if not low <= (n := length(row[name])) <= high} == {}


def test_the_answers_of_a_pair_are_about_equally_long(pairs):
    assert {
        row["id"]: ratio
        for row in pairs
        if not 0.82 <= (ratio := length(row["chosen"]) / length(row["rejected"])) <= 1.22
    } == {}


@pytest.mark.parametrize("split", SPLITS)
def test_neither_answer_is_mostly_the_shorter_one(rows, split):
    """Else length alone would tell the chosen answer."""
    shorter = sum(length(row["chosen"]) < length(row["rejected"]) for row in rows[split])
    assert 0.4 * len(rows[split]) <= shorter <= 0.6 * len(rows[split])


def test_no_sentence_is_used_twice(pairs):
    found = sentences([row[name] for name in WORDS for row in pairs])
    assert len(found) > 2000
    assert repeated(found) == []


@pytest.mark.parametrize("name", WORDS)
def test_no_two_texts_of_a_column_open_alike(pairs, name):
    assert repeated(" ".join(tokens(row[name])[:4]) for row in pairs) == []


def test_no_near_duplicates(pairs):
    """Within each column, and between the two answers of a pair."""
    for name in WORDS:
        assert near_duplicates([(row["id"], row[name]) for row in pairs]) == []
    assert [
        row["id"]
        for row in pairs
        if near_duplicates([("chosen", row["chosen"]), ("rejected", row["rejected"])])
    ] == []


@pytest.mark.parametrize("name", WORDS)
def test_wording_is_varied(pairs, name):
    assert distinct_2([tokens(row[name]) for row in pairs]) >= 0.74


def test_the_chosen_answers_have_the_plainer_words(pairs):
    assert [
        row["id"]
        for row in pairs
        if letters_a_word(row["chosen"]) >= letters_a_word(row["rejected"])
    ] == []


# The loader


def test_the_loader_knows_the_same_fields_and_splits():
    assert list(caregiver.FIELDS) == FIELDS and list(caregiver.FILES) == list(SPLITS)


@pytest.mark.parametrize("split", SPLITS)
def test_load_gives_the_rows_of_the_file_and_notes_it(rows, split, monkeypatch):
    monkeypatch.setattr(provenance, "FILES_READ", {})
    assert caregiver.load(split, "subtle") == rows[split]
    assert provenance.FILES_READ == {
        f"data/caregiver/{split}.jsonl": project.sha256_file(FOLDER / f"{split}.jsonl")
    }


def test_an_unknown_split_is_refused():
    with pytest.raises(files.DataError, match="no data set 'dev'; there are: train, test"):
        caregiver.load("dev")


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["", "  ", None, 7])
def test_a_field_that_is_empty_or_no_text_is_named(rows, broken, split, field, value):
    broken(split, 2, json.dumps(rows[split][1] | {field: value}))
    with pytest.raises(
        files.DataError,
        match=rf"copy\.jsonl, row 2: field '{field}' is (missing or empty|no text but \w+)",
    ):
        caregiver.load(split, "subtle")


def test_other_faults_are_named(rows, broken, tmp_path):
    broken("test", 4, '{"id": "care-test-04", "topic"')
    with pytest.raises(files.DataError, match=r"copy\.jsonl, row 4: not JSON"):
        caregiver.load("test", "subtle")
    broken(
        "test",
        4,
        json.dumps({key: value for key, value in rows["test"][3].items() if key != "rejected"}),
    )
    with pytest.raises(files.DataError, match=r"copy\.jsonl, row 4: field 'rejected'"):
        caregiver.load("test", "subtle")
    broken("test", 4, json.dumps(rows["test"][0]))
    with pytest.raises(files.DataError, match=r"copy\.jsonl, row \d+: field 'id' is that of row"):
        caregiver.load("test", "subtle")
    (tmp_path / "copy.jsonl").unlink()
    with pytest.raises(files.DataError, match=r"copy\.jsonl is missing"):
        caregiver.load("test", "subtle")


# The card


@pytest.mark.parametrize("split", SPLITS)
def test_one_line_loads_each_file(rows, split, tmp_path):
    loaded = load_dataset(
        "json", data_files=str(FOLDER / f"{split}.jsonl"), split="train", cache=tmp_path
    )
    assert loaded.column_names == FIELDS and loaded.to_list() == rows[split]


def test_the_card_loads_as_a_data_set_of_its_own(rows, tmp_path):
    both = load_dataset(str(FOLDER), cache=tmp_path)
    assert {split: both[split].num_rows for split in both} == {
        split: len(rows[split]) for split in SPLITS
    }


def test_the_card_says_what_the_files_hold(rows, pairs, spoken):
    meta, text = card(FOLDER)
    assert (meta["license"], meta["language"], meta["size_categories"]) == (
        "cc-by-4.0",
        ["en"],
        ["n<1K"],
    )
    stated = {
        file: int(count)
        for file, count in re.findall(r"^\| `(\w+\.jsonl)` \| (\d+) \|", text, re.MULTILINE)
    }
    assert stated == {f"{split}.jsonl": len(rows[split]) for split in SPLITS} | {
        "voices.jsonl": len(spoken)
    }
    assert all(f"| `{field}` |" in text for field in FIELDS)
    changed, of, *parts = map(
        int,
        re.search(
            r"changed (\d+) of the (\d+) rows: (\d+) of `train.jsonl` and (\d+) of `test.jsonl`",
            text,
        ).groups(),
    )
    assert changed == sum(parts) and of == len(pairs)
    shorter = sum(length(row["chosen"]) < length(row["rejected"]) for row in pairs)
    assert f"the chosen answer shorter in {shorter} of the {len(pairs)} pairs" in text
    plainer = sum(letters_a_word(row["chosen"]) < letters_a_word(row["rejected"]) for row in pairs)
    assert (
        f"in {plainer} of the {len(pairs)} pairs the chosen answer has the shorter words on average"
        in text
    )


# Voices


@pytest.fixture(scope="module")
def spoken() -> list[dict]:
    return read(FOLDER / "voices.jsonl")


VOICES = ["teenager", "older", "second_language", "few_words", "clinician", "family_duty"]


def test_each_question_has_each_voice_once(spoken, rows):
    asked = [row["id"] for row in rows["test"]][:16]
    assert [(row["question"], row["voice"]) for row in spoken] == [
        (question, voice) for question in asked for voice in VOICES
    ]
    for row in spoken:
        assert (
            list(row) == ["id", "question", "voice", "prompt"]
            and row["id"] == f"{row['question']}.{row['voice']}"
        )
        assert row["prompt"].strip() == row["prompt"] != "" and "\n" not in row["prompt"]


def test_voices_keep_the_numbers_and_about_the_length(spoken, rows):
    originals = {row["id"]: row["prompt"] for row in rows["test"]}
    for row in spoken:
        ratio = length(row["prompt"]) / length(originals[row["question"]])
        assert 0.5 <= ratio <= 1.35, row["id"]
        assert set(re.findall(r"\d+(?:\.\d+)?", originals[row["question"]])) <= set(
            re.findall(r"\d+(?:\.\d+)?", row["prompt"])
        ), row["id"]


def test_voices_share_no_sentence_and_no_opening(spoken):
    assert not repeated(
        sentence
        for sentence in sentences([row["prompt"] for row in spoken])
        if len(sentence.split()) > 3
    )
    assert not repeated(" ".join(tokens(row["prompt"])[:5]) for row in spoken)
