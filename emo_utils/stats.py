"""Intervals: percentile bootstrap over test items, and over training seeds where there are several."""

import numpy as np

RESAMPLES = 2000


def resample_indices(n: int, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Bootstrap item indices, shape (resamples, n). The same seed gives the same items to every system, so that differences are paired."""
    return np.random.default_rng(seed).integers(0, n, size=(resamples, n))


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Central 95 % of bootstrap draws (percentile method)."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def mean_interval(values, seed: int) -> tuple[float, float, float]:
    """Mean and 95 % interval of per-item values; items are resampled. Raises ValueError without values or with a missing one."""
    values = np.asarray(values, dtype=float)
    if not len(values) or np.isnan(values).any():
        raise ValueError("every item needs a value: count and leave out the unscored ones first, and keep at least one")
    draws = values[resample_indices(len(values), seed)].mean(axis=1)
    return float(values.mean()), *interval(draws)


def mean_interval_over_seeds(values, seed: int) -> tuple[float, float, float]:
    """Mean and 95 % interval of values of shape (seeds, items): training seeds and items are both resampled, each seed with all its items.

    Raises ValueError for fewer than two seeds or a missing value.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) < 2 or not values.size or np.isnan(values).any():
        raise ValueError("values must be a table of at least two seeds by items without gaps")
    seeds, items = resample_indices(len(values), seed), resample_indices(values.shape[1], seed + 1)
    draws = [values[np.ix_(s, i)].mean() for s, i in zip(seeds, items, strict=True)]
    return float(values.mean()), *interval(np.array(draws))


def paired_difference(first, second, seed: int) -> tuple[float, float, float]:
    """Mean of first - second over the same items, with its 95 % interval."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape:
        raise ValueError(f"paired values must be over the same items, and there are {first.shape} and {second.shape}")
    return mean_interval(first - second, seed)
