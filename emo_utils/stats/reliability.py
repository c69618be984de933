"""Agreement between raters."""

import numpy as np

from emo_utils.stats import intervals


def cohen_kappa(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cohen's kappa of two raters' yes or no, over the last axis (Cohen, 1960): the agreement
    beyond chance, over the most that was possible; 0 where both say the same of everything.

    first, second: boolean, of the same shape (..., items); returns shape (...).
    """
    agreed = (first == second).mean(axis=-1)
    yes, yes_too = first.mean(axis=-1), second.mean(axis=-1)
    by_chance = yes * yes_too + (1 - yes) * (1 - yes_too)
    return (agreed - by_chance) / np.where(by_chance < 1, 1 - by_chance, 1)


def cohen_kappa_interval(
    first, second, seed: int, resamples: int = 1000
) -> tuple[float, float, float]:
    """Cohen's kappa of two raters' yes or no on the same items, with its 95 % bootstrap interval
    over the items. (All samples at once: scikit-learn's kappa would be called for each.)

    Raters who never differ do not in any sample either: the lower end is then the kappa at the most
    disagreement that Wilson's interval allows, with as many marks as they gave.
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    value = float(cohen_kappa(first, second))
    samples = intervals.resample_indices(len(first), seed, resamples)
    low, high = intervals.interval(cohen_kappa(first[samples], second[samples]), len(first))
    if value == 1 and not np.isnan(low):
        differ, yes = intervals.share_interval(first != second)[2], first.mean()
        low = max(0.0, float(1 - differ / (2 * yes * (1 - yes))))
    return value, low, high


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Krippendorff's alpha for ordinal values (Krippendorff, 2011): 1 - observed over expected
    disagreement; NaN where all values are equal.

    counts: how many raters gave each value to each item, shape (items, values), values in order;
    items with one rating say nothing. (The package krippendorff gives the same to 1e-14 and is
    under the GPL, which this project is not.)
    """
    counts = counts[counts.sum(axis=1) > 1].astype(float)
    given = counts.sum(axis=1, keepdims=True)
    pairs = (counts.T @ (counts / (given - 1))) - np.diag((counts / (given - 1)).sum(axis=0))
    totals = pairs.sum(axis=1)
    place = (
        np.cumsum(totals) - totals / 2
    )  # so that the distance of two values is the number of ratings between them
    distance = (place[:, None] - place[None]) ** 2
    expected = (np.outer(totals, totals) * distance).sum()
    return (
        float(1 - (totals.sum() - 1) * (pairs * distance).sum() / expected)
        if expected
        else float("nan")
    )
