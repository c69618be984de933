"""95 % intervals, one rule for all: below `ENOUGH` items there is none, from there on a method
whose coverage was measured.

`benchmarks/coverage.py` measured it (`book/reference/coverage.json`, drawn on the page of intervals
and verdicts), and the figures chose. *Means*: Student's t. Of ten normal values its intervals hold
the truth in 95 % of samples, percentiles of a bootstrap in 90 %; of ten differences of two skewed
scores t in 97 %, scipy's BCa bootstrap in 83 %. For skewed scores themselves no method reaches
95 %: of log-normal ones t holds it in 84 % at n = 10 and in 92 % at n = 100, BCa in hardly more.
*Shares*: Wilson's interval, whose coverage lies nearest to 95 % (Clopper and Pearson's lies above);
of a share of .02 at n = 20 it is 94 %, that of a bootstrap 33 %. *Whole units* (65 questions with
their pairs): 95 % by the t over units, 83 % where rows are taken for units. *Seeds and items*:
where trainings differ much, three of them and 65 items give 94 % with crossed effects, 92 % with a
two-level bootstrap, and one checkpoint alone 70 %. *Other statistics* have percentiles of a
bootstrap that reach as far out as Student's t does.
"""

from dataclasses import dataclass

import numpy as np
import scipy.special

ENOUGH = 10  # items (or whole units) below which a number has no interval and no claim a verdict
RESAMPLES = 2000
HELD = 2_000_000  # items of samples in memory at once
NO_INTERVAL = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Estimate:
    """A mean, or a sum of means, with its standard error and the degrees of freedom of that: what
    an interval and a p-value of any hypothesis follow from. `items` counts what was sampled, items
    or whole units.
    """

    value: float
    error: float
    freedom: float
    items: int

    def interval(self) -> tuple[float, float]:
        """95 % interval by Student's t; NaN below `ENOUGH` items."""
        if self.items < ENOUGH:
            return NO_INTERVAL
        half = float(scipy.special.stdtrit(self.freedom, 0.975)) * self.error
        return self.value - half, self.value + half

    def p(self, null: float = 0.0) -> float:
        """Two-sided p-value of the hypothesis that the mean is `null`: below .05 where the interval
        leaves it out; NaN below `ENOUGH` items. Where no item differs from another the t-test has
        no scale, and the sign test takes its place.
        """
        if self.items < ENOUGH:
            return float("nan")
        away = abs(self.value - null)
        if self.error > 1e-12 * max(1.0, abs(self.value)):
            return float(2 * scipy.special.stdtr(self.freedom, -away / self.error))
        return 1.0 if away < 1e-12 else 2.0 * 0.5**self.items


def estimate(values, units=None) -> Estimate:
    """The mean of one value an item with its standard error.

    units: one a value; equal ones belong together, and what varies is whole units (a question with
    all its pairs), as if they were sampled: the error is that of a ratio of two sums over units.
    Raises ValueError without values or with a missing one.
    """
    values = _whole(values)
    sums, sizes = _of_units(values, units)
    count, mean = len(sums), float(values.mean())
    if count < 2:
        return Estimate(mean, 0.0, 1.0, count)
    residuals = sums - mean * sizes
    error = np.sqrt(count / (count - 1) * (residuals**2).sum()) / len(values)
    return Estimate(mean, float(error), count - 1.0, count)


def _whole(values) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if not len(values) or np.isnan(values).any():
        raise ValueError(
            "every item needs a value: count and leave out the unscored ones first, "
            "and keep at least one"
        )
    return values


def _of_units(values: np.ndarray, units) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each unit; without units each value is one."""
    if units is None:
        return values, np.ones(len(values))
    numbers: dict = {}
    place = np.array([numbers.setdefault(unit, len(numbers)) for unit in units])
    return np.bincount(place, weights=values), np.bincount(place).astype(float)


def drawn_estimate(value: float, draws: np.ndarray, items: int) -> Estimate:
    """A statistic of a whole sample, such as corpus BLEU, with the standard error that its
    bootstrap draws have; the draws of n items vary by (n - 1) / n too little.
    """
    error = float(np.std(draws) * np.sqrt(items / (items - 1))) if items > 1 else 0.0
    return Estimate(float(value), error, max(items - 1.0, 1.0), items)


def seeds_estimate(values) -> Estimate:
    """The mean of values of shape (seeds, items) as one of the method and not of one checkpoint:
    training seeds and items are crossed random effects, the degrees of freedom Satterthwaite's.

    Its interval is never narrower than that over the items or over the seeds alone. Raises
    ValueError for fewer than two seeds or a missing value.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) < 2 or not values.size or np.isnan(values).any():
        raise ValueError("values must be a table of at least two seeds by items without gaps")
    seeds, items = values.shape
    mean, of_seed, of_item = values.mean(), values.mean(axis=1), values.mean(axis=0)
    if items < 2:
        return Estimate(float(mean), 0.0, 1.0, items)
    by_seeds = items * of_seed.var(ddof=1)
    by_items = seeds * of_item.var(ddof=1)
    left = ((values - of_seed[:, None] - of_item + mean) ** 2).sum() / ((seeds - 1) * (items - 1))
    # Mean squares estimate the variance without bias, and may fall below one of its parts.
    total = max(by_seeds + by_items - left, by_seeds, by_items)
    spread = by_seeds**2 / (seeds - 1) + by_items**2 / (items - 1)
    spread += left**2 / ((seeds - 1) * (items - 1))
    freedom = max(total**2 / spread, seeds - 1.0) if spread else seeds - 1.0
    return Estimate(float(mean), float(np.sqrt(total / (seeds * items))), float(freedom), items)


def mean_interval(values, units=None) -> tuple[float, float, float]:
    """Mean and 95 % interval of one value an item by Student's t (`estimate`); the ends are NaN
    below `ENOUGH` items or units.
    """
    found = estimate(values, units)
    return found.value, *found.interval()


def share_interval(values, units=None) -> tuple[float, float, float]:
    """Share of items that are 1, each 0 or 1, and its 95 % interval: Wilson's, which has a width
    where all are alike, too; the ends are NaN below `ENOUGH` items or units.

    Of whole units it is Wilson's interval for as many independent items as would have the same
    standard error, with the tails of Student's t (Korn and Graubard, 1998); as many as there are
    units where all items are alike.
    """
    found = estimate(values, units)
    share, count, reach = found.value, found.items, float(scipy.special.ndtri(0.975))
    if count < ENOUGH:
        return share, *NO_INTERVAL
    alone = count == len(np.asarray(values))
    if not alone:
        reach = float(scipy.special.stdtrit(found.freedom, 0.975))
        count = share * (1 - share) / found.error**2 if found.error > 1e-12 else count
    middle = share + reach**2 / (2 * count)
    half = reach * np.sqrt(share * (1 - share) / count + (reach / (2 * count)) ** 2)
    ends = (middle + np.array([-half, half])) / (1 + reach**2 / count)
    low, high = np.clip(ends, 0, 1).tolist()
    return share, 0.0 if share == 0 else low, 1.0 if share == 1 else high


def count_interval(values, units=None) -> tuple[float, float, float]:
    """Mean of counts and its 95 % interval by Student's t, which ends at 0; of counts of none it is
    the exact one of a Poisson rate. The ends are NaN below `ENOUGH` items or units.
    """
    found = estimate(values, units)
    if found.items >= ENOUGH and found.error == 0 == found.value:
        return 0.0, 0.0, float(-np.log(0.025) / found.items)
    low, high = found.interval()
    return found.value, float(np.maximum(low, 0)), high


def mean_interval_over_seeds(values) -> tuple[float, float, float]:
    """Mean and 95 % interval of values of shape (seeds, items), over both (`seeds_estimate`)."""
    found = seeds_estimate(values)
    return found.value, *found.interval()


def interval(draws, items: int) -> tuple[float, float]:
    """95 % interval from bootstrap draws of a statistic that is no mean (a correlation, an AUC):
    percentiles, as far out as Student's t and the divisor n - 1 ask (Hesterberg, 2015).

    items: what was resampled, items or whole units. NaN below `ENOUGH` of them or without draws.
    """
    draws = np.asarray(draws, dtype=float)
    if items < ENOUGH or not draws.size:
        return NO_INTERVAL
    reach = np.sqrt(items / (items - 1)) * scipy.special.stdtrit(items - 1, 0.975)
    tail = float(scipy.special.ndtr(-reach))
    return tuple(np.quantile(draws, [tail, 1 - tail]).tolist())


def resample_indices(n: int, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Bootstrap item indices, shape (resamples, n).

    The same seed gives the same items to every system, so that differences are paired.
    """
    return np.random.default_rng(seed).integers(0, n, size=(resamples, n))


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
