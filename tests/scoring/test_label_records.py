"""What is recorded of named labels and of guesses, against values by hand."""

import numpy as np
import pytest

from emo_utils.experiment import runs
from emo_utils.scoring import label_records, labels
from emo_utils.stats import intervals

SITUATIONS = [f"s{k}" for k in range(12) for _ in range(2)]  # of two dialogues each


@pytest.fixture
def run():
    return runs.Run("09_emplifai_prediction", {"profile": "smoke", "seed": 42}, {})


def test_means_are_over_dialogues_and_intervals_over_situations(run):
    cosines = np.linspace(0, 1, 24)
    values = {
        ("model", "as it is"): {"cosine": cosines},
        ("model", "written"): {"exact": np.array([True, False])},
    }
    label_records.add_means(run, values, SITUATIONS, {"cosine": "by USE", "exact": "counted"})
    cosine, written = run.records
    assert (cosine.system, cosine.group, cosine.metric) == ("model", "as it is", "cosine")
    by_hand = intervals.mean_interval(cosines, SITUATIONS)
    assert (cosine.value, cosine.ci_low, cosine.ci_high) == by_hand
    assert cosine.signature == "by USE; interval over situations" and cosine.n == 24
    assert (written.value, written.interval, written.n) == (0.5, "none", 2)
    assert (cosine.kind, written.kind) == ("mean", "share")


def test_a_name_that_is_never_right_is_so_in_all_situations_and_not_in_all_dialogues(run):
    named, guessed = np.zeros(24, dtype=bool), np.full(24, 1 / 28)
    values = {
        ("model", "as it is"): {"exact": named},
        ("floor", "random label"): {"exact": guessed},
    }
    label_records.add_means(run, values, SITUATIONS, {"exact": "counted"})
    none, floor = run.records
    assert (none.kind, none.ci_low) == ("share", 0.0)
    assert none.ci_high == pytest.approx(intervals.share_interval(named, SITUATIONS)[2])
    assert none.ci_high > 1.5 * intervals.share_interval(named)[2]
    assert (floor.kind, floor.interval) == ("mean", "items")
    assert floor.ci_low == pytest.approx(floor.ci_high) == pytest.approx(1 / 28)


def test_macro_f1_stands_beside_that_of_random_labels(run):
    named, true = np.tile([0, 1, 1, 2], 6), np.tile([0, 1, 2, 2], 6)
    label_records.add_macro_f1(run, {("model", "empty"): named}, true, 28, SITUATIONS)
    model, floor = run.records
    assert model.value == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert model.ci_low < model.value < model.ci_high
    assert (floor.system, floor.group, floor.interval) == ("floor", "random label", "none")
    assert floor.value == labels.random_macro_f1(true, 28, 42)
    assert floor.n == model.n == 24 and floor.metric == model.metric == "macro_f1"


def test_the_rank_of_a_true_label_is_kept_for_each_dialogue(run):
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    readings = {("model", "empty"): scores, ("model", "batch"): -scores}
    label_records.add_ranks(run, readings, np.array([0, 2]), ["d1", "d2"])
    [items] = run.items
    assert items[["system", "id", "value"]].to_numpy().tolist() == [
        ["model, empty", "d1", 1.0],
        ["model, empty", "d2", 3.0],
        ["model, batch", "d1", 3.0],
        ["model, batch", "d2", 1.0],
    ]
    assert set(items.table) == {"emplifai.table2"} and set(items.metric) == {"rank"}
