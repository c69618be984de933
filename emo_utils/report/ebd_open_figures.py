"""Figures of chapter 10.2. Each returns its figure; those of several runs return None where no run
has such records.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from emo_utils.data.caregiver import ELSEWHERE, REJECTED
from emo_utils.report import descriptions, figures
from emo_utils.report.ebd_open_tables import Shown, fullest, questions_of

COLOURS = {
    "ebd-base": figures.BLUE,
    "ebd-dpo": figures.ORANGE,
    "eqsr-dpo": figures.GREEN,
    REJECTED: "#888888",
    ELSEWHERE: "#BBBBBB",
}
OTHER = figures.BLUE


def dots(axis, records: pd.DataFrame, names: list[str], rows: str = "group", by: str = "system"):
    """Values with their intervals: a line of the axis for each of `names` (in column `rows`),
    beside each other for each value of `by`.
    """
    series = list(records[by].unique())
    for k, one in enumerate(series):
        offset = 0.7 * (k - (len(series) - 1) / 2) / len(series)
        for r in records[records[by] == one].itertuples():
            name = getattr(r, rows)
            y = names.index(name) + offset
            colour = COLOURS.get(one, OTHER)
            label = figures.named(one) if name == names[0] else None
            figures.point(axis, r, y, colour, ms=5, label=label)
    axis.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))


def _by_system(records: pd.DataFrame, before: str = "") -> list[str]:
    """The groups in which each system is highest and lowest, a sentence a system."""
    return [
        f"{before}{figures.named(system)}: {descriptions.extremes(part, by='group')}."
        for system, part in records.groupby("system", sort=False)
    ]


def precision(answers: pd.DataFrame, profile: str):
    """Each answer: how hard it is to read against what it keeps of the reference.

    answers: columns id, system, grade and kept.
    """
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 3.8), layout="constrained")
    means = []
    for (system, part), marker in zip(answers.groupby("system", sort=False), "osDv"):
        colour, known = COLOURS[system], part.dropna(subset=["grade", "kept"])
        axis.plot(part.grade, part.kept, marker, ms=4, alpha=0.5, color=colour)
        mean = known.grade.mean(), known.kept.mean()
        axis.plot(*mean, marker, ms=11, mec="black", color=colour, label=figures.named(system))
        means.append(f"{figures.named(system)} grade {mean[0]:.1f}, {mean[1]:.2f} kept")
    axis.set(
        xlabel="grade level (Flesch-Kincaid)",
        ylabel="share of the reference kept",
        title=(
            f"{profile} profile: each answer and the mean of each system,\n"
            f"n = {answers.id.nunique()} questions"
        ),
    )
    axis.legend()
    descriptions.describe(
        figure,
        "A point an answer and a large one at the mean of each system: grade level across, share "
        f"of the reference kept upwards; n = {answers.id.nunique()} questions.",
        f"Means: {'; '.join(means)}.",
    )
    return figure


def caveats(shown: list[Shown]):
    """Share of the reference kept, by kind of sentence, for each system."""
    one = fullest(shown, "ebd.caveats")
    if one is None:
        return None
    part = one.part("ebd.caveats").query("metric == 'kept'")
    names = list(part.group.unique())
    height = 0.6 * len(names) + 1
    figure, axis = plt.subplots(figsize=(figures.WIDTH, height), layout="constrained")
    dots(axis, part, names)
    axis.set(
        title=(
            f"{one.name}: share of the reference kept, by kind of sentence,\n"
            f"n up to {part.n.max()} questions"
        ),
        xlim=(0, None),
    )
    figure.legend(loc="outside lower center", ncols=2)
    descriptions.describe(
        figure,
        "Points with 95 % intervals: the share of the reference kept, a line a kind of sentence "
        f"({', '.join(names)}), for each system; {descriptions.counted(part)}.",
        *_by_system(part),
    )
    return figure


def transfer(shown: list[Shown]):
    """Tuned minus untuned on the same questions, for both trainings and both tests."""
    one = fullest(shown, "ebd.transfer")
    if one is None:
        return None
    part = one.part("ebd.transfer")
    names = list(part.group.unique())
    figure, axes = plt.subplots(
        1, 3, figsize=(figures.WIDTH, 2.6), sharey=True, layout="constrained"
    )
    for axis, metric in zip(axes, ("warmth", "cosine", "grade"), strict=True):
        dots(axis, part[part.metric == metric], names)
        axis.axvline(0, color="black", lw=0.8)
        axis.set(title=f"{metric},\ntuned minus\nuntuned")
    drawn = axes[-1].get_legend_handles_labels()
    figure.legend(*drawn, loc="outside lower center", ncols=2)
    figure.suptitle(f"{one.name}, {questions_of(part)}", fontsize=9)
    named = part.assign(pair=part.system.map(figures.named) + " on " + part.group)
    descriptions.describe(
        figure,
        "Points with 95 % intervals: tuned minus untuned on the same questions, a panel a measure, "
        f"{questions_of(part)}.",
        *(
            f"{metric}: {descriptions.listed(named[named.metric == metric], by='pair')}."
            for metric in ("warmth", "cosine", "grade")
        ),
    )
    return figure


def voices(shown: list[Shown]):
    """Differences of warmth and grade to the original question, by voice, for both systems."""
    one = fullest(shown, "ebd.voices")
    if one is None:
        return None
    part = one.part("ebd.voices")
    names = list(part.group.unique())
    figure, axes = plt.subplots(
        1, 2, figsize=(figures.WIDTH, 3.6), sharey=True, layout="constrained"
    )
    figure.suptitle(one.name if one.full else f"{one.name}, this page's run", fontsize=9)
    for axis, metric in zip(axes, ("warmth", "grade"), strict=True):
        _voices_of(axis, part[part.metric == metric], names)
        axis.axvline(0, color="black", lw=0.8)
        axis.set(
            title=f"{metric}: voice minus original,\nn = {part.n.max()} questions",
            yticks=range(len(names)),
            yticklabels=names,
        )
    axes[0].invert_yaxis()
    drawn = axes[1].get_legend_handles_labels()
    figure.legend(*drawn, loc="outside lower center", ncols=2)
    sentences = []
    for metric in ("warmth", "grade"):
        sentences += _by_system(part[part.metric == metric], f"{metric}, ")
    descriptions.describe(
        figure,
        "Points with 95 % intervals: a question in another voice minus the original, a line a "
        f"voice ({', '.join(names)}), in two panels; {descriptions.counted(part)}.",
        *sentences,
    )
    return figure


def _voices_of(axis, records: pd.DataFrame, names: list[str]) -> None:
    """A measure's differences with their intervals, the untuned model above the tuned one."""
    for k, system in enumerate(("ebd-base", "ebd-dpo")):
        for r in records[records.system == system].itertuples():
            y = names.index(r.group) + 0.24 * (k - 0.5)
            label = figures.named(system) if r.group == names[0] else None
            figures.point(axis, r, y, COLOURS[system], label=label)


def probes(shown: list[Shown]):
    """Share of test pairs in which each rule picks the preferred answer; dotted: chance."""
    part = shown[0].part("ebd.probes")
    if not len(part):
        return None
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 1.9), layout="constrained")
    dots(axis, part, list(part.system), rows="system", by="table")
    axis.axvline(0.5, color="black", lw=0.8, ls=":")
    axis.set(title=f"share of {part.n.max()} test pairs, 95 % intervals", xlim=(0, 1.02))
    descriptions.describe(
        figure,
        "Points with 95 % intervals: the share of test pairs in which a rule picks the preferred "
        f"answer, a line a rule; dotted, chance at 0.5; {descriptions.counted(part)}.",
        f"{descriptions.listed(part)}.",
    )
    return figure


def shortcuts(records: pd.DataFrame):
    """Length, warmth, grade and distance by the pairs that were trained on (column pairs_as):
    a dot a seed, a line at their mean.
    """
    arrangements = ("shorter_chosen", "longer_chosen", "matched", "cut", "length_only")
    names = [name for name in arrangements if name in set(records.pairs_as)]
    size = (figures.WIDTH, 4)
    figure, axes = plt.subplots(2, 2, figsize=size, sharey=True, layout="constrained")
    sentences = []
    for axis, metric in zip(axes.flat, ("words", "warmth", "grade", "kl_per_token"), strict=True):
        means = []
        for y, name in enumerate(names):
            values = records[(records.metric == metric) & (records.pairs_as == name)].value
            axis.plot(values, [y] * len(values), "o", color=OTHER, alpha=0.6)
            axis.plot([values.mean()] * 2, [y - 0.3, y + 0.3], color="black", lw=2)
            means.append(f"{name} {values.mean():.2f}")
        sentences.append(f"Mean {metric}: {'; '.join(means)}.")
        axis.set(
            title=metric if metric == "kl_per_token" else f"{metric} of the answers",
            yticks=range(len(names)),
            yticklabels=names,
            ylim=(len(names) - 0.5, -0.5),
        )
    descriptions.describe(
        figure,
        "A dot a training and a line at their mean, a line of dots for each way to arrange the "
        "pairs, a panel a measure.",
        *sentences,
    )
    return figure


def grid(records: pd.DataFrame):
    """A row a measure, a panel a rank: beta against learning rate, means over seeds."""
    metrics = ("test_accuracy", "gain_per_token", "kl_per_token", "warmth", "cosine", "repeated")
    ranks = sorted(records.lora_rank.unique(), key=int)
    figure, axes = plt.subplots(
        len(metrics),
        len(ranks),
        figsize=(figures.WIDTH, 2 * len(metrics)),
        layout="constrained",
        squeeze=False,
    )
    for row, metric in zip(axes, metrics, strict=True):
        part = records[records.metric == metric]
        for axis, rank in zip(row, ranks, strict=True):
            _panel(axis, part[part.lora_rank == rank], part.value.min(), part.value.max())
            axis.set(title=f"{metric}, rank {rank}", xlabel="learning_rate", ylabel="beta")
    descriptions.describe(
        figure,
        f"Tables of colours and numbers, beta by learning rate: a row a measure, a panel a rank "
        f"({', '.join(ranks)}); means over seeds.",
        *(_cells_in_words(records[records.metric == metric], metric) for metric in metrics),
    )
    return figure


def _cells_in_words(records: pd.DataFrame, metric: str) -> str:
    """The cells of all panels of a measure with the highest and the lowest mean."""
    means = records.groupby(["lora_rank", "beta", "learning_rate"]).value.mean()
    ends = (
        "{} {:.2f} at rank {}, beta {}, learning rate {}".format(end, means[at], *at)
        for end, at in (("highest", means.idxmax()), ("lowest", means.idxmin()))
    )
    return f"{metric}: {'; '.join(ends)}."


def _panel(axis, records: pd.DataFrame, lowest: float, highest: float) -> None:
    """Values over beta and learning rate as colours between two ends, written into the cells."""
    values = records.pivot_table(
        index="beta", columns="learning_rate", values="value", aggfunc="mean"
    )
    values = values.loc[sorted(values.index, key=float), sorted(values.columns, key=float)]
    image = axis.imshow(values, cmap="viridis", vmin=lowest, vmax=highest, aspect="auto")
    axis.set_xticks(range(len(values.columns)), values.columns)
    axis.set_yticks(range(len(values)), values.index)
    for (y, x), value in np.ndenumerate(values.to_numpy()):
        colour = "white" if image.norm(value) < 0.6 else "black"
        axis.text(x, y, f"{value:.2f}", ha="center", va="center", color=colour)
    axis.grid(False)
