"""The figure of chapter 8: comfort against safety flags and against what is kept."""

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.report import descriptions, figures


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
