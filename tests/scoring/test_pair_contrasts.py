"""What tells the two answers of pairs apart, against counts by hand."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.models import embeddings
from emo_utils.scoring import emotion, pair_contrasts
from emo_utils.stats import intervals


def test_ties_count_half_and_what_was_not_measured_counts_nothing():
    found = pair_contrasts.preferred_has_less(
        pd.Series([1.0, 3.0, 2.0, np.nan, 2.0]), pd.Series([2.0, 1.0, 2.0, 5.0, np.nan])
    )
    assert found.tolist()[:3] == [1.0, 0.0, 0.5] and found[3:].isna().all()


def test_every_contrast_is_measured_by_pair(monkeypatch):
    """Embeddings by rule: one place for texts about walks, another for the rest."""
    vectors = lambda _, texts: np.array(
        [[float("walk" in t), float("walk" not in t)] for t in texts]
    )
    monkeypatch.setattr(embeddings, "embed", vectors)
    pairs = [
        {"chosen": "Take 2 short walks.", "rejected": "Ambulation: walk 2 times each day."},
        {"chosen": "Please do rest.", "rejected": "Sleep."},
    ]
    contrasts = pair_contrasts.measured(pairs, encoder=None)
    assert set(contrasts) == set(pair_contrasts.SIGNATURES)
    assert contrasts["preferred has fewer words"].tolist() == [1.0, 0.0]
    assert contrasts["words, chosen"].tolist() == [4, 3]
    assert contrasts["same numbers"].tolist() == [1.0, 1.0]
    assert contrasts["preferred has the lower grade"].tolist()[0] == 1.0
    assert contrasts["cosine"].tolist() == [1.0, 1.0]
    assert contrasts["cosine with another pair's"].tolist() == [0.0, 0.0]
    pairs[0]["chosen"] = "Take 3 short walks."
    assert pair_contrasts.measured(pairs, None)["same numbers"].tolist() == [0.0, 1.0]


@pytest.fixture
def recorded():
    """Records of five pairs of two questions, twelve times over; one pair without a grade."""
    run = runs.Run("10_empathy_by_design", {"profile": "smoke", "seed": 1}, {})
    contrasts = pd.DataFrame(
        {
            "grade, chosen": [1.0, 1.0, 1.0, np.nan, 4.0] * 12,
            "cosine": np.array([0.5, 0.5, 0.5, 0.5, 1.0] * 12, dtype=np.float32),
            "my own": [1, 1, 1, 1, 2] * 12,
            "same numbers": [1.0] * 60,
        }
    )
    pairs = [{"prompt": f"{question}{k}"} for k in range(12) for question in "aaaab"]
    pair_contrasts.add_records(run, contrasts, pairs, "a file", "an encoder")
    return {record.metric: record.model_dump() for record in run.records}


def test_a_question_is_drawn_with_all_its_pairs(recorded):
    """Twelve questions of four pairs and twelve of one: 24 questions, not 60 pairs."""
    questions = [f"{question}{k}" for k in range(12) for question in "aaaab"]
    grade, cosine = recorded["grade, chosen"], recorded["cosine"]
    scored = [1.0, 1.0, 1.0, 4.0] * 12
    of = [f"{question}{k}" for k in range(12) for question in "aaab"]
    by_hand = intervals.mean_interval(scored, of)
    assert (grade["value"], grade["ci_low"], grade["ci_high"]) == by_hand
    assert (grade["value"], grade["n"], grade["unscored"]) == (7 / 4, 48, 12)
    assert (cosine["value"], cosine["n"], cosine["unscored"]) == (pytest.approx(0.6), 60, 0)
    alike = recorded["same numbers"]
    assert (alike["value"], alike["ci_high"]) == (1, 1)
    assert alike["ci_low"] == pytest.approx(intervals.share_interval([1] * 60, questions)[1])
    assert alike["ci_low"] < intervals.share_interval([1] * 60)[1]


def test_a_record_says_where_it_is_from_and_how_it_was_computed(recorded):
    assert {r["table"] for r in recorded.values()} == {"ebd.pairs"}
    assert {r["system"] for r in recorded.values()} == {"a file"}
    assert recorded["cosine"]["scorer"] == "an encoder"
    assert recorded["cosine"]["signature"].startswith("cosine of the two answers by an encoder; ")
    assert recorded["grade, chosen"]["scorer"] == "textstat and counts"
    assert recorded["my own"]["signature"].startswith("mean over pairs; interval over questions")


def test_a_written_pair_is_held_against_grade_and_warmth(monkeypatch):
    warm = "I am so sorry, you are not alone with this. Take 5 mg at night, and call us."
    cold = (
        "Administration of 5 mg nocturnally is indicated; deterioration necessitates consultation."
    )
    warmth = lambda encoder, texts: pd.DataFrame({"mean": [float("sorry" in t) for t in texts]})
    monkeypatch.setattr(emotion, "scores_by_contrast", warmth)
    assert pair_contrasts.fault({"plain": warm, "technical": cold}, None) == (
        "the answers have 18 and 10 words"
    )
    cold += " Professional supervision is recommended."
    assert pair_contrasts.fault({"plain": warm, "technical": cold}, None) == ""
    exchanged = {"plain": cold, "technical": warm}
    assert "not easier to read" in pair_contrasts.fault(exchanged, None)
    monkeypatch.setattr(
        emotion, "scores_by_contrast", lambda *_: pd.DataFrame({"mean": [0.5, 0.5]})
    )
    assert "not warmer" in pair_contrasts.fault({"plain": warm, "technical": cold}, None)
