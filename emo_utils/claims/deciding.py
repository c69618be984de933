"""A claim decided: by the papers' printed numbers, and by our records."""

from decimal import Decimal

import pandas as pd
import scipy.stats

from emo_utils.claims import gates
from emo_utils.claims.predicates import Comparison, Test
from emo_utils.project import EmoError

TABLE = "emodoctor.claims"  # records of the sums of cells that claims ask for
HELD_BACK = "cannot be decided here"


def decide(
    tests: list[Test], look, exact: bool = False
) -> tuple[bool | None, list[tuple[Comparison, tuple | None, bool | None]]]:
    """Whether a predicate holds (True, False, or None: undecided),
    and each comparison with what was found and what it says.

    look: gives value, low and high of a comparison's sum of cells, or None where a cell is missing.
    An interval must lie on one side of the claim to support it; to contradict a claim of several
    comparisons, one interval must lie on the other side after it was widened for their number
    (Bonferroni, on the scale of a normal distribution), as one of many may do so by chance.
    """
    count = sum(len(test.comparisons) for test in tests)
    wider = scipy.stats.norm.ppf(1 - 0.025 / count) / scipy.stats.norm.ppf(0.975)
    verdicts, evidence = [], []
    for test in tests:
        said = []
        for comparison in test.comparisons:
            found, says = look(comparison), None
            if found is not None:
                value, low, high = found
                plain = comparison.holds(low, high, exact)
                wide = (
                    plain
                    if exact
                    else comparison.holds(
                        value - (value - low) * wider, value + (high - value) * wider
                    )
                )
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


def printed_verdict(claim: dict, numbers: pd.DataFrame) -> tuple[str, list]:
    """The verdict by the paper's own numbers (see PRINTED), and the comparisons.

    Raises EmoError for a cell that is not published.
    """
    if claim["tests"]["printed"] is None:
        return "contradicted in words" if claim.get("words") else "no number", []
    cells = numbers.set_index(["table", "system", "metric"]).value

    def look(comparison):
        try:
            value = sum(
                (w * Decimal(cells[tuple(cell)].lstrip("<")) for w, *cell in comparison.terms),
                Decimal(0),
            )
        except KeyError as missing:
            raise EmoError(
                f"claims.yaml: claim {claim['id']} asks for {missing}, which no published table has"
            ) from None
        return value, value, value

    held, evidence = decide(claim["tests"]["printed"], look, exact=True)
    return "borne out" if held else "not borne out", evidence


def our_verdict(claim: dict, records: pd.DataFrame) -> tuple[str, list, str]:
    """The verdict by our records of combinations of cells (see OURS), the comparisons, and why it
    is held back or what it is of, by the gates among the records (empty: nothing to say).

    A claim whose instrument did not pass is neither supported nor contradicted; one that only
    lacks the gates that limit what a score measures is decided of that.
    """
    if claim["tests"]["ours"] is None:
        return "not measured", [], ""
    found = {
        r.system: (r.value, r.ci_low, r.ci_high)
        for r in records[records.table == TABLE].itertuples()
    }
    held, evidence = decide(claim["tests"]["ours"], lambda comparison: found.get(comparison.key))
    if held is None and any(seen is None for _, seen, _ in evidence):
        return "not measured", evidence, ""
    barriers, limits = gates.closed([comparison for comparison, _, _ in evidence], records)
    if barriers:
        return HELD_BACK, evidence, "; ".join(barriers)
    verdict = {True: "supported", False: "contradicted", None: "undecided"}[held]
    return verdict, evidence, f"of {', '.join(limits)}" if limits else ""
