"""Bootstrap intervals over test items, and how items are drawn for them."""

import numpy as np

RESAMPLES = 2000
HELD = 2_000_000  # items of samples in memory at once


def resample_indices(n: int, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Bootstrap item indices, shape (resamples, n).

    The same seed gives the same items to every system, so that differences are paired.
    """
    return np.random.default_rng(seed).integers(0, n, size=(resamples, n))


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Central 95 % of bootstrap draws (percentile method)."""
    return tuple(np.percentile(draws, [2.5, 97.5]).tolist())


def mean_draws(values, seed: int) -> tuple[float, np.ndarray]:
    """Mean of per-item values and that of each bootstrap sample, shape (RESAMPLES,): those of
    `resample_indices`, drawn in parts that hold at most `HELD` items, whatever the number of items.
    """
    values, generator = np.asarray(values, dtype=float), np.random.default_rng(seed)
    part = max(1, HELD // len(values))
    samples = (
        generator.integers(0, len(values), size=(min(part, RESAMPLES - start), len(values)))
        for start in range(0, RESAMPLES, part)
    )
    return float(values.mean()), np.concatenate(
        [values[indices].mean(axis=1) for indices in samples]
    )


def mean_interval(values, seed: int) -> tuple[float, float, float]:
    """Mean and 95 % interval of per-item values; items are resampled.

    Raises ValueError without values or with a missing one.
    """
    values = np.asarray(values, dtype=float)
    if not len(values) or np.isnan(values).any():
        raise ValueError(
            "every item needs a value: count and leave out the unscored ones first, "
            "and keep at least one"
        )
    mean, draws = mean_draws(values, seed)
    return mean, *interval(draws)


def resample_units(units, seed: int, resamples: int = 500) -> list[np.ndarray]:
    """Bootstrap samples of whole units (a conversation with all its replies):
    arrays of row indices.

    units: one a row.
    """
    found: dict = {}
    for row, unit in enumerate(units):
        found.setdefault(unit, []).append(row)
    rows = [np.array(indices) for indices in found.values()]
    return [
        np.concatenate([rows[i] for i in sample])
        for sample in resample_indices(len(rows), seed, resamples)
    ]


def mean_interval_over_units(values, units, seed: int) -> tuple[float, float, float]:
    """Mean and 95 % interval of one value a row; whole units (a situation with all its dialogues)
    are resampled.

    units: one a row; equal ones belong together.
    """
    values = np.asarray(values, dtype=float)
    draws = [values[rows].mean() for rows in resample_units(units, seed)]
    return float(values.mean()), *interval(np.array(draws))


def mean_interval_over_seeds(values, seed: int) -> tuple[float, float, float]:
    """Mean and 95 % interval of values of shape (seeds, items): training seeds and items are both
    resampled, each seed with all its items.

    Raises ValueError for fewer than two seeds or a missing value.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) < 2 or not values.size or np.isnan(values).any():
        raise ValueError("values must be a table of at least two seeds by items without gaps")
    seeds = resample_indices(len(values), seed)
    items = resample_indices(values.shape[1], seed + 1)
    draws = [values[np.ix_(s, i)].mean() for s, i in zip(seeds, items, strict=True)]
    return float(values.mean()), *interval(np.array(draws))
