"""Figures of the emotion scores: the answers behind a mean, and two scorers side by side."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from emo_utils.data import dialogues
from emo_utils.report import figures

# What the texts of `paid_figure` are, where the name of the system does not say it.
PAID = {
    "base": "base (untrained)",
    "said twice": "the warm answer, said twice",
    "padding alone": "polite padding alone",
    "a failed training": "the warm answer's words shuffled (a failed training)",
}


def answers_figure(scores: pd.DataFrame, title: str):
    """One point an answer, one line a system; scores: one row an answer, columns system, mean."""
    figure, axis = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
    sns.stripplot(
        scores,
        x="mean",
        y="system",
        hue="system",
        palette=[figures.colour(system) for system in scores.system.unique()],
        size=4,
        alpha=0.7,
        ax=axis,
        legend=False,
    )
    axis.set(title=title, xlabel="score in [0, 1]", ylabel="")
    return figure


def paid_figure(records: pd.DataFrame, label: str):
    """What a score pays for: the mean score of the systems, of the texts of the data (squares) and
    of the controls (crosses), from low to high, with their intervals.

    records: of chapter 5. label: of the axis.
    """
    tables = ("emodoctor.table1", "emodoctor.table1.controls")
    means = records[records.table.isin(tables) & (records.metric == "mean")]
    means = means[means.group == "all"].sort_values("value", kind="stable")
    figure, axis = plt.subplots(figsize=(8, 0.27 * len(means) + 1), layout="constrained")
    for place, r in enumerate(means.itertuples()):
        control = r.table.endswith("controls")
        known = control or r.system in dialogues.REFERENCES
        colour = "black" if known else figures.colour(r.system)
        marker = "x" if control else "s" if known else "o"
        figures.point(axis, r, place, colour, marker, width=1.5)
    names = [PAID.get(system) or figures.LABELS.get(system, system) for system in means.system]
    axis.set(yticks=range(len(means)), yticklabels=names, xlabel=label)
    return figure


def evaluators_figure(records: pd.DataFrame):
    """The means of two scorers, each on an axis of its own, from the records of
    `emodoctor.table1.evaluators`.
    """
    means = records[records.metric == "mean"]
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.2), sharey=True, layout="constrained")
    for axis, (group, rows) in zip(axes, means.groupby("group", sort=False), strict=True):
        for r in rows.itertuples():
            figures.point(axis, r, r.system, figures.colour(r.system))
        axis.set(
            title=f"{group.removeprefix('scorer=')}: {rows.scorer.iloc[0]}",
            xlabel=f"mean score, n = {rows.n.min()} questions",
        )
    axes[0].invert_yaxis()
    return figure
