"""What is recorded of emotion scores, against values by hand."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from emo_utils.experiment import runs
from emo_utils.scoring import emotion_records, emotion_scorers
from emo_utils.scoring.emotion_scorers import Scored
from emo_utils.stats import comparisons


def table_of(*means):
    return pd.DataFrame({"mean": means, "max": means})


ANSWERS = pd.DataFrame(
    {
        "id": ["q1", "q2", "q3"] * 2,
        "emotion": ["fear", "fear", "distrust"] * 2,
        "system": ["base"] * 3 + ["eqsr-dpo"] * 3,
        "answer": "Rest.",
    }
)
FIRST = Scored("contrast", table_of(0.1, 0.2, math.nan, 0.7, 0.8, 0.9), "encoder", "by contrast")
SECOND = Scored("decision", table_of(0.3, 0.1, 0.2, math.nan, 0.5, 0.6), "judge", "by decision")


@pytest.fixture
def run():
    return runs.Run("05_emotion_scoring", {"profile": "smoke", "seed": 42}, {})


def test_every_system_has_its_mean_over_what_was_scored(run):
    table = emotion_scorers.with_scores(ANSWERS, FIRST)
    emotion_records.add_means(run, "emodoctor.table1", table, ["mean", "max"], FIRST)
    assert [(r.metric, r.system, r.n, r.unscored) for r in run.records] == [
        ("mean", "base", 2, 1),
        ("mean", "eqsr-dpo", 3, 0),
        ("max", "base", 2, 1),
        ("max", "eqsr-dpo", 3, 0),
    ]
    base = run.records[0]
    assert base.value == pytest.approx(0.15)
    assert (base.group, base.scorer, base.signature) == ("all", "encoder", "by contrast")


def test_an_emotion_without_a_score_has_no_record(run, capsys):
    emotion_records.add_by_emotion(run, emotion_scorers.with_scores(ANSWERS, FIRST), FIRST)
    assert {(r.system, r.group): (r.value, r.n) for r in run.records} == {
        ("base", "emotion=fear"): (pytest.approx(0.15), 2),
        ("eqsr-dpo", "emotion=fear"): (pytest.approx(0.75), 2),
        ("eqsr-dpo", "emotion=distrust"): (pytest.approx(0.9), 1),
    }
    assert "none of 1 was scored" in capsys.readouterr().out


def test_a_difference_has_its_test_and_what_would_have_been_found(run):
    scores = pd.DataFrame({"base": np.linspace(0.0, 0.5, 12)})
    scores["eqsr-dpo"] = scores.base + np.linspace(0.05, 0.2, 12)
    scores["mine"] = scores.base.where(scores.index < 3) + 0.1
    pairs = [("eqsr-dpo", "base"), ("mine", "base")]
    against = comparisons.paired_differences(scores, pairs, seed=42)
    emotion_records.add_differences(run, against, FIRST)
    mean, detectable, few = run.records  # what three questions would show nobody can say
    assert {r.table for r in run.records} == {"emodoctor.table1.differences"}
    assert (mean.metric, mean.kind, mean.group, mean.n) == ("mean", "difference", "minus base", 12)
    assert mean.value == pytest.approx(0.125)  # the middle of .05 to .2
    assert mean.p == mean.p_adjusted == pytest.approx(2 / 2**12)  # all signs alike: two of 4,096
    assert (detectable.metric, detectable.interval) == ("detectable", "none")
    assert detectable.value == pytest.approx(against.detectable[0])
    assert (few.system, few.n, few.interval, few.p) == ("mine", 3, "none", None)


def test_two_scorers_are_recorded_with_their_agreement(run):
    both = emotion_scorers.means_of_both(emotion_scorers.with_scores(ANSWERS, FIRST), SECOND)
    assert list(both.columns) == ["id", "system", "first", "second"]
    emotion_records.add_evaluators(run, both, FIRST, SECOND)
    assert {r.table for r in run.records} == {"emodoctor.table1.evaluators"}
    *means, agreement = run.records
    assert [(r.group, r.system, r.value, r.n, r.unscored) for r in means] == [
        ("scorer=contrast", "base", pytest.approx(0.15), 2, 1),
        ("scorer=contrast", "eqsr-dpo", pytest.approx(0.8), 3, 0),
        ("scorer=decision", "base", pytest.approx(0.2), 3, 0),
        ("scorer=decision", "eqsr-dpo", pytest.approx(0.55), 2, 1),
    ]
    assert [(r.scorer, r.signature) for r in means[1:3]] == [
        ("encoder", "by contrast"),
        ("judge", "by decision"),
    ]
    assert {r.interval for r in run.records} == {"none"}  # of three questions
    # Both scored four answers: (.1, .3), (.2, .1), (.8, .5), (.9, .6).
    expected = scipy.stats.spearmanr([0.1, 0.2, 0.8, 0.9], [0.3, 0.1, 0.5, 0.6]).statistic
    assert (agreement.system, agreement.metric) == ("agreement", "spearman")
    assert agreement.value == pytest.approx(expected) == pytest.approx(0.8)
    assert (agreement.n, agreement.unscored, agreement.scorer) == (4, 2, "encoder and judge")
