"""What is recorded of named labels and of guesses, against values by hand."""

import numpy as np
import pytest

from emo_utils.experiment import runs
from emo_utils.scoring import label_records, labels
from emo_utils.stats import intervals

SITUATIONS = ["s", "s", "t", "u"]


@pytest.fixture
def run():
    return runs.Run("09_emplifai_prediction", {"profile": "smoke", "seed": 42}, {})


def test_means_are_over_dialogues_and_intervals_over_situations(run):
    values = {
        ("model", "as it is"): {"cosine": np.array([0.25, 0.5, 1.0, 0.25])},
        ("model", "written"): {"exact": np.array([True, False])},
    }
    label_records.add_means(run, values, SITUATIONS, {"cosine": "by USE", "exact": "counted"})
    cosine, written = run.records
    assert (cosine.system, cosine.group, cosine.metric) == ("model", "as it is", "cosine")
    by_hand = intervals.mean_interval_over_units([0.25, 0.5, 1.0, 0.25], SITUATIONS, 42)
    assert (cosine.value, cosine.ci_low, cosine.ci_high) == by_hand and cosine.value == 0.5
    assert cosine.signature == "by USE; bootstrap over situations" and cosine.n == 4
    # The two first dialogues are of one situation: no spread between situations can be seen.
    assert (written.value, written.ci_low, written.ci_high, written.n) == (0.5, 0.5, 0.5, 2)
    assert (cosine.kind, written.kind) == ("mean", "share")


def test_all_alike_is_exact_for_what_was_named_and_not_for_a_guess(run):
    named, guessed = np.zeros(4, dtype=bool), np.full(4, 1 / 28)
    values = {
        ("model", "as it is"): {"exact": named},
        ("floor", "random label"): {"exact": guessed},
    }
    label_records.add_means(run, values, SITUATIONS, {"exact": "counted"})
    none, floor = run.records
    assert (none.kind, none.interval, none.ci_low) == ("share", "exact", 0.0)
    assert none.ci_high == pytest.approx(1 - 0.025**0.25)
    assert (floor.kind, floor.interval) == ("mean", "items")
    assert floor.ci_low == pytest.approx(floor.ci_high) == pytest.approx(1 / 28)


def test_macro_f1_stands_beside_that_of_random_labels(run):
    named, true = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    label_records.add_macro_f1(run, {("model", "empty"): named}, true, 28, SITUATIONS)
    model, floor = run.records
    assert model.value == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert model.ci_low < model.value < model.ci_high
    assert (floor.system, floor.group, floor.interval) == ("floor", "random label", "none")
    assert floor.value == labels.random_macro_f1(true, 28, 42)
    assert floor.n == model.n == 4 and floor.metric == model.metric == "macro_f1"
