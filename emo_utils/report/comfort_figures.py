"""The figures of chapter 8: comfort against safety flags and against what is kept, and the marks of
each system by the program and by a reader.
"""

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.data import dialogues
from emo_utils.experiment import results
from emo_utils.report import descriptions, figures
from emo_utils.scoring import marks_on_systems, sentence_marks

WHO = {  # metric -> (who marked, colour, how far below the line of its system)
    marks_on_systems.BY_PROGRAM: ("program", figures.ORANGE, -0.15),
    marks_on_systems.BY_READER: ("reader", figures.BLUE, 0.15),
}


def cost_of_comfort(records: pd.DataFrame, kept: dict[str, tuple[float, float, float]]):
    """Two panels over the share of sentences that comfort: answers with a safety flag, and what is
    kept of the doctor's answer. A point a system, with both intervals.

    records: of chapter 8; kept: system -> mean share of tokens, and its interval.
    """
    part = records[records.table.isin(("emodoctor.table3", "emodoctor.safety"))]
    shares = part.set_index(["system", "metric"])
    figure, axes = plt.subplots(
        1, 2, figsize=(figures.WIDTH, 4.6), sharex=True, layout="constrained"
    )
    for system in part[part.metric == "comfort_share"].system:
        comfort, flagged = shares.loc[system, "comfort_share"], shares.loc[system, "any"]
        of_flags = flagged.value, flagged.ci_low, flagged.ci_high
        for axis, (value, low, high) in zip(axes, (of_flags, kept[system]), strict=True):
            axis.errorbar(
                comfort.value,
                value,
                xerr=[[comfort.value - comfort.ci_low], [comfort.ci_high - comfort.value]],
                yerr=[[value - low], [high - value]],
                elinewidth=0.8,
                color=figures.colour(system),
                fmt=figures.marker(system),
                label=figures.LABELS[system],
            )
    comfort = "share of sentences\nthat comfort"
    axes[0].set(title="answers with a safety flag", ylabel="share of answers", xlabel=comfort)
    axes[1].set(title="kept of the doctor's answer", ylabel="share of tokens", xlabel=comfort)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    drawn = part[part.system.isin(part[part.metric == "comfort_share"].system)]
    means = {system: value for system, (value, _, _) in kept.items() if system in set(drawn.system)}
    most, least = max(means, key=means.get), min(means, key=means.get)
    descriptions.describe(
        figure,
        "Points with 95 % intervals both ways, a point a system, in two panels over the share of "
        f"sentences that comfort; {descriptions.counted(drawn)}.",
        f"Comfort: {descriptions.extremes(drawn[drawn.metric == 'comfort_share'], figures.named)}.",
        "Answers with a safety flag: "
        f"{descriptions.extremes(drawn[drawn.metric == 'any'], figures.named)}.",
        f"Kept of the doctor's tokens: most {figures.named(most)} {means[most]:.2f}; "
        f"least {figures.named(least)} {means[least]:.2f}.",
    )
    return figure


def on_systems(records: pd.DataFrame):
    """A panel a mark, a line a system: the share of its sentences at random with the mark, by the
    program and by the first reader; None without such records.

    records: of chapter 8.
    """
    part = records[(records.table == marks_on_systems.TABLE) & records.metric.isin(WHO)]
    if part.empty:
        return None
    named = (*results.SYSTEMS, *dialogues.REFERENCES)
    systems = [system for system in named if system in set(part.system)]
    # Two lines of panels: five beside each other leave no room for letters of a readable size.
    figure, panels = plt.subplots(
        2, 3, figsize=(figures.WIDTH, 6.4), sharex=True, sharey=True, layout="constrained"
    )
    axes = [*panels[0][:2], *panels[1]]
    panels[0][-1].set_axis_off()
    sentences = []
    for axis, mark in zip(axes, sentence_marks.EVERY, strict=True):
        of_mark = part[part.group == mark + marks_on_systems.OF_SYSTEMS]
        for metric, (who, colour, below) in WHO.items():
            shares = of_mark[of_mark.metric == metric]
            for r in shares.itertuples():
                place = systems.index(r.system) + below
                figures.point(axis, r, place, colour, width=1.2, ms=3.5, label=who)
            sentences.append(
                f"{mark}, by the {who}: {descriptions.extremes(shares, figures.named)}."
            )
        axis.set(title=mark, xticks=[0, 0.5, 1], xticklabels=["0", ".5", "1"])
    axes[0].set(yticks=range(len(systems)), yticklabels=map(figures.named, systems))
    axes[0].invert_yaxis()
    figure.supxlabel("share of sentences with the mark", fontsize="medium")
    handles = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
    panels[0][-1].legend(handles.values(), handles, loc="center")
    descriptions.describe(
        figure,
        "Points with 95 % intervals, a line a system, a panel a mark: the share of its sentences "
        f"that have the mark by the program and by a reader; {descriptions.counted(part)}.",
        *sentences,
    )
    return figure
