"""Scores against people's labels, by hand and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from emo_utils.experiment import parameters, runs
from emo_utils.people import against_labels


@pytest.fixture
def run():
    values = parameters.resolve("11_judge_validity", {"profile": "smoke"})
    return runs.Run("11_judge_validity", values, {})


class Reader:
    name, signature = "deciding", "how it decides"


TEXTS = pd.DataFrame({"text": list("abcdefgh"), "label": [0, 0, 0, 1, 0, 1, 1, 1]})


def test_texts_without_a_score_are_counted_and_those_not_asked_are_not():
    score = pd.Series([1.0, 2, 3, 4, 5, np.nan], index=[0, 2, 3, 4, 5, 6])
    found = against_labels.agreement(score, TEXTS, seed=42)
    labels = TEXTS.label[[0, 2, 3, 4, 5]]
    assert found["value"] == roc_auc_score(labels, score.dropna())
    assert (found["n"], found["unscored"], found["metric"]) == (5, 1, "auc")
    assert np.isnan([found["ci_low"], found["ci_high"]]).all()  # of five texts
    assert found["signature"] == "bootstrap over texts"


def test_replies_of_a_conversation_are_resampled_together():
    many = pd.concat([TEXTS.assign(part=k) for k in range(6)], ignore_index=True)
    table = many.assign(conversation=np.arange(48) // 4)
    found = against_labels.agreement(many.label * 1.0, table, seed=42)
    assert found["signature"] == "bootstrap over conversations"
    assert found["value"] == 1.0 and 0.8 < found["ci_low"] < 1.0  # twelve conversations
    few = against_labels.agreement(many.label * 1.0, many.assign(conversation=many.part), seed=42)
    assert few["n"] == 48 and np.isnan(few["ci_low"])  # six conversations


def test_grades_have_a_rank_correlation():
    found = against_labels.agreement(TEXTS.index.to_series(), TEXTS.assign(label=range(8)), 42)
    assert found["metric"] == "spearman" and found["value"] == pytest.approx(1)


def test_each_score_is_recorded_and_the_deciding_model_signs():
    score = TEXTS.index.to_series().astype(float)
    scores = {("counts", "length"): score, ("deciding", "yes or no"): score[:4]}
    first, second = against_labels.agreements(scores, TEXTS, 42, Reader, group="g")
    assert (first["system"], first["scorer"], first["group"]) == ("length", "counts", "g")
    assert first["signature"] == "bootstrap over texts" and first["n"] == 8
    assert second["signature"] == "bootstrap over texts; how it decides" and second["n"] == 4


def test_calibration_by_hand(run):
    """Scores .1, .3, .9 and .9 with labels 0, 1, 1 and 0:
    squared errors .01, .49, .01 and .81; of the last fifth half has the label.
    """
    score, label = pd.Series([0.1, 0.3, 0.9, 0.9, np.nan]), pd.Series([0, 1, 1, 0, 1])
    against_labels.add_calibration(run, score, label, "g", system="form", scorer="who")
    assert {(r.metric, r.group): (r.value, r.n) for r in run.records} == {
        ("brier", "g"): (pytest.approx(1.32 / 4), 4),
        ("observed", "g, score 0.100"): (0.0, 1),
        ("observed", "g, score 0.300"): (1.0, 1),
        ("observed", "g, score 0.900"): (0.5, 2),
    }
    assert run.records[0].value == pytest.approx(brier_score_loss(label[:4], score[:4]))
    assert {(r.table, r.system, r.scorer) for r in run.records} == {
        ("validity.calibration", "form", "who")
    }


def test_right_statements_are_told_from_wrong_ones_of_each_kind():
    statements = pd.DataFrame(
        {
            "name": list("aabbccdd"),
            "supported": [1, 0, 1, 0, 1, 0, 1, 0],
            "change": ["", "number", "", "number", "", "place", "", "place"],
        }
    )
    score = pd.Series([5.0, 1, 6, 2, np.nan, 7, 4, np.nan])
    found = list(against_labels.told_apart(score, statements, seed=42))
    assert [(f["metric"], f["group"], f["value"], f["n"], f["unscored"]) for f in found] == [
        ("auc", "all", 6 / 9, 6, 2),  # 5, 6 and 4 against 1, 2 and 7
        ("wrong", "all", 3, 6, 2),
        ("auc", "number", 1.0, 5, 1),
        ("wrong", "number", 2, 5, 1),
        ("auc", "place", 0.0, 4, 2),
        ("wrong", "place", 1, 4, 2),
    ]
    assert found[2]["signature"] == (
        "2 wrong statements against 3 right ones; bootstrap over sources with their statements"
    )
    assert (found[2]["kind"], found[3]["kind"], found[3]["interval"]) == ("auc", "count", "none")
    part = list(against_labels.told_apart(score[:4], statements, seed=42))
    assert [f["group"] for f in part[::2]] == ["all", "number"] and part[0]["unscored"] == 0
    right = score[statements.supported == 1]
    assert not list(against_labels.told_apart(right, statements, seed=42))
