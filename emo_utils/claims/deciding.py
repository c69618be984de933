"""A claim decided: by the papers' printed numbers, and by our records."""

import math
from decimal import Decimal
from statistics import NormalDist

import numpy as np
import pandas as pd

from emo_utils.claims import gates
from emo_utils.claims.predicates import Comparison, Test
from emo_utils.project import EmoError

TABLE = "emodoctor.claims"  # records of the sums of cells that claims ask for
HELD_BACK = "cannot be decided here"
# How many standard errors a 95 % interval reaches to each side.
NORMAL_95 = NormalDist().inv_cdf(0.975)


def decide(
    tests: list[Test], look, exact: bool = False, p_of=lambda comparison: None
) -> tuple[bool | None, list[tuple[Comparison, tuple | None, bool | None]]]:
    """Whether a predicate holds (True, False, or None: undecided),
    and each comparison with what was found and what it says.

    look: gives value, low and high of a comparison's sum of cells, or None where a cell is missing.
    An interval must lie on one side of the claim to support it; to contradict a claim of several
    comparisons, one interval must lie on the other side after it was widened for their number
    (Bonferroni), as one of many may do so by chance: its p-value times their number is 5 % at most.
    p_of: gives the p-value of a comparison's edge, or None where `_p` has to read it off the
    interval.
    """
    count = sum(len(test.comparisons) for test in tests)
    verdicts, evidence = [], []
    for test in tests:
        said = []
        for comparison in test.comparisons:
            found, says = look(comparison), None
            if found is not None:
                value, low, high = found
                plain = comparison.holds(low, high, exact)
                clear = exact or _p(comparison, found, p_of(comparison)) <= 0.05 / count
                wide = plain if clear else None
                says = (
                    True
                    if (plain if test.needed == len(test.comparisons) else wide)
                    else False
                    if wide is False
                    else None
                )
            said.append(says)
            evidence.append((comparison, found, says))
        verdicts.append(
            True
            if said.count(True) >= test.needed
            else False
            if len(said) - said.count(False) < test.needed
            else None
        )
    return False if False in verdicts else None if None in verdicts else True, evidence


def _p(comparison: Comparison, found: tuple, p: float | None) -> float:
    """The two-sided p-value of the comparison's edge: that of the record, or by the interval's
    reach towards it on the scale of a normal distribution, where an older record has none.
    """
    if p is not None:
        return p
    value, low, high = (float(number) for number in found)
    edge = comparison.edge(value)
    reach = value - low if value > edge else high - value
    if not reach:
        return 1.0 if comparison.holds(value, value) is None else 0.0
    return math.erfc(NORMAL_95 * abs(value - edge) / reach / math.sqrt(2))


def p_value(claim: dict, sums: dict[str, tuple]) -> float:
    """The p-value of a claim's verdict by our `sums_of_cells`: twice the smaller one of that
    against "it does not hold" and that against "it holds"; 5 % and less where the verdict is
    supported or contradicted.

    All of several comparisons hold where the least clear one does, so that theirs is the largest
    p-value; one of them fails, or some out of many hold, by the clearest times their number
    (Bonferroni).
    """
    tests = claim["tests"]["ours"]
    count = sum(len(test.comparisons) for test in tests)
    supports, fails = [], []
    for test in tests:
        sides = np.array([_one_sided(c, sums.get(c.key)) for c in test.comparisons])
        holding, failing = np.sort(sides, axis=0).T
        every = test.needed == len(sides)
        supports.append(holding[-1] if every else count * holding[test.needed - 1])
        fails.append(count * failing[len(sides) - test.needed])
    return float(min(1.0, 2 * min(max(supports), min(fails))))


def _one_sided(comparison: Comparison, row) -> tuple[float, float]:
    """p-values against "it does not hold" and against "it holds"; 1 and 1 without a record."""
    if row is None:
        return 1.0, 1.0
    p = _p(comparison, row[:3], row[3]) / 2
    return (p, 1 - p) if comparison.holds(row[0], row[0]) else (1 - p, p)


def covers(claim: dict, sums: dict[str, tuple]) -> str:
    """What the intervals behind a claim's verdict cover: training seeds and items where all do,
    else items.
    """
    keys = [c.key for test in claim["tests"]["ours"] for c in test.comparisons if c.key in sums]
    over_seeds = all(sums[key][4] == "seeds and items" for key in keys)
    return "seeds and items" if over_seeds else "items"


def sums_of_cells(records: pd.DataFrame) -> dict[str, tuple]:
    """Each sum of cells that our records have: key -> value, low, high, p (None where an older
    record has none) and what the interval covers. One without an interval decides nothing and is
    left out; of two the one over seeds stands.
    """
    found: dict[str, tuple] = {}
    for record in records[records.table == TABLE].to_dict("records"):
        interval, p = record.get("interval", "items"), record.get("p")
        better = interval == "seeds and items" or record["system"] not in found
        if interval != "none" and better:
            ends = record["value"], record["ci_low"], record["ci_high"]
            found[record["system"]] = (*ends, None if pd.isna(p) else p, interval)
    return found


def take_older(sums: dict[str, tuple], comparisons: list[Comparison]) -> None:
    """Let records of before p-values were kept, which name their sum of cells alone, stand for it
    whatever it is held against: their interval says as much of every edge.
    """
    for comparison in comparisons:
        older = sums.get(comparison.sum)
        if comparison.key not in sums and older and older[3] is None:
            sums[comparison.key] = older


def printed_cells(numbers: pd.DataFrame) -> dict[tuple[str, str, str], Decimal]:
    """The papers' numbers as printed: (table, system, metric) -> value, of "<0.01" its bound."""
    cells = zip(numbers.table, numbers.system, numbers.metric, numbers.value, strict=True)
    return {(*cell,): Decimal(value.lstrip("<")) for *cell, value in cells}


def printed_verdict(claim: dict, cells: dict[tuple[str, str, str], Decimal]) -> tuple[str, list]:
    """The verdict by the paper's own numbers (see PRINTED), and the comparisons.

    cells: as `printed_cells` gives them. Raises EmoError for one that is not published.
    """
    if claim["tests"]["printed"] is None:
        return "contradicted in words" if claim.get("words") else "no number", []

    def look(comparison):
        try:
            value = sum((w * cells[tuple(cell)] for w, *cell in comparison.terms), Decimal(0))
        except KeyError as missing:
            raise EmoError(
                f"claims.yaml: claim {claim['id']} asks for {missing}, which no published table has"
            ) from None
        return value, value, value

    held, evidence = decide(claim["tests"]["printed"], look, exact=True)
    return "borne out" if held else "not borne out", evidence


def our_verdict(
    claim: dict, sums: dict[str, tuple], outcomes: dict[tuple[str, str, str], str]
) -> tuple[str, list, str]:
    """The verdict by our `sums_of_cells` (see OURS), the comparisons, and why it is held back or
    what it is of, by the gates' outcomes (`gates.recorded`; empty: nothing to say).

    A claim whose instrument did not pass is neither supported nor contradicted; one that only
    lacks the gates that limit what a score measures is decided of that.
    """
    if claim["tests"]["ours"] is None:
        return "not measured", [], ""

    def look(comparison):
        return sums[comparison.key][:3] if comparison.key in sums else None

    held, evidence = decide(
        claim["tests"]["ours"], look, p_of=lambda comparison: sums[comparison.key][3]
    )
    if held is None and any(seen is None for _, seen, _ in evidence):
        return "not measured", evidence, ""
    barriers, limits = gates.closed([comparison for comparison, _, _ in evidence], outcomes)
    if barriers:
        return HELD_BACK, evidence, "; ".join(barriers)
    verdict = {True: "supported", False: "contradicted", None: "undecided"}[held]
    return verdict, evidence, f"of {', '.join(limits)}" if limits else ""
