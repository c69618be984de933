"""The arm `overt` of the dialogues: the same fields, the first set's questions and answers in it,
facts kept, and what the card says.

Its rewrites are what a language model writes when asked, formulas included: the rules of variety
hold for questions and doctors' answers alone.
"""

import itertools
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from test_data import DIALOGUES, EMOTIONS, FIELDS, FILES, NAMED, rewrites
from text_measures import (
    card,
    distinct_2,
    near_duplicates,
    read,
    repeated,
    sentences,
    sentences_below,
    tokens,
)

from emo_utils.rewriting import gates

AT_LEAST = {"er": 150, "eqsr": 200, "test": 100}
# Words, beside the six answers of the paper's Table 3, which have 91 to 185.
LENGTHS = {
    "question": (30, 110),
    "answer": (18, 120),
    "emotional_question": (60, 150),
    "empathetic_response": (90, 190),
    "soothing_response": (90, 190),
}
WARM = {"er": "empathetic_response", "eqsr": "soothing_response", "test": "soothing_response"}


@pytest.fixture(scope="module")
def arms() -> dict[str, dict[str, list[dict]]]:
    folders = {"subtle": DIALOGUES, "overt": DIALOGUES / "overt"}
    return {
        arm: {name: read(folder / file) for name, file in FILES.items()}
        for arm, folder in folders.items()
    }


@pytest.fixture(scope="module")
def rows(arms) -> dict[str, list[dict]]:
    return arms["overt"]


def everything(rows) -> list[dict]:
    return list(itertools.chain.from_iterable(rows.values()))


@pytest.mark.parametrize("name", FILES)
def test_rows_have_the_fields_in_order_and_ids_count_them(rows, name):
    for number, row in enumerate(rows[name], 1):
        assert list(row) == FIELDS[name] and row["id"] == f"{name}-{number:03}"
        assert all(text.strip() == text != "" and "\n" not in text for text in row.values())
        assert "".join(row.values()).isascii(), row["id"]
    assert len(rows[name]) >= AT_LEAST[name]


@pytest.mark.parametrize("name, each", [("eqsr", 40), ("test", 20)])
def test_emotions_take_turns(rows, name, each):
    emotions = [row["emotion"] for row in rows[name]]
    assert emotions == EMOTIONS * (len(emotions) // 5)
    assert min(Counter(emotions).values()) >= each


@pytest.mark.parametrize("name", FILES)
def test_questions_and_answers_of_the_first_set_are_all_in_it(arms, name):
    kept = ("topic", "specialty", "emotion", "question", "answer")
    plain = {
        arm: {tuple(row.get(field) for field in kept) for row in arms[arm][name]} for arm in arms
    }
    assert plain["subtle"] < plain["overt"]


@pytest.mark.parametrize("field", LENGTHS)
def test_lengths_are_in_their_band(rows, field):
    low, high = LENGTHS[field]
    texts = [(row["id"], row[field]) for row in everything(rows) if field in row]
    assert {key: n for key, text in texts if not low <= (n := len(text.split())) <= high} == {}


def test_answers_are_terse_and_long(rows):
    lengths = [len(row["answer"].split()) for row in everything(rows)]
    assert sum(n <= 45 for n in lengths) >= 100 and sum(n > 75 for n in lengths) >= 60


def test_rewrites_keep_every_number_unit_and_drug(rows):
    lost = {
        (row["id"], rewrite): found
        for row, plain, rewrite in rewrites(rows)
        if (found := gates.facts_lost(row[plain], row[rewrite]))
    }
    assert lost == {}


def test_rewrites_pass_the_gates_that_replies_pass(rows):
    found = {
        (row["id"], rewrite): gates.check(rewrite, row[plain], row[rewrite])
        for row, plain, rewrite in rewrites(rows)
    }
    assert {key: reason for key, reason in found.items() if reason} == {}


@pytest.mark.parametrize("field", ["question", "answer"])
def test_questions_and_answers_are_as_varied_as_real_ones(rows, field):
    texts = [(row["id"], row[field]) for row in everything(rows)]
    assert repeated(" ".join(tokens(text)[:4]) for _, text in texts) == []
    assert near_duplicates(texts) == []
    for name in FILES:
        assert distinct_2([tokens(row[field]) for row in rows[name]]) >= 0.74


def test_no_sentence_of_a_question_or_an_answer_is_used_twice(rows):
    texts = [row[field] for row in everything(rows) for field in ("question", "answer")]
    assert repeated(sentences(texts)) == []


def test_no_complaint_is_in_training_and_in_the_test(rows):
    topics = [row["topic"] for row in everything(rows)]
    assert repeated(topics) == []
    words = {
        part: {frozenset(tokens(row["topic"])) for name in names for row in rows[name]}
        for part, names in {"train": ("er", "eqsr"), "test": ("test",)}.items()
    }
    assert not words["train"] & words["test"]


# What the card says


def phrases() -> re.Pattern:
    lines = (DIALOGUES / "explicit_comfort.txt").read_text("utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert len(listed) == len(set(listed)) > 40 and all(line == line.lower() for line in listed)
    return re.compile("|".join(rf"(?<![a-z]){re.escape(line)}" for line in listed))


def test_the_card_says_how_many_texts_comfort_in_so_many_words(arms):
    """Counted here with the list that is shipped; the fields and the rows of the table, too."""
    said, comfort = card(DIALOGUES)[1], phrases()
    for arm, sets in arms.items():
        for name, rows in sets.items():
            warm = sum(bool(comfort.search(row[WARM[name]].lower())) for row in rows)
            plain = sum(bool(comfort.search(row["answer"].lower())) for row in rows)
            named = "-"
            if name != "er":
                shown = [
                    re.search(NAMED[r["emotion"]], r["emotional_question"].lower()) for r in rows
                ]
                named = str(sum(map(bool, shown)))
            line = f"| `{arm}` | `{FILES[name]}` | {len(rows)} | {warm} | {plain} | {named} |"
            assert line in said
    shares = [
        sum(bool(comfort.search(row[WARM[name]].lower())) for row in rows) / len(rows)
        for name, rows in arms["overt"].items()
    ]
    assert min(shares) > 0.9


@pytest.mark.skipif("EMO_TRIAL_DATA" not in os.environ, reason="the trial data is not given")
def test_no_sentence_of_the_trial_data_is_in_it(rows):
    theirs = sentences_below(Path(os.environ["EMO_TRIAL_DATA"]))
    ours = sentences([text for row in everything(rows) for text in row.values()])
    assert not {text for text in ours if len(text.split()) >= 8} & theirs
