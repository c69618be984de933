"""The figure of chapter 6: what is kept, added and opposed."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.data.dialogues import REFERENCES
from emo_utils.report import descriptions, figures

_PANELS = {
    "kept": "kept (share of the doctor's tokens)",
    "added": "details added",
    "opposed": "sentences opposed",
}


def facts_figure(records: pd.DataFrame):
    """A panel a measure of facts with its intervals, a line a system; dotted: what an answer to
    another question keeps.
    """
    part = records[records.table == "emodoctor.facts"]
    systems = part.system.unique()
    figure, axes = plt.subplots(
        1, 3, figsize=(figures.WIDTH, 3.4), sharey=True, layout="constrained"
    )
    for axis, (metric, label) in zip(axes, _PANELS.items(), strict=True):
        for place, r in enumerate(part[part.metric == metric].itertuples()):
            figures.point(axis, r, place, figures.colour(r.system))
        axis.set(
            title=textwrap.fill(label, 18),
            yticks=range(len(systems)),
            yticklabels=[figures.named(s) for s in systems],
        )
    another = part[(part.system == "another") & (part.metric == "kept")]
    for value in another.value:
        axes[0].axvline(value, color="black", lw=0.8, ls=":")
    axes[0].invert_yaxis()
    of_systems = part[~part.system.isin(REFERENCES)]
    floor = descriptions.listed(another, figures.named)
    descriptions.describe(
        figure,
        "Points with 95 % intervals, a line a system or text of the data, in three panels; "
        f"{descriptions.counted(part)}. Of the systems:",
        *(
            f"{label}, "
            f"{descriptions.ranked(of_systems[of_systems.metric == metric], figures.named)}."
            for metric, label in _PANELS.items()
        ),
        floor and f"Dotted, what is kept by {floor}.",
    )
    return figure
