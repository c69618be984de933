"""Figures in one style."""

import importlib.util
import re
import textwrap
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import print_figure
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats

from emo_utils.data import published_numbers
from emo_utils.data.dialogues import REFERENCES
from emo_utils.experiment.results import SYSTEMS
from emo_utils.project import relative
from emo_utils.report import descriptions

# The name of a system wherever a reader looks: code, parameters and records have the first.
LABELS = {
    "base": "base",
    "prompt": "+ prompt",
    "er-sft": "ER (sft)",
    "eqsr-sft": "EQ+SR (sft)",
    "eqsr-dpo": "EQ+SR (dpo)",
    "eqsr-kto": "EQ+SR (kto)",
    "er-eqsr-sft": "ER, then EQ+SR (sft)",
    "er-eqsr-dpo": "ER, then EQ+SR (dpo)",
    "er-eqsr-kto": "ER, then EQ+SR (kto)",
    "doctor": "the doctor's answer",
    "reference": "the warm answer (reference)",
    "another": "another question's warm answer",
    "ebd-base": "caregivers (base)",
    "ebd-dpo": "caregivers (dpo)",
    "emplifai-base": "supporters (base)",
    "emplifai-sft": "supporters (sft)",
    "emplifai-sft-seen": "supporters (sft, pairs seen)",
}
# Those that are no words of their own, where they stand in a text: not in the name of a run or a
# variant, an address or code (`03_dpo.eqsr-dpo@init=er-sft`).
IN_TEXT = re.compile(
    r"(?<![\w./@=`-])(?:"
    + "|".join(sorted((name for name in LABELS if "-" in name), key=len, reverse=True))
    + r")(?![\w/@=`-]|\.\w)"
)
# Okabe and Ito's colours, told apart by colour-blind readers;
# one method keeps one colour everywhere.
# Inches across: on a phone, 390 pixels wide, text of 9 points is then 8 pixels high.
WIDTH = 5.4
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
COLOURS = {"sft": BLUE, "dpo": ORANGE, "kto": GREEN, "none": GREY}


def style() -> None:
    """The house style of figures: vector graphics that say what they show, no frame, quiet grid."""
    set_matplotlib_formats("svg")
    formatters = InteractiveShell.instance().display_formatter.formatters
    formatters["image/svg+xml"].for_type(Figure, as_svg)
    fonts = Path(importlib.util.find_spec("matplotlib_fontja").origin).with_name(
        "fonts"
    )  # the file alone: importing the package would change all figures
    font_manager.fontManager.addfont(fonts / "ipaexg.ttf")
    plt.rcParams.update(
        {
            "font.family": ["DejaVu Sans", "IPAexGothic"],
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "font.size": 9,
            "axes.titlesize": "medium",
            "figure.titlesize": "medium",
            "figure.dpi": 110,
            "svg.fonttype": "path",
            "legend.frameon": False,
            "svg.hashsalt": "companion",
            "savefig.pad_inches": 0.02,  # a wider margin would make all letters smaller on a phone
        }
    )


def as_svg(figure) -> str:
    """A figure as a notebook shows it, with its description in it."""
    return print_figure(figure, fmt="svg", metadata=descriptions.metadata(figure))


def off_screen() -> None:
    """The house style for figures that a command saves: no window system is asked for."""
    matplotlib.use("agg")
    style()


def save(figure, path: Path) -> None:
    """Write a figure as SVG, its folder with it, and close it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata=descriptions.metadata(figure))
    plt.close(figure)


def named(system: str) -> str:
    """The name of a system in figures and tables."""
    return LABELS.get(system, system)


def in_words(text: str) -> str:
    """A text with the names of systems in it as figures and tables show them, but for those that
    are words of their own (`base`, `doctor`).
    """
    return IN_TEXT.sub(lambda found: LABELS[found[0]], text)


def labelled(records: pd.DataFrame) -> pd.DataFrame:
    """The records with the names of their systems as figures and tables show them."""
    return records.assign(system=records.system.map(named))


def colour(system: str) -> str:
    return COLOURS[next((m for m in ("sft", "dpo", "kto") if system.endswith(m)), "none")]


def marker(system: str) -> str:
    """The shape of a system's points, where colour tells the method and shape the rest."""
    if system.startswith("er-eqsr"):
        return "s"
    shapes = {"prompt": "D", "er-sft": "^", "doctor": "P", "reference": "*", "another": "X"}
    return shapes.get(system, "o")


def point(
    axis, record, place, colour: str, marker: str = "o", width: float = 2.0, **options
) -> None:
    """The value of a record with its interval, drawn from left to right at a place of the vertical
    axis; width: of the interval's line, in points; options: of the value's marker.
    """
    axis.plot([record.ci_low, record.ci_high], [place, place], color=colour, lw=width)
    axis.plot(record.value, place, marker, color=colour, **options)


def intervals_figure(records: pd.DataFrame, table: str, metrics: tuple[str, ...], ours_label: str):
    """For each metric two panels, each on an axis of its own: the paper's values,
    and ours with intervals; above them what ours say (`descriptions.headline`).
    """
    paper, ours = (
        published_numbers.emodoctor(table),
        records[(records.table == table) & (records.group == "all")],
    )
    systems = [s for s in (*SYSTEMS, *REFERENCES) if s in set(ours.system)]
    figure = plt.figure(figsize=(WIDTH, 3.2 * len(metrics)), layout="constrained")
    parts = figure.subfigures(len(metrics), 1, squeeze=False)[:, 0]
    for part, metric in zip(parts, metrics, strict=True):
        left, right = part.subplots(1, 2, sharey=True)
        of_metric = ours[ours.metric == metric]
        of_systems = of_metric[of_metric.system.isin(SYSTEMS)]
        part.suptitle(descriptions.headline(of_systems, metric, named), x=0.01, ha="left")
        rows = of_metric.set_index("system")
        for place, system in enumerate(systems):
            if system in paper.index:
                left.plot(paper[metric][system], place, "o", color=colour(system))
            point(right, rows.loc[system], place, colour(system))
        left.set(
            title="published",
            yticks=range(len(systems)),
            yticklabels=[named(s) for s in systems],
        )
        right.set(title=textwrap.fill(ours_label, 20))
        left.invert_yaxis()
    descriptions.describe(
        figure,
        f"Points with 95 % intervals, a line a system, {len(systems)} in all, in two panels for "
        f"each of {', '.join(metrics)}: published values left, {ours_label} right.",
        *(_published_in_words(paper[metric].dropna(), metric) for metric in metrics),
        *(_ours_in_words(ours[ours.metric == metric], metric) for metric in metrics),
    )
    return figure


def _published_in_words(values: pd.Series, metric: str) -> str:
    """The systems with the highest and the lowest published value of a metric."""
    return (
        f"{metric}, published: highest {named(values.idxmax())} {values.max():g}, "
        f"lowest {named(values.idxmin())} {values.min():g}."
    )


def _ours_in_words(records: pd.DataFrame, metric: str) -> str:
    """Our highest and lowest system on a metric, and the texts of the data beside them."""
    systems = records[records.system.isin(SYSTEMS)]
    texts = records[records.system.isin(REFERENCES)]
    found = f"{metric}, ours, {descriptions.counted(records)}: "
    found += descriptions.ranked(systems, named)
    if len(texts):
        found += f"; texts of the data: {descriptions.listed(texts, named)}"
    return f"{found}."


def training_figure(log: pd.DataFrame, beta: float = 0.0):
    """Loss over steps, and for preference training the rewards,
    how far each answer's probability has moved, and accuracy or KL term.

    log: one row a step, columns as TRL names them. beta: the weight in the rewards,
    which are beta times a log-ratio. Thin: each step; thick: mean of five.
    """
    dark = "#333333"
    panels = [("training loss", {"": (log.loss, BLUE)})]
    if "rewards/margins" in log:
        rewards = {"chosen": GREEN, "rejected": ORANGE}
        panels.append(
            (
                "rewards:\nbeta x log-ratio to the reference",
                {n: (log[f"rewards/{n}"], c) for n, c in rewards.items()}
                | {"margin": (log["rewards/margins"], dark)},
            )
        )
        panels.append(
            (
                "log-probability of an answer,\nchange in nats",
                {n: (log[f"rewards/{n}"] / beta, c) for n, c in rewards.items()},
            )
        )
        if "kl" in log:
            panels.append(("KL term, nats", {"": (log.kl, BLUE)}))
        else:
            panels.append(
                ("share of pairs with\na positive margin", {"": (log["rewards/accuracies"], BLUE)})
            )
    figure, axes = plt.subplots(
        -(-len(panels) // 2),
        min(len(panels), 2),
        figsize=(WIDTH if len(panels) > 1 else 5, 2.4 * -(-len(panels) // 2)),
        squeeze=False,
        layout="constrained",
    )
    for axis, (title, lines) in zip(axes.flat, panels, strict=True):
        for name, (values, look) in lines.items():
            axis.plot(values.index, values, color=look, lw=0.6, alpha=0.45)
            axis.plot(
                values.index,
                values.rolling(5, min_periods=1, center=True).mean(),
                color=look,
                label=name,
            )
        axis.set(title=title, xlabel="optimizer step")
        if len(lines) > 1:
            axis.legend()
    descriptions.describe(
        figure,
        f"Lines over {len(log)} optimizer steps; thin: each step, thick: mean of five. "
        "Here the means of the first and of the last five steps.",
        *(_ends_in_words(title, lines) for title, lines in panels),
    )
    return figure


def _ends_in_words(title: str, lines: dict[str, tuple]) -> str:
    """Where each line of a panel begins and ends: means of its first and last five steps."""
    ways = []
    for name, (values, _) in lines.items():
        values = values.dropna()
        first, last = values.head(5).mean(), values.tail(5).mean()
        ways.append(f"{name} from {first:.2f} to {last:.2f}".strip())
    return f"{title[0].upper()}{title[1:]} – {', '.join(ways)}."


def saved(run) -> str:
    return f"{len(run.records)} records in {relative(run.folder / (run.name + '.json'))}"
