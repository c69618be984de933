"""The table of gates as the scoring chapters show it."""

import pandas as pd
from IPython.display import HTML

from emo_utils.claims import gates
from emo_utils.report import result_tables


def shown(
    records: pd.DataFrame, run, covers: str, *, items: str = "questions", begins: str = ""
) -> HTML:
    """The gates among a run's records, with what their outcomes mean.

    covers: what the intervals speak of, and whose instrument it is, without the last full stop.
    items: what there may be too few of. begins: of the caption, for a page with several.
    """
    return result_tables.show(
        gates.shown(records),
        run,
        f"{begins}Passed: the whole interval lies where it must. Open: too few {items} to tell, "
        f"or an interval that holds both. {covers}.",
        index=False,
    )
