"""Tables of the chapters on Empathy by Design: pairs, scores, checks, differences, slips."""

from pathlib import Path

import pandas as pd
from IPython.display import HTML

from emo_utils.claims import ledger
from emo_utils.judging import caregiver_questions
from emo_utils.report import kept_runs, result_tables
from emo_utils.stats import intervals


def listed(
    records: pd.DataFrame, table: str, columns: tuple[str, ...], digits: int = 3
) -> pd.DataFrame:
    """The records of a table, one a line: these columns, the value with its interval, n."""
    part = records[records.table == table]
    cells = [result_tables.cell(record, digits) for record in part.itertuples()]
    return part.assign(value=cells)[[*columns, "value", "n"]]


def shown_pairs(run, source: str, count: int) -> HTML:
    """What tells the two answers of pairs apart; source: where they are from; count: how many."""
    return result_tables.show(
        listed(run.table(), "ebd.pairs", ("system", "metric")),
        run,
        f"Pairs of {source}, n = {count}; 95 % intervals over pairs.",
        index=False,
    )


def shown_quantization(run) -> HTML | None:
    """What 4 bits cost; a printed line where that was not measured."""
    costs = listed(run.table(), "ebd.quantization", ("metric",))
    if costs.empty:
        print("not part of this run")
        return None
    return result_tables.show(
        costs,
        run,
        f"The untuned {run.values['base_model']} plain and in 4 bits on {costs.n.max()} preferred "
        "answers, per token; 95 % intervals over them.",
        index=False,
    )


def questions() -> pd.DataFrame:
    """What the judge is asked about an answer: a row a rating, its question and five levels."""
    rows = {name: [asked, *levels] for name, (asked, levels) in caregiver_questions.LEVELS.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["asked", *range(1, 6)])


def note(records: pd.DataFrame, judge: str) -> str:
    """What a caption of the scores says of intervals, and of the judge that the records name
    (`judge` where none was scored).
    """
    scorers = records[records.metric == "correctness"].scorer
    by = scorers.iloc[0] if len(scorers) else judge
    return (
        f"{result_tables.CHECKPOINT}; no interval under {intervals.ENOUGH} questions. "
        f"Judge: {by}, whose agreement with people on such answers nobody has measured. "
        f"On instructions: {kept_runs.agreement('validity.judge', 'both orders averaged', by)}"
    )


def scores(records: pd.DataFrame, tables: tuple[str, ...]) -> pd.DataFrame:
    """A row a system, a column a score."""
    return result_tables.grid(records[records.table.isin(tables)])


def checks(records: pd.DataFrame) -> pd.DataFrame:
    """How often each score puts the text above the other that it must: a row a score."""
    return pd.DataFrame(
        [
            {
                "score": record.metric,
                "must be higher": record.system,
                "than": record.group.removeprefix("above "),
                "is, in a share of": result_tables.cell(record),
                "n": record.n,
            }
            for record in records[records.table == "ebd.check"].itertuples()
        ]
    )


def gains(records: pd.DataFrame) -> pd.DataFrame:
    """Tuned minus untuned: a row a score, with p-values before and after Holm's correction."""
    part = records[records.table.str.fullmatch(r"ebd\..*\.differences")]
    return pd.DataFrame(
        {
            "score": part.metric,
            "tuned minus untuned": [result_tables.cell(record) for record in part.itertuples()],
            "p": part.p.map("{:.4f}".format, na_action="ignore"),
            "after Holm": part.p_adjusted.map("{:.4f}".format, na_action="ignore"),
            "n": part.n,
        }
    )


def slips(records: pd.DataFrame) -> pd.DataFrame:
    """Each score as meant and as a slip computes it, untuned beside tuned."""
    part = records[records.table == "ebd.slips"]
    return result_tables.grid(
        part.assign(row=part.metric + ", " + part.group), rows="row", columns="system"
    )


def full_run(kept: pd.DataFrame, tables: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """The tables of a longer run that was kept, by what their captions say of content and n."""
    n, n_slips = (kept[kept.table == table].n.max() for table in ("ebd.semantic", "ebd.slips"))
    return {
        f"Scores, full run; n = {n} questions": scores(kept, tables),
        f"What each score can tell, full run; n = {n} questions": checks(kept).set_index("score"),
        f"Tuned minus untuned, full run; n = {n} questions": gains(kept).set_index("score"),
        f"Slips, full run; n = {n_slips} questions": slips(kept),
    }


def full_run_shown(path: Path, tables: tuple[str, ...], judge: str) -> list[HTML]:
    """The tables of the kept longer run and the paper's sentences by it; empty where none was kept.

    tables: of the scores. judge: what captions name where the run's records name none.
    """
    kept = kept_runs.kept(path)
    if kept.empty:
        return []
    said, origin = note(kept, judge), kept_runs.kept_source(path)
    shown = [
        result_tables.show(part, origin, f"{caption}. {said}.")
        for caption, part in full_run(kept, tables).items()
    ]
    n = kept[kept.table == "ebd.semantic"].n.max()
    caption = f"The paper's sentences by the full run, n = {n} questions. {said}."
    verdicts = ledger.verdicts(kept, tables, "longer run")
    return [*shown, result_tables.show(verdicts, origin, caption, index=False)]
