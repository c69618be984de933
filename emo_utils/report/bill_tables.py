"""Numbers of chapter 13's tables, from cents to millions."""

import pandas as pd


def rounded(value: float) -> str:
    """A number in as many digits as a bill needs; empty where there is none."""
    if pd.isna(value):
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"
