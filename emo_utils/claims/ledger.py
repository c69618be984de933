"""The ledger: each claim of the papers with the evidence for and against it.

A claim has one verdict for each source of numbers (the paper, the runs of a profile, kept longer
runs): `ledger`, given all records of that source. A chapter has the records of its own run only; it
shows the verdicts that these settle, and leaves a claim that rests on another chapter's records
as well to the claims page (`verdicts`). It cannot read those records: chapters 5 and 6 would each
have to be run before the other, and one run alone would no longer give the same page.
"""

from decimal import Decimal

import numpy as np
import pandas as pd
import yaml

from emo_utils.claims import deciding, gates, predicates
from emo_utils.claims.deciding import TABLE
from emo_utils.data import published_numbers
from emo_utils.experiment import provenance, results
from emo_utils.project import DATA, YAML, EmoError
from emo_utils.stats import comparisons, intervals

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
    "undecided": "neither: these data do not decide",
    "contradicted": (
        "at least one interval, widened for the number of comparisons, lies on the other side"
    ),
    deciding.HELD_BACK: (
        "an instrument did not show that it could have told (its gate is named), "
        "so that no interval counts"
    ),
    "not measured": "no record yet, or one of fewer than ten items",
}
# In the place of a verdict, where a run has a part of the records that the claim rests on.
ELSEWHERE = "judged on the claims page, with the records of other chapters"
# What a verdict's intervals cover: as records have it, and in words beside the verdict.
COVERS = {"items": "this checkpoint", "seeds and items": "over training seeds"}


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
    found = yaml.load(provenance.noted(CLAIMS).read_text(encoding="utf-8"), Loader=YAML)
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


def add_combinations(
    run, tables: tuple[str, ...], cell, n: int, scorer: str, drawn: bool = False
) -> None:
    """Record every sum of cells that our claims ask for in these tables, with its interval and the
    p-value of the claim's edge.

    cell: called with (table, system, metric), returns the value and one value an item, the same
    items everywhere: shape (items,), or (seeds, items) where a system was trained several times;
    None for a system that is not there. With drawn it returns the value and its bootstrap draws.
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
        cells = [(weight, cell(*of_cell)) for weight, *of_cell in comparison.terms]
        if any(found is None for _, found in cells):
            continue
        value = sum(weight * found for weight, (found, _) in cells)
        spread = sum(weight * np.asarray(of_items) for weight, (_, of_items) in cells)
        estimate, interval, over = _estimate(value, spread, n, drawn)
        low, high = estimate.interval()
        run.add(
            table=TABLE,
            system=key,
            metric="combination",
            value=value,
            ci_low=low,
            ci_high=high,
            n=n,
            scorer=scorer,
            kind=_kind([weight for weight, *_ in comparison.terms]),
            interval=interval,
            p=estimate.p(comparison.edge(value)),
            signature=f"sum of cells over the same items; Student t over {over}",
        )


def _estimate(value: float, spread: np.ndarray, n: int, drawn: bool):
    """The estimate of a sum of cells, what its interval covers, and that in words."""
    if drawn:
        how = "test items, error by bootstrap draws"
        return intervals.drawn_estimate(value, spread, n), "items", how
    if spread.ndim == 1:
        return intervals.estimate(spread), "items", "test items"
    how = f"{len(spread)} training seeds and test items"
    return intervals.seeds_estimate(spread), "seeds and items", how


def _kind(weights: list[float]) -> results.Kind:
    """A sum of cells is a difference where as much is taken away as is added."""
    return "difference" if abs(sum(weights)) < 1e-9 else "other"


def item_values(items: pd.DataFrame):
    """What `add_combinations` asks for where every number is a mean of one value an item.

    items: rows items, columns (system, metric), without gaps; where trainings have several seeds
    the columns are (system, metric, seed), with one seed for a system without training.
    """

    def cell(_, system: str, metric: str):
        if (system, metric) not in items:
            return None
        values = items[system, metric].to_numpy(dtype=float).T
        of_seeds = values if values.ndim == 1 or len(values) > 1 else values[0]
        return float(of_seeds.mean()), of_seeds

    return cell


def panel_values(items: pd.DataFrame):
    """What `add_combinations` asks for where each table has one number an item.

    items: rows items, columns (last part of the table's name, system), without gaps.
    """

    def cell(table: str, system: str, _):
        panel = table.rsplit(".")[-1]
        if (panel, system) not in items:
            return None
        values = items[panel, system].to_numpy(dtype=float)
        return float(values.mean()), values

    return cell


def ledger(records: pd.DataFrame, tables: tuple[str, ...] = ()) -> pd.DataFrame:
    """Both verdicts on every claim, or on those that our records of these tables bear on.

    records: all those of one source. Columns id, paper, place, claim, note, printed,
    printed_evidence, ours, ours_evidence (lists of comparison, (value, low, high), outcome), why
    (the gates behind a verdict that is held back or limited, in words), tables; p
    (`deciding.p_value`, NaN where nothing was decided), p_adjusted (Holm's, over all claims that
    these records decide), corrected (the verdict by that), covers (what the intervals hold, see
    COVERS). Raises EmoError where two records with the same kind of interval stand for one sum of
    cells: a claim would have two answers.

    Holm's correction holds whatever the claims have in common, which is much: many rest on the same
    answers to the same questions. A reader takes each verdict for itself, so that it is the chance
    of a single wrong one that is kept at 5 %, and not the share of wrong ones among all.
    """
    of_sums = records[records.table == TABLE].reindex(columns=["system", "interval"])
    if twice := of_sums[of_sums.duplicated()].system.tolist():
        raise EmoError(
            f"two records of {TABLE} stand for {twice[0]}: "
            "a verdict rests on the records of one source, so give those of one run of each chapter"
        )
    cells, sums, rows = deciding.printed_cells(published()), deciding.sums_of_cells(records), []
    outcomes = gates.recorded(records)
    for claim in claims():
        asked = [c for test in claim["tests"]["ours"] or () for c in test.comparisons]
        deciding.take_older(sums, asked)
        touched = {table for c in asked for _, table, _, _ in c.terms}
        (printed, first), (ours, second, why) = (
            deciding.printed_verdict(claim, cells),
            deciding.our_verdict(claim, sums, outcomes),
        )
        decided = ours not in ("not measured", deciding.HELD_BACK)
        rows.append(
            {name: claim.get(name, "") for name in ("id", "paper", "place", "claim", "note")}
            | {
                "printed": printed,
                "printed_evidence": first,
                "ours": ours,
                "ours_evidence": second,
                "why": why,
                "tables": touched,
                "p": deciding.p_value(claim, sums) if decided else np.nan,
                "covers": deciding.covers(claim, sums) if decided else "",
            }
        )
    frame = pd.DataFrame(rows)
    frame["p_adjusted"] = comparisons.holm(frame.p)
    holds = ~frame.ours.isin(["supported", "contradicted"]) | (frame.p_adjusted <= 0.05)
    frame["corrected"] = frame.ours.where(holds, "undecided")
    if tables:
        frame = frame[[bool(touched & set(tables)) for touched in frame.tables]]
    return frame.reset_index(drop=True)


def marked(frame: pd.DataFrame, column: str = "ours") -> pd.Series:
    """Verdicts of a ledger with what their intervals cover behind them, where there is one."""
    said = [
        f"{verdict} ({COVERS[covers]})" if covers else verdict
        for verdict, covers in zip(frame[column], frame.covers)
    ]
    return pd.Series(said, frame.index, dtype=str)


def corrected_in_words(frame: pd.DataFrame) -> list[str]:
    """The corrected verdicts of a ledger with Holm's p-values; empty where nothing was measured."""

    def p_text(p: float) -> str:
        return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"

    return [
        "" if np.isnan(r.p_adjusted) else f"{r.corrected}, {p_text(r.p_adjusted)}"
        for r in frame.itertuples()
    ]


def verdicts(records: pd.DataFrame, tables: tuple[str, ...], source: str = "here") -> pd.DataFrame:
    """The claims that our records of these tables bear on, as a chapter shows them.

    tables: all that the chapter's run measures. A claim that rests on others as well has no verdict
    here but `ELSEWHERE`, and the comparisons that this run makes. source: what the records are, as
    the claims page heads its column.
    """
    frame = ledger(records, tables)
    whole = [touched <= set(tables) for touched in frame.tables]
    return pd.DataFrame(
        {
            "claim": frame.claim,
            "by the paper's numbers": frame.printed,
            source: marked(frame).where(whole, ELSEWHERE),
            "comparisons": frame.ours_evidence.map(tally),
            "because": frame.why.where(whole, ""),
        }
    )


def tally(evidence: list) -> str:
    """How many comparisons of a claim hold, are open and fail, and how many have no record, in
    words; of a single one the number with its interval.
    """
    if len(evidence) == 1 and evidence[0][1] is not None:
        value, low, high = evidence[0][1]
        return str(value) if isinstance(value, Decimal) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
    if not evidence:
        return ""
    outcomes = [outcome for _, _, outcome in evidence]
    missing = sum(found is None for _, found, _ in evidence)
    counted = (
        f"{outcomes.count(True)} hold, {outcomes.count(None) - missing} open, "
        f"{outcomes.count(False)} fail"
    )
    return counted + (f", {missing} without a record" if missing else "")
