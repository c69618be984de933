"""Cohen's kappa against counts by hand and against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from emo_utils.stats import intervals, reliability


def pairs(both: int, first: int, second: int, neither: int) -> np.ndarray:
    """Two raters' marks, shape (2, items): how many items have both, one and no mark."""
    return np.repeat([[1, 1, 0, 0], [1, 0, 1, 0]], [both, first, second, neither], axis=1) > 0


def test_kappa_by_hand():
    """20 both yes, 15 both no of 50: .7 agreed; by chance .5 x .6 + .5 x .4 = .5; .2 of .5."""
    assert reliability.cohen_kappa(*pairs(20, 5, 10, 15)) == pytest.approx(0.4)
    assert reliability.cohen_kappa(*pairs(7, 0, 0, 3)) == 1.0
    assert reliability.cohen_kappa(*pairs(0, 5, 5, 0)) == -1.0


def test_where_both_say_the_same_of_everything_nothing_is_agreed_beyond_chance():
    assert reliability.cohen_kappa(*pairs(9, 0, 0, 0)) == 0.0
    assert reliability.cohen_kappa(*pairs(0, 0, 0, 9)) == 0.0
    assert reliability.cohen_kappa_interval(*pairs(19, 0, 0, 0), seed=1) == (0.0, 0.0, 0.0)


def test_raters_who_never_differ_have_an_interval():
    """Of 220 items 5 are marked; by Wilson 3.84 / 223.84 may differ, and by chance 10/220 x 215/220
    would.
    """
    value, low, high = reliability.cohen_kappa_interval(*pairs(5, 0, 0, 215), seed=1)
    by_chance = 1 - 2 * 5 / 220 * 215 / 220
    agreed = 1 - 3.8415 / 223.8415
    assert (value, high) == (1, 1)
    assert low == pytest.approx((agreed - by_chance) / (1 - by_chance), abs=1e-4)
    assert reliability.cohen_kappa_interval(*pairs(1, 0, 0, 11), seed=1)[1] == 0.0
    assert np.isnan(reliability.cohen_kappa_interval(*pairs(4, 0, 0, 4), seed=1)[1:]).all()


def test_kappa_of_many_samples_is_that_of_each():
    first, second = np.random.default_rng(0).random((2, 30, 40)) < [[[0.3]], [[0.4]]]
    expected = [cohen_kappa_score(a, b) for a, b in zip(first, second, strict=True)]
    assert reliability.cohen_kappa(first, second).tolist() == pytest.approx(expected)


def test_the_interval_resamples_items_with_both_marks():
    first, second = pairs(20, 5, 10, 15)
    found = reliability.cohen_kappa_interval(first.astype(int).tolist(), second, seed=3)
    draws = [
        reliability.cohen_kappa(first[sample], second[sample])
        for sample in intervals.resample_indices(50, 3, 1000)
    ]
    assert found == pytest.approx((0.4, *intervals.interval(draws, 50)))
    assert found[1] < 0.2 and 0.6 < found[2]
