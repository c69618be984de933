"""How far two scores of the same items agree: ranks, and the order of marked and unmarked items."""

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.special
import scipy.stats

from emo_utils.stats import intervals


def spearman_interval(
    frame, first: str, second: str, unit: str, seed: int, resamples: int = 500
) -> tuple[float, float, float]:
    """Rank correlation of two columns over all rows without a gap, and its 95 % interval; whole
    units (questions, say) are resampled with all their rows.

    Raises ValueError where no row has both values.
    """
    frame = frame.dropna(subset=[first, second])
    if frame.empty:
        raise ValueError("no row has both values")
    one, other = frame[[first, second]].to_numpy(dtype=float).T
    samples = intervals.resample_units(frame[unit], seed, resamples)
    draws = [spearman(one[rows], other[rows]) for rows in samples]
    return spearman(one, other), *intervals.interval(draws, frame[unit].nunique())


def spearman(first, second) -> float:
    """Rank correlation of two scores of the same items, without gaps; a score that says the same of
    every item correlates with nothing: 0.
    """
    varies = np.ptp(first) > 0 and np.ptp(second) > 0
    return float(scipy.stats.spearmanr(first, second).statistic) if varies else 0.0


def auc(scores, marked) -> float:
    """Share of (marked, other) pairs in which the marked item scores higher, ties counting half.

    scores, marked: shape (items,); marked is 1 or 0. It is Mann and Whitney's U, by ranks, over
    n1 n2: the value of scikit-learn's `roc_auc_score` in a twentieth of the time, which a thousand
    resamples need.
    """
    marked, ranks = np.asarray(marked) == 1, scipy.stats.rankdata(scores)
    first, second = marked.sum(), (~marked).sum()
    return (ranks[marked].sum() - first * (first + 1) / 2) / (first * second)


def pearson_p(r: float, n: int) -> float:
    """Two-sided p-value of Pearson's r of n pairs if nothing correlated: r by its t-distribution
    with n - 2 degrees of freedom, for a printed r whose data are not at hand.
    """
    t = abs(r) * ((n - 2) / (1 - r * r)) ** 0.5
    return float(2 * scipy.stats.t.sf(t, n - 2))


def auc_interval(scores, others, seed: int) -> tuple[float, float, float]:
    """`auc` of two scores an item, the first as marked, and its 95 % interval; items are resampled
    with both.

    scores, others: shape (items,). How often a sample holds an item weighs that item's row and
    column in the table of all pairs, so that no sample is ranked anew.
    """
    scores, others = np.asarray(scores, dtype=float)[:, None], np.asarray(others, dtype=float)
    higher = (scores > others) + (scores == others) / 2
    items = len(higher)
    samples = intervals.resample_indices(items, seed)
    times = np.stack([np.bincount(sample, minlength=items) for sample in samples])
    draws = ((times @ higher) * times).sum(axis=1) / items**2
    value = float(higher.mean())
    return value, *around_auc(value, intervals.interval(draws, items), items, items)


def around_auc(
    value: float, interval: tuple[float, float], first: int, second: int
) -> tuple[float, float]:
    """The 95 % interval of an AUC, also where it is 1 or 0: every sample of items that two scores
    tell apart without a mistake tells them apart, too, so that resampling sees no spread.

    There the far end is the AUC from which a perfect one lies 1.96 standard errors away (Newcombe,
    2006, method 5: those of Hanley and McNeil). NaN stays NaN.

    interval: by resampling. first, second: how many items, or whole units, are marked and are not.
    """
    low, high = interval
    if np.isnan(low) or value not in (0, 1):
        return low, high
    pairs, others = first * second, (first + second) / 2 - 1
    reach = scipy.special.ndtri(0.975) ** 2

    def inside(auc):  # (1 - auc)^2 less the squared reach, divided by 1 - auc
        spread = 1 + others * ((1 - auc) / (2 - auc) + auc / (1 + auc))
        return 1 - auc - reach * auc * spread / pairs

    far = float(scipy.optimize.brentq(inside, 0, 1))
    return (far, 1.0) if value else (0.0, 1 - far)


def pearson_within_groups(first, second, groups, units, seed: int) -> tuple[float, float, float]:
    """Pearson's r of two scores less each group's mean, and its 95 % interval: how far the scores
    agree on items of one group, whatever they say of the groups.

    first, second, groups, units: one a row. Whole units are resampled with all their rows, the
    groups' means stay those of all rows, and samples in which one score never varies are left out;
    NaN where it never varies at all.
    """
    scores = pd.DataFrame({"first": np.asarray(first), "second": np.asarray(second)}, dtype=float)
    left = (scores - scores.groupby(np.asarray(groups)).transform("mean")).to_numpy()
    samples = [_pearson(left[rows]) for rows in intervals.resample_units(units, seed)]
    draws = [r for r in samples if np.isfinite(r)]
    return _pearson(left), *intervals.interval(draws, len(set(units)))


def _pearson(pairs: np.ndarray) -> float:
    varies = (np.ptp(pairs, axis=0) > 1e-9).all()
    return float(np.corrcoef(pairs.T)[0, 1]) if varies else float("nan")


def pearson_interval(
    first, second, seed: int, resamples: int = intervals.RESAMPLES
) -> tuple[float, float, float]:
    """Pearson's r of paired values and its 95 % interval; pairs are resampled, and samples in which
    one side is constant are left out.

    NaN where one is constant.
    """
    pairs = np.column_stack([first, second]).astype(float)
    if (np.ptp(pairs, axis=0) == 0).any():
        return (float("nan"),) * 3
    draws = [
        np.corrcoef(pairs[i].T)[0, 1]
        for i in intervals.resample_indices(len(pairs), seed, resamples)
        if (np.ptp(pairs[i], axis=0) > 0).all()
    ]
    return float(np.corrcoef(pairs.T)[0, 1]), *intervals.interval(draws, len(pairs))
