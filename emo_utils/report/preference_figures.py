"""Figures of what a judge prefers: win shares among all systems, and strengths from pairs."""

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.judging import preference
from emo_utils.report import descriptions, figures

TITLES = {"knowledge": "most knowledgeable", "emotion": "most reassuring"}
STRENGTHS = {"strength": (-0.12, "o"), "strength_length_controlled": (0.12, "s")}


def win_shares(records: pd.DataFrame):
    """Figure 2 of EmoDoctor: for each question the share that each system won, with its interval;
    dotted, the share of a judge that guesses.
    """
    systems = list(preference.SYSTEMS)
    figure, axes = plt.subplots(
        1, 2, figsize=(figures.WIDTH, 3.2), sharey=True, layout="constrained"
    )
    sentences = []
    for axis, (question, title) in zip(axes, TITLES.items(), strict=True):
        of_panel = records.table == f"emodoctor.figure2.{question}"
        shares = records[of_panel & (records.metric == "win_share")]
        shares = shares.set_index("system").loc[systems]
        axis.barh(
            [figures.LABELS[s] for s in systems],
            shares.value,
            xerr=[shares.value - shares.ci_low, shares.ci_high - shares.value],
            color=[figures.colour(s) for s in systems],
            alpha=0.85,
            error_kw={"lw": 1},
        )
        axis.axvline(1 / len(systems), color="black", lw=0.8, ls=":")
        axis.set(title=title, xlabel="share of questions won")
        sentences.append(_ranked(title, shares.reset_index()))
    axes[0].invert_yaxis()
    descriptions.describe(
        figure,
        f"Bars with 95 % intervals: the share of questions that each of {len(systems)} systems "
        f"won, in two panels; dotted at {1 / len(systems):.2f}, a judge that guesses.",
        *sentences,
    )
    return figure


def _ranked(title: str, records: pd.DataFrame) -> str:
    """Which system is highest and lowest in a panel."""
    return (
        f"{title[0].upper()}{title[1:]}, {descriptions.counted(records)}: "
        f"{descriptions.ranked(records, figures.named)}."
    )


def tournament(records: pd.DataFrame):
    """Bradley-Terry strengths with their intervals for each question; beside each the strength from
    which the effect of the answers' lengths is taken out.
    """
    systems = list(preference.SYSTEMS)
    figure, axes = plt.subplots(
        1, 2, figsize=(figures.WIDTH, 3.2), sharey=True, layout="constrained"
    )
    sentences = []
    for axis, (question, title) in zip(axes, TITLES.items(), strict=True):
        of_panel = records[records.table == f"emodoctor.figure2.tournament.{question}"]
        for metric, (shift, marker) in STRENGTHS.items():
            for r in of_panel[of_panel.metric == metric].itertuples():
                place, colour = systems.index(r.system) + shift, figures.colour(r.system)
                label = metric.replace("_", " ") if r.system == systems[0] else None
                figures.point(axis, r, place, colour, marker, width=1.5, ms=4, label=label)
        axis.axvline(0, color="black", lw=0.8, ls=":")
        axis.set(
            title=title,
            xlabel="strength, log-odds",
            yticks=range(len(systems)),
            yticklabels=[figures.LABELS[s] for s in systems],
        )
        sentences.append(_ranked(title, of_panel[of_panel.metric == "strength"]))
    axes[0].invert_yaxis()
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    descriptions.describe(
        figure,
        f"Points with 95 % intervals: the strength in pairs of each of {len(systems)} systems, in "
        "log-odds, in two panels, and beside it the strength without the effect of length.",
        *sentences,
    )
    return figure
