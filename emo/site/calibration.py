"""The page on how far intervals and verdicts can be trusted: what two benchmarks kept, drawn."""

import json
import textwrap
from pathlib import Path

import pandas as pd

from emo.site import html_tables, layout
from emo_utils.project import REFERENCE, write_atomic
from emo_utils.report import descriptions, figures

COVERAGE, VERDICTS = (REFERENCE / f"{name}.json" for name in ("coverage", "verdicts"))
USED, OTHERS = "#0072B2", ("#D55E00", "#009E73", "#999999")
# Title of a panel; what, data and number of seeds of its rows; the method that the book uses.
PANELS = (
    ("mean, normal scores", "mean", "normal", 1, "Student t"),
    ("mean, differences of skewed scores", "mean", "differences of log-normal", 1, "Student t"),
    ("mean, skewed scores (log-normal)", "mean", "log-normal", 1, "Student t"),
    ("share of .1", "share", "share of 0.1", 1, "Wilson"),
    ("mean, questions with several rows", "units", "normal", 1, "Student t over units"),
    ("three trainings that differ", "seeds", "trainings spread by 0.3", 3, "two-way t"),
)


def write_calibration() -> None:
    """Both figures, and the table of simulated books, with where and when each was made."""
    if not (COVERAGE.is_file() and VERDICTS.is_file()):
        not_measured()
        return
    coverage, about_coverage = read(COVERAGE)
    verdicts, about_verdicts = read(VERDICTS)
    coverage_figure(coverage, layout.GENERATED / "coverage.svg")
    verdicts_figure(verdicts, layout.GENERATED / "verdicts.svg")
    write_atomic(
        layout.GENERATED / "calibration.md",
        "\n\n".join(
            [
                html_tables.table_html(without_difference(verdicts)),
                f"Simulated books: {made(about_verdicts)}, {about_verdicts['books']} a row. "
                f"Coverage: {made(about_coverage)}, {about_coverage['repeats']:,} samples a point.",
                "",
            ]
        ),
    )


def not_measured() -> None:
    """What the page shows where a benchmark was not run with --keep yet."""
    import matplotlib.pyplot as plt

    figures.off_screen()
    for name in ("coverage.svg", "verdicts.svg"):
        figure = plt.figure(figsize=(4, 1))
        figure.text(0.5, 0.5, "not measured yet", ha="center")
        figures.save(figure, layout.GENERATED / name)
    write_atomic(layout.GENERATED / "calibration.md", "Not measured yet.\n")


def read(path: Path) -> tuple[pd.DataFrame, dict]:
    """A kept table, and what was kept of its making."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return pd.DataFrame(content["table"]), content["about"]


def made(about: dict) -> str:
    changes = " with local changes" if about["dirty"] else ""
    return f"made {about['measured']}, commit {about['commit'][:10]}{changes}"


def without_difference(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The worlds in which no method differs from another: how often a verdict was wrong."""
    part = verdicts[verdicts.world != "a known difference"]
    trainings = part.seeds.map({1: ", one checkpoint", 3: ", three seeds"}).fillna("")
    return pd.DataFrame(
        {
            "world": part.world + trainings,
            "questions": part.n.astype(int),
            "wrong verdicts, all claims": [f"{share:.1%}" for share in part.wrong],
            "the worst claim": [
                f"{share:.1%} ({claim})"
                for claim, share in zip(part["worst claim"], part["its wrong"])
            ],
            "books with a wrong one": [f"{s:.1%}" for s in part["books with a wrong one"]],
            "the same after Holm's correction": [f"{s:.1%}" for s in part["after Holm"]],
        }
    ).set_index("world")


def coverage_figure(coverage: pd.DataFrame, path: Path) -> None:
    """Share of 95 % intervals that hold the truth over n, a line a method; thick: the one used."""
    import matplotlib.pyplot as plt

    figures.off_screen()
    size = (figures.WIDTH, 8.4)
    figure, axes = plt.subplots(3, 2, figsize=size, layout="constrained", sharey=True)
    sentences = []
    for axis, (title, what, data, seeds, used) in zip(axes.flat, PANELS, strict=True):
        part = coverage[
            (coverage.what == what) & (coverage.data == data) & (coverage.seeds == seeds)
        ]
        colours = iter(OTHERS)
        for method, line in part.groupby("method", sort=False):
            thick = method == used
            axis.plot(
                line.n,
                line.coverage,
                "o-",
                lw=2.2 if thick else 0.9,
                ms=5 if thick else 3,
                color=USED if thick else next(colours),
                label=method,
            )
        axis.axhline(0.95, color="black", lw=0.7, ls=":")
        axis.set(title=title, xlabel="items, questions", ylim=(0.6, 1.0))
        axis.legend(loc="lower right")
        of_used = part[part.method == used].sort_values("n")
        first, last = of_used.iloc[0], of_used.iloc[-1]
        sentences.append(
            f"{title}, {used}: {first.coverage:.1%} at n = {first.n}, {last.coverage:.1%} at "
            f"n = {last.n}."
        )
    for axis in axes[:, 0]:
        axis.set_ylabel("intervals that hold the truth")
    descriptions.describe(figure, *sentences)
    figures.save(figure, path)


def verdicts_figure(verdicts: pd.DataFrame, path: Path) -> None:
    """Above: how often a claim is judged wrongly where no method differs. Below: how often a
    planted difference is found, beside what was computed.
    """
    import matplotlib.pyplot as plt

    figures.off_screen()
    size = (figures.WIDTH, 7.5)
    figure, (above, below) = plt.subplots(2, 1, figsize=size, layout="constrained")
    table = without_difference(verdicts)
    part = verdicts[verdicts.world != "a known difference"]
    names = [
        f"{textwrap.fill(world, 28)}\n{n} questions"
        for world, n in zip(table.index, table.questions)
    ]
    for column, label, look in (
        ("wrong", "a claim, on average", "o"),
        ("its wrong", "the worst claim", "s"),
        ("after Holm", "any claim of a book, after Holm", "D"),
    ):
        above.plot(part[column], range(len(part)), look, label=label)
    above.axvline(0.05, color="black", lw=0.7, ls=":")
    above.set(yticks=range(len(part)), yticklabels=names, xlabel="wrong verdicts (dotted: 5 %)")
    above.set_xlim(left=-0.01)
    above.invert_yaxis()
    above.legend()
    planted = verdicts[verdicts.world == "a known difference"]
    below.plot(planted.difference, planted.computed, color="black", label="computed")
    below.plot(planted.difference, planted.supported, "o", label="supported")
    below.plot(
        planted.difference, planted["supported after Holm"], "D", label="supported after Holm"
    )
    below.axhline(0.8, color="black", lw=0.7, ls=":")
    below.set(
        xlabel="true difference of DPO to the prompt", ylabel="books in which it is supported"
    )
    below.legend()
    worst, share = table.index[part.wrong.argmax()], part.wrong.max()
    smallest, largest = planted.iloc[planted.difference.argsort().iloc[[0, -1]]].itertuples()
    descriptions.describe(
        figure,
        f"Most wrong verdicts: {share:.1%} of all claims, in the world: {worst}.",
        f"A difference of {smallest.difference:g} is supported in {smallest.supported:.1%} of "
        f"books, one of {largest.difference:g} in {largest.supported:.1%}.",
    )
    figures.save(figure, path)
