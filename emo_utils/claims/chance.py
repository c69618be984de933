"""How often a claim would be true of numbers that know nothing of it.

A sentence that nearly any table would bear out says little where it is borne out, and one with
dozens of clauses says little where it is not. A paper's numbers are dealt out anew among its
systems; a sentence about levels, which no deal changes, is held against numbers drawn over their
scale.
"""

from decimal import Decimal

import numpy as np
import pandas as pd

from emo_utils.claims.predicates import Comparison, Test

DRAWS = 4000
# The ends of the scale of what is measured; of other units those of the printed column are taken.
SCALES = {
    "rating 1-5": (1, 5),
    "cosine": (0, 1),
    "similarity": (0, 1),
    "correlation": (-1, 1),
    "p-value": (0, 1),
    "intensity 0-1": (0, 1),
}
UNITS = 10**6  # numbers are whole millionths, so that equal decimals are equal

Cells = dict[tuple[str, str, str], np.ndarray]  # (table, system, metric) -> whole numbers (draws,)


def _whole(number) -> int:
    return int(Decimal(number) * UNITS)


def dealt(numbers: pd.DataFrame, seed: int, draws: int = DRAWS) -> Cells:
    """Every table with its rows dealt out among its systems, `draws` times: a row keeps its numbers
    together, and a system has the same fate in all tables that have the same systems.

    Rows that lack a number of the others are dealt among themselves.
    """
    cells = {}
    for table, part in numbers.groupby("table", sort=False):
        wide = part.pivot(index="system", columns="metric", values="value")
        for columns, alike in wide.groupby(wide.notna().apply(tuple, axis=1)):
            generator = np.random.default_rng([seed, len(alike)])
            alike = alike.loc[sorted(alike.index)]
            order = generator.permuted(np.tile(np.arange(len(alike)), (draws, 1)), axis=1)
            for metric in wide.columns[list(columns)]:
                values = np.array([_whole(text.lstrip("<")) for text in alike[metric]])
                for place, system in enumerate(alike.index):
                    cells[table, system, metric] = values[order[:, place]]
    return cells


def drawn(numbers: pd.DataFrame, seed: int, draws: int = DRAWS) -> Cells:
    """Every number drawn evenly over its scale (`SCALES`, else from the least to the greatest of
    its printed column) to the digits of its column, each by itself.
    """
    cells = {}
    generator = np.random.default_rng(seed)
    for (table, metric), part in numbers.groupby(["table", "metric"], sort=False):
        values = [Decimal(text.lstrip("<")) for text in part.value]
        low, high = SCALES.get(part.unit.iloc[0], (min(values), max(values)))
        step = Decimal(1).scaleb(min(value.as_tuple().exponent for value in values))
        for system in part.system:
            steps = generator.integers(0, int((Decimal(high) - Decimal(low)) / step) + 1, draws)
            cells[table, system, metric] = _whole(low) + steps * _whole(step)
    return cells


def holds(comparison: Comparison, cells: Cells) -> np.ndarray:
    """Whether a comparison holds in each draw, equal being no lead; shape (draws,)."""
    total = _whole(comparison.constant) + sum(w * cells[tuple(c)] for w, *c in comparison.terms)
    within = _whole(comparison.within)
    if comparison.operator == "=":
        return abs(total) <= within
    return total > 0 if comparison.operator == ">" else total >= -within


def share_true(tests: list[Test], cells: Cells) -> float:
    """The share of draws in which all tests of a predicate hold."""
    every = [
        sum(holds(comparison, cells).astype(int) for comparison in test.comparisons) >= test.needed
        for test in tests
    ]
    return float(np.mean(np.all(every, axis=0)))


def by_chance(claim: dict, deals: Cells, draws: Cells, seed: int) -> float | None:
    """How often a claim would be true: by `dealt` numbers of its paper; where no deal makes it
    false, by `drawn` ones; where the paper has no number, by numbers of ours drawn from 0 to 1.

    claim: of `ledger.claims`. None for a claim without a predicate, and for one about counts of a
    paper's text, which no other count could stand for.
    """
    printed, ours = claim["tests"]["printed"], claim["tests"]["ours"]
    if printed is None:
        return None if ours is None else share_true(ours, _between_0_and_1(ours, seed))
    if any(table.endswith(".text") for table, _, _ in _cells(printed)):
        return None
    of_deals = share_true(printed, deals)
    return of_deals if of_deals < 1 else share_true(printed, draws)


def _cells(tests: list[Test]) -> set[tuple[str, str, str]]:
    return {term[1:] for test in tests for c in test.comparisons for term in c.terms}


def _between_0_and_1(tests: list[Test], seed: int) -> Cells:
    generator = np.random.default_rng(seed)
    return {cell: generator.integers(0, UNITS + 1, DRAWS) for cell in sorted(_cells(tests))}
