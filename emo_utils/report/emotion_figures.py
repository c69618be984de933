"""Figures of the emotion scores: the answers behind a mean, two scorers side by side, and plain
questions beside emotional ones.
"""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from emo_utils.data.dialogues import REFERENCES
from emo_utils.report import descriptions, figures
from emo_utils.scoring import emotion_records

# What the texts of `paid_figure` are, where the name of the system does not say it.
PAID = {
    "base": "base (untrained)",
    "said twice": "the warm answer, said twice",
    "padding alone": "polite padding alone",
    "a failed training": "shuffled words (a failed training)",
}


def answers_figure(scores: pd.DataFrame, title: str):
    """One point an answer, one line a system; scores: one row an answer, columns system, mean."""
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 3.4), layout="constrained")
    sns.stripplot(
        figures.labelled(scores),
        x="mean",
        y="system",
        hue="system",
        palette=[figures.colour(system) for system in scores.system.unique()],
        size=4,
        alpha=0.7,
        ax=axis,
        legend=False,
    )
    axis.set(xlabel="score in [0, 1]", ylabel="")
    figure.suptitle(title, x=0.01, ha="left")
    medians = scores.groupby("system", sort=False)["mean"].median()
    descriptions.describe(
        figure,
        f"One point an answer by its score, a line a system, {len(scores)} answers. Medians:",
        "; ".join(f"{figures.named(name)} {median:.2f}" for name, median in medians.items()) + ".",
    )
    return figure


def paid_figure(records: pd.DataFrame, label: str):
    """What a score pays for: the mean score of the systems, of the texts of the data (squares) and
    of the controls (crosses), from low to high, with their intervals.

    records: of chapter 5. label: of the axis.
    """
    tables = ("emodoctor.table1", "emodoctor.table1.controls")
    means = records[records.table.isin(tables) & (records.metric == "mean")]
    means = means[means.group == "all"].sort_values("value", kind="stable")
    figure, axis = plt.subplots(
        figsize=(figures.WIDTH, 0.27 * len(means) + 1), layout="constrained"
    )
    for place, r in enumerate(means.itertuples()):
        control = r.table.endswith("controls")
        known = control or r.system in REFERENCES
        colour = "black" if known else figures.colour(r.system)
        marker = "x" if control else "s" if known else "o"
        figures.point(axis, r, place, colour, marker, width=1.5)
    names = [_paid_name(system) for system in means.system]
    axis.set(yticks=range(len(means)), yticklabels=names, xlabel=label)
    descriptions.describe(
        figure,
        f"Points with 95 % intervals by {label}, a line a system (circles), text of the data "
        "(squares) or control (crosses), from low to high.",
        *_paid_in_words(means),
    )
    return figure


def _paid_name(system: str) -> str:
    return PAID.get(system) or figures.named(system)


def _paid_in_words(means: pd.DataFrame) -> list[str]:
    """The highest and the lowest system, the texts of the data and the controls with their values,
    and which controls score above every system.
    """
    of_controls, of_data = means.table.str.endswith("controls"), means.system.isin(REFERENCES)
    controls, texts = means[of_controls], means[of_data & ~of_controls]
    systems = means[~of_controls & ~of_data]
    counted = descriptions.counted(means)
    sentences = [f"Systems, {counted}: {descriptions.ranked(systems, _paid_name)}."]
    if len(texts):
        sentences.append(f"Texts of the data: {descriptions.listed(texts, _paid_name)}.")
    if len(controls):
        above = controls[controls.value > systems.value.max()].system.map(_paid_name)
        sentences.append(f"Controls: {descriptions.listed(controls, _paid_name)}.")
        sentences.append(f"Controls above every system: {'; '.join(above) or 'none'}.")
    return sentences


def evaluators_figure(records: pd.DataFrame):
    """The means of two scorers, each on an axis of its own, from the records of
    `emodoctor.table1.evaluators`.
    """
    means = records[records.metric == "mean"]
    figure, axes = plt.subplots(
        1, 2, figsize=(figures.WIDTH, 3.2), sharey=True, layout="constrained"
    )
    for axis, (group, rows) in zip(axes, means.groupby("group", sort=False), strict=True):
        for r in rows.itertuples():
            figures.point(axis, r, figures.named(r.system), figures.colour(r.system))
        axis.set(
            title=textwrap.fill(f"{group.removeprefix('scorer=')}: {rows.scorer.iloc[0]}", 26),
            xlabel=f"mean score,\nn = {rows.n.min()} questions",
        )
    axes[0].invert_yaxis()
    descriptions.describe(
        figure,
        "Points with 95 % intervals, a line a system, a panel a scorer, each on an axis of its "
        "own.",
        *(
            f"{group.removeprefix('scorer=')}, {descriptions.counted(rows)}: "
            f"{descriptions.extremes(rows, figures.named)}."
            for group, rows in means.groupby("group", sort=False)
        ),
    )
    return figure


def plain_figure(records: pd.DataFrame, label: str):
    """The mean score of each system on plain questions (filled) and on the same questions with
    their feeling (open), and of the doctor's and the warm answer (squares), with their intervals.

    records: of chapter 5.1. label: of the axis.
    """
    means = records[records.metric == "mean"]
    plain, emotional = (
        means[means.table == table].set_index("system", drop=False)
        for table in (emotion_records.PLAIN, emotion_records.EMOTIONAL)
    )
    texts = plain[plain.system.isin(("doctor", "reference"))]
    systems = plain.loc[list(emotional.system)]
    order = [*systems.system, *texts.system]
    figure, axis = plt.subplots(
        figsize=(figures.WIDTH, 0.4 * len(order) + 1.4), layout="constrained"
    )
    for place, system in enumerate(order):
        if system in texts.index:
            figures.point(axis, texts.loc[system], place, "black", "s", width=1.5)
            continue
        colour = figures.colour(system)
        figures.point(axis, systems.loc[system], place - 0.13, colour, width=1.5)
        figures.point(
            axis, emotional.loc[system], place + 0.13, colour, width=1.5, markerfacecolor="white"
        )
    title = descriptions.headline(systems, "plain questions", figures.named)
    axis.set(yticks=range(len(order)), yticklabels=map(figures.named, order), xlabel=label)
    figure.suptitle(title, x=0.01, ha="left")
    axis.invert_yaxis()
    keys = {"plain question": figures.GREY, "emotional question": "white"}
    for name, inside in keys.items():
        axis.plot([], [], "o", color=figures.GREY, markerfacecolor=inside, label=name)
    figure.legend(loc="outside lower center", ncols=2)
    descriptions.describe(
        figure,
        f"Points with 95 % intervals by {label}, a line a system: filled on plain questions, open "
        "on the same questions with their feeling; squares: texts of the data.",
        f"Plain questions, {descriptions.counted(systems)}: "
        f"{descriptions.listed(systems, figures.named)}.",
        f"Emotional questions, {descriptions.counted(emotional)}: "
        f"{descriptions.listed(emotional, figures.named)}.",
        f"Texts of the data: {descriptions.listed(texts, figures.named)}." if len(texts) else "",
    )
    return figure
