"""The arm `overt` of the caregivers' pairs: the questions of the first arm with chosen answers that
say their comfort in so many words, its loader, and what the card says.

Its answers are formulaic by design: the rules of variety of the first arm do not hold.
"""

import functools
import itertools
import os
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from test_data_caregiver import FIELDS, FOLDER, SPLITS, length, letters_a_word
from text_measures import (
    card,
    distinct_2,
    load_dataset,
    near_duplicates,
    read,
    repeated,
    sentences,
    sentences_below,
    tokens,
)

from emo_utils import project
from emo_utils.data import caregiver, dialogues, files
from emo_utils.experiment import provenance
from emo_utils.scoring import readability
from emo_utils.stats import correlations

SIDES = ("chosen", "rejected")
FOLDERS = {"subtle": FOLDER, "overt": FOLDER / "overt"}
IN_WORDS = (
    "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty".split()
)


@pytest.fixture(scope="module")
def arms() -> dict[str, dict[str, list[dict]]]:
    return {
        arm: {split: read(folder / f"{split}.jsonl") for split in SPLITS}
        for arm, folder in FOLDERS.items()
    }


@pytest.fixture(scope="module")
def rows(arms) -> dict[str, list[dict]]:
    return arms["overt"]


def both(rows) -> list[dict]:
    return list(itertools.chain.from_iterable(rows.values()))


def numbers(text: str) -> set[str]:
    """Numbers in digits, and those in words from two on."""
    digits = set(re.findall(r"\d+(?:\.\d+)?", text.replace(",", "")))
    return digits | (set(tokens(text)) & set(IN_WORDS))


def insults() -> re.Pattern:
    lines = (FOLDER / "insult_words.txt").read_text("utf-8").splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    assert len(listed) == len(set(listed)) > 40 and all(line == line.lower() for line in listed)
    return re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, listed))})")


@functools.cache
def grade(text: str) -> float:
    return readability.grade_by_textstat(text)


# The rows


@pytest.mark.parametrize("split", SPLITS)
def test_rows_are_the_questions_of_the_first_arm_in_order(arms, split):
    kept = FIELDS[:3]
    first, second = ([[row[f] for f in kept] for row in arms[a][split]] for a in FOLDERS)
    assert first == second and len(second) >= SPLITS[split]
    for row in arms["overt"][split]:
        assert list(row) == FIELDS, row["id"]
        for text in row.values():
            assert text.isascii() and text.strip() == text != "" and "\n" not in text, row["id"]


def test_no_answer_is_that_of_the_first_arm(arms):
    texts = [row[side] for rows in arms.values() for row in both(rows) for side in SIDES]
    assert repeated(texts) == []


def test_training_and_test_share_no_sentence(rows):
    said = {
        split: set(sentences([row[name] for row in part for name in ("prompt", *SIDES)]))
        for split, part in rows.items()
    }
    assert len(said["train"]) > 1000 and not said["train"] & said["test"]


def test_no_near_duplicates(rows):
    """Within questions and each side, and between the two answers of a pair."""
    for name in ("prompt", *SIDES):
        assert near_duplicates([(row["id"], row[name]) for row in both(rows)]) == []
    for row in both(rows):
        assert near_duplicates([(side, row[side]) for side in SIDES]) == [], row["id"]


def test_lengths_are_in_their_band_and_tell_no_side(rows):
    pairs = both(rows)
    for row in pairs:
        first, second = (length(row[side]) for side in SIDES)
        assert 90 <= min(first, second) and max(first, second) <= 150, row["id"]
        assert 0.85 <= first / second <= 1.15, row["id"]
    for part in rows.values():
        shorter = sum(length(row["chosen"]) < length(row["rejected"]) for row in part)
        assert 0.4 * len(part) <= shorter <= 0.6 * len(part)


def test_length_alone_tells_the_sides_apart_no_better_than_chance(rows):
    for part in (*rows.values(), both(rows)):
        for measure in (length, len):
            scores = [measure(row[side]) for side in SIDES for row in part]
            auc = roc_auc_score([1] * len(part) + [0] * len(part), scores)
            assert 0.4 <= auc <= 0.6, (len(part), measure, auc)
        longer = sum(len(row["chosen"]) > len(row["rejected"]) for row in part)
        assert 0.4 * len(part) <= longer <= 0.6 * len(part)


def test_no_answer_has_an_insult_of_the_list(arms):
    for rows in arms.values():
        texts = {(row["id"], side): row[side] for row in both(rows) for side in SIDES}
        assert [key for key, text in texts.items() if insults().search(text.lower())] == []


@pytest.mark.skipif("EMO_TRIAL_DATA" not in os.environ, reason="the trial data is not given")
def test_no_sentence_of_the_trial_data_is_in_it(rows):
    theirs = sentences_below(Path(os.environ["EMO_TRIAL_DATA"]))
    ours = sentences([row[side] for row in both(rows) for side in SIDES])
    assert len(theirs) > 10_000
    assert not {text for text in ours if len(text.split()) >= 6} & theirs


def test_answers_keep_the_numbers_that_both_answers_of_the_first_arm_have(arms):
    lost = {}
    for first, second in zip(both(arms["subtle"]), both(arms["overt"]), strict=True):
        needed = numbers(first["chosen"]) & numbers(first["rejected"])
        for side in SIDES:
            if missing := needed - numbers(second[side]):
                lost[second["id"], side] = missing
    assert lost == {}


def test_answers_invent_no_number(arms):
    invented = {}
    for first, second in zip(both(arms["subtle"]), both(arms["overt"]), strict=True):
        known = numbers(" ".join(first[name] for name in ("prompt", *SIDES)))
        for side in SIDES:
            if new := numbers(second[side]) - known:
                invented[second["id"], side] = new
    assert invented == {}


def test_answers_keep_whom_to_call(arms):
    """Numbers of help lines are numbers; here are the people and places."""
    for first, second in zip(both(arms["subtle"]), both(arms["overt"]), strict=True):
        for word in ("ambulance", "poison", "police", "hospice", "pharmacist", "midwife"):
            for side in SIDES:
                said = (row[side].lower() for row in (first, second))
                assert word not in next(said) or word in next(said), (first["id"], side, word)


def test_rejected_answers_are_prescriptive_and_speak_to_nobody(rows):
    for row in both(rows):
        assert re.search(r"\bmust\b", row["rejected"]), row["id"]
        assert not {"you", "your", "sorry", "feel"} & set(tokens(row["rejected"])), row["id"]


def test_chosen_answers_say_that_the_feeling_is_understood(rows):
    understood = r"understand|natural|no wonder|of course|anyone|isn't fair"
    for row in both(rows):
        opening = " ".join(row["chosen"].split()[:45])
        assert re.search(understood, opening), row["id"]


# The loader


@pytest.mark.parametrize("split", SPLITS)
def test_load_gives_this_arm_unless_another_is_asked_for(rows, split, monkeypatch):
    monkeypatch.setattr(provenance, "FILES_READ", {})
    assert caregiver.load(split) == caregiver.load(split, arm="overt") == rows[split]
    path = FOLDERS["overt"] / f"{split}.jsonl"
    assert provenance.FILES_READ == {
        f"data/caregiver/overt/{split}.jsonl": project.sha256_file(path)
    }


def test_an_arm_that_there_is_not_is_named():
    with pytest.raises(
        files.DataError, match="no arm 'loud' of data/caregiver; there are: subtle, overt"
    ):
        caregiver.load("test", arm="loud")


# The card


def test_the_card_loads_as_a_data_set_of_its_own(rows, tmp_path):
    loaded = load_dataset(str(FOLDER), "overt", cache=tmp_path)
    for split, part in rows.items():
        assert loaded[split].column_names == FIELDS and loaded[split].to_list() == part


def test_the_card_says_what_the_files_hold(arms):
    text = re.sub(" +", " ", card(FOLDER)[1])
    for split, part in arms["overt"].items():
        assert f"| `overt/{split}.jsonl` | {len(part)} |" in text
    measures = {
        "is shorter in words": length,
        "is shorter in characters": len,
        "has the shorter words on average": letters_a_word,
        "has the lower Flesch-Kincaid grade": grade,
    }
    for name, measure in measures.items():
        line = rf"\| the chosen one {name} \| (\d+) of 140[^|]*\| (\d+) of 140[^|]*\|"
        stated = [int(count) for count in re.search(line, text).groups()]
        assert stated == [
            sum(measure(row["chosen"]) < measure(row["rejected"]) for row in both(arms[arm]))
            for arm in FOLDERS
        ]
    chosen = [row["chosen"] for row in both(arms["overt"])]
    hear, understandable = (
        sum(word in text for text in chosen) for word in ("I hear", "understandable")
    )
    said = re.search(r'"I hear" stands in (\d+) of the 140 .*, "understandable" in (\d+)\.', text)
    assert [int(count) for count in said.groups()] == [hear, understandable]


def test_the_faults_that_the_card_lists_add_up():
    text = card(FOLDER)[1]
    listed = re.findall(r"^\| [^|]+ \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    faults, rows, mended = (sum(map(int, column)) for column in zip(*listed, strict=True))
    found = [int(n) for n in re.search(r"found (\d+) faults in (\d+) rows", text).groups()]
    mends = [int(n) for n in re.search(r"The (\d+) mends touch (\d+) rows", text).groups()]
    assert (faults, mended) == (found[0], mends[0])
    # A row may have faults of two kinds.
    assert mends[1] <= found[1] <= rows


def decimal(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def artefacts(pairs: list[dict]) -> dict[str, str]:
    """What the card's table says of pairs, by the first cell of its line."""
    texts = {side: [row[side] for row in pairs] for side in SIDES}
    measured = {
        "length in words": {side: list(map(length, texts[side])) for side in SIDES},
        "length in characters": {side: list(map(len, texts[side])) for side in SIDES},
        "letters a word": {side: list(map(letters_a_word, texts[side])) for side in SIDES},
        "Flesch-Kincaid grade": {side: list(map(grade, texts[side])) for side in SIDES},
    }
    cells = {}
    for name, of in measured.items():
        value, low, high = correlations.auc_interval(of["chosen"], of["rejected"], seed=42)
        cells[f"AUC of {name}"] = f"{decimal(value)} [{decimal(low)}, {decimal(high)}]"
    finds = {
        "a listed phrase of comfort": dialogues.comfort_phrases(),
        "a listed insult": insults(),
        "the word *you* or *your*": re.compile(r"\byour?\b"),
        "the word *must*": re.compile(r"\bmust\b"),
    }
    counts = {
        name: [sum(bool(wanted.search(text.lower())) for text in texts[side]) for side in SIDES]
        for name, wanted in finds.items()
    }
    cells |= {name: f"{a} / {b} of {len(pairs)}" for name, (a, b) in counts.items()}
    words = [distinct_2([tokens(text) for text in texts[side]]) for side in SIDES]
    cells["distinct-2"] = " / ".join(map(decimal, words))
    means = [f"{np.mean(measured['Flesch-Kincaid grade'][side]):.1f}" for side in SIDES]
    return cells | {"Flesch-Kincaid grade in the mean": " / ".join(means)}


def test_the_card_says_what_could_give_the_sides_away(arms):
    """The authors' column too, where their pairs are given."""
    text = re.sub(" +", " ", card(FOLDER)[1])
    columns = [artefacts(both(arms[arm])) for arm in FOLDERS]
    if folder := os.environ.get("EMO_TRIAL_DATA"):
        columns.append(artefacts(read(Path(folder) / "empathy_by_design/qa_with_llm_final2.jsonl")))
    for name in columns[0]:
        line = f"| {name} | {' | '.join(column[name] for column in columns)} |"
        assert line in text
