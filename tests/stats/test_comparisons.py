"""Whether systems differ: permutation test, Holm and power, by hand and against scipy and
statsmodels.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from emo_utils.stats import comparisons, intervals


def test_the_permutation_test_is_that_of_all_sign_patterns():
    """Six differences: 64 sign patterns, counted by hand in plain Python."""
    d = [0.3, -0.1, 0.4, 0.25, 0.05, 0.6]
    means = [
        sum(s * x for s, x in zip(signs, d)) / 6 for signs in itertools.product([1, -1], repeat=6)
    ]
    exact = (
        2
        * min(sum(m >= means[0] - 1e-12 for m in means), sum(m <= means[0] + 1e-12 for m in means))
        / 64
    )
    assert comparisons.permutation_p(d, 0) == pytest.approx(min(exact, 1.0))
    assert (
        comparisons.permutation_p([0.0] * 8, 0) == 1.0
        and comparisons.permutation_p(np.full(30, 0.2), 1) < 0.001
    )


def test_holm_on_a_hand_computed_case():
    """Sorted .01, .02, .03, .04 times 4, 3, 2, 1: .04, .06, .06, .04,
    which may not fall again: .06.
    """
    assert comparisons.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert comparisons.holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert comparisons.holm([]).tolist() == []
    some = comparisons.holm([0.04, np.nan, 0.01])
    assert some[[0, 2]] == pytest.approx([0.04, 0.02]) and np.isnan(some[1])
    assert np.isnan(comparisons.holm([np.nan])).all()


def test_holm_is_the_closed_test_of_bonferronis():
    """By its definition: a hypothesis falls where every set that holds it falls, by Bonferroni; so
    its adjusted p-value is the largest of (size of a set) x (least p-value in it).
    """
    p_values = np.random.default_rng(2).beta(0.4, 2, size=7)
    sets = [s for size in range(1, 8) for s in itertools.combinations(range(7), size)]
    closed = [
        max(min(1.0, len(s) * min(p_values[list(s)])) for s in sets if item in s)
        for item in range(7)
    ]
    assert comparisons.holm(p_values) == pytest.approx(closed, abs=1e-12)
    theirs = multipletests(p_values, method="holm")[1]
    assert comparisons.holm(p_values).tolist() == theirs.tolist()


def test_the_detectable_difference_is_found_as_often_as_it_says():
    """Of many samples around a true difference of that size, about 80 % have a t-test below 5 %."""
    rng = np.random.default_rng(0)
    size = comparisons.detectable(rng.normal(size=100_000)) * np.sqrt(
        100_000 / 60
    )  # for 60 pairs of standard deviation 1
    samples = rng.normal(size, 1, size=(4000, 60))
    assert (scipy.stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(
        0.8, abs=0.03
    )


@pytest.mark.parametrize("n", [2, 3, 5, 12, 60, 400, 10_000])
def test_the_detectable_difference_has_its_power_by_the_noncentral_t(n):
    """The power of a two-sided t-test, from scipy's noncentral t-distribution."""
    differences = np.random.default_rng(n).exponential(size=n)
    size = comparisons.detectable(differences) / differences.std(ddof=1)
    limit, away = scipy.stats.t.ppf(0.975, n - 1), size * np.sqrt(n)
    power = scipy.stats.nct.sf(limit, n - 1, away) + scipy.stats.nct.cdf(-limit, n - 1, away)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_the_detectable_difference_is_in_the_units_of_the_differences():
    differences = np.random.default_rng(0).normal(size=30)
    assert comparisons.detectable(100 * differences + 7) == pytest.approx(
        100 * comparisons.detectable(differences)
    )
    assert comparisons.detectable([0.2] * 5) == pytest.approx(0, abs=1e-9)
    assert np.isnan(comparisons.detectable([0.2])) and np.isnan(comparisons.detectable([]))


EIGHT = np.linspace(0.1, 0.8, 8)


def test_paired_differences_are_those_of_the_items_that_both_have():
    scores = pd.DataFrame(
        {
            "plain": [0.1, 0.2, 0.3, 0.4, np.nan, *EIGHT],
            "warm": [0.5, 0.5, 0.2, 0.9, 0.9, *(EIGHT + 0.1)],
            "same": [0.1, 0.2, 0.3, 0.4, 0.5, *EIGHT],
            "few": [0.1, 0.2, 0.3, 0.9, 0.5, *[np.nan] * 8],
        },
        index=[f"q{k}" for k in range(13)],
    )
    pairs = [("warm", "plain"), ("same", "plain"), ("warm", "same"), ("few", "plain")]
    table = comparisons.paired_differences(scores, pairs, seed=3)
    assert list(zip(table.system, table.minus)) == pairs and table.n.tolist() == [12, 12, 13, 4]
    assert table.value.tolist() == pytest.approx([1.9 / 12, 0.0, 2.3 / 13, 0.5 / 4])
    differences = [0.4, 0.3, -0.1, 0.5, *[0.1] * 8]
    first = table.iloc[0]
    assert (first.ci_low, first.ci_high) == pytest.approx(intervals.mean_interval(differences)[1:])
    assert first.p == pytest.approx(comparisons.permutation_p(differences, 3))
    assert first.detectable == pytest.approx(comparisons.detectable(differences))
    assert table.p_holm[:3].tolist() == pytest.approx(comparisons.holm(table.p[:3]).tolist())
    assert (table.p_holm >= table.p)[:3].all() and table.p[1] == 1.0
    # Four questions decide nothing, and are no test among the others.
    assert table.iloc[3][["ci_low", "ci_high", "p", "p_holm"]].isna().all()
