"""The figure of the scores of Empathy by Design."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.data.caregiver import ELSEWHERE, PREFERRED, REJECTED
from emo_utils.report import descriptions, figures

COLOURS = {
    "ebd-base": figures.COLOURS["sft"],
    "ebd-dpo": figures.COLOURS["dpo"],
    PREFERRED: "#888888",
    REJECTED: "#888888",
    ELSEWHERE: "#888888",
}
PANELS = {
    "cosine": "cosine with the reference",
    "correctness": "correctness (1 to 5)",
    "entailment": "P(entailed by the reference)",
    "empathy": "empathy (1 to 5)",
    "politeness": "politeness (1 to 5)",
    "grade": "grade level",
}


def scores_figure(records: pd.DataFrame, systems: list[str], title: str) -> None:
    """A panel for each score, each with an axis of its own and a line a system: the value and its
    interval; texts of the data are grey squares.

    records: those of the scores, one a system and metric.
    """
    figure, axes = plt.subplots(3, 2, figsize=(figures.WIDTH, 7), sharey=True, layout="constrained")
    for axis, (metric, label) in zip(axes.flat, PANELS.items()):
        part = records[records.metric == metric].set_index("system")
        for y, system in enumerate(systems):
            if system not in part.index:
                continue
            record = part.loc[system]
            colour = COLOURS.get(system, figures.COLOURS["kto"])
            marker = "s" if system in (PREFERRED, REJECTED, ELSEWHERE) else "o"
            figures.point(axis, record, y, colour, marker)
        names = [textwrap.fill(figures.named(system), 22) for system in systems]
        axis.set(title=label, yticks=range(len(systems)), yticklabels=names)
    axes[0, 0].invert_yaxis()
    figure.suptitle(title, fontsize=9)
    shown = records[records.system.isin(systems) & records.metric.isin(list(PANELS))]
    shown = figures.labelled(shown)
    descriptions.describe(
        figure,
        f"{title}: points with 95 % intervals, a line a system or text of the data (grey squares) "
        f"of {len(systems)}, in {len(PANELS)} panels.",
        *(
            f"{label[0].upper()}{label[1:]}: "
            f"{descriptions.extremes(shown[shown.metric == metric])}."
            for metric, label in PANELS.items()
        ),
    )
