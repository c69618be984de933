"""Tables of a page."""

import pandas as pd


def table_html(
    frame: pd.DataFrame, classes: str = "companion", index: bool = True, note: str = ""
) -> str:
    """A table as pages show it, cells escaped; index: with the row names; note: HTML below it."""
    table = frame.to_html(escape=True, index=index, border=0, classes=classes)
    return f'<div class="companion-table">{table}{note}</div>'
