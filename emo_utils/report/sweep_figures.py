"""The figure of a sweep: its measures over what was varied."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.report import descriptions, figures, sweep_tables

TITLES = {
    "last_margin": "reward margin, last tenth of the steps",
    "final_margin": "reward margin, last five steps",
    "moved, nats": "margin / beta, nats",
    "validation_loss": "held-out loss, each method's own",
    "warmth": "warmth (chapter 5's scorer)",
    "bleu1": "BLEU-1 with the doctor",
}


def measures_figure(records: pd.DataFrame, across: str):
    """A panel a measure over what was varied (a parameter, or `base`: the system), from the records
    of group `all`. A point is a training, its bar the interval over questions; a line joins the
    means of a system.
    """
    points = sweep_tables.with_parameters(records)
    if across == "beta":
        points = with_nats(points)
    levels = list(dict.fromkeys(points[across]))
    if across not in ("base", "init"):
        levels.sort(key=float)
    metrics = [name for name in TITLES if name in set(points.metric)]
    rows = -(-len(metrics) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(figures.WIDTH, 2.7 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(metrics) :]:
        axis.set_axis_off()
    for axis, metric in zip(axes.flat, metrics):
        _panel(axis, points[points.metric == metric], across, levels)
        axis.set_title(textwrap.fill(TITLES[metric], 26))
    if across != "base":
        drawn = axes.flat[len(metrics) - 1].get_legend_handles_labels()
        figure.legend(*drawn, loc="outside lower center", ncols=2)
    names = points.base.map(figures.named)
    if across != "base":
        names += f" at {across} " + points[across].astype(str).map(figures.named)
    points = points.assign(variant=names)
    varied = f"{across} ({', '.join(map(figures.named, levels))})"
    descriptions.describe(
        figure,
        f"Points with 95 % intervals, a training each, over {varied}, in {len(metrics)} panels; "
        "a line joins the means of a system.",
        *(
            f"{TITLES[metric][0].upper()}{TITLES[metric][1:]}: "
            f"{descriptions.extremes(points[points.metric == metric], by='variant')}."
            for metric in metrics
        ),
    )
    return figure


def with_nats(records: pd.DataFrame) -> pd.DataFrame:
    """Records with one more metric, `moved, nats`. A margin is beta times a log-ratio: divided by
    beta it says how far the model has moved.
    """
    margins = records[records.metric.isin(["last_margin", "final_margin"])]
    numbers = ["value", "ci_low", "ci_high"]
    moved = margins[numbers].div(margins.beta.astype(float), axis="index")
    return pd.concat([records, margins.assign(metric="moved, nats", **moved)])


def lines(records: pd.DataFrame, across: str):
    """What a line joins: trainings of a system whose parameters are equal but for `across` and the
    seed. Yields the system, what sets them apart in words, and their records.
    """
    varied = (across, "base", "system_of", "seed_of", "system", "seed", "beta")
    for system, part in records.groupby("base", sort=False):
        apart = [
            name
            for name in sweep_tables.parameters(part)
            if name not in varied and part[name].nunique(dropna=False) > 1
        ]
        if not apart:
            yield system, "", part
            continue
        for values, alike in part.fillna(dict.fromkeys(apart, "")).groupby(apart, sort=False):
            named = [f"{name} {value}" for name, value in zip(apart, values) if value]
            yield system, ", ".join(named), alike


def _panel(axis, records: pd.DataFrame, across: str, levels: list[str]) -> None:
    """One measure; the systems stand beside each other at each level."""
    for place, (system, note, part) in enumerate(lines(records, across)):
        aside = 0 if across == "base" else 0.06 * place
        _points(axis, part, part[across].map(levels.index) + aside, system, note)
    names = [figures.named(level) for level in levels]
    axis.set(
        xlabel="" if across == "base" else across, xticks=range(len(levels)), xticklabels=names
    )
    axis.tick_params(axis="x", rotation=40 if across in ("base", "init") else 0)


def _points(axis, records: pd.DataFrame, x: pd.Series, system: str, note: str) -> None:
    """Each training with its interval, hollow for those after ER or set apart by another parameter,
    and a line through the means.
    """
    colour = figures.colour(system)
    axis.errorbar(
        x,
        records.value,
        yerr=[records.value - records.ci_low, records.ci_high - records.value],
        fmt="o",
        ms=4,
        color=colour,
        elinewidth=0.7,
        alpha=0.8,
        label=f"{figures.LABELS[system]} {figures.in_words(note)}".strip(),
        **({"mfc": "white"} if system.startswith("er") or note else {}),
    )
    means = records.groupby(x).value.mean()
    axis.plot(means.index, means, color=colour, lw=0.8, alpha=0.6)
