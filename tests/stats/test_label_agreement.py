"""Agreement of a score with people's labels, against scipy, scikit-learn and counts by hand."""

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from emo_utils.stats import intervals, label_agreement


def test_labels_of_two_values_have_an_auc_and_grades_a_rank_correlation():
    scores, labels = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1, 0, 0, 1])
    assert label_agreement.agreement(scores, labels) == pytest.approx(3.5 / 4)
    assert label_agreement.agreement(scores, labels) == roc_auc_score(labels, scores)
    grades = [1, 2.5, 2, 4]
    assert label_agreement.agreement(scores, grades) == pytest.approx(
        scipy.stats.spearmanr(scores, grades).statistic
    )
    assert label_agreement.agreement([2.0] * 4, grades) == 0.0


def counted_auc(scores, labels) -> float:
    """The share of pairs of a 1 and a 0 in which the 1 has the higher score, a tie for half."""
    higher = scores[labels == 1][:, None] - scores[labels == 0]
    return float((higher > 0).mean() + (higher == 0).mean() / 2)


def test_the_interval_is_that_of_whole_units():
    scores, labels = np.array([1.0, 2, 3, 4, 5, 6, 7, 8]), np.array([0, 0, 0, 1, 0, 1, 1, 1])
    value, low, high = label_agreement.agreement_interval(scores, labels, range(8), seed=42)
    assert value == 15 / 16 and np.isnan([low, high]).all()  # of eight there is no interval
    # Twelve units of four rows each; a sample may hold one of them several times.
    scores, labels = np.tile(scores, 6) + np.repeat(range(6), 8) / 10, np.tile(labels, 6)
    units = np.arange(48) % 12
    draws = [
        counted_auc(scores[rows], labels[rows]) for rows in intervals.resample_units(units, 1, 1000)
    ]
    value, low, high = label_agreement.agreement_interval(scores, labels, units, seed=1)
    assert (low, high) == pytest.approx(intervals.interval(draws, 12)) and low < value < high


def test_samples_without_one_of_two_labels_are_left_out():
    """One unit has the other label: only samples with it say anything, and those agree fully, which
    one unit cannot show.
    """
    scores, labels = [*np.arange(11.0), 20.0], [0] * 11 + [1]
    value, low, high = label_agreement.agreement_interval(
        scores, labels, list("abcdefghijkl"), seed=3
    )
    assert value == high == 1 and 0 < low < 0.5


def test_a_correlation_with_what_never_varies_is_0():
    assert label_agreement.pearson([1.0, 2, 4], [3, 2, 1]) == pytest.approx(
        np.corrcoef([1, 2, 4], [3, 2, 1])[0, 1]
    )
    assert label_agreement.pearson([2.0, 2, 2], [3, 2, 1]) == 0.0
    assert label_agreement.pearson([1.0, 2, 4], [3, 3, 3]) == 0.0


def test_weighted_kappa_by_hand():
    """Fifths 0, 4, 4, 2 against 0, 4, 2, 2: by the formula with squared distances,
    1 - 4 / (sum of expected ones / 4) by hand.
    """
    mine, theirs = [0.1, 0.95, 1.0, 0.5], [0.0, 0.9, 0.5, 0.45]
    fifths = ([0, 4, 4, 2], [0, 4, 2, 2])
    assert label_agreement.fifths(mine).tolist() == fifths[0]
    expected = sum((a - b) ** 2 for a in fifths[0] for b in fifths[1]) / 4
    assert label_agreement.weighted_kappa(mine, theirs) == pytest.approx(1 - 4 / expected)
    assert label_agreement.weighted_kappa([0.5, 0.5], [0.5, 0.5]) == 0.0


def test_labels_are_collected_by_fifths_of_the_score():
    found = label_agreement.by_fifths([0.1, 0.3, 0.9, 0.9], [0, 1, 1, 0])
    assert list(found) == pytest.approx([0.1, 0.3, 0.9])
    assert [labels.tolist() for labels in found.values()] == [[0.0], [1.0], [1.0, 0.0]]
    assert label_agreement.by_fifths([], []) == {}
