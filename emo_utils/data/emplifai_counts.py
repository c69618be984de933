"""What a run records of a file of Japanese dialogues (chapter 9): counts, what is wrong with rows,
lengths of turns. What the records are computed from is in `emplifai`.
"""

import pandas as pd

from emo_utils.stats import intervals


def add_balance(run, balance: pd.DataFrame, rows: int, source: str) -> None:
    """Record how many situations and dialogues each emotion has (EmplifAI, Table 1).

    balance: of `emplifai.balance`; rows: how many there are; source: where they are from.
    """
    for r in balance.itertuples():
        for metric in ("situations", "dialogues"):
            run.add(
                **_counted(rows),
                table="emplifai.table1",
                metric=metric,
                group=f"emotion={r.emotion}",
                value=getattr(r, metric),
                signature=f"rows of {source}",
            )


def add_findings(run, findings: pd.DataFrame, rows: int) -> None:
    """Record how many rows have each problem of `emplifai.findings`."""
    for problem, part in findings.groupby("problem"):
        run.add(
            **_counted(rows),
            table="emplifai.data",
            metric="findings",
            group=problem,
            value=part.row.nunique(),
            signature="rows with this finding",
        )


def add_turn_lengths(run, lengths: pd.DataFrame, rows: int) -> None:
    """Record the mean characters of each turn and of a dialogue; intervals are over situations,
    whose dialogues share a scene.

    lengths: of `emplifai.turn_lengths`; rows: how many dialogues there are, with those that lack a
    turn.
    """
    for speaker, part in lengths.groupby("speaker", sort=False):
        value, low, high = intervals.mean_interval(part.characters, part.situation)
        run.add(
            table="emplifai.data",
            system="data",
            metric="characters",
            group=speaker,
            value=value,
            ci_low=low,
            ci_high=high,
            n=len(part),
            unscored=rows - len(part),
            scorer="count",
            signature="characters without spaces; interval over situations",
        )


def _counted(rows: int) -> dict:
    fields = {"system": "data", "n": rows, "scorer": "count", "kind": "count"}
    return fields | {"interval": "none"}
