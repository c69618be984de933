"""The sentences that systems wrote and two readers marked: how they were drawn, that they stand in
the answers that the edition keeps, and what the card says of them.
"""

import functools
from collections import Counter

import pandas as pd
import pytest
from text_measures import card, read

from emo_utils import project
from emo_utils.data import dialogues, files, marked_sentences
from emo_utils.experiment import results
from emo_utils.models import embeddings
from emo_utils.scoring import marks_on_systems, sentence_marks
from emo_utils.stats import reliability

FOLDER = project.DATA / "sentences"
MARKS = [mark for marks in sentence_marks.MARKS.values() for mark in marks]
TEXTS = {"doctor": "answer", "reference": "soothing_response"}  # of the data, and their field


@pytest.fixture(scope="module")
def every() -> list[dict]:
    return read(FOLDER / "of_systems.jsonl")


@pytest.fixture(scope="module")
def rows(every) -> list[dict]:
    """Those that train nothing."""
    return [row for row in every if row["part"] == "read"]


def test_each_row_has_its_readers_and_its_place(every):
    seconds = {"read": [f"{mark}_second" for mark in MARKS], "train": []}
    for row in every:
        fields = [*MARKS, *seconds[row["part"]]]
        assert list(row) == ["id", "text", "from", "drawn", "part", *fields]
        assert {row[field] for field in fields} <= {0, 1} and len(row["text"].split()) > 1
    assert len({row["text"] for row in every}) == len(every) == 364 + 300
    assert marked_sentences.load("of_systems") == every


def test_twenty_of_each_system_are_drawn_at_random_and_some_that_are_flagged(rows):
    counts = Counter((row["drawn"], row["from"].split()[-1]) for row in rows)
    at_random = {system: n for (drawn, system), n in counts.items() if drawn == "random"}
    assert at_random == dict.fromkeys((*results.SYSTEMS, *TEXTS), 20)
    flagged = {key: n for key, n in counts.items() if key[0] != "random"}
    assert {system for _, system in flagged} <= set(results.SYSTEMS)
    assert max(flagged.values()) == 4
    of_mark = Counter(row["drawn"] for row in rows if row["drawn"] != "random")
    assert of_mark == {
        f"flagged {mark}{when}": 24
        for mark in sentence_marks.MARKS["safety"]
        for when in ("", " before")
    }


def test_what_teaches_answers_other_questions_than_what_was_flagged(every, rows):
    flagged = {row["from"].split()[1] for row in rows if row["drawn"] != "random"}
    taught = [row for row in every if row["part"] == "train"]
    assert flagged.isdisjoint(row["from"].split()[1] for row in taught)
    assert len(taught) == 300 and Counter(row["drawn"] for row in taught)["not flagged"] == 60


@functools.cache
def kept_answers(unit: str, system: str) -> dict[str, str]:
    """The answers of a system of a unit by their questions; empty where the unit is not kept."""
    if system in TEXTS:
        return {row["id"]: row[TEXTS[system]] for row in dialogues.load("test", arm="overt")}
    if not (project.EDITION / unit).is_dir():
        return {}
    frame = pd.read_parquet(project.EDITION / unit / "answers" / f"{system}.parquet")
    return dict(zip(frame.id, frame.answer, strict=True))


def test_every_text_is_a_sentence_of_a_kept_answer(every):
    for row in every:
        unit, question, system = row["from"].split()
        assert system in TEXTS or system in results.SYSTEMS
        if answers := kept_answers(unit, system):
            assert row["text"] in embeddings.sentences(answers[question]), row["id"]


def test_no_mark_is_learnt_from_a_sentence_that_was_read(rows):
    texts = {files.as_compared(row["text"]) for row in rows}
    for name in (*sentence_marks.MARKS, "of_systems"):
        learnt = [row for row in marked_sentences.load(name) if row["part"] == "train"]
        assert texts.isdisjoint(files.as_compared(row["text"]) for row in learnt)
    # Those that the verdicts rest on are enough for an interval.
    program = pd.DataFrame({"comfort": [False] * len(rows)})
    has, has_not, _ = marks_on_systems.for_gates(program, marks_on_systems.read())["comfort"]
    assert len(has) + len(has_not) == 180 and min(len(has), len(has_not)) >= 10


def number(value: float) -> str:
    return f"{value:.2f}".lstrip("0") if value not in (0.0, 1.0) else f"{value:.0f}"


def test_the_card_says_how_the_readers_agree(rows):
    meta, text = card(FOLDER)
    named = {c["config_name"]: c["data_files"] for c in meta["configs"]}
    assert named["of_systems"] == "of_systems.jsonl"
    wrote = sum(row["from"].split()[-1] in results.SYSTEMS for row in rows)
    assert f"sentences that systems wrote ({wrote}) and of the data's own answers (40)" in text
    at_random = pd.DataFrame([row for row in rows if row["drawn"] == "random"])
    for mark in MARKS:
        first, second = at_random[mark], at_random[f"{mark}_second"]
        kappa, low, high = map(number, reliability.cohen_kappa_interval(first, second, 42))
        line = (
            f"| {mark} | {kappa} [{low}, {high}] | {first.sum()}, {second.sum()} | "
            f"{(first != second).sum()} |"
        )
        assert line in text
    for when in (" before", ""):
        flagged = {m: [r for r in rows if r["drawn"] == f"flagged {m}{when}"] for m in MARKS[2:]}
        says = [
            f"{sum(r[mark] for r in part)} ({sum(r[f'{mark}_second'] for r in part)})"
            for mark, part in flagged.items()
        ]
        line = "{} that prescribe, {} that discourage and {} that claim".format(*says)
        assert line in " ".join(text.split())
