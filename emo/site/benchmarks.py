"""The pages of measurements: speed, scale, crashes."""

import html
import json
import math
from pathlib import Path

import pandas as pd
import scipy.stats

from emo.graph import steps
from emo.site import html_tables, layout
from emo_utils.project import REFERENCE, write_atomic
from emo_utils.report import descriptions, figures

SPEED = REFERENCE / "speed.json"


def write_speed() -> None:
    """The tables that benchmarks kept (`--keep`), each with where and when it was measured,
    and how cost grows as a figure.
    """
    kept = json.loads(SPEED.read_text(encoding="utf-8")) if SPEED.is_file() else {}
    growth_figure(
        pd.DataFrame(kept.get("growth", {}).get("table", [])), layout.GENERATED / "growth.svg"
    )
    for name, lay_out in SPEED_TABLES.items():
        if name in kept:
            about, frame = kept[name]["about"], lay_out(pd.DataFrame(kept[name]["table"]))
            note = (
                f"Measured {about['measured']} on {about['device']}, "
                f"commit {about['commit'][:10]}{' with local changes' if about['dirty'] else ''}."
            )
            note = f"<p>{html.escape(note)}</p>"
            words = f"{IN_WORDS[name](frame)}\n\n" if name in IN_WORDS else ""
            text = words + html_tables.table_html(frame, index=False, note=note) + "\n"
        else:
            text = UNMEASURED.get(name, "Not measured yet.") + "\n"
        write_atomic(layout.GENERATED / f"speed_{name.replace(' ', '_')}.md", text)


def bounds(row: dict) -> tuple[float, float]:
    """The interval of a record; of a share of 0 or 1 the exact binomial one, as resampling values
    that are all alike gives none.
    """
    if row["ci_low"] == row["ci_high"] and row["value"] in (0, 1):
        return tuple(scipy.stats.binomtest(int(row["value"] * row["n"]), row["n"]).proportion_ci())
    return row["ci_low"], row["ci_high"]


def _comparison(frame: pd.DataFrame) -> pd.DataFrame:
    others = frame[frame.way != "ours"].groupby("objective").rate.max()
    return pd.DataFrame(
        {
            "objective": frame.objective.str.upper(),
            "trained by": frame.way.replace("ours", "this package"),
            "text tokens a second [lowest, highest run]": [
                f"{r.rate:.0f} [{r.low:.0f}, {r.high:.0f}]" for r in frame.itertuples()
            ],
            "against the better of the others": [
                f"{r.rate / others[r.objective]:.2f}"
                if r.way == "ours" and r.objective in others
                else ""
                for r in frame.itertuples()
            ],
            "memory, GB": (frame.memory_mb / 1000).round(1),
            "share of the machine's peak": [f"{share:.0%}" for share in frame.share_of_peak],
            "loss, first and last step": [
                f"{r.loss_first:.4f}, {r.loss_last:.4f}" for r in frame.itertuples()
            ],
            "mean loss against ours": [f"{d:.1%}" for d in frame.loss_difference],
            "tokens a row": frame.tokens_a_row.round().astype(int),
            "runs": frame.rounds,
            "steps": frame.steps,
        }
    )


def _shares(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "objective": frame.objective.str.upper(),
            "without": frame["without"],
            "that is": frame.meaning,
            "text tokens a second": frame.rate.round().astype(int),
            "what it saves": [f"{f:.2f} times" if f != 1 else "" for f in frame.factor],
            "memory, GB": (frame.memory_mb / 1000).round(1),
        }
    )


def _growth(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "objective": frame.objective.str.upper(),
            "more": frame.what,
            "times": frame.factor,
            "tokens of text": frame.tokens,
            "seconds": frame.seconds.round(1),
            "tokens a second": (frame.tokens / frame.seconds).round().astype(int),
            "memory, GB": (frame.memory_mb / 1000).round(1),
        }
    )


def _generation(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number format": frame.format,
            "pipeline, tokens a second": frame.pipeline_rate.round(1),
            "this package": frame.rate.round(1),
            "ratio": (frame.rate / frame.pipeline_rate).round(1),
            "equal greedy answers": [f"{r.same} of {r.compared}" for r in frame.itertuples()],
            "nine systems loaded one by one, s": frame.load_each_s.round(1),
            "from one base, s": frame.one_base_s.round(1),
        }
    )


def _engines(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": frame.model,
            "questions at once": frame.batch,
            "way": frame.way,
            "tokens a second": frame.tokens_a_second.round(1),
            "times today's": _or_nothing(frame, "times"),
            "times today's, seconds of its own": _or_nothing(frame, "own_times"),
        }
    )


def _formats(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": frame.model,
            "way": frame.way,
            "nats a token from fp32": frame.nats_a_token.round(4),
            "same likeliest token": [f"{share:.1%}" for share in frame.same_token],
            "tokens": frame.tokens,
            "decisions move by, mean": frame.decisions_mean.round(3),
            "at worst": frame.decisions_worst.round(3),
            "decisions": frame.decisions,
            "deciding, times today's": _or_nothing(frame, "decisions_times"),
            "within the limits": ["yes" if passes else "no" for passes in frame.passes],
        }
    )


def _or_nothing(frame: pd.DataFrame, column: str) -> list[str]:
    """A number of two digits in each row, and nothing where it was not measured."""
    values = frame[column] if column in frame else pd.Series(float("nan"), frame.index)
    return ["" if value != value else f"{value:.2f}" for value in values]


def _gpu(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame.notna(), "").rename(columns=_worded)


def _worded(name: str) -> str:
    return name.replace("_", " ")


def _as_kept(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.round(2)
    numbers = frame.select_dtypes("number").columns
    return frame.assign(**{name: frame[name] + 0 for name in numbers}).rename(columns=_worded)


def _books(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("compared").T.rename_axis("").reset_index().rename_axis(None, axis=1)


def _hundredfold(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a step: seconds, memory and disk at each size, and the exponent with which its seconds
    grew between the last two sizes.
    """
    rows = []
    for step, part in frame.groupby("step", sort=False):
        part = part.set_index("factor")
        row = {"step": step} | {
            f"s, x{f}": f"{r.seconds:.1f}" if r.done else f"over {r.seconds:.0f}, stopped"
            for f, r in part.iterrows()
        }
        row |= {f"MB, x{f}": f"{r.memory_mb:.0f}" for f, r in part.iterrows() if r.done} | {
            f"MB on disk, x{f}": f"{r.disk_mb:.1f}" for f, r in part.iterrows() if r.done
        }
        done = part[part.done.astype(bool)]
        if len(done) > 1:
            (low, high), (before, after) = done.index[-2:], done.seconds.iloc[-2:]
            row["growth"] = f"{math.log(after / before) / math.log(high / low):.2f}"
        rows.append(row)
    found = pd.DataFrame(rows).fillna("")
    return found[
        [
            "step",
            *sorted(
                (c for c in found if c not in ("step", "growth")),
                key=lambda c: (
                    c.split(",")[0] != "s",
                    c.split(",")[0] != "MB",
                    int(c.partition("x")[2]),
                ),
            ),
            *[c for c in found if c == "growth"],
        ]
    ]


def _hundredfold_in_words(shown: pd.DataFrame) -> str:
    """Which steps grow faster than their data, and which takes most memory at the largest size;
    shown: of `_hundredfold`.
    """
    faster = shown[pd.to_numeric(shown["growth"], errors="coerce") > 1]
    named = ", ".join(f"{r.step} {r.growth}" for r in faster.itertuples())
    size = [column for column in shown if column.startswith("MB, x")][-1]
    memory = pd.to_numeric(shown[size], errors="coerce")
    return (
        f"Steps with an exponent above 1: {len(faster)} of {len(shown)}"
        f"{f' ({named})' if named else ''}. Most memory at {size.partition('x')[2]} times the "
        f"data: {memory.max() / 1000:.1f} GB, of {shown.step[memory.idxmax()]}."
    )


SPEED_TABLES = {
    "comparison": _comparison,
    "long rows": _comparison,
    "without bf16 units": _comparison,
    "shares": _shares,
    "growth": _growth,
    "generation": _generation,
    "engines": _engines,
    "formats": _formats,
    "gpu": _gpu,
    "startup": _as_kept,
    "judging": _as_kept,
    "judging growth": _as_kept,
    "overlap": _as_kept,
    "labels": _as_kept,
    "labels growth": _as_kept,
    "hundredfold": _hundredfold,
    "kills": _as_kept,
    "determinism": _as_kept,
    "papermill": _as_kept,
    "books": _books,
}


IN_WORDS = {"hundredfold": _hundredfold_in_words}  # stands above the table


UNMEASURED = {"gpu": "Not run: no GPU was at hand."}


def growth_figure(frame: pd.DataFrame, path: Path) -> None:
    """Seconds and memory over the factor by which rows or lengths grew, a line an objective;
    thin: in proportion to the first point.
    """
    import matplotlib.pyplot as plt

    figures.off_screen()
    figure, axes = plt.subplots(
        2, 2, figsize=(figures.WIDTH, 5), sharex="col", layout="constrained"
    )
    for column, what in enumerate(("rows", "length")):
        for objective, part in (
            frame[frame.what == what].groupby("objective", sort=False) if len(frame) else ()
        ):
            for axis, values in zip(
                axes[:, column], (part.seconds, part.memory_mb / 1000), strict=True
            ):
                axis.plot(
                    part.factor,
                    values,
                    "o-",
                    ms=4,
                    color=figures.COLOURS[objective],
                    label=objective.upper(),
                )
            axes[0, column].plot(
                part.factor,
                part.seconds.iloc[0] * part.factor,
                lw=0.6,
                ls=":",
                color=figures.COLOURS[objective],
            )
            axes[0, column].set(
                xscale="log",
                yscale="log",
                title=f"more {what}" if what == "rows" else "longer rows",
            )
            axes[0, column].set_xticks(
                list(part.factor), [f"x{f}" for f in part.factor], minor=False
            )
            axes[0, column].minorticks_off()
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("memory peak, GB")
    if len(frame):
        axes[0, 0].legend()
        ends = (part.iloc[[0, -1]] for _, part in frame.groupby(["what", "objective"], sort=False))
        ways = (
            f"{last.objective.upper()}, {last.what} x{last.factor}: {first.seconds:.0f} to "
            f"{last.seconds:.0f} s, {first.memory_mb / 1000:.1f} to {last.memory_mb / 1000:.1f} GB"
            for first, last in (end.itertuples() for end in ends)
        )
        descriptions.describe(figure, f"{'; '.join(ways)}.")
    else:
        figure.clear()
        figure.text(0.5, 0.5, "not measured yet", ha="center")
    figures.save(figure, path)


def steps_figure(path: Path) -> None:
    """The steps of the book as the Snakefile gets them, a line each from top to bottom: a group is
    what may run once the groups above it are done, an arc leads to what reads a step's results.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Arc

    figures.off_screen()
    needs = {step.run: step.needs for step in steps.STEPS}

    def depth(run):
        return 1 + max((depth(other) for other in needs[run]), default=-1)

    groups: dict[int, list] = {}
    for step in steps.STEPS:
        groups.setdefault(depth(step.run), []).append(step)
    place, below, edge = {}, 0.0, 0.58
    figure, axis = plt.subplots(
        figsize=(figures.WIDTH, 0.2 * (len(needs) + len(groups))), layout="constrained"
    )
    for number, group in sorted(groups.items()):
        axis.text(0, below, f"{number + 1}", va="center")
        for step in group:
            trains = "system" in dict(step.fixed)
            colour = figures.BLUE if trains else "black"
            axis.text(edge - 0.02, below, step.run, ha="right", va="center", color=colour)
            axis.plot(edge, below, "o", ms=3, color=colour)
            place[step.run] = below
            below += 1
        below += 0.7
    for run, others in needs.items():
        for other in others:
            down = place[run] - place[other]
            width = 2 * (0.98 - edge) * (0.1 + 0.9 * down / below)
            trained = run.partition(".")[0].startswith(("02", "03", "04"))
            colour = figures.BLUE if trained else "#888888"
            middle = (edge, (place[run] + place[other]) / 2)
            ends = {"theta1": -90, "theta2": 90}
            axis.add_patch(Arc(middle, width, down, color=colour, lw=0.8, alpha=0.7, **ends))
    axis.set(xlim=(0, 1), ylim=(below, -0.7))
    axis.set_axis_off()
    listed = (
        f"{number + 1}: {', '.join(step.run for step in group)}"
        for number, group in sorted(groups.items())
    )
    descriptions.describe(figure, f"The groups from top to bottom. {'; '.join(listed)}.")
    figures.save(figure, path)
