"""The figure of chapter 1.1: what the emotion scorer makes of each kind of text."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from emo_utils.report import descriptions, figures


def scores_figure(scores: dict[str, pd.Series], records: pd.DataFrame, seed: int, title: str):
    """One line a kind of text: its scores as points, moved up and down at random, and a bar for the
    interval of their mean.

    scores: kind -> one score a text; records: with the metric `mean` of each kind.
    """
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 3.4), layout="constrained")
    means = records[records.metric == "mean"].set_index("system")
    for place, (kind, values) in enumerate(scores.items()):
        moved = place + np.random.default_rng(seed).uniform(-0.25, 0.25, len(values))
        axis.plot(values, moved, "o", ms=3, alpha=0.35, color="#7a8b99")
        ends = [means.ci_low[kind], means.ci_high[kind]]
        axis.plot(ends, [place] * 2, lw=4, color="#b5442f")
    axis.set_yticks(range(len(scores)), map(figures.named, scores))
    axis.invert_yaxis()
    axis.set(title=title, xlabel="emotion score in [0, 1]")
    shown = records[(records.metric == "mean") & records.system.isin(list(scores))]
    descriptions.describe(
        figure,
        "One point a text by its emotion score, a line a kind of text, and a bar for the 95 % "
        f"interval of the mean; {descriptions.counted(shown)}.",
        f"Means: {descriptions.listed(shown, figures.named)}.",
    )
    return figure
