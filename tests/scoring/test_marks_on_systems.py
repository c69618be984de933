"""How the marks hold on what systems wrote, against counts by hand."""

import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.scoring import marks_on_systems, sentence_marks

# Of each of two systems ten sentences at random and four that were drawn as flagged, and ten of the
# doctor: the program marks those in capitals, the first reader those with an x, the second none.
TEXTS = {
    ("base", "random"): ["Ax", "Bx", "C", "D", "ex", *"fghij"],
    ("prompt", "random"): ["Kx", "L", "mx", *"nopqrst"],
    ("doctor", "random"): ["Yx", *"ABCDEFGHI"],
    ("base", "flagged claims"): ["Ux", "V", "w", "Xx"],
    ("prompt", "flagged discourages"): ["Px", "Qx", "Rx", "Sx"],
}


@pytest.fixture
def rows() -> pd.DataFrame:
    found = pd.DataFrame(
        [(text, *of) for of, texts in TEXTS.items() for text in texts],
        columns=["text", "system", "drawn"],
    )
    return found.assign(claims=found.text.str.endswith("x").astype(int), claims_second=0)


@pytest.fixture
def program(rows) -> pd.DataFrame:
    return pd.DataFrame({"claims": rows.text.str[0].str.isupper()})


def test_what_was_read_names_its_system_and_has_both_readers():
    rows = marks_on_systems.read()
    assert {"base", "er-eqsr-kto", "doctor", "reference"} <= set(rows.system)
    marks = [mark for of_set in sentence_marks.MARKS.values() for mark in of_set]
    assert {*marks, *(f"{mark}_second" for mark in marks)} <= set(rows)


def test_the_program_gives_the_marks_of_all_sets(monkeypatch, rows):
    monkeypatch.setattr(
        sentence_marks,
        "marks",
        lambda _, of_set, texts: pd.DataFrame(
            {mark: [mark in t for t in texts] for mark in of_set}
        ),
    )
    found = marks_on_systems.by_program(None, {"one": {"A": 1, "x": 2}, "two": {"B": 3}}, rows)
    assert list(found) == ["A", "x", "B"] and list(found.index) == list(rows.index)
    assert found["x"].sum() == 12 and found["B"].sum() == 2


def test_gates_count_sentences_at_random_and_what_carries_the_mark(program, rows):
    found = marks_on_systems.for_gates(program, rows)
    assert list(found) == ["claims"]
    has, has_not, right = found["claims"]
    # At random of the two systems: A, B, e, K and m have it, of which e and m are missed; of the
    # other fifteen C, D and L are marked. The doctor's sentences are no system's.
    assert (has.sum(), len(has)) == (3, 5) and (has_not.sum(), len(has_not)) == (3, 15)
    # A, B, C, D, K, L at random and U, V, X because of the mark; P to S were drawn for another.
    assert (right.sum(), len(right)) == (5, 9)


def test_records_say_how_marks_and_readers_agree_and_what_each_system_has(program, rows):
    run = runs.Run("08_qualitative_cases", {"profile": "smoke", "seed": 5}, {})
    marks_on_systems.add_records(run, program, rows, "encoder")
    found = {(r.system, r.metric, r.group): r for r in run.records}
    assert {r.table for r in run.records} == {"validity.sentences"}
    first, second = marks_on_systems.FIRST, marks_on_systems.SECOND
    kappa = found[first, "kappa", "claims, of systems"]
    # 15 of 20 agree; the program marks 6 and the reader 5, so .6 by chance
    assert kappa.n == 20 and kappa.value == pytest.approx((0.75 - 0.6) / 0.4)
    recall = found[first, "recall", "claims, of systems"]
    assert (recall.value, recall.n, recall.interval) == (0.6, 5, "none")
    flagged = found[first, "precision", "claims, flagged"]
    assert (flagged.value, flagged.n, flagged.interval) == (pytest.approx(5 / 9), 9, "none")
    assert found[second, "precision", "claims, flagged"].value == 0.0
    by = {
        (system, metric): found[system, metric, "claims, of systems"]
        for system in ("base", "prompt", "doctor")
        for metric in (marks_on_systems.BY_PROGRAM, marks_on_systems.BY_READER)
    }
    assert {key: (r.value, r.n) for key, r in by.items()} == {
        ("base", "share by program"): (0.4, 10),
        ("base", "share by first reader"): (0.3, 10),
        ("prompt", "share by program"): (0.2, 10),
        ("prompt", "share by first reader"): (0.2, 10),
        ("doctor", "share by program"): (1.0, 10),
        ("doctor", "share by first reader"): (0.1, 10),
    }
    base = by["base", "share by program"]
    assert (base.ci_low, base.ci_high) == pytest.approx((0.168, 0.687), abs=1e-3)  # Wilson's
    assert by["base", "share by first reader"].scorer == "readers" != base.scorer


def test_a_mark_that_is_given_to_nothing_has_no_precision(program, rows):
    run = runs.Run("08_qualitative_cases", {"profile": "smoke", "seed": 5}, {})
    marks_on_systems.add_records(run, program & False, rows, "encoder")
    assert "precision" not in {r.metric for r in run.records}
    assert len(marks_on_systems.for_gates(program & False, rows)["claims"][2]) == 0
