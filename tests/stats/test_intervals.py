"""Intervals: against scipy's and statsmodels', by hand, and against coverage of the truth."""

import importlib.util
import json
import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint

from emo_utils.project import ROOT
from emo_utils.stats import intervals

# By its path: a package of its name may be installed.
spec = importlib.util.spec_from_file_location("interval_coverage", ROOT / "benchmarks/coverage.py")
coverage = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coverage)

NONE = (pytest.approx(float("nan"), nan_ok=True),) * 2


@pytest.mark.parametrize("n", [10, 12, 60, 400])
def test_the_interval_of_a_mean_and_its_p_value_are_scipys(n):
    values = np.random.default_rng(n).exponential(size=n)
    test = scipy.stats.ttest_1samp(values, 0.8)
    ends = test.confidence_interval(0.95)
    assert intervals.mean_interval(values) == pytest.approx((values.mean(), ends.low, ends.high))
    assert intervals.estimate(values).p(0.8) == pytest.approx(test.pvalue)


def test_below_ten_items_or_units_there_is_a_value_and_nothing_else():
    nine, ten = np.arange(9.0), np.arange(10.0)
    assert intervals.mean_interval(nine) == (4.0, *NONE)
    assert intervals.share_interval([0, 1, 1]) == (pytest.approx(2 / 3), *NONE)
    assert intervals.count_interval([0] * 9) == (0.0, *NONE)
    assert intervals.interval(np.arange(500), 9) == NONE
    assert math.isnan(intervals.estimate(nine).p())
    assert math.isnan(intervals.seeds_estimate(np.ones((3, 9))).interval()[0])
    assert math.isnan(intervals.drawn_estimate(1.0, np.arange(99), 9).p())
    # Ninety rows of nine questions are nine.
    assert intervals.mean_interval(np.arange(90.0), np.arange(90) % 9)[1:] == NONE
    assert intervals.share_interval(np.arange(90) % 2, np.arange(90) // 10)[1:] == NONE
    for found in (
        intervals.mean_interval(ten),
        intervals.share_interval([0] * 10),
        intervals.count_interval([0] * 10),
        intervals.mean_interval(np.arange(90.0), np.arange(90) % 10),
    ):
        assert found[1] < found[2]
    low, high = intervals.interval(np.arange(500), 10)
    assert 0 < low < high < 499


def test_values_that_are_missing_stop_it():
    for values in ([], [1.0, math.nan]):
        with pytest.raises(ValueError, match="every item needs a value"):
            intervals.mean_interval(values)


def test_items_without_spread_have_the_sign_test():
    """Ten of ten the same way: twice one half to the tenth."""
    assert intervals.estimate([0.3] * 10).p() == pytest.approx(2 * 0.5**10)
    assert intervals.estimate([0.0] * 10).p() == 1.0
    assert intervals.estimate([0.5] * 10).p(0.5) == 1.0


@pytest.mark.parametrize("n", [10, 23, 100])
@pytest.mark.parametrize("k", [0, 1, 7, 10])
def test_the_interval_of_a_share_is_wilsons(n, k):
    values = np.arange(n) < k
    found = intervals.share_interval(values)
    expected = proportion_confint(k, n, method="wilson")
    assert found == pytest.approx((k / n, *expected), abs=1e-12)
    assert found[2] > found[1]


def test_a_count_of_none_has_the_exact_interval_and_no_count_falls_below_0():
    """At a rate of 3.69 in n items, none would be found in 2.5 of 100 such samples."""
    value, low, high = intervals.count_interval([0] * 40)
    assert (value, low, high) == (0, 0, pytest.approx(scipy.stats.chi2.ppf(0.975, 2) / 2 / 40))
    rare = [0] * 19 + [3]
    assert intervals.mean_interval(rare)[1] < 0 == intervals.count_interval(rare)[1]
    # Four rows of one unit are one chance to find something.
    in_units = intervals.count_interval([0] * 40, np.arange(40) // 4)
    assert in_units[2] == pytest.approx(4 * high)


def test_whole_units_count_once_however_many_rows_they_have():
    """Each value written five times: the interval of the values, not of the rows."""
    values = np.random.default_rng(3).normal(size=30)
    rows, units = np.repeat(values, 5), np.repeat(np.arange(30), 5)
    assert intervals.mean_interval(rows, units) == pytest.approx(intervals.mean_interval(values))
    narrow = intervals.mean_interval(rows)
    assert narrow[2] - narrow[1] < 0.5 * np.ptp(intervals.mean_interval(values)[1:])
    marks = values > 0.4
    of_units = intervals.share_interval(np.repeat(marks, 5), units)
    assert of_units[2] - of_units[1] == pytest.approx(
        np.ptp(intervals.share_interval(marks)[1:]), rel=0.1
    )
    # None at all: as much as thirty questions say, and not a hundred and fifty.
    low, high = intervals.share_interval([0] * 150, units)[1:]
    assert low == 0 and high > 2 * intervals.share_interval([0] * 150)[2]


def test_units_of_several_sizes_are_those_of_a_regression_with_clusters():
    """The standard error is statsmodels' cluster-robust one of a mean, but for its factor
    (rows - 1) / rows.
    """
    generator = np.random.default_rng(0)
    units = np.repeat(np.arange(25), generator.integers(1, 6, size=25))
    values = generator.normal(size=25)[units] + generator.normal(size=len(units))
    fitted = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": units}, use_t=True
    )
    found = intervals.estimate(values, [f"q{unit}" for unit in units])
    assert found.value == pytest.approx(values.mean()) and found.freedom == 24
    assert found.error == pytest.approx(fitted.bse[0], rel=1e-9)
    assert intervals.mean_interval(values, units)[1:] == pytest.approx(
        tuple(fitted.conf_int()[0]), rel=1e-9
    )


def test_the_error_of_draws_is_that_of_the_mean():
    values = np.random.default_rng(2).exponential(size=40)
    mean, draws = intervals.mean_draws(values, seed=3)
    drawn, plain = intervals.drawn_estimate(mean, draws, 40), intervals.estimate(values)
    assert drawn.error == pytest.approx(plain.error, rel=0.06) and drawn.freedom == plain.freedom


def test_percentiles_reach_as_far_as_students_t():
    """Of ten items of a normal distribution: sqrt(10 / 9) x 2.262 standard errors."""
    draws = scipy.stats.norm.ppf(np.linspace(0, 1, 200_001)[1:-1])
    low, high = intervals.interval(draws, 10)
    assert (low, high) == (pytest.approx(-2.3845, abs=1e-3), pytest.approx(2.3845, abs=1e-3))
    assert intervals.interval(draws, 10**6)[1] == pytest.approx(1.96, abs=1e-3)
    assert intervals.interval([], 30) == NONE


@pytest.mark.parametrize("held", [1, 60, 1000, 59_999, 10**9])
def test_samples_drawn_in_parts_are_those_drawn_at_once(held, monkeypatch):
    values = np.random.default_rng(5).exponential(size=60)
    at_once = values[intervals.resample_indices(60, seed=3)].mean(axis=1)
    monkeypatch.setattr(intervals, "HELD", held)
    mean, draws = intervals.mean_draws(values, seed=3)
    assert mean == values.mean() and draws.tolist() == at_once.tolist()


def test_memory_of_draws_does_not_grow_with_the_items():
    values = np.random.default_rng(0).normal(size=50_000)
    tracemalloc.start()
    intervals.mean_draws(values, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 8 * intervals.HELD < 0.1 * 8 * intervals.RESAMPLES * len(values)


def test_the_same_seed_draws_the_same_items():
    drawn = intervals.resample_indices(7, seed=4)
    assert drawn.shape == (intervals.RESAMPLES, 7) and drawn.min() == 0 and drawn.max() == 6
    assert np.array_equal(drawn, intervals.resample_indices(7, seed=4))
    assert not np.array_equal(drawn, intervals.resample_indices(7, seed=5))
    assert intervals.resample_indices(3, seed=0, resamples=11).shape == (11, 3)


def test_units_are_drawn_whole():
    """Rows 0 and 2 belong together, and so do 1 and 3: they come and go together,
    and over many draws each as often.
    """
    draws = intervals.resample_units(["a", "b", "a", "b", "c"], seed=1, resamples=3000)
    counts = np.array([np.bincount(rows, minlength=5) for rows in draws])
    assert (counts[:, 0] == counts[:, 2]).all() and (counts[:, 1] == counts[:, 3]).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(5), abs=0.06)
    assert {rows.size for rows in draws} == {3, 4, 5, 6}


def test_an_interval_over_seeds_holds_the_spread_of_both():
    """Without spread over seeds it is the interval over items; without spread over items it is that
    over seeds; with both it is wider than each.
    """
    items = np.random.default_rng(0).normal(size=40)
    alike = np.tile(items, (3, 1))
    assert intervals.mean_interval_over_seeds(alike) == pytest.approx(
        intervals.mean_interval(items)
    )
    means = np.array([1.0, 2.0, 4.0])
    steady = np.tile(means[:, None], 40)
    of_three = scipy.stats.ttest_1samp(means, 0).confidence_interval()
    assert intervals.mean_interval_over_seeds(steady) == pytest.approx((7 / 3, *of_three))
    both = intervals.seeds_estimate(alike + steady)
    assert both.error > intervals.seeds_estimate(steady).error
    assert both.error**2 == pytest.approx(
        means.var(ddof=1) / 3 + items.var(ddof=1) / 40
    )  # nothing is left over: the two errors add up
    assert 2 < both.freedom < 39


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0]], [1.0, 2.0], [[1.0, float("nan")], [1.0, 2.0]], [[], []]]
)
def test_an_interval_over_seeds_needs_two_whole_rows(values):
    with pytest.raises(ValueError, match="at least two seeds"):
        intervals.mean_interval_over_seeds(values)


# Coverage: the benchmark with few samples, and that it measures what the package does

FEW = (10, 65)


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    generator, repeats, coverage.DRAWS = np.random.default_rng(0), coverage.BLOCK, 400
    rows = coverage.of_means(generator, repeats, FEW, with_bca=False) + coverage.of_shares()
    rows += coverage.of_units(generator, repeats, FEW) + coverage.of_seeds(generator, repeats)
    return pd.DataFrame(rows).set_index(["what", "data", "seeds", "n", "method"])


def test_the_methods_that_are_used_hold_the_truth_as_often_as_they_say(measured):
    """200 samples each: .95 within four standard deviations of such a share, .06."""
    held = measured.coverage
    for n in FEW:
        for data in ("normal", "differences of log-normal"):
            assert held["mean", data, 1, n, "Student t"] > 0.89
        assert held["units", "normal", 1, n, "Student t over units"] > 0.88
        assert held["units", "share of 0.3", 1, n, "Wilson over units"] > 0.88
        for share in coverage.SHARES:
            assert held["share", f"share of {share}", 1, n, "Wilson"] > 0.92
    assert (held["seeds"].xs("two-way t", level="method") > 0.85).all()


def test_the_methods_that_are_not_used_miss_it(measured):
    """What was wrong before: few items, rows taken for questions, one training for a method."""
    held = measured.coverage
    assert held["mean", "normal", 1, 10, "percentile bootstrap"] < 0.94
    assert held["share", "share of 0.02", 1, 20, "percentile bootstrap"] < 0.5
    for n in FEW:
        assert held["units", "normal", 1, n, "Student t over rows"] < 0.9
    one = held["seeds", "trainings spread by 0.3", 3, 65, "one checkpoint, items alone"]
    assert one < 0.8 < held["seeds", "trainings spread by 0.3", 3, 65, "two-way t"]


def test_what_is_measured_is_what_the_package_computes():
    generator = np.random.default_rng(4)
    values = generator.exponential(size=(3, 20))
    low, high = coverage.student(values)
    for k in range(3):
        assert intervals.mean_interval(values[k])[1:] == pytest.approx((low[k], high[k]))
    seeds = generator.normal(size=(2, 3, 15)) + 0.3 * generator.normal(size=(2, 3, 1))
    low, high = coverage.two_way(seeds)
    for k in range(2):
        assert intervals.mean_interval_over_seeds(seeds[k])[1:] == pytest.approx((low[k], high[k]))
    sizes = np.array([1, 4, 2, 3, 1, 2, 4, 3, 2, 1, 3])
    units = np.repeat(np.arange(11), sizes)
    marks = generator.random(len(units)) < 0.4
    sums = np.bincount(units, weights=marks)
    mean, error = coverage.unit_error(sums[None], sizes[None])
    ends = coverage.effective_wilson(mean, error, 11)
    found = intervals.share_interval(marks, units)
    assert found == pytest.approx((mean[0], ends[0][0], ends[1][0]))
    draws = generator.normal(size=500)
    assert intervals.interval(draws, 14) == pytest.approx(coverage.widened_percentile(draws, 14))


def test_the_kept_figures_are_those_that_the_module_names():
    """The words of `emo_utils/stats/intervals.py` against the kept record."""
    kept = json.loads(coverage.KEPT.read_text(encoding="utf-8"))
    held = pd.DataFrame(kept["table"]).set_index(["what", "data", "seeds", "n", "method"]).coverage
    named = {
        ("mean", "normal", 1, 10, "percentile bootstrap"),
        ("mean", "normal", 1, 10, "Student t"),
        ("mean", "differences of log-normal", 1, 10, "BCa bootstrap"),
        ("mean", "differences of log-normal", 1, 10, "Student t"),
        ("mean", "log-normal", 1, 10, "Student t"),
        ("mean", "log-normal", 1, 100, "Student t"),
        ("share", "share of 0.02", 1, 20, "percentile bootstrap"),
        ("share", "share of 0.02", 1, 20, "Wilson"),
        ("units", "normal", 1, 65, "Student t over rows"),
        ("units", "normal", 1, 65, "Student t over units"),
        ("seeds", "trainings spread by 0.3", 3, 65, "one checkpoint, items alone"),
        ("seeds", "trainings spread by 0.3", 3, 65, "bootstrap of seeds and items"),
        ("seeds", "trainings spread by 0.3", 3, 65, "two-way t"),
    }
    words = " ".join(intervals.__doc__.split())
    for key in named:
        assert f"{100 * held[key]:.0f} %" in words, key
