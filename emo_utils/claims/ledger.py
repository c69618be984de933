"""The ledger: each claim of the papers with the evidence for and against it."""

from decimal import Decimal

import numpy as np
import pandas as pd
import yaml

from emo_utils.claims import deciding, predicates
from emo_utils.claims.deciding import TABLE
from emo_utils.data import published_numbers
from emo_utils.experiment import provenance, results
from emo_utils.project import DATA
from emo_utils.stats import intervals

CLAIMS = DATA / "published" / "claims.yaml"
NUMBERS = (DATA / "published" / "emodoctor.csv", DATA / "published" / "emplifai.csv")
PRINTED = {
    "borne out": "the paper's own numbers say what the sentence says",
    "not borne out": "the paper's own numbers do not say what the sentence says",
    "contradicted in words": "another place of the paper says otherwise, and no number decides",
    "no number": "there is no printed number at hand to check the sentence with",
}
OURS = {
    "supported": "each comparison's 95 % interval lies on the claim's side",
    "contradicted": (
        "at least one interval, widened for the number of comparisons, lies on the other side"
    ),
    "undecided": "neither: these data do not decide",
    "not measured": "no record yet",
}


def published() -> pd.DataFrame:
    """Every number of the papers' tables as printed:
    columns table, system, metric, value (text), unit, direction, place.
    """
    return pd.concat([published_numbers.read(path) for path in NUMBERS], ignore_index=True)


def claims() -> list[dict]:
    """The claims in the order of the file,
    each with its predicates parsed (`tests`: `printed` and `ours`, None where there is none).
    """
    columns = published().groupby("table", sort=False).metric.unique().map(list).to_dict()
    found = yaml.safe_load(provenance.noted(CLAIMS).read_text(encoding="utf-8"))
    return [
        claim
        | {
            "tests": {
                name: predicates.parse(claim[name], columns) if name in claim else None
                for name in ("printed", "ours")
            }
        }
        for claim in found
    ]


def add_combinations(run, tables: tuple[str, ...], drawn, n: int, scorer: str) -> None:
    """Record every sum of cells that our claims ask for in these tables, with its interval.

    drawn: called with (table, system, metric), returns the value and its bootstrap draws;
    the same draw must be the same items everywhere.
    n: the items that all systems have a score for; with none there is nothing to record.
    """
    if not n:
        return
    asked = {
        c.key: c
        for claim in claims()
        for test in claim["tests"]["ours"] or ()
        for c in test.comparisons
        if {t for _, t, _, _ in c.terms} <= set(tables)
    }
    for key, comparison in asked.items():
        parts = [(weight, *drawn(*cell)) for weight, *cell in comparison.terms]
        low, high = intervals.interval(
            np.sum([weight * draws for weight, _, draws in parts], axis=0)
        )
        run.add(
            table=TABLE,
            system=key,
            metric="combination",
            value=sum(weight * value for weight, value, _ in parts),
            ci_low=low,
            ci_high=high,
            n=n,
            scorer=scorer,
            kind=_kind([weight for weight, *_ in comparison.terms]),
            signature="sum of cells over the same items; bootstrap over test items",
        )


def _kind(weights: list[float]) -> results.Kind:
    """A sum of cells is a difference where as much is taken away as is added."""
    return "difference" if abs(sum(weights)) < 1e-9 else "other"


def drawn_means(items: pd.DataFrame, seed: int):
    """What `add_combinations` draws from where every number is a mean of one value an item.

    items: rows items, columns (system, metric), without gaps. The items are resampled together, so
    that sums of cells keep what the cells share.
    """
    return lambda _, system, metric: intervals.mean_draws(items[system, metric].to_numpy(), seed)


def ledger(records: pd.DataFrame, tables: tuple[str, ...] = ()) -> pd.DataFrame:
    """Both verdicts on every claim, or on those that our records of these tables bear on.

    Columns id, paper, place, claim, note, printed, printed_evidence, ours,
    ours_evidence (lists of comparison, (value, low, high), outcome), tables.
    """
    numbers, rows = published(), []
    for claim in claims():
        touched = {
            t
            for test in claim["tests"]["ours"] or ()
            for c in test.comparisons
            for _, t, _, _ in c.terms
        }
        if tables and not touched & set(tables):
            continue
        (printed, first), (ours, second) = (
            deciding.printed_verdict(claim, numbers),
            deciding.our_verdict(claim, records),
        )
        rows.append(
            {name: claim.get(name, "") for name in ("id", "paper", "place", "claim", "note")}
            | {
                "printed": printed,
                "printed_evidence": first,
                "ours": ours,
                "ours_evidence": second,
                "tables": touched,
            }
        )
    return pd.DataFrame(rows)


def verdicts(records: pd.DataFrame, tables: tuple[str, ...]) -> pd.DataFrame:
    """The claims that our records of these tables bear on, as a chapter shows them."""
    frame = ledger(records, tables)
    return pd.DataFrame(
        {
            "claim": frame.claim,
            "by the paper's numbers": frame.printed,
            "here": frame.ours,
            "comparisons here": frame.ours_evidence.map(tally),
        }
    )


def tally(evidence: list) -> str:
    """How many comparisons of a claim say yes, no and neither, in words."""
    said = [says for _, _, says in evidence]
    if len(said) == 1 and evidence[0][1] is not None:
        value, low, high = evidence[0][1]
        return str(value) if isinstance(value, Decimal) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
    return f"{said.count(True)} of {len(said)} hold, {said.count(False)} do not" if said else ""
