"""The printed numbers of the papers' tables."""

from pathlib import Path

from emo_utils.data import files
from emo_utils.data.files import DataError
from emo_utils.experiment.results import SYSTEMS
from emo_utils.project import DATA

EMODOCTOR = DATA / "published" / "emodoctor.csv"


def read(path: Path):
    """The printed numbers of the papers' tables (pandas, all text):
    columns table, system, metric, value and what else the file has.

    Raises DataError with the row of a fault.
    """
    frame = files.table(path)
    if lacking := [name for name in ("table", "system", "metric", "value") if name not in frame]:
        raise DataError(f"{path.name} lacks the column '{lacking[0]}'")
    odd = ~frame.value.str.fullmatch(r"<?-?\d+(\.\d+)?") | frame.duplicated(
        ["table", "system", "metric"]
    )
    if odd.any():
        row = frame[odd].iloc[0]
        raise DataError(
            f"{path.name}, row {frame.index[odd][0] + 2}: {row.table}, {row.system}, "
            f"{row.metric} is {row.value!r}: no number, or given twice"
        )
    return frame


def emodoctor(table: str, printed: bool = False):
    """The paper's numbers of a table: rows systems, columns metrics, in the paper's order;
    as printed (text) if asked for.
    """
    frame = read(EMODOCTOR)
    frame["value"] = frame.value if printed else frame.value.astype(float)
    frame = frame[frame.table == table]
    return frame.pivot(index="system", columns="metric", values="value").reindex(
        index=[s for s in SYSTEMS if s in set(frame.system)], columns=frame.metric.unique()
    )
