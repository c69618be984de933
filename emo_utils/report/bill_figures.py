"""The figure of chapter 13: where the hours go."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.report import descriptions, figures
from emo_utils.report.bill_tables import rounded


def hours_by_task(lines: pd.DataFrame, gpu: str):
    """Hours on one GPU by task on a logarithmic axis, trainings in a colour of their own.

    lines: columns item, GPU hours, GB (of a training's weights; missing for other tasks).
    """
    part = lines[lines["GPU hours"].notna()].sort_values("GPU hours")
    part = part.assign(item=part["item"].map(figures.in_words))
    colours = [figures.COLOURS["sft" if trains else "dpo"] for trains in part["GB"].notna()]
    figure, axis = plt.subplots(
        figsize=(figures.WIDTH, 1.2 + 0.3 * len(part)), layout="constrained"
    )
    axis.barh([textwrap.fill(item, 34) for item in part["item"]], part["GPU hours"], color=colours)
    for place, hours in enumerate(part["GPU hours"]):
        axis.text(hours * 1.05, place, rounded(hours), va="center")
    axis.set(
        xscale="log",
        xlabel=f"hours on one {gpu}, computed\n(blue: training, orange: reading and writing)",
        xlim=(None, part["GPU hours"].max() * 4),
    )
    least, most = part.iloc[0], part.iloc[-1]
    descriptions.describe(
        figure,
        f"Bars of computed hours on one {gpu}, on a logarithmic axis, for {len(part)} tasks, "
        f"{int(part['GB'].notna().sum())} of them trainings.",
        f"Longest: {most['item']}, {rounded(most['GPU hours'])}; shortest: {least['item']}, "
        f"{rounded(least['GPU hours'])}.",
    )
    return figure
