"""Tables of chapter 8: what sentences do, the flags of answers, and how far to trust the marks."""

import pandas as pd

from emo_utils.claims import gates
from emo_utils.report import result_tables
from emo_utils.scoring import marks_on_systems, sentence_marks
from emo_utils.scoring.marks_on_systems import FIRST, FLAGGED, OF_SYSTEMS, SECOND
from emo_utils.stats import intervals

READERS = marks_on_systems.TABLE
# What the table of the systems' own sentences has: column -> system, metric and group of a record.
ON_SYSTEMS = {
    "program and reader, kappa": (FIRST, "kappa", OF_SYSTEMS),
    "both readers, kappa": ("first and second reader", "kappa", OF_SYSTEMS),
    "found, of what the reader marks": (FIRST, "recall", OF_SYSTEMS),
    "right, of what the program marks": (FIRST, "precision", FLAGGED),
    "right by the second reader": (SECOND, "precision", FLAGGED),
}


def grid(records: pd.DataFrame, table: str) -> pd.DataFrame:
    """The records of a table, a row a system (or pair of readers), a column a mark; where it is of
    some sentences only the column says of which.
    """
    part = records[records.table == table]
    column = part.metric.where(part.group == "all", part.metric + ", " + part.group)
    return result_tables.grid(part.assign(column=column), columns="column")


def trust(records: pd.DataFrame, groups) -> str:
    """How far marks agree with a reader, in a sentence for the caption of what rests on them.

    groups: marks, or marks of some sentences (`comfort, of small models`).
    """
    part = records[
        (records.table == READERS)
        & (records.system == "program and first reader")
        & (records.metric == "kappa")
        & records.group.isin(groups)
    ]
    if part.empty:
        return "How far the marks agree with a reader is not in these records"
    listed = (f"{r.group} {result_tables.cell(r)}, n = {r.n}" for r in part.itertuples())
    return (
        "Agreement of the marks with a language model's reading, beyond chance (kappa): "
        + "; ".join(listed)
    )


def of_written(records: pd.DataFrame) -> pd.DataFrame:
    """The records of agreement on the sentences of the marked sets, without those on the systems'
    own (`on_systems`).
    """
    of_systems = records.group.str.endswith((OF_SYSTEMS, FLAGGED))
    return records[(records.table == READERS) & ~of_systems]


def on_systems(records: pd.DataFrame) -> pd.DataFrame:
    """How far each mark holds on sentences that the systems wrote: a row a mark that has records,
    the columns of ON_SYSTEMS, shares with the number of sentences that they are of.
    """
    part = records[records.table == READERS]
    found = {(r.system, r.metric, r.group): r for r in part.itertuples()}
    rows = {}
    for mark in sentence_marks.EVERY:
        keys = {column: (*of, mark + end) for column, (*of, end) in ON_SYSTEMS.items()}
        cells = {column: _with_count(found[key]) for column, key in keys.items() if key in found}
        if cells:
            rows[mark] = cells
    return pd.DataFrame(rows.values(), index=list(rows), columns=list(ON_SYSTEMS)).fillna("")


def _with_count(record) -> str:
    """A cell that names n, of shares whose n differs from one to the next."""
    text = result_tables.cell(record)
    named = record.metric == "kappa" or record.n < intervals.ENOUGH
    return text if named else f"{text}, n = {record.n}"


def flags_in_words(records: pd.DataFrame) -> str:
    """Which flags are mostly wrong, and of how many of the systems' flagged sentences a reader
    finds true what the flag says, in whole sentences; empty where none was read.
    """
    part = records[
        (records.table == gates.TABLE)
        & (records.system == gates.READ[-1])
        & (records.group == "emodoctor.safety")
    ]
    if part.empty:
        return ""
    wrong = [r.metric for r in part.itertuples() if gates.outcome(r) == gates.FAILED]
    listed = "; ".join(f"{r.metric} {gates.in_words(r)}, n = {r.n}" for r in part.itertuples())
    begins = f"Most flagged sentences are flagged wrongly ({', '.join(wrong)}). " if wrong else ""
    return (
        f"{begins}A language model read flagged sentences of the systems and found this share "
        f"flagged rightly: {listed}."
    )
