"""Figures of chapter 11: scores and judges against people."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd

from emo_utils.report import descriptions, figures

# A colour for each kind of scorer.
CONTRAST, DECISION, COUNTS = figures.ORANGE, figures.BLUE, figures.GREY
STATEMENTS = {  # form -> (its name in the figure, colour)
    "details added": ("rules", COUNTS),
    "supported, yes or no": ("chat model, untaught, on some", DECISION),
    "taught checker": ("checker, taught", CONTRAST),
}


def agreement(records: pd.DataFrame, embedding_model: str, groups: tuple[str, ...]):
    """A panel for each human label, a line for each form of the score: AUC with its interval, the
    floors in grey; None without such a label.

    embedding_model: who scores by contrast. groups: the labels, in order.
    """
    part = records[(records.table == "validity.emotion") & records.group.isin(groups)]
    shown = [group for group in groups if group in set(part.group)]
    if not shown:
        return None
    part = part.assign(line=part.scorer + ": " + part.system)
    lines = list(dict.fromkeys(part.line))
    names = [textwrap.fill(line, 26) for line in lines]
    size = (figures.WIDTH, 0.34 * len(lines) + 1)
    figure, axes = plt.subplots(
        1, len(shown), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    colours = {"counts": COUNTS, embedding_model: CONTRAST}
    for axis, group in zip(axes[0], shown, strict=True):
        for r in part[part.group == group].itertuples():
            place, colour = lines.index(r.line), colours.get(r.scorer, DECISION)
            figures.point(axis, r, place, colour, width=1.5)
        axis.axvline(0.5, color="black", lw=0.8, ls=":")
        axis.set(title=group, xlabel="AUC", yticks=range(len(lines)), yticklabels=names)
    axes[0][0].invert_yaxis()
    descriptions.describe(
        figure,
        "Points with 95 % intervals: how well each form of the score tells texts to which people "
        f"gave a label (AUC; dotted, chance at 0.5), {len(lines)} lines, a panel a label.",
        *(
            f"{group}, {descriptions.counted(part[part.group == group])}: "
            f"{descriptions.extremes(part[part.group == group], by='line')}."
            for group in shown
        ),
    )
    return figure


def calibration(records: pd.DataFrame, embedding_model: str):
    """How often people gave the label in each fifth of a score, a line for each scorer and label;
    the diagonal is a score that is what it says. None without such records.
    """
    part = records[(records.table == "validity.calibration") & (records.metric == "observed")]
    if part.empty:
        return None
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 5.6), layout="constrained")
    part = part.assign(
        score=part.group.str.extract(r"score (.*)$")[0].astype(float),
        label=part.group.str.partition(",")[0],
    )
    sentences = []
    for (who, label), rows in part.groupby(["scorer", "label"]):
        rows = rows.sort_values("score")
        marker, line = ("o", "-") if who == embedding_model else ("s", "--")
        name = f"{who}, {label}"
        axis.plot(rows.score, rows.value, marker=marker, ls=line, ms=4, label=name)
        low, high = rows.iloc[0], rows.iloc[-1]
        sentences.append(
            f"{name}: {low.value:.2f} at a score of {low.score:.2f}, {high.value:.2f} at "
            f"{high.score:.2f}."
        )
    axis.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
    axis.set(
        xlabel="mean score in a fifth of the scale",
        ylabel="share of texts with the human label",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    figure.legend(loc="outside lower center")
    descriptions.describe(
        figure,
        "Lines: the share of texts with the human label over the mean score in each fifth of the "
        "scale; dotted, the diagonal of a score that is what it says.",
        *sentences,
    )
    return figure


def statements(records: pd.DataFrame):
    """AUC of right statements against wrong ones of each kind, by three of the measures; None
    without such records.
    """
    part = records[(records.table == "validity.claims") & (records.metric == "auc")]
    if part.empty:
        return None
    figure, axis = plt.subplots(figsize=(figures.WIDTH, 5), layout="constrained")
    kinds, sentences = part.group.unique().tolist(), []
    for step, (form, (name, colour)) in enumerate(STATEMENTS.items(), start=-1):
        rows = part[part.system == form]
        places = [kinds.index(kind) + step * 0.22 for kind in rows.group]
        axis.hlines(places, rows.ci_low, rows.ci_high, color=colour)
        axis.plot(rows.value, places, "o", color=colour, ms=4, label=name)
        if len(rows):
            sentences.append(f"{name}: {descriptions.extremes(rows, by='group')}.")
    axis.axvline(0.5, color="black", lw=0.8, ls=":")
    axis.set(
        xlabel="AUC, right statements against wrong ones",
        yticks=range(len(kinds)),
        yticklabels=kinds,
    )
    axis.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=2)
    descriptions.describe(
        figure,
        "Points with 95 % intervals: how well measures tell right statements from wrong ones "
        f"(AUC; dotted, chance at 0.5), {len(kinds)} kinds of mistakes, "
        f"{descriptions.counted(part[part.system.isin(list(STATEMENTS))])}.",
        *sentences,
    )
    return figure
