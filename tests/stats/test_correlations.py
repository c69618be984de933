"""Rank correlation and AUC with their intervals, against scipy, scikit-learn and counts by hand."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from emo_utils.stats import correlations, intervals


def test_rank_correlation_resamples_whole_units():
    """Two answers to each of 12 questions; the ranks agree within a question but not between its
    copies: the interval is that of questions.
    """
    frame = pd.DataFrame({"id": np.repeat(range(12), 2), "a": np.repeat(np.arange(12.0), 2)})
    frame["b"] = frame.a * 2 + 1
    assert correlations.spearman_interval(frame, "a", "b", "id", seed=1) == pytest.approx((1, 1, 1))
    noisy = frame.assign(b=np.random.default_rng(0).normal(size=24))
    value, low, high = correlations.spearman_interval(noisy, "a", "b", "id", seed=1)
    assert (
        value == pytest.approx(scipy.stats.spearmanr(noisy.a, noisy.b).statistic)
        and -1 <= low < value < high <= 1
    )
    assert correlations.spearman_interval(frame.assign(b=3.0), "a", "b", "id", seed=1) == (
        0.0,
        0.0,
        0.0,
    )
    with pytest.raises(ValueError, match="no row has both"):
        correlations.spearman_interval(frame.assign(b=math.nan), "a", "b", "id", seed=1)
    gap = frame.assign(b=frame.b.where(frame.index > 3))
    assert correlations.spearman_interval(gap, "a", "b", "id", seed=1)[0] == pytest.approx(1)


def test_a_rank_correlation_is_scipys_and_0_with_what_never_varies():
    scores, grades = [0.1, 0.4, 0.2, 0.4], [1, 3, 2, 2]
    expected = scipy.stats.spearmanr(scores, grades).statistic
    assert correlations.spearman(scores, grades) == pytest.approx(expected)
    assert correlations.spearman([1.0, 10.0, 2.0], pd.Series([5, 70, 6])) == pytest.approx(1.0)
    assert correlations.spearman(np.ones(3), [3, 2, 1]) == 0.0
    assert correlations.spearman([3, 2, 1], np.ones(3)) == 0.0


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_an_auc_is_scikit_learns(levels):
    """With few levels most pairs are ties."""
    generator = np.random.default_rng(levels)
    scores, marked = generator.integers(0, levels, size=80), generator.integers(0, 2, size=80)
    assert correlations.auc(scores, marked) == pytest.approx(roc_auc_score(marked, scores))
    assert correlations.auc(pd.Series(scores), marked == 1) == pytest.approx(
        roc_auc_score(marked, scores)
    )


def test_an_auc_by_hand():
    """Pairs of a marked and another item: .4 over .1, .4 with .4, .9 over both: 3.5 of 4."""
    assert correlations.auc([0.1, 0.4, 0.4, 0.9], [0, 0, 1, 1]) == 3.5 / 4
    assert correlations.auc([1, 2, 3], [0, 0, 1]) == 1 and correlations.auc([3, 2], [0, 1]) == 0


def test_an_auc_of_two_scores_an_item_resamples_whole_items():
    """The interval is that of Mann and Whitney's U of each sample, by scipy."""
    generator = np.random.default_rng(1)
    others = generator.integers(0, 6, size=25) / 10
    scores = others + generator.integers(-1, 4, size=25) / 10
    value, low, high = correlations.auc_interval(scores, others, seed=4)
    assert value == pytest.approx(roc_auc_score([1] * 25 + [0] * 25, [*scores, *others]))
    assert value == pytest.approx(correlations.auc([*scores, *others], [1] * 25 + [0] * 25))
    samples = intervals.resample_indices(25, seed=4)
    ranked = scipy.stats.mannwhitneyu(scores[samples], others[samples], axis=1)
    assert (low, high) == pytest.approx(intervals.interval(ranked.statistic / 25**2, 25))
    assert low < value < high
    alone = correlations.auc_interval([1.0], [0.0], seed=4)
    assert alone[0] == 1.0 and np.isnan(alone[1:]).all()  # one item has no interval


@pytest.mark.parametrize("n", [10, 20, 100])
def test_scores_that_are_told_apart_without_a_mistake_have_an_interval(n):
    """Resampling gives [1, 1]. At the limit, 1 lies 1.96 of Hanley and McNeil's errors away."""
    value, low, high = correlations.auc_interval(np.arange(n) + n, np.arange(n), seed=4)
    assert (value, high) == (1, 1)
    one_first, two_first = low / (2 - low), 2 * low**2 / (1 + low)
    squared = low * (1 - low) + (n - 1) * (one_first + two_first - 2 * low**2)
    assert 1 - low == pytest.approx(1.959964 * np.sqrt(squared) / n, abs=1e-6)
    turned = correlations.auc_interval(np.arange(n), np.arange(n) + n, seed=4)
    assert turned == pytest.approx((0, 0, 1 - low))


def test_who_looks_perfect_by_chance_is_held_by_the_interval():
    """If the AUC were the limit itself, fewer than one sample in twenty would look perfect."""
    low, _ = correlations.around_auc(1.0, (1.0, 1.0), 15, 15)
    generator, apart = np.random.default_rng(0), np.sqrt(2) * scipy.stats.norm.ppf(low)
    warm, plain = generator.normal(apart, size=(4000, 15)), generator.normal(size=(4000, 15))
    assert 0 < (warm.min(axis=1) > plain.max(axis=1)).mean() < 0.05


@pytest.mark.parametrize("n", [4, 30, 100])
def test_a_p_value_of_a_printed_r_is_scipys(n):
    """Scipy computes it from the data, of which `pearson_p` knows r and n alone."""
    pairs = np.random.default_rng(n).normal(size=(n, 2))
    plain = scipy.stats.pearsonr(*pairs.T)
    found = correlations.pearson_p(plain.statistic, n)
    assert found == pytest.approx(plain.pvalue)
    assert correlations.pearson_p(-plain.statistic, n) == pytest.approx(found)


def test_a_p_value_by_a_table_of_students_t():
    """r = 0.15 of 100 pairs is t = 1.502: two-sided, 98 degrees of freedom."""
    assert correlations.pearson_p(0.15, 100) == pytest.approx(0.1363, abs=1e-3)
    assert correlations.pearson_p(0.0, 100) == 1.0


def test_a_correlation_within_groups_does_not_see_the_groups_means():
    """Within a system the judges disagree at random; between systems they agree fully."""
    generator = np.random.default_rng(3)
    frame = pd.DataFrame({"id": np.tile(range(40), 2), "system": np.repeat(["a", "b"], 40)})
    frame["first"], frame["second"] = generator.normal(size=(2, 80))
    frame.loc[frame.system == "b", ["first", "second"]] += 10.0
    value, low, high = correlations.pearson_within_groups(
        frame["first"], frame["second"], frame.system, frame.id, seed=2
    )
    assert np.corrcoef(frame["first"], frame["second"])[0, 1] > 0.9 and low < 0 < high
    dummies = pd.get_dummies(frame.system).to_numpy(dtype=float)
    left = [
        values - dummies @ np.linalg.lstsq(dummies, values, rcond=None)[0]
        for values in (frame["first"].to_numpy(), frame["second"].to_numpy())
    ]
    assert value == pytest.approx(scipy.stats.pearsonr(*left).statistic)
    draws = [
        scipy.stats.pearsonr(left[0][rows], left[1][rows]).statistic
        for rows in intervals.resample_units(frame.id, 2)
    ]
    assert (low, high) == pytest.approx(intervals.interval(draws, 40))


def test_a_score_that_never_varies_within_groups_correlates_with_nothing():
    still, other = [1.0, 1.0, 3.0, 3.0], [1.0, 2.0, 3.0, 5.0]
    for pair in ((still, other), (other, still)):
        found = correlations.pearson_within_groups(*pair, list("aabb"), list("xyxy"), seed=0)
        assert all(map(math.isnan, found))
