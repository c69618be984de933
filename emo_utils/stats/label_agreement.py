"""How far a score follows what people said of the same items: labels of two values, grades, shares.

Whole units are resampled for the intervals: a conversation with all its replies, a talk with all
its summaries.
"""

import numpy as np
import scipy.stats

from emo_utils.stats import correlations, intervals


def agreement(scores, labels) -> float:
    """AUC for labels 0 and 1, Spearman's correlation for graded ones."""
    if set(np.unique(labels)) == {0, 1}:
        return correlations.auc(scores, labels)
    return correlations.spearman(scores, labels)


def agreement_interval(
    scores, labels, units, seed: int, resamples: int = 1000
) -> tuple[float, float, float]:
    """`agreement` and its 95 % interval; whole units are resampled, and samples with fewer than
    three different labels (two, where there are no more) are left out. NaN below
    `intervals.ENOUGH` units.

    scores, labels, units: one an item, without gaps.
    """
    scores, labels = np.asarray(scores, dtype=float), np.asarray(labels, dtype=float)
    value, count = agreement(scores, labels), len(set(units))
    if count < intervals.ENOUGH:
        return value, *intervals.NO_INTERVAL
    enough = min(len(set(labels)), 3)
    draws = [
        agreement(scores[rows], labels[rows])
        for rows in intervals.resample_units(units, seed, resamples)
        if len(set(labels[rows])) >= enough
    ]
    interval = intervals.interval(draws, count)
    if set(np.unique(labels)) == {0, 1}:
        units = np.asarray(units)
        sides = (len(set(units[labels == label])) for label in (1, 0))
        interval = correlations.around_auc(value, interval, *sides)
    return value, *interval


def pearson(scores, labels) -> float:
    """Linear correlation; 0 where one of the two never varies."""
    varies = len(set(scores)) > 1 and len(set(labels)) > 1
    return float(scipy.stats.pearsonr(scores, labels).statistic) if varies else 0.0


def fifths(shares) -> np.ndarray:
    """The fifth of [0, 1], 0 to 4, that each share lies in."""
    return np.minimum((np.asarray(shares, dtype=float) * 5).astype(int), 4)


def weighted_kappa(scores, labels) -> float:
    """Agreement of two shares in fifths beyond chance, by squared distances (Cohen, 1968); 0 where
    both lie in one fifth throughout.
    """
    from sklearn.metrics import cohen_kappa_score  # a second to import

    return float(
        cohen_kappa_score(
            fifths(scores),
            fifths(labels),
            weights="quadratic",
            labels=range(5),
            replace_undefined_by=0.0,
        )
    )


def by_fifths(scores, labels) -> dict[float, np.ndarray]:
    """Mean score in each fifth of [0, 1] that holds any -> the labels of its items.

    For a calibrated probability the mean of the labels is the mean score.
    """
    scores, labels = np.asarray(scores, dtype=float), np.asarray(labels, dtype=float)
    places = fifths(scores)
    return {float(scores[places == k].mean()): labels[places == k] for k in np.unique(places)}
