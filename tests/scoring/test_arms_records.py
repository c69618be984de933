"""What chapter 1.1 records of the arms, against values by hand."""

import re

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.scoring import arms_records

ABOUT = {"table": "arms.emotion", "scorer": "encoder", "signature": "how"}


@pytest.fixture
def run():
    return runs.Run("01_two_arms", {"profile": "smoke", "seed": 42}, {})


def scores_of(*values, first=0):
    return pd.Series(values, index=[f"q{first + k}" for k in range(len(values))], dtype=float)


def test_a_kind_is_held_against_the_doctors_answers_to_its_questions(run):
    """Of nine pairs of a warm and a plain text seven are in order, and one is a tie."""
    scores = {"doctor": scores_of(0.1, 0.3, 0.5), "overt": scores_of(0.2, 0.5, 0.7)}
    arms_records.add_warmth(run, scores, **ABOUT)
    found = {(r.system, r.metric): r for r in run.records}
    assert set(found) == {("doctor", "mean"), ("overt", "mean"), ("overt", "auc")}
    assert found["overt", "mean"].value == pytest.approx(1.4 / 3)
    auc = found["overt", "auc"]
    assert (auc.value, auc.n, auc.kind) == (pytest.approx((1 + 2.5 + 3) / 9), 3, "auc")


def test_real_texts_have_real_doctors_and_what_is_missing_is_counted(run):
    scores = {
        "doctor": scores_of(0.9, 0.9),
        "real doctor": scores_of(0.1, 0.2, np.nan, first=5),
        "real doctor, rewritten": scores_of(0.3, 0.4, 0.5, first=5),
    }
    arms_records.add_warmth(run, scores, **ABOUT)
    auc = next(r for r in run.records if r.metric == "auc")
    assert (auc.system, auc.value) == ("real doctor, rewritten", 1.0)
    assert (auc.n, auc.unscored) == (2, 1)


def test_phrases_are_counted_for_each_arm(run):
    texts = {("overt", "warm answers"): ["I am sorry.", "Rest."], ("overt", "plain"): ["Rest."]}
    arms_records.add_phrases(run, texts, re.compile("sorry"))
    found = {(r.system, r.metric): (r.value, r.n) for r in run.records}
    assert found == {("overt", "warm answers"): (0.5, 2), ("overt", "plain"): (0.0, 1)}


def test_item_scores_leave_out_what_is_missing(run):
    arms_records.add_items(run, {"arms.emotion": {"overt": scores_of(0.5, np.nan)}, "b": {}})
    [items] = run.items
    assert items[["table", "id", "system", "value"]].to_numpy().tolist() == [
        ["arms.emotion", "q0", "overt", 0.5]
    ]
