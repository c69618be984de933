"""How often 95 % intervals hold the truth: every method that was weighed, on data whose truth is
known.

    .venv/bin/python benchmarks/coverage.py [--repeats 4000] [--keep]

Means of single items (normal, exponential, log-normal, mostly zero, as counts of rare things are,
and differences of log-normal ones), shares, means and shares of whole units (questions with
several rows each), correlations, and means over training seeds and items. Samples are of 10, 20, 65
and 100 items. The share of intervals that hold the truth and their mean width go into
`book/reference/coverage.json`; the page of intervals and verdicts draws them, and
`emo_utils/stats/intervals.py` says which method was chosen and why.
"""

import argparse
import time

import numpy as np
import pandas as pd
import scipy.stats

from emo_utils.project import REFERENCE, ROOT

KEPT = REFERENCE / "coverage.json"
SIZES = (10, 20, 65, 100)
SEEDS = (2, 3, 5)
DRAWS = 2000
BLOCK = 200  # samples that share one set of bootstrap draws
SHARES = (0.02, 0.1, 0.3, 0.5)


def normal(rng, shape):
    return rng.normal(size=shape)


def exponential(rng, shape):
    return rng.exponential(size=shape) - 1


def lognormal(rng, shape):
    return rng.lognormal(size=shape) - np.exp(0.5)


def mostly_zero(rng, shape):
    """Seven of ten are 0, the others exponential."""
    return np.where(rng.random(shape) < 0.7, 0, rng.exponential(size=shape)) - 0.3


def difference(rng, shape):
    """Of two systems' log-normal scores: as the claims compare them, item by item."""
    return rng.lognormal(size=shape) - rng.lognormal(size=shape)


DATA = {  # each with mean 0
    "normal": normal,
    "exponential": exponential,
    "log-normal": lognormal,
    "mostly zero": mostly_zero,
    "differences of log-normal": difference,
}


def times_drawn(rng, n: int) -> np.ndarray:
    """How often each item is in each bootstrap sample, shape (DRAWS, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=DRAWS)


def percentile(draws: np.ndarray, tail: float = 0.025) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.quantile(draws, [tail, 1 - tail], axis=-1))


def widened_percentile(draws: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval with the tails of Student's t and the divisor n - 1 (Hesterberg)."""
    reach = np.sqrt(n / (n - 1)) * scipy.stats.t.ppf(0.975, n - 1)
    return percentile(draws, scipy.stats.norm.sf(reach))


def student(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = values.shape[-1]
    half = scipy.stats.t.ppf(0.975, n - 1) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    return values.mean(axis=-1) - half, values.mean(axis=-1) + half


def bca(values: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
    found = scipy.stats.bootstrap(
        (values,), np.mean, axis=-1, n_resamples=DRAWS, batch=100, method="BCa", rng=rng
    ).confidence_interval
    return found.low, found.high


def row(what: str, data: str, n: int, method: str, ends, truth: float, seeds: int = 1) -> dict:
    """The share of intervals that hold the truth, and their mean width; one without ends (BCa has
    none where all draws are alike) holds nothing.
    """
    low, high = (np.asarray(end, dtype=float) for end in ends)
    return {
        "what": what,
        "data": data,
        "n": n,
        "seeds": seeds,
        "method": method,
        "coverage": round(float(((low <= truth) & (truth <= high)).mean()), 4),
        "width": round(float(np.nanmean(high - low)), 4),
    }


def joined(blocks: list[dict]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Ends of several blocks of samples, by method."""
    return {
        method: tuple(np.concatenate([block[method][k] for block in blocks]) for k in (0, 1))
        for method in blocks[0]
    }


def of_means(rng, repeats: int, sizes=SIZES, with_bca: bool = True) -> list[dict]:
    """with_bca: whether scipy's BCa is tried, which takes most of the time."""
    rows = []
    for data, draw in DATA.items():
        for n in sizes:
            blocks = []
            for _ in range(0, repeats, BLOCK):
                values = draw(rng, (BLOCK, n))
                draws = values @ times_drawn(rng, n).T / n
                blocks.append(
                    {
                        "percentile bootstrap": percentile(draws),
                        **({"BCa bootstrap": bca(values, rng)} if with_bca else {}),
                        "widened percentile": widened_percentile(draws, n),
                        "Student t": student(values),
                    }
                )
            for method, ends in joined(blocks).items():
                rows.append(row("mean", data, n, method, ends, 0.0))
    return rows


def of_shares() -> list[dict]:
    """Exact, as there are n + 1 outcomes only."""
    rows = []
    for p in SHARES:
        for n in SIZES:
            counts = np.arange(n + 1)
            chance = scipy.stats.binom.pmf(counts, n, p)
            half = scipy.stats.t.ppf(0.975, n - 1) * np.sqrt(counts * (n - counts) / (n - 1)) / n
            found = {
                "percentile bootstrap": scipy.stats.binom.ppf([[0.025], [0.975]], n, counts / n)
                / n,
                "Student t": (counts / n - half, counts / n + half),
                "Wilson": wilson(counts / n, n, scipy.stats.norm.ppf(0.975)),
                "Clopper-Pearson": (
                    np.nan_to_num(scipy.stats.beta.ppf(0.025, counts, n - counts + 1), nan=0.0),
                    np.nan_to_num(scipy.stats.beta.ppf(0.975, counts + 1, n - counts), nan=1.0),
                ),
            }
            for method, (low, high) in found.items():
                rows.append(
                    {
                        "what": "share",
                        "data": f"share of {p}",
                        "n": n,
                        "seeds": 1,
                        "method": method,
                        "coverage": round(float(chance[(low <= p) & (p <= high)].sum()), 4),
                        "width": round(float(chance @ (high - low)), 4),
                    }
                )
    return rows


def unit_error(sums: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of all rows and its standard error from whole units: sums and numbers of their rows,
    shape (samples, units).
    """
    units, rows = sums.shape[-1], sizes.sum(axis=-1)
    mean = sums.sum(axis=-1) / rows
    residuals = sums - mean[..., None] * sizes
    return mean, np.sqrt(units / (units - 1) * (residuals**2).sum(axis=-1)) / rows


def wilson(share, n, reach) -> tuple[np.ndarray, np.ndarray]:
    middle, spread = share + reach**2 / (2 * n), share * (1 - share) / n + (reach / (2 * n)) ** 2
    half = reach * np.sqrt(spread)
    return (middle - half) / (1 + reach**2 / n), (middle + half) / (1 + reach**2 / n)


def effective_wilson(mean, error, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval for as many independent rows as would have this standard error (Korn and
    Graubard), with the tails of Student's t; as many as units where the error is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(error > 0, mean * (1 - mean) / error**2, units)
    return wilson(mean, n, scipy.stats.t.ppf(0.975, units - 1))


def of_units(rng, repeats: int, sizes=SIZES) -> list[dict]:
    """Units of one to four rows, of which half the variance is common to a unit."""
    rows = []
    for data in ("normal", "exponential", "share of 0.1", "share of 0.3"):
        p = float(data.split()[-1]) if data.startswith("share") else None
        for units in sizes:
            blocks = []
            for _ in range(0, repeats, BLOCK):
                rows_of = rng.integers(1, 5, size=(BLOCK, units))
                there = np.arange(4) < rows_of[..., None]
                if p:  # half of the units have one answer for all their rows
                    own, common = rng.random((BLOCK, units, 4)) < p, rng.random((BLOCK, units)) < p
                    alike = rng.random((BLOCK, units, 1)) < 0.5
                    values = np.where(alike, common[..., None], own).astype(float)
                else:
                    values = DATA[data](rng, (BLOCK, units, 1)) + DATA[data](rng, (BLOCK, units, 4))
                sums, count = (values * there).sum(axis=-1), rows_of.sum(axis=-1)
                mean, error = unit_error(sums, rows_of)
                squares = ((values - mean[:, None, None]) ** 2 * there).sum(axis=(1, 2))
                naive = np.sqrt(squares / (count - 1) / count)
                times = times_drawn(rng, units).T
                reach = scipy.stats.t.ppf(0.975, units - 1)
                block = {
                    "Student t over rows": (mean - 1.96 * naive, mean + 1.96 * naive),
                    "percentile bootstrap of units": percentile((sums @ times) / (rows_of @ times)),
                    "Student t over units": (mean - reach * error, mean + reach * error),
                }
                if p:
                    block["Wilson over rows"] = wilson(mean, count, 1.96)
                    block["Wilson over units"] = effective_wilson(mean, error, units)
                blocks.append(block)
            for method, ends in joined(blocks).items():
                rows.append(row("units", data, units, method, ends, p or 0.0))
    return rows


def of_correlations(rng, repeats: int) -> list[dict]:
    """Pearson's r of .5 between normal scores, and the rank correlation that goes with it."""
    rows, draws = [], 500
    for n in SIZES:
        found = {"Pearson's r": [], "rank correlation": []}
        for _ in range(repeats // 8):
            pair = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=n).T
            taken = pair[:, rng.integers(0, n, size=(draws, n))]
            for name in found:
                scores = scipy.stats.rankdata(taken, axis=-1) if name.startswith("rank") else taken
                scores = scores - scores.mean(axis=-1, keepdims=True)
                found[name].append(
                    (scores[0] * scores[1]).sum(axis=-1)
                    / np.sqrt((scores**2).sum(axis=-1).prod(axis=0))
                )
        for name, of_samples in found.items():
            truth = 0.5 if name.startswith("Pearson") else 6 / np.pi * np.arcsin(0.25)
            of_samples = np.array(of_samples)
            for method, ends in {
                "percentile bootstrap": percentile(of_samples),
                "widened percentile": widened_percentile(of_samples, n),
            }.items():
                rows.append(row("correlation", name, n, method, ends, truth))
    return rows


def two_way(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seeds and items as crossed random effects, Satterthwaite's degrees of freedom: the interval
    of `intervals.seeds_estimate`, for many tables at once; shape (samples, seeds, items).
    """
    seeds, items = values.shape[1:]
    mean = values.mean(axis=(1, 2))
    of_seed, of_item = values.mean(axis=2), values.mean(axis=1)
    by_seeds = items * of_seed.var(axis=1, ddof=1)
    by_items = seeds * of_item.var(axis=1, ddof=1)
    rest = values - of_seed[:, :, None] - of_item[:, None, :] + mean[:, None, None]
    left = (rest**2).sum(axis=(1, 2)) / ((seeds - 1) * (items - 1))
    total = np.maximum(by_seeds + by_items - left, np.maximum(by_seeds, by_items))
    spread = by_seeds**2 / (seeds - 1) + by_items**2 / (items - 1)
    spread = spread + left**2 / ((seeds - 1) * (items - 1))
    freedom = np.clip(total**2 / spread, seeds - 1, None)
    half = scipy.stats.t.ppf(0.975, freedom) * np.sqrt(total / (seeds * items))
    return mean - half, mean + half


def of_seeds(rng, repeats: int) -> list[dict]:
    """Differences of two systems, each trained with several seeds; items vary with a standard
    deviation of 1, what is left with another 1, the trainings' means with 0, .1 or .3.
    """
    rows, samples = [], max(repeats // 2, BLOCK)
    for spread in (0.0, 0.1, 0.3):
        for seeds in SEEDS:
            for n in SIZES[1:3]:
                effects = spread * rng.normal(size=(samples, seeds, 1))
                values = effects + rng.normal(size=(samples, 1, n))
                values = values + rng.normal(size=(samples, seeds, n))
                drawn_seeds, drawn_items = times_drawn(rng, seeds), times_drawn(rng, n)
                by_seed = values @ drawn_items.T / n
                draws = (by_seed * drawn_seeds.T / seeds).sum(axis=1)
                for method, ends in {
                    "one checkpoint, items alone": student(values[:, 0]),
                    "bootstrap of seeds and items": percentile(draws),
                    "two-way t": two_way(values),
                }.items():
                    data = f"trainings spread by {spread}"
                    rows.append(row("seeds", data, n, method, ends, 0.0, seeds))
    return rows


def table(repeats: int, seed: int = 0) -> pd.DataFrame:
    """One row for each kind of data, size and method: coverage and mean width of 95 % intervals."""
    rng = np.random.default_rng(seed)
    rows = of_means(rng, repeats) + of_shares() + of_units(rng, repeats)
    return pd.DataFrame(rows + of_correlations(rng, repeats) + of_seeds(rng, repeats))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=4000, help="samples of each kind and size")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT.relative_to(ROOT)}")
    options = parser.parse_args()
    started = time.perf_counter()
    frame = table(options.repeats)
    wide = frame.pivot_table(
        index=["what", "data", "seeds", "method"], columns="n", values="coverage", sort=False
    )
    print(wide.to_string(na_rep=""))
    print(f"{time.perf_counter() - started:.0f} s")
    if options.keep:
        import clock  # beside this file; it imports transformers

        clock.keep_table(KEPT, frame.to_dict("records"), repeats=options.repeats)


if __name__ == "__main__":
    main()
