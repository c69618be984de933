"""How far two scores of the same items agree: ranks, and the order of marked and unmarked items."""

import numpy as np
import scipy.stats

from emo_utils.stats import intervals


def spearman_interval(
    frame, first: str, second: str, unit: str, seed: int, resamples: int = 500
) -> tuple[float, float, float]:
    """Rank correlation of two columns over all rows without a gap, and its 95 % interval; whole
    units (questions, say) are resampled with all their rows.

    A column that says the same of every row correlates with nothing: 0. Raises ValueError where no
    row has both values.
    """
    frame = frame.dropna(subset=[first, second])
    if frame.empty:
        raise ValueError("no row has both values")
    values = frame[[first, second]].to_numpy(dtype=float)
    draws = [
        _spearman(values[rows]) for rows in intervals.resample_units(frame[unit], seed, resamples)
    ]
    return _spearman(values), *intervals.interval(np.array(draws))


def _spearman(values: np.ndarray) -> float:
    varies = (values != values[0]).any(axis=0).all()
    return float(scipy.stats.spearmanr(values[:, 0], values[:, 1]).statistic) if varies else 0.0


def auc(scores, marked) -> float:
    """Share of (marked, other) pairs in which the marked item scores higher, ties counting half.

    scores, marked: shape (items,); marked is 1 or 0. It is Mann and Whitney's U, by ranks, over
    n1 n2: the value of scikit-learn's `roc_auc_score` in a twentieth of the time, which a thousand
    resamples need.
    """
    marked, ranks = np.asarray(marked) == 1, scipy.stats.rankdata(scores)
    first, second = marked.sum(), (~marked).sum()
    return (ranks[marked].sum() - first * (first + 1) / 2) / (first * second)
