"""Tables of what a judge prefers: win shares, pairs, tricks that try to pull it."""

from collections.abc import Iterator

import pandas as pd
from IPython.display import HTML

from emo_utils.judging import preference
from emo_utils.report import kept_runs, result_tables

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
