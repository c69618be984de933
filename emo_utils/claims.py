"""The papers' claims as orderings between two systems, and what our numbers say of each.

A claim compares two systems under one metric. The notebook that owns the metric records the difference
with its interval; the verdict follows from the interval alone.
"""

import pandas as pd

from emo_utils import data
from emo_utils.project import DATA

TABLE = "emodoctor.claims"
PATH = DATA / "published" / "claims.csv"
VERDICTS = {
    "holds": "the interval of the difference lies above zero",
    "contradicted": "the interval of the difference lies below zero",
    "undecided": "the interval of the difference contains zero: these data do not decide",
    "not measured": "no record yet",
}


def claims(tables: tuple[str, ...] = ()) -> pd.DataFrame:
    """Claims (columns id, place, claim, table, metric, better, worse, kind), of the given tables or all."""
    frame = pd.read_csv(data.used(PATH))
    return frame[frame.table.isin(tables)] if tables else frame


def verdict(low: float, high: float) -> str:
    """`holds`, `contradicted` or `undecided` from the 95 % interval of better - worse."""
    return "holds" if low > 0 else "contradicted" if high < 0 else "undecided"


def add_differences(run, tables: tuple[str, ...], difference, n: int, scorer: str) -> None:
    """Record better - worse with its interval for every claim of these tables.

    difference: called with (table, metric, better, worse), returns value, low, high over paired test items.
    """
    for claim in claims(tables).itertuples():
        value, low, high = difference(claim.table, claim.metric, claim.better, claim.worse)
        run.add(table=TABLE, system=f"{claim.better} - {claim.worse}", metric=claim.id, value=value, ci_low=low, ci_high=high, n=n,
                scorer=scorer, signature=f"paired difference of {claim.metric} in {claim.table}; bootstrap over test items")


def ledger(records: pd.DataFrame) -> pd.DataFrame:
    """Every claim with our difference, its interval and the verdict; `not measured` where there is no record."""
    found = records[records.table == TABLE].set_index("metric")
    frame = claims().set_index("id").join(found[["value", "ci_low", "ci_high", "n", "scorer", "run"]])
    frame["verdict"] = [verdict(r.ci_low, r.ci_high) if pd.notna(r.value) else "not measured" for r in frame.itertuples()]
    return frame.reset_index()
