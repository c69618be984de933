"""The figure of chapter 6: facts kept, added and opposed."""

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.report import figures
from emo_utils.report.knowledge_tables import YARDSTICKS

_PANELS = {
    "kept": "kept (share of the doctor's tokens)",
    "added": "details added",
    "opposed": "sentences opposed",
}


def facts_figure(records: pd.DataFrame):
    """A panel a measure of facts with its intervals, a line a system; dotted lines: the yardsticks
    of what is kept.
    """
    part = records[records.table == "emodoctor.facts"]
    systems = part.system.unique()
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.2), sharey=True, layout="constrained")
    for axis, (metric, label) in zip(axes, _PANELS.items(), strict=True):
        for place, r in enumerate(part[part.metric == metric].itertuples()):
            axis.plot([r.ci_low, r.ci_high], [place] * 2, color=figures.colour(r.system), lw=2)
            axis.plot(r.value, place, "o", color=figures.colour(r.system))
        axis.set(
            title=label,
            yticks=range(len(systems)),
            yticklabels=[figures.LABELS.get(s, s) for s in systems],
        )
    for r in records[records.table == YARDSTICKS].itertuples():
        axes[0].axvline(r.value, color="black", lw=0.8, ls=":")
    axes[0].invert_yaxis()
    return figure
