"""Bootstrap intervals, against scipy's, against coverage of the truth and against sums by hand."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.stats

from emo_utils.stats import intervals


@pytest.fixture
def samples() -> np.ndarray:
    """A skewed sample: where a percentile interval is not symmetric,
    so that swapped or mirrored ends would show.
    """
    return np.random.default_rng(5).exponential(size=60)


@pytest.mark.parametrize("n", [12, 60, 400])
def test_mean_interval_agrees_with_scipy(n):
    values = np.random.default_rng(n).exponential(size=n)
    reference = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20000, rng=np.random.default_rng(1)
    ).confidence_interval
    mean, low, high = intervals.mean_interval(values, seed=3)
    # The ends of 2,000 draws scatter by about 0.06 standard errors around their limit.
    tolerance = 0.2 * values.std() / math.sqrt(n)
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(reference.low, abs=tolerance) and high == pytest.approx(
        reference.high, abs=tolerance
    )


@pytest.mark.parametrize("held", [1, 60, 1000, 59_999, 10**9])
def test_samples_drawn_in_parts_are_those_drawn_at_once(held, samples, monkeypatch):
    at_once = samples[intervals.resample_indices(len(samples), seed=3)].mean(axis=1)
    monkeypatch.setattr(intervals, "HELD", held)
    mean, draws = intervals.mean_draws(samples, seed=3)
    assert mean == samples.mean() and draws.tolist() == at_once.tolist()


def test_memory_of_an_interval_does_not_grow_with_its_items():
    values = np.random.default_rng(0).normal(size=50_000)
    tracemalloc.start()
    intervals.mean_interval(values, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 8 * intervals.HELD < 0.1 * 8 * intervals.RESAMPLES * len(values)


def test_interval_is_the_central_95_percent():
    assert intervals.interval(np.arange(1001)) == (25.0, 975.0)
    assert intervals.interval(np.arange(1001)[::-1]) == (25.0, 975.0)


def test_edge_cases_by_hand():
    assert intervals.mean_interval([3], seed=0) == (3.0, 3.0, 3.0)
    assert intervals.mean_interval([0.5] * 9, seed=0) == (0.5, 0.5, 0.5)
    # Two values: a draw is 0, .5 or 1 with chances 1/4, 1/2, 1/4, so each end lies at a value.
    assert intervals.mean_interval([0, 1], seed=0) == (0.5, 0.0, 1.0)
    with pytest.raises(ValueError, match="every item needs a value"):
        intervals.mean_interval([], seed=0)


def test_the_same_seed_draws_the_same_items():
    drawn = intervals.resample_indices(7, seed=4)
    assert drawn.shape == (intervals.RESAMPLES, 7) and drawn.min() == 0 and drawn.max() == 6
    assert np.array_equal(drawn, intervals.resample_indices(7, seed=4))
    assert not np.array_equal(drawn, intervals.resample_indices(7, seed=5))
    assert intervals.resample_indices(3, seed=0, resamples=11).shape == (11, 3)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    """500 samples of 40 normal values: the percentile interval,
    a little narrow at this size, covers some 94 %.
    """
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(500):
        _, low, high = intervals.mean_interval(generator.normal(2.0, 1.0, size=40), seed=trial)
        covered += low <= 2.0 <= high
    assert 0.91 <= covered / 500 <= 0.97


def test_units_are_drawn_whole():
    """Rows 0 and 2 belong together, and so do 1 and 3: they come and go together,
    and over many draws each as often.
    """
    draws = intervals.resample_units(["a", "b", "a", "b", "c"], seed=1, resamples=3000)
    counts = np.array([np.bincount(rows, minlength=5) for rows in draws])
    assert (counts[:, 0] == counts[:, 2]).all() and (counts[:, 1] == counts[:, 3]).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(5), abs=0.06)
    assert {rows.size for rows in draws} == {3, 4, 5, 6}


def test_an_interval_over_units_is_that_of_their_sums():
    """Units of one, two and three rows, by hand: sums of the drawn units over their rows."""
    values, units = np.array([1.0, 0.0, 2.0, 5.0, 4.0, 3.0]), list("abbccc")
    value, low, high = intervals.mean_interval_over_units(values, units, seed=6)
    assert value == pytest.approx(2.5)
    sums, rows = np.array([1.0, 2.0, 12.0]), np.array([1, 2, 3])
    drawn = intervals.resample_indices(3, 6, resamples=500)
    by_hand = sums[drawn].sum(axis=1) / rows[drawn].sum(axis=1)
    assert (low, high) == pytest.approx(intervals.interval(by_hand))
    # Marks (True and False) count as 1 and 0.
    assert intervals.mean_interval_over_units([True, False], ["a", "b"], seed=6)[0] == 0.5


def test_an_interval_over_seeds_holds_the_spread_of_both():
    """Without spread over seeds it is the interval over items; without spread over items it is that
    over seeds; with both it is wider than each.
    """
    items = np.random.default_rng(0).normal(size=40)
    alike = np.tile(items, (3, 1))
    value, low, high = intervals.mean_interval_over_seeds(alike, 5)
    assert value == pytest.approx(items.mean())
    _, item_low, item_high = intervals.mean_interval(items, 6)
    assert high - low == pytest.approx(item_high - item_low, rel=0.1)
    steady = np.tile([[1.0], [2.0], [4.0]], 40)
    value, low, high = intervals.mean_interval_over_seeds(steady, 5)
    # Means of three draws out of 1, 2, 4: 1 and 4 have a probability of 1/27 each, above 2.5 %.
    assert (value, low, high) == (pytest.approx(7 / 3), pytest.approx(1.0), pytest.approx(4.0))
    _, low, high = intervals.mean_interval_over_seeds(alike + steady, 5)
    assert high - low == pytest.approx(
        3.0, rel=0.1
    )  # the seeds, three draws of far values, outweigh forty items


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0]], [1.0, 2.0], [[1.0, float("nan")], [1.0, 2.0]], [[], []]]
)
def test_an_interval_over_seeds_needs_two_whole_rows(values):
    with pytest.raises(ValueError, match="at least two seeds"):
        intervals.mean_interval_over_seeds(values, 0)
