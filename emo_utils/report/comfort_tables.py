"""Tables of chapter 8: what sentences do, the flags of answers, and how far to trust the marks."""

import pandas as pd

from emo_utils.report import result_tables

READERS = "validity.sentences"


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
    listed = (f"{r.group} {result_tables.cell(r)}, n = {r.n}" for r in part.itertuples())
    return (
        "Agreement of the marks with a language model's reading, beyond chance (kappa): "
        + "; ".join(listed)
    )
