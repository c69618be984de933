"""Tables of results: the published number beside ours, captions, where a table comes from."""

import html
import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from IPython.display import HTML

from emo_utils.data import arms, published_numbers
from emo_utils.project import results_dir
from emo_utils.report import figures
from emo_utils.stats import intervals

# The classes of a box of texts and numbers: in it two amounts of dollars are no formula, which
# JupyterLab would make of them.
BOX = "companion-table tex2jax_ignore mathjax_ignore"
# Columns, and levels of heads and row names, whose entries are systems.
OF_SYSTEMS = ("system", "minus", "against")
CHECKPOINT = (
    "95 % interval over test items; one training seed, so it speaks of this checkpoint only"
)


def side_by_side(
    records: pd.DataFrame, table: str, digits: int = 2, edition: pd.DataFrame | None = None
) -> pd.DataFrame:
    """A table with the paper's value, where it printed one, and ours with its interval under each
    metric; our extra systems follow. edition: records of larger models, shown between the two.
    """
    paper = published_numbers.emodoctor(table, printed=True)
    sources = {"ours": records} if edition is None else {"edition": edition, "this run": records}
    parts = [
        part[(part.table == table) & (part.group == "all")].itertuples()
        for part in sources.values()
    ]
    found = [{(r.system, r.metric): r for r in part} for part in parts]
    measured = [key for part in found for key in part]
    systems = list(dict.fromkeys([*paper.index, *(system for system, _ in measured)]))
    columns = {}
    for metric in paper.columns if len(paper) else dict.fromkeys(metric for _, metric in measured):
        if metric in paper.columns:
            columns[metric, "paper"] = [paper[metric].get(system, "") for system in systems]
        for source, part in zip(sources, found):
            columns[metric, source] = [
                with_interval(part[s, metric], digits) if (s, metric) in part else ""
                for s in systems
            ]
    frame = pd.DataFrame(columns, index=[figures.named(s) for s in systems])
    frame.columns = pd.MultiIndex.from_tuples(columns)
    return frame


def with_interval(record, digits: int = 2, sign: str = "") -> str:
    """A value and its interval as text, and below `intervals.ENOUGH` items the value and n alone;
    sign "+" shows that of positive numbers, too.
    """
    number = f"{sign}.{digits}f"
    if record.n < intervals.ENOUGH:
        return f"{record.value:{number}} (n = {record.n})"
    if record.interval == "none":
        return f"{record.value:{number}}"
    return f"{record.value:{number}} [{record.ci_low:{number}}, {record.ci_high:{number}}]"


def cell(record, digits: int = 2, sign: str = "") -> str:
    """A record as tables show it: `with_interval`, and n where some are unscored."""
    text = with_interval(record, digits, sign)
    if not record.unscored:
        return text
    return f"{text.partition(' (n')[0]} (n = {record.n}, {record.unscored} unscored)"


def grid(
    records: pd.DataFrame,
    rows: str = "system",
    columns: str = "metric",
    counts: bool = False,
    **options,
):
    """Records as a table of `cell`s, rows and columns in the order of the records; counts: with the
    number of items of each row (the largest of its cells') in a first column `n`; options: those of
    `cell`.
    """
    wide = records.assign(cell=[cell(r, **options) for r in records.itertuples()])
    wide = wide.pivot(index=rows, columns=columns, values="cell")
    wide = wide.reindex(index=records[rows].unique(), columns=records[columns].unique())
    if counts:
        wide.insert(0, "n", records.groupby(rows).n.max())
    return wide


def show(
    frame: pd.DataFrame, run, caption: str, index: bool = True, behind: tuple[str, ...] = ()
) -> HTML:
    """A table as HTML: badge of the profile, caption, escaped cells, line of provenance; systems
    have the names that readers know (`with_names`). Long texts wrap.

    behind: systems whose answers the numbers rest on; a line under the table leads to them.
    """
    return _shown(frame, [run], caption, index, behind)


def show_of_runs(
    frame: pd.DataFrame, profile: str, names: list[str], caption: str, folder: Path | None = None
) -> HTML:
    """A table whose numbers come from several runs of the book in a profile, without its index and
    with a line of provenance for each. folder: where the runs' records lie, if
    not where those of this machine do.
    """
    folder = folder or results_dir(profile)
    runs = []
    for name in names:
        kept = _provenance(folder, name).get("kept", "")
        runs.append(SimpleNamespace(profile=profile, folder=folder, name=name, kept=kept))
    return _shown(frame, runs, caption, False, ())


def _shown(frame: pd.DataFrame, runs: list, caption: str, index: bool, behind) -> HTML:
    before = frame.index.nlevels if index else 0
    texts = [
        f"companion-wide-{number}"
        for number, column in enumerate(range(frame.shape[1]), before + 1)
        if frame.iloc[:, column].map(lambda cell: isinstance(cell, str) and len(cell) > 40).any()
    ]
    body = with_names(frame).to_html(
        escape=True,
        index=index,
        border=0,
        classes=["companion", *(["companion-claims", *texts] if texts else [])],
        na_rep="",
    )
    links = " · ".join(
        f'<a href="../items.html#system={html.escape(system)}">'
        f"{html.escape(figures.named(system))}</a>"
        for system in behind
    )
    return HTML(
        f'<div class="{BOX}">{badge_of(runs[0])} {html.escape(figures.in_words(caption))}{body}'
        f"{f'<p>The answers behind it: {links}</p>' if links else ''}"
        f"{''.join(map(provenance_line, runs))}</div>"
    )


def with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with the names of its systems as readers know them, in heads, row names and
    cells; what computes on a table has the names of the records.
    """
    shown = frame.copy()
    for place, name in enumerate(frame.columns):
        if not pd.api.types.is_numeric_dtype(cells := frame.iloc[:, place]):
            shown.isetitem(place, cells.map(_entry(name)))
    shown.index, shown.columns = _named_labels(frame.index), _named_labels(frame.columns)
    return shown


def _named_labels(labels: pd.Index) -> pd.Index:
    levels = [
        labels.get_level_values(place).map(_entry(name)) for place, name in enumerate(labels.names)
    ]
    if labels.nlevels == 1:
        return levels[0].rename(labels.name)
    return pd.MultiIndex.from_arrays(levels, names=labels.names)


def _entry(name):
    """How the entries of a column or level of this name are shown."""

    def shown(entry):
        if not isinstance(entry, str):
            return entry
        return figures.in_words(figures.named(entry) if name in OF_SYSTEMS else entry)

    return shown


def caption(records: pd.DataFrame, table: str, covers: str = CHECKPOINT) -> str:
    """n, unscored, what the interval covers and how it was computed,
    read from the records of a table.
    """
    part = records[records.table == table]
    unscored = int(part.groupby("system").unscored.max().sum())
    return (
        f"{questions(part)}, {unscored} answers unscored. {covers}. "
        f"Scorer: {part.scorer.iloc[0]}. How: {part.signature.iloc[0]}."
    )


def questions(part: pd.DataFrame) -> str:
    """How many questions records rest on, and which systems on fewer, for captions."""
    counts = part.groupby("system", sort=False).n.max()
    fewer = ", ".join(
        f"{figures.named(name)} {n}" for name, n in counts.items() if n < counts.max()
    )
    return f"n = {counts.max()} test questions" + (f" ({fewer})" if fewer else "")


def badge(profile: str, kept: str = "") -> str:
    """The mark that says which profile a number comes from; kept: of numbers that were not made
    here, when and from which commit they were.
    """
    words, mark = f"{profile} profile", f"companion-badge companion-{profile}"
    if kept:
        words, mark = f"kept: {words}, {kept}", f"{mark} companion-kept"
    return f'<span class="{html.escape(mark)}">{html.escape(words)}</span>'


def badge_of(run) -> str:
    """The `badge` of a run, or of one that was kept (its `kept`)."""
    return badge(run.profile, getattr(run, "kept", ""))


def provenance_line(run) -> str:
    """One line: notebook, arm of the data that it read, commit, data and model hashes, device,
    seconds, and of a kept run what has changed since; it opens to the whole provenance.
    """
    about = _provenance(run.folder, run.name)
    read = " and ".join(arms.arms_of(about["data_sha256"]))
    commit = about["git_commit"][:10] + (" with local changes" if about["dirty"] else "")
    hashes = ", ".join(
        [f"{name.split('/')[-1]} {digest[:8]}" for name, digest in about["data_sha256"].items()]
        + [f"{name} {m['sha256'][:8]}" for name, m in about["models"].items()]
    )
    line = (
        f"{about['run']}{read and f' · arm {read}'} · commit {commit} · {hashes} · "
        f"{about['device']} · {about['seconds']:.0f} s"
    )
    if changed := getattr(run, "changed", []):
        line += f" · changed since: {', '.join(changed)}"
    whole = json.dumps({k: v for k, v in about.items() if k != "fingerprint"}, indent=1)
    return (
        f'<details class="companion-provenance"><summary>{html.escape(line)}</summary>'
        f"<pre>{html.escape(whole)}</pre></details>"
    )


def _provenance(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["provenance"]


def side_by_side_texts(columns: dict[str, str], run) -> HTML:
    """Texts in columns, escaped: for reading answers or rewrites next to each other; columns:
    heading -> text. Systems in the headings have the names that readers know.
    """
    head = "".join(f"<th>{html.escape(figures.in_words(name))}</th>" for name in columns)
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in columns.values())
    return HTML(
        f'<div class="{BOX}">{badge_of(run)}'
        f'<table class="companion companion-texts"><tr>{head}</tr><tr>{cells}</tr></table></div>'
    )
