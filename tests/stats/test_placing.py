"""Places between two texts of known worth, by hand."""

import pandas as pd
import pytest

from emo_utils.stats import placing


def test_a_system_halfway_stands_at_a_half():
    """Where all three differ by the same at each question the scale has no spread."""
    scores = pd.DataFrame({"nothing": [0.1, 0.3] * 10, "all": [0.5, 0.7] * 10})
    scores["half"] = scores.nothing + 0.2
    found = placing.between(scores, "half", "nothing", "all", seed=1)
    assert found == {
        "value": pytest.approx(0.5),
        "ci_low": pytest.approx(0.5),
        "ci_high": pytest.approx(0.5),
        "n": 20,
    }
    assert placing.between(scores.assign(x=scores["all"]), "x", "nothing", "all", 1)["value"] == 1
    below = scores.assign(half=scores.nothing - 0.4)
    assert placing.between(below, "half", "nothing", "all", 1)["value"] == pytest.approx(-1)


def test_questions_are_resampled_for_the_three_together():
    scores = pd.DataFrame({"nothing": [0.0] * 10, "all": [1.0] * 10, "x": [0.0, 1.0] * 5})
    found = placing.between(scores, "x", "nothing", "all", seed=1)
    assert found["value"] == 0.5 and 0.05 < found["ci_low"] < 0.5 < found["ci_high"] < 0.95


def test_there_is_no_scale_without_a_way_or_a_question():
    scores = pd.DataFrame({"nothing": [0.0, 1.0] * 5, "all": [1.0, 0.0] * 5, "x": [0.5] * 10})
    assert placing.between(scores, "x", "nothing", "all", seed=1) is None
    assert placing.between(scores.assign(x=None), "x", "nothing", "all", seed=1) is None
