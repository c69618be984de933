"""What chapter 10.2 records, against differences by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.scoring import answer_measures, caveats, ebd_open_records, probes

MEASURES = answer_measures.described("encoder")


@pytest.fixture
def run():
    return runs.Run("10_ebd_open", {"profile": "smoke", "seed": 42}, {})


def answers(systems: dict[str, list[float]], **columns) -> pd.DataFrame:
    """Two questions a system; every measure of an answer is its number."""
    rows = [
        {"id": f"q{k}", "system": system} | dict.fromkeys(MEASURES, value)
        for system, values in systems.items()
        for k, value in enumerate(values)
    ]
    return pd.DataFrame(rows).assign(**columns)


def by_name(run):
    return {(r.system, r.metric, r.group): r for r in run.records}


def test_plain_words_stand_beside_what_is_kept(run):
    scored = answers({"ebd-base": [1.0, 2.0]}, kept=[0.25, math.nan], urgent=[1.0, 0.0])
    ebd_open_records.add_simplicity(run, scored, MEASURES, "reader")
    records = by_name(run)
    assert [metric for _, metric, _ in records] == [
        *("grade", "letters", "words", "warmth", "cosine", "kept", "urgent")
    ]
    grade, kept = (records["ebd-base", metric, "all"] for metric in ("grade", "kept"))
    assert (grade.table, grade.value, grade.scorer) == ("ebd.simplicity", 1.5, "textstat")
    assert (kept.value, kept.n, kept.unscored, kept.scorer) == (0.25, 1, 1, "reader")


def test_transfer_is_taken_question_by_question_to_the_start(run):
    scored = answers({"base": [1.0, 3.0], "ebd-dpo": [2.0, 3.0], "eqsr-dpo": [0.0, 0.0]})
    tuned = ("ebd-dpo", "eqsr-dpo")
    ebd_open_records.add_transfer(run, "a test", scored, "base", tuned, MEASURES)
    records = by_name(run)
    assert len(records) == 2 * 4
    assert records["ebd-dpo", "warmth", "a test"].value == 0.5
    assert records["eqsr-dpo", "words", "a test"].value == -2.0
    cosine = records["ebd-dpo", "cosine", "a test"]
    assert (cosine.kind, cosine.scorer) == ("difference", "encoder")
    assert cosine.signature.startswith("paired difference to base; cosine with the reference")


def test_a_voice_is_held_against_the_original_question(run):
    voices, questions = ["original", "teenager", "teenager", "original"], ["q0", "q0", "q1", "q1"]
    scored = answers({"ebd-dpo": [1.0, 4.0, 6.0, 2.0]}, voice=voices, of=questions)
    ebd_open_records.add_voices(run, scored, MEASURES)
    records = by_name(run)
    assert len(records) == 4 and {r.table for r in run.records} == {"ebd.voices"}
    assert records["ebd-dpo", "grade", "teenager"].value == (3 + 4) / 2
    assert "to the original question; " in records["ebd-dpo", "grade", "teenager"].signature


def test_a_caveat_has_what_is_kept_of_it_and_the_change_by_training(run, monkeypatch):
    kept = pd.DataFrame({"ebd-base": [0.25, 0.5], "ebd-dpo": [0.75, 0.5]})
    monkeypatch.setattr(caveats, "kept_by_system", lambda *_: kept)
    ebd_open_records.add_caveats(run, None, pd.DataFrame(), [], "reader")
    records = by_name(run)
    assert {group for _, _, group in records} == set(caveats.KINDS)
    assert records["ebd-base", "kept", "the rest"].value == 0.375
    change = records["ebd-dpo", "change", "the rest"]
    assert (change.value, change.kind, change.scorer) == (0.25, "difference", "reader")


def test_a_rule_has_the_share_of_pairs_that_it_picks(run, monkeypatch):
    monkeypatch.setattr(probes, "features", lambda encoder: {"length": 1.0, "opening": 0.0})
    monkeypatch.setattr(probes, "picks", lambda known, train, test: np.array([known, 1.0]))
    ebd_open_records.add_probes(run, None, [], [], "encoder")
    length, opening = run.records
    assert (length.system, length.value, length.scorer) == ("length", 1.0, "counts")
    assert (opening.value, opening.kind, opening.scorer) == (0.5, "share", "encoder")
