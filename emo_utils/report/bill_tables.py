"""Numbers of chapter 13's tables, and the formula beside what was measured."""

import math

import pandas as pd


def rounded(value: float) -> str:
    """A number in the one digit that a bill of this kind knows; empty where there is none."""
    if pd.isna(value):
        return ""
    if not value:
        return "0"
    places = -math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(places, 0)}f}"


def own_runs(trainings: list[dict]) -> pd.DataFrame:
    """Kept trainings with what the formula says and what was measured, a row each: run, seconds of
    both, and how many times as long it took.

    trainings: of `bill.kept_trainings`, with `computed`, in seconds.
    """
    table = pd.DataFrame(trainings)
    return pd.DataFrame(
        {
            "run": table.run,
            "computed, s": table.computed,
            "measured, s": table.seconds,
            "times": (table.seconds / table.computed).round(1),
        }
    )
