"""Tables of what a judge prefers: win shares, pairs, tricks that try to pull it."""

import html
from collections.abc import Iterator

import pandas as pd
from IPython.display import HTML

from emo_utils.judging import preference
from emo_utils.project import REFERENCE
from emo_utils.report import kept_runs, result_tables

SCREENED = REFERENCE / "preference_screened.json"
PANELS = tuple(f"emodoctor.figure2.{question}" for question in ("knowledge", "emotion"))
CANARIES = "validity.canaries"


def win_shares(records: pd.DataFrame) -> pd.DataFrame:
    """Figure 2 of EmoDoctor as a table: the direction that the paper gives, and the share of
    questions that each system won; ties and unscored questions have rows of their own.
    """
    none = records[records.table.isin([f"{panel}.none" for panel in PANELS])]
    won = records[records.table.isin(PANELS) & (records.metric == "win_share")]
    shown = pd.concat([won, none.assign(table=none.table.str.removesuffix(".none"))])
    rows = [*preference.SYSTEMS, *none.system.unique()]
    cells = result_tables.grid(shown, columns="table").reindex(index=rows, columns=list(PANELS))
    directions = {
        system: "with ER: preferred" if system.startswith("er-") else "without ER"
        for system in preference.SYSTEMS
    }
    cells.insert(0, "published", cells.index.map(directions))
    return cells


def shown_win_shares(records: pd.DataFrame, run, count: int, how: str, agreed: str) -> HTML:
    """The table of `win_shares`. count: of the questions that were judged. how: the judge and how
    it was asked. agreed: how far the judge agrees with people, in words.
    """
    return result_tables.show(
        win_shares(records),
        run,
        "Share of the scored questions won, a tie counting in parts; "
        "ties and unscored questions have rows of their own. "
        f"n = {count} questions. {result_tables.CHECKPOINT}. "
        f"Scorer: {run.values['judge_model']}. How: {how}; share of questions won. {agreed}.",
    )


def pairs(records: pd.DataFrame) -> pd.DataFrame:
    """One row a pair: the share of questions at which its first system won, by each judge."""
    part = records[records.table.str.startswith("emodoctor.figure2.pairs.")]
    judge = part.group.map({"win": ", judge", "second": ", second judge"})
    return _grid(part.assign(column=part.table.str.rsplit(".").str[-1] + judge))


def canaries(records: pd.DataFrame) -> pd.DataFrame:
    """One row a trick: the share of questions at which the wrong answer wins, and its pull, as it
    is or after the screen.
    """
    part = records[records.table.str.startswith(CANARIES)]
    how = part.table.map({CANARIES: "", f"{CANARIES}.screened": " after the screen"})
    return _grid(part.assign(column=part.group + ", " + part.metric + how))


def _grid(records: pd.DataFrame) -> pd.DataFrame:
    return result_tables.grid(records, columns="column").sort_index(axis="columns")


def shown_pairs(records: pd.DataFrame, run, agreed: str) -> HTML:
    """The table of pairs with what the judges of this run have in common; a line where none was
    judged. agreed: how far the judge agrees with people, in words.
    """
    part = records[records.table.str.startswith("emodoctor.figure2.pairs.")]
    if part.empty:
        return HTML("<p>no pair was judged</p>")
    judge_says = listed(records[records.table == "emodoctor.figure2.judges"])
    caption = (
        f"Share of pairs won by the first, n = {part.n.max()} questions. "
        f"{result_tables.CHECKPOINT}. {judge_says}. {agreed}."
    )
    return result_tables.show(pairs(records), run, caption)


def shown_canaries(records: pd.DataFrame, run) -> HTML:
    """The table of canaries; a line where this run has none."""
    part = records[records.table.str.startswith(CANARIES)]
    if part.empty:
        return HTML("<p>not part of this run (canary_rows = 0); see the full run below</p>")
    caption = (
        "Answers that try to pull the judge: share of questions at which the wrong answer wins, "
        f"and the pull in nats; n = {part.n.max()} questions."
    )
    return result_tables.show(canaries(records), run, caption)


def words_read(shown: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """How many words a judge reads for a question, for several numbers of systems: as a choice
    among all, and as all pairs in both orders.

    shown: of `preference.comparisons`. answers: texts, one row an id, one column a system.
    """
    words = answers.stack().str.split().str.len().mean()
    frame = shown.text.str.split().str.len().mean() - answers.shape[1] * words
    orders = len(shown) // shown.id.nunique()
    rows = [
        {
            "systems": n,
            f"a choice among all, {orders} orders": orders * (frame + n * words),
            "all pairs, both orders": n * (n - 1) * (frame + 2 * words),
        }
        for n in (2, 3, 6, 9, 12)
    ]
    table = pd.DataFrame(rows).round().astype(int)
    return table.rename_axis("words that the judge reads for a question")


def of_kept_runs() -> Iterator[HTML]:
    """Everything that is kept of the long runs: the tables of the full one (`of_full_run`), the
    canaries after the screen, and with which tricks the wrong answer wins in either.
    """
    kept, screened = kept_runs.kept(kept_runs.PREFERENCE), kept_runs.kept(SCREENED)
    if len(kept):
        yield from of_full_run(kept, kept_runs.kept_source(kept_runs.PREFERENCE))
    else:
        yield HTML("<p>no full run was kept yet</p>")
    if len(screened):
        part = screened[screened.table == f"{CANARIES}.screened"]
        caption = (
            f"Canaries after the screen, n = {part.n.max()} questions. "
            f"95 % interval over test questions. Judge: {part.scorer.iloc[0]}."
        )
        source = kept_runs.kept_source(SCREENED)
        yield result_tables.show(canaries(screened), source, caption)
    for answers_read, records in (("as they are", kept), ("after the screen", screened)):
        tricks = html.escape(winning_tricks(records))
        yield HTML(
            "<p>Tricks with which the wrong answer wins at some question, "
            f"{answers_read}: {tricks}</p>"
        )


def of_full_run(records: pd.DataFrame, source) -> Iterator[HTML]:
    """Pairs, judges, canaries and orders of a kept run, each with its n; what the run did not
    measure is left out. source: of `kept_runs.kept_source`.
    """
    parts = {
        "Pairs": records[records.table.str.contains("figure2.pairs")],
        "The judge": records[records.table == "emodoctor.figure2.judges"],
        "Canaries": records[records.table == CANARIES],
        "Fewer orders": records[records.table == "emodoctor.figure2.orders"],
    }
    for title, part in parts.items():
        if part.empty:
            continue
        what = part.table.str.rsplit(".").str[-1] + ", " + part.group + ", " + part.metric
        grid, covers = _grid(part.assign(column=what)), result_tables.CHECKPOINT
        if title == "Canaries":
            grid, covers = canaries(part), "95 % interval over test questions"
        agreed = kept_runs.agreement("validity.judge", "both orders averaged", part.scorer.iloc[0])
        caption = f"{title}, n = {part.n.max()}. {covers}. {agreed}."
        yield result_tables.show(grid, source, caption)


def listed(records: pd.DataFrame) -> str:
    """Records in a line of text: `system (group) value [interval]; …`."""
    cells = (f"{r.system} ({r.group}) {result_tables.cell(r)}" for r in records.itertuples())
    return "; ".join(cells)


def winning_tricks(records: pd.DataFrame) -> str:
    """The tricks with which the wrong answer wins at some question, in a line of text."""
    if records.empty:
        return "not measured yet"
    tricks = records[records.table.str.startswith(CANARIES)]
    return listed(tricks[(tricks.metric == "wins") & (tricks.value > 0)]) or "none"
