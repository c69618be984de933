"""Figures of EmplifAI's chapters: lengths of turns, the published ratings, predicted labels beside
their floors, which label is taken for which, and ratings before and after fine-tuning.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from emo_utils.report import descriptions, figures
from emo_utils.report.figures import BLUE, GREEN, GREY, ORANGE

SCORES = {
    "exact": "the right label",
    "cosine": "cosine to it",
    "bertscore_f1": "BERTScore F1 with it",
}
PUBLISHED = {"llm-jp": BLUE, "swallow": ORANGE, "medllama": GREEN}  # models that were fine-tuned
OURS = {
    "emplifai-base": ("o", GREY),
    "emplifai-sft": ("s", BLUE),
    "emplifai-sft-seen": ("^", ORANGE),
    "data": ("D", GREEN),
}


def floors_figure(records: pd.DataFrame):
    """Three scores of every way of reading a label, from the records of `emplifai.table2`; squares
    are the floors (system `floor`), a dotted line is the highest of them.
    """
    part = records[(records.table == "emplifai.table2") & records.metric.isin(list(SCORES))]
    part = part.assign(row=part.system + ", " + part.group)
    rows = list(part.row.unique())
    figure, axes = plt.subplots(
        1, 3, figsize=(figures.WIDTH, 0.4 * len(rows) + 1.2), sharey=True, layout="constrained"
    )
    for axis, (metric, title) in zip(axes, SCORES.items(), strict=True):
        of_metric = part[part.metric == metric]
        for r in of_metric.itertuples():
            marker, colour = ("s", GREY) if r.system == "floor" else ("o", BLUE)
            place = rows.index(r.row)
            figures.point(axis, r, place, colour, marker)
        highest = of_metric[of_metric.system == "floor"].value.max()
        axis.axvline(highest, color="black", ls=":", lw=0.8)
        names = [textwrap.fill(row, 24) for row in rows]
        axis.set(title=textwrap.fill(title, 14), yticks=range(len(rows)), yticklabels=names)
    axes[0].invert_yaxis()
    descriptions.describe(
        figure,
        "Points with 95 % intervals, a line a way of reading a label and a floor (squares), a "
        f"panel a score, {descriptions.counted(part)}; dotted, the highest floor.",
        *(
            _readings_in_words(part[part.metric == metric], title)
            for metric, title in SCORES.items()
        ),
    )
    return figure


def _readings_in_words(records: pd.DataFrame, title: str) -> str:
    """The highest and the lowest reading by a score, and how many lie above the highest floor."""
    floors, readings = records[records.system == "floor"], records[records.system != "floor"]
    text = f"{title[0].upper()}{title[1:]}: {descriptions.extremes(readings, by='row')}"
    if len(floors):
        highest = floors[floors.value == floors.value.max()].head(1)
        text += (
            f"; {int((readings.value > floors.value.max()).sum())} of {len(readings)} above the "
            f"highest {descriptions.listed(highest, by='row')}"
        )
    return f"{text}."


def similar_side_by_side(similarity: np.ndarray) -> np.ndarray:
    """An order of labels in which similar ones are neighbours: the leaves of a clustering by
    average linkage, turned so that neighbours are as similar as can be.

    similarity: shape (labels, labels), 1 on the diagonal; the two directions are averaged.
    """
    distance = squareform(np.round(1 - (similarity + similarity.T) / 2, 6), checks=False)
    return leaves_list(optimal_leaf_ordering(linkage(distance, "average"), distance))


def confusion_figure(probabilities: np.ndarray, names: list[str], order: np.ndarray, title: str):
    """Mean probability of each label (columns) for each true one (rows), in the given order.

    probabilities: shape (labels, labels), as `scoring.labels.mean_probabilities` gives them.
    """
    names, places = [names[k] for k in order], range(len(order))
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 6.6), layout="constrained")
    shown = probabilities[np.ix_(order, order)]
    image = axis.imshow(shown, cmap="Blues", vmin=0)
    axis.set(title=title, yticks=places, yticklabels=names, xlabel="read as", ylabel="written for")
    axis.set_xticks(places, names, rotation=90)
    axis.grid(False)
    figure.colorbar(
        image, ax=axis, location="bottom", shrink=0.6, aspect=30, label="mean probability"
    )
    right = np.diag(shown)
    others = np.where(np.eye(len(order), dtype=bool), np.nan, shown)
    surest = np.nanargmax(right)
    written, read = np.unravel_index(np.nanargmax(others), others.shape)
    descriptions.describe(
        figure,
        f"{title}: a table of colours, a row a label that texts were written for, a column the "
        f"label that they were read as, {len(order)} of each; similar ones are neighbours.",
        f"The right label has a probability of {np.nanmean(right):.2f} on average and of "
        f"{right[surest]:.2f} at most ({names[surest]}); the most probable wrong one is "
        f"{names[read]} for {names[written]}, {others[written, read]:.2f}.",
    )
    return figure


def change_figure(records: pd.DataFrame, paper: pd.DataFrame, rubrics: dict[str, dict], pairs: int):
    """Ratings on each rubric: published ones before and after fine-tuning on the left, ours with
    their intervals on the right, each on an axis of its own.

    records: those of `emplifai.table4`; paper: the printed table, a row a system, a column a
    rubric; rubrics: name -> {"english", "japanese"}; pairs: how many were judged.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(figures.WIDTH, 5), sharey=True, layout="constrained"
    )
    _published_changes(left, paper, list(rubrics))
    ours = records[(records.table == "emplifai.table4") & (records.group == "all")]
    _our_ratings(right, ours.set_index(["system", "metric"]), list(rubrics))
    left.set(
        title="published: before\nand after fine-tuning",
        xlim=(0.9, 5.1),
        yticks=range(len(rubrics)),
        yticklabels=[f"{rubric['english']} {rubric['japanese']}" for rubric in rubrics.values()],
    )
    right.set(title=f"ours, n = {pairs}", xlim=(0.9, 5.1))
    left.invert_yaxis()
    for axis in (left, right):
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1))
    descriptions.describe(
        figure,
        f"Ratings from 1 to 5 on {len(rubrics)} rubrics, in two panels. Left, published: an arrow "
        f"from before to after fine-tuning for each of {len(PUBLISHED)} models.",
        _published_in_words(paper, rubrics),
        f"Right, ours, n = {pairs}: points with 95 % intervals for each system.",
        *_ours_in_words(ours, rubrics),
    )
    return figure


def _published_in_words(paper: pd.DataFrame, rubrics: dict[str, dict]) -> str:
    """How many published means rose by fine-tuning, and which the most."""
    gains = {
        f"{model}, {rubric['english']}": float(paper[metric][f"sft-{model}"])
        - float(paper[metric][model])
        for model in PUBLISHED
        for metric, rubric in rubrics.items()
    }
    most = max(gains, key=gains.get)
    rose = sum(gain > 0 for gain in gains.values())
    return f"{rose} of {len(gains)} lead up, the longest by {gains[most]:.2f} ({most})."


def _ours_in_words(records: pd.DataFrame, rubrics: dict[str, dict]) -> list[str]:
    """The rubrics on which each system was rated highest and lowest."""

    def name(metric: str) -> str:
        return rubrics[metric]["english"]

    return [
        f"{figures.named(system)}: {descriptions.extremes(part, name, 'metric')}."
        for system, part in records[records.metric.isin(list(rubrics))].groupby(
            "system", sort=False
        )
        if system in OURS
    ]


def _published_changes(axis, paper: pd.DataFrame, metrics: list[str]) -> None:
    """An arrow for each model and rubric, from the untuned to the fine-tuned mean."""
    for k, (model, colour) in enumerate(PUBLISHED.items()):
        axis.plot([], [], color=colour, label=model)
        for y, metric in enumerate(metrics):
            height = y + 0.2 * (k - 1)
            before, after = float(paper[metric][model]), float(paper[metric][f"sft-{model}"])
            arrow = {"arrowstyle": "->", "color": colour, "lw": 1.6}
            axis.annotate("", (after, height), (before, height), arrowprops=arrow)


def _our_ratings(axis, ours: pd.DataFrame, metrics: list[str]) -> None:
    """A point with its interval for each system and rubric that has a record."""
    for k, (system, (marker, colour)) in enumerate(OURS.items()):
        for y, metric in enumerate(metrics):
            if (system, metric) not in ours.index:
                continue
            r, height = ours.loc[system, metric], y + 0.18 * (k - 1.5)
            label = figures.named(system) if y == 0 else None
            figures.point(axis, r, height, colour, marker, width=1.2, ms=4, label=label)


def lengths_figure(lengths: pd.DataFrame):
    """One point a turn by the number of its characters, one line a speaker; lengths: of
    `emplifai.turn_lengths`.
    """
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 2.6), layout="constrained")
    of_turns = lengths[lengths.speaker != "dialogue"]
    look = {"size": 2.5, "alpha": 0.5, "legend": False}
    seaborn.stripplot(of_turns, x="characters", y="speaker", hue="speaker", **look, ax=axis)
    axis.set(ylabel="", xlabel="characters of a turn")
    medians = of_turns.groupby("speaker", sort=False).characters.median()
    listed = "; ".join(f"{speaker} {median:.0f}" for speaker, median in medians.items())
    descriptions.describe(
        figure,
        f"One point a turn by its number of characters, a line a speaker, {len(of_turns)} turns "
        f"of {of_turns.characters.min()} to {of_turns.characters.max()} characters. Medians: "
        f"{listed}.",
    )
    return figure


def ratings_figure(pairs: pd.DataFrame):
    """The published means by judge and by people, a point a rubric and a shape a model; pairs: of
    `emplifai_ratings.judge_and_people`.
    """
    figure, axis = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
    for marker, (model, part) in zip("os^D", pairs.groupby("model", sort=False), strict=True):
        axis.plot(part.judge, part.human, marker, label=model)
    axis.plot([1, 5], [1, 5], ":", color="black", lw=0.8)
    axis.set(title="published means, one point a rubric", xlabel="by the judge", ylabel="by people")
    axis.set(xlim=(1, 5.1), ylim=(1, 5.1))
    axis.legend()
    descriptions.describe(
        figure,
        f"Published mean ratings, {len(pairs)} points, one a rubric and model "
        f"({', '.join(pairs.model.unique())}): by the judge across, from {pairs.judge.min():.2f} "
        f"to {pairs.judge.max():.2f}; by people upwards, from {pairs.human.min():.2f} to "
        f"{pairs.human.max():.2f}.",
        f"{int((pairs.human > pairs.judge).sum())} points lie above the dotted diagonal: there "
        "people rated higher than the judge.",
    )
    return figure
