"""Tables of a page."""

import pandas as pd


def table_html(frame: pd.DataFrame, classes: str = "companion") -> str:
    return (
        '<div class="companion-table">'
        + frame.to_html(escape=True, border=0, classes=classes)
        + "</div>"
    )
