"""Tables and figures: ours beside the published ones, each with profile, n, interval
and provenance.

Everything shown is read from records. Text from models or data is escaped before it becomes HTML.
"""

import html
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML
from matplotlib import font_manager
from matplotlib_inline.backend_inline import set_matplotlib_formats

from emo_utils import data
from emo_utils.project import DATA, ROOT, relative
from emo_utils.results import SYSTEMS

PUBLISHED = DATA / "published" / "emodoctor.csv"
VALIDITY, PREFERENCE = (
    ROOT / "book" / "reference" / name for name in ("validity.json", "preference.json")
)
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
}
# Okabe and Ito's colours, told apart by colour-blind readers;
# one method keeps one colour everywhere.
COLOURS = {"sft": "#0072B2", "dpo": "#D55E00", "kto": "#009E73", "none": "#666666"}
CHECKPOINT = (
    "95 % bootstrap interval over test items; "
    "one training seed, so it speaks of this checkpoint only"
)


def style() -> None:
    """The house style of figures: vector graphics, no frame, quiet grid."""
    set_matplotlib_formats("svg")
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
            "figure.dpi": 110,
            "svg.fonttype": "path",
            "legend.frameon": False,
            "svg.hashsalt": "companion",
        }
    )


def colour(system: str) -> str:
    return COLOURS[next((m for m in ("sft", "dpo", "kto") if system.endswith(m)), "none")]


def published(table: str, printed: bool = False) -> pd.DataFrame:
    """The paper's numbers of a table: rows systems, columns metrics, in the paper's order;
    as printed (text) if asked for.
    """
    frame = data.published(PUBLISHED)
    frame["value"] = frame.value if printed else frame.value.astype(float)
    frame = frame[frame.table == table]
    return frame.pivot(index="system", columns="metric", values="value").reindex(
        index=[s for s in SYSTEMS if s in set(frame.system)], columns=frame.metric.unique()
    )


def side_by_side(records: pd.DataFrame, table: str, digits: int = 2) -> pd.DataFrame:
    """A table with the paper's value and ours with its interval under each metric;
    our extra systems follow.
    """
    paper, ours = (
        published(table, printed=True),
        records[(records.table == table) & (records.group == "all")],
    )
    systems = [*paper.index, *dict.fromkeys(s for s in ours.system if s not in paper.index)]
    found = {(r.system, r.metric): r for r in ours.itertuples()}
    columns = {}
    for metric in paper.columns:
        columns[metric, "paper"] = [paper[metric][s] if s in paper.index else "" for s in systems]
        columns[metric, "ours"] = [
            _value(found[s, metric], digits) if (s, metric) in found else "" for s in systems
        ]
    frame = pd.DataFrame(columns, index=[LABELS.get(s, s) for s in systems])
    frame.columns = pd.MultiIndex.from_tuples(columns)
    return frame


def _value(record, digits: int) -> str:
    return f"{record.value:.{digits}f} [{record.ci_low:.{digits}f}, {record.ci_high:.{digits}f}]"


def show(
    frame: pd.DataFrame, run, caption: str, index: bool = True, behind: tuple[str, ...] = ()
) -> HTML:
    """A table as HTML: badge of the profile, caption, escaped cells, line of provenance.

    Long texts wrap.

    behind: systems whose answers the numbers rest on; a line under the table leads to them.
    """
    texts = [
        c
        for c in frame
        if frame[c].map(lambda cell: isinstance(cell, str) and len(cell) > 40).any()
    ]
    body = frame.to_html(
        escape=True,
        index=index,
        border=0,
        classes="companion companion-claims" if texts else "companion",
        na_rep="",
    )
    links = " · ".join(
        f'<a href="../items.html#system={html.escape(system)}">{html.escape(system)}</a>'
        for system in behind
    )
    return HTML(
        f'<div class="companion-table">{badge(run.profile)} {html.escape(caption)}{body}'
        f"{f'<p>The answers behind it: {links}</p>' if links else ''}"
        f"{provenance_line(run)}</div>"
    )


def caption(records: pd.DataFrame, table: str, covers: str = CHECKPOINT) -> str:
    """n, unscored, what the interval covers and how it was computed,
    read from the records of a table.
    """
    part = records[records.table == table]
    n, unscored = part.n.max(), int(part.groupby("system").unscored.max().sum())
    return (
        f"n = {n} test questions, {unscored} answers unscored. {covers}. "
        f"Scorer: {part.scorer.iloc[0]}. How: {part.signature.iloc[0]}."
    )


def kept(path: Path) -> pd.DataFrame:
    """The records of a run that was kept under book/reference, its profile in `attrs`;
    empty where none was kept.
    """
    if not path.is_file():
        return pd.DataFrame()
    content = json.loads(data.used(path).read_text(encoding="utf-8"))
    frame = pd.DataFrame(content["records"])
    frame.attrs["profile"] = content["provenance"]["profile"]
    return frame


def kept_source(path: Path) -> SimpleNamespace:
    """What `show` needs of a kept run: its profile and where its provenance lies."""
    return SimpleNamespace(profile=kept(path).attrs["profile"], folder=path.parent, name=path.stem)


def kept_validity() -> pd.DataFrame:
    """The kept records of chapter 11 (agreement of scorers with people);
    empty where none were kept.
    """
    return kept(VALIDITY)


def agreement(table: str, system: str, scorer: str) -> str:
    """How far a scorer agrees with people, in a sentence for the caption of what rests on it."""
    kept = kept_validity()
    part = (
        kept[
            (kept.table == table)
            & (kept.system == system)
            & (kept.scorer == scorer)
            & kept.group.isin(["reassurance", "llmbar"])
            & kept.metric.isin(["auc", "accuracy"])
        ]
        if len(kept)
        else kept
    )
    if not len(part):
        return f"How far {scorer} agrees with people was not measured"
    r = part.iloc[0]
    what = {
        "validity.emotion": "tells replies that people marked as reassuring from others with AUC",
        "validity.judge": "agrees with people's choice of the better of two answers with accuracy",
    }[table]
    return (
        f"Agreement with people (chapter 11): this scorer {what} {r.value:.2f} "
        f"[{r.ci_low:.2f}, {r.ci_high:.2f}], n = {r.n}, where .5 is chance"
    )


def facts_agreement(reader: str) -> str:
    """How far the measures of facts follow people's counts, for the captions of chapter 6."""
    kept = kept_validity()
    part = (
        kept[(kept.table == "validity.factual") & (kept.metric == "pearson")] if len(kept) else kept
    )
    found = (
        {r.system: r for r in part[part.scorer.isin([reader, "rules"])].itertuples()}
        if len(part)
        else {}
    )
    if not {"facts kept", "details added"} <= set(found):
        return "How far these measures follow people's counts of facts was not measured"
    told = {
        r.system: r
        for r in kept[
            (kept.table == "validity.claims") & (kept.group == "all") & (kept.metric == "auc")
        ].itertuples()
    }
    first, second, third = (
        "{0.value:.2f} [{0.ci_low:.2f}, {0.ci_high:.2f}]".format(r) if r else ""
        for r in (found["facts kept"], found["details added"], told.get("details added"))
    )
    return (
        f"Agreement with people (chapter 11), Pearson's r on {found['facts kept'].n} summaries: "
        f"kept with their factual recall {first}, "
        f"details added with their factual precision {second}"
        + (
            f"; of right against wrong statements about such texts its AUC is {third} "
            f"({told['details added'].n} statements; .5 is chance)"
            if third
            else ""
        )
    )


def badge(profile: str) -> str:
    """The mark that says which profile a number comes from."""
    return (
        f'<span class="companion-badge companion-{html.escape(profile)}">'
        f"{html.escape(profile)} profile</span>"
    )


def provenance_line(run) -> str:
    """One line: notebook, commit, data and model hashes, device, seconds;
    it opens to the whole provenance.
    """
    about = json.loads((run.folder / f"{run.name}.json").read_text(encoding="utf-8"))["provenance"]
    commit = about["git_commit"][:10] + (" with local changes" if about["dirty"] else "")
    hashes = ", ".join(
        [f"{name.split('/')[-1]} {digest[:8]}" for name, digest in about["data_sha256"].items()]
        + [f"{name} {m['sha256'][:8]}" for name, m in about["models"].items()]
    )
    line = (
        f"{about['run']} · commit {commit} · {hashes} · "
        f"{about['device']} · {about['seconds']:.0f} s"
    )
    whole = json.dumps({k: v for k, v in about.items() if k != "fingerprint"}, indent=1)
    return (
        f'<details class="companion-provenance"><summary>{html.escape(line)}</summary>'
        f"<pre>{html.escape(whole)}</pre></details>"
    )


def intervals_figure(records: pd.DataFrame, table: str, metrics: tuple[str, ...], ours_label: str):
    """For each metric two panels, each on an axis of its own: the paper's values,
    and ours with intervals.
    """
    paper, ours = published(table), records[(records.table == table) & (records.group == "all")]
    systems = [s for s in SYSTEMS if s in set(ours.system)]
    figure, axes = plt.subplots(
        len(metrics),
        2,
        figsize=(8.5, 2.9 * len(metrics)),
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (left, right), metric in zip(axes, metrics, strict=True):
        rows = ours[ours.metric == metric].set_index("system")
        for place, system in enumerate(systems):
            left.plot(paper[metric][system], place, "o", color=colour(system))
            r = rows.loc[system]
            right.plot([r.ci_low, r.ci_high], [place, place], color=colour(system), lw=2)
            right.plot(r.value, place, "o", color=colour(system))
        left.set(
            title=f"{metric}: published",
            yticks=range(len(systems)),
            yticklabels=[LABELS.get(s, s) for s in systems],
        )
        right.set(title=f"{metric}: {ours_label}")
        left.invert_yaxis()
    return figure


def training_figure(log: pd.DataFrame, beta: float = 0.0):
    """Loss over steps, and for preference training the rewards,
    how far each answer's probability has moved, and accuracy or KL term.

    log: one row a step, columns as TRL names them. beta: the weight in the rewards,
    which are beta times a log-ratio. Thin: each step; thick: mean of five.
    """
    green, red, blue, dark = "#009E73", "#D55E00", "#0072B2", "#333333"
    panels = [("training loss", {"": (log.loss, blue)})]
    if "rewards/margins" in log:
        rewards = {"chosen": green, "rejected": red}
        panels.append(
            (
                "rewards: beta x log-ratio to the reference",
                {n: (log[f"rewards/{n}"], c) for n, c in rewards.items()}
                | {"margin": (log["rewards/margins"], dark)},
            )
        )
        panels.append(
            (
                "log-probability of an answer, change in nats",
                {n: (log[f"rewards/{n}"] / beta, c) for n, c in rewards.items()},
            )
        )
        if "kl" in log:
            panels.append(("KL term, nats", {"": (log.kl, blue)}))
        else:
            panels.append(
                ("share of pairs with a positive margin", {"": (log["rewards/accuracies"], blue)})
            )
    figure, axes = plt.subplots(
        -(-len(panels) // 2),
        min(len(panels), 2),
        figsize=(8.5 if len(panels) > 1 else 5, 2.6 * -(-len(panels) // 2)),
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
    return figure


def side_by_side_texts(columns: dict[str, str], run) -> HTML:
    """Texts in columns, escaped: for reading answers or rewrites next to each other."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in columns.values())
    return HTML(
        f'<div class="companion-table">{badge(run.profile)}'
        f'<table class="companion companion-texts"><tr>{head}</tr><tr>{cells}</tr></table></div>'
    )


def saved(run) -> str:
    return f"{len(run.records)} records in {relative(run.folder / (run.name + '.json'))}"
