"""What tells the two answers of pairs apart, against counts by hand."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.scoring import pair_contrasts


def test_ties_count_half_and_what_was_not_measured_counts_nothing():
    found = pair_contrasts.preferred_has_less(
        pd.Series([1.0, 3.0, 2.0, np.nan, 2.0]), pd.Series([2.0, 1.0, 2.0, 5.0, np.nan])
    )
    assert found.tolist()[:3] == [1.0, 0.0, 0.5] and found[3:].isna().all()


@pytest.fixture
def recorded():
    """Records of five pairs of two questions, one pair without a grade."""
    run = runs.Run("10_empathy_by_design", {"profile": "smoke", "seed": 1}, {})
    contrasts = pd.DataFrame(
        {
            "grade, chosen": [1.0, 1.0, 1.0, np.nan, 4.0],
            "cosine": np.array([0.5, 0.5, 0.5, 0.5, 1.0], dtype=np.float32),
            "my own": [1, 1, 1, 1, 2],
        }
    )
    pairs = [{"prompt": "a"}] * 4 + [{"prompt": "b"}]
    pair_contrasts.add_records(run, contrasts, pairs, "a file", "an encoder")
    return {record.metric: record.model_dump() for record in run.records}


def test_a_question_is_drawn_with_all_its_pairs(recorded):
    """Of two questions a draw takes the first twice, both, or the second twice: the mean over rows
    is that of a, of all, or of b, and more than 2.5 % of draws are of either kind.
    """
    grade = recorded["grade, chosen"]
    assert (grade["value"], grade["ci_low"], grade["ci_high"]) == (7 / 4, 1.0, 4.0)
    assert (grade["n"], grade["unscored"]) == (4, 1)
    cosine = recorded["cosine"]
    assert (cosine["value"], cosine["ci_low"], cosine["ci_high"]) == (pytest.approx(0.6), 0.5, 1.0)
    assert (cosine["n"], cosine["unscored"]) == (5, 0)


def test_a_record_says_where_it_is_from_and_how_it_was_computed(recorded):
    assert {r["table"] for r in recorded.values()} == {"ebd.pairs"}
    assert {r["system"] for r in recorded.values()} == {"a file"}
    assert recorded["cosine"]["scorer"] == "an encoder"
    assert recorded["cosine"]["signature"].startswith("cosine of the two answers by an encoder; ")
    assert recorded["grade, chosen"]["scorer"] == "textstat and counts"
    assert recorded["my own"]["signature"].startswith("mean over pairs; bootstrap over questions")
