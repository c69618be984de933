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


# Columns of the bill that are summed.
SUMMED = (
    "million tokens in",
    "million tokens out",
    "2 cores, days",
    "GPU hours",
    "eight GPUs, hours",
    "GPU, $",
    "service, $",
)


def one_digit(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """The frame with these columns as readers see them, `rounded`."""
    return frame.assign(**{name: frame[name].map(rounded) for name in columns})


def total_of(lines: pd.DataFrame) -> dict:
    """The last line of a bill: the sums of SUMMED over all its lines."""
    return {"item": "all of it", "model": ""} | lines[list(SUMMED)].sum().to_dict()


def with_total(lines: pd.DataFrame, total: dict) -> pd.DataFrame:
    """The bill as readers see it, its total last; lines: with the columns of SUMMED and `GPUs at
    least`.
    """
    whole = pd.concat([lines, pd.DataFrame([total])])
    counted = (*SUMMED, "GPUs at least")
    return one_digit(whole[["item", "model", *counted]], counted)


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


def off_in_words(own: pd.DataFrame, stated: pd.DataFrame) -> str:
    """How many times as long as computed the work took, on this project's runs and on a paper's.

    own, stated: with a column times, of `own_runs` and of `bill_tasks.stated_by_emplifai`.
    """
    of_own, of_paper = (
        f"{rounded(table.times.min())} to {rounded(table.times.max())}" for table in (own, stated)
    )
    return (
        f"The formula was off {of_own} times on this project's runs, "
        f"and {of_paper} times on the paper's"
    )


def halved(hours: dict[str, float], whole: float) -> pd.DataFrame:
    """The bill's hours with each assumption halved, and how many times the whole bill that is;
    hours: assumption -> hours on one GPU.
    """
    return pd.DataFrame(
        [
            {
                "halved": name,
                "hours on one GPU": rounded(value),
                "times": f"{value / whole:.2f}",
            }
            for name, value in hours.items()
        ]
    )
