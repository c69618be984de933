"""The kept book as pages: where nothing was run, the chapters' words with the tables that the
repository keeps, and on each page a line that says when, where and from what they were made.
"""

import html
import json
from pathlib import Path

import nbformat
import pandas as pd

from emo import drift
from emo.graph import due, fingerprints, steps
from emo.site import layout
from emo_utils.data import arms
from emo_utils.experiment import parameters, results
from emo_utils.project import REFERENCE, write_atomic
from emo_utils.report import kept_runs, result_tables

PROFILE = "embedded"  # the one whose whole book is kept
# What the first page says where it shows a question with its answers.
STORY = (
    "<p>The answers of the systems are not kept in the repository; <code>make book</code> writes "
    'them. The questions are, with the doctor\'s and the warm answer: <a href="book/data.html">the '
    "data</a>.</p>"
)
PRINTED = ("emodoctor.table1", "emodoctor.table2.doctor", "emodoctor.table2.modified")


def read() -> dict[str, dict]:
    """The runs of the kept book, as `drift.snapshot` gives those of this machine, each with its
    `parameters`; a parameter that its notebook has since then has its default.
    """
    runs = drift.read(drift.reference(PROFILE))
    notebooks = {step.run: step.notebook for step in steps.STEPS}
    for name, run in runs.items():
        declared = parameters.declared(notebooks[name]) if name in notebooks else {}
        defaults = {parameter: of.default for parameter, of in declared.items()}
        run["parameters"] = defaults | run["fingerprint"]["parameters"]
    return runs


def records(runs: dict[str, dict]) -> pd.DataFrame:
    """Their records, as `results.read` gives those of this machine."""
    return results.frame(
        [row | {"run": name} for name, run in runs.items() for row in run["records"]]
    )


def changed(name: str, run: dict) -> list[str]:
    """What a kept run depended on and is another now, in words; all where the book has no such run
    any more.
    """
    if name not in {step.run for step in steps.STEPS}:
        return ["the book has no such run any more"]
    now = fingerprints.static_fingerprint(name, PROFILE)
    return due.differences({part: run["fingerprint"].get(part) for part in now}, now)


def made(run: dict) -> str:
    """When, from what and where a kept run was made, in words."""
    read_arms = " and ".join(arms.arms_of(run["fingerprint"].get("data", {})))
    return f"{run['started'][:10]}, commit {run['git_commit'][:10]}, {run['device']}" + (
        f", arm {read_arms} of the data" if read_arms else ""
    )


def note(runs: dict[str, dict]) -> str:
    """What stands above the pages that show the whole book's numbers."""
    first, last = (pick(run["started"][:10] for run in runs.values()) for pick in (min, max))
    days = first if first == last else f"{first} to {last}"
    commits = ", ".join(sorted({run["git_commit"][:10] for run in runs.values()}))
    devices = " and ".join(sorted({run["device"].rpartition(",")[0] for run in runs.values()}))
    behind = sum(bool(changed(name, run)) for name, run in runs.items())
    return _box(
        "Kept numbers: nothing was run here",
        f"They are those of the {len(runs)} runs that the maintainers kept: {days}, "
        f"commit {commits}, {devices}. Behind {behind} of them something has changed since, "
        "such as their code or data; the newest chapters may not be among them. `make book` makes "
        "all of them on this machine, and these pages with them.",
    )


def _box(title: str, text: str) -> str:
    return f":::{{admonition}} {title}\n:class: note\n{text}\n:::"


def place_chapters(runs: dict[str, dict]) -> None:
    """The notebooks as they are stored, without outputs, their code folded; above each what is
    kept of it, and at its end those tables.
    """
    wanted = set()
    for step in steps.steps(PROFILE):
        notebook = nbformat.read(parameters.notebook_path(step.notebook), as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.metadata.setdefault("tags", []).append("hide-input")
        tables = _of_run(step.run, runs) + _of_longer_runs(step)
        about = (
            "None of this chapter was run here. Its words and its code follow; the tables that are "
            "kept of it stand at the end."
            if tables
            else "None of this chapter was run here, and no table of it is kept: its words and its "
            "code follow. `make book` runs it."
        )
        layout.name_section(notebook, step)
        cell = nbformat.v4.new_markdown_cell
        notebook.cells.insert(1, cell(_box("Not run here", about)))
        if tables:
            notebook.cells.append(cell("\n\n".join(["## The kept tables", *tables])))
        for number, each in enumerate(notebook.cells):
            each["id"] = f"cell-{number}"
        wanted.add(target := layout.CHAPTERS / f"{layout.page_name(step)}.ipynb")
        write_atomic(target, nbformat.writes(notebook))
    for old in set(layout.CHAPTERS.glob("*.ipynb")) - wanted:
        old.unlink()


def _of_run(name: str, runs: dict[str, dict]) -> list[str]:
    """The tables of a run of the kept book, with what they come from."""
    if not (run := runs.get(name)) or not run["records"]:
        return []
    since = changed(name, run)
    source = f"Of the kept book: {made(run)}."
    if since:
        source += f" Changed since: {'; '.join(since[:5])}{' and more' if since[5:] else ''}."
    return [source, *tables(results.frame(run["records"]))]


def _of_longer_runs(step: steps.Step) -> list[str]:
    """The tables of the longer runs of a chapter's notebook that are kept, each with its
    provenance; on the page of the run that stands for the notebook.
    """
    shown = []
    for path in sorted(REFERENCE.glob("*.json")) if layout.page_name(step) == step.notebook else ():
        about = json.loads(path.read_text(encoding="utf-8")).get("provenance")
        if about and Path(about["notebook"]).stem == step.notebook:
            shown += [
                f"Of the longer run `{path.stem}`:",
                result_tables.provenance_line(kept_runs.kept_source(path)),
                *tables(kept_runs.kept(path)),
            ]
    return shown


def tables(records: pd.DataFrame) -> list[str]:
    """Records as folded tables of HTML, one for each table and scorer: a row a system (and group),
    a column a metric; the papers' printed numbers beside ours where the page of a table has them.
    """
    shown = []
    for (table, scorer), part in records.groupby(["table", "scorer"], sort=False, dropna=False):
        if table in PRINTED:
            frame = result_tables.side_by_side(part, table)
        else:
            of_all = part.group == "all"
            frame = result_tables.grid(
                part.assign(row=part.system.where(of_all, part.system + ", " + part.group)),
                rows="row",
            ).fillna("")
            frame.index.name = frame.columns.name = None
        head = f"{table} ({scorer}): {len(frame)} rows, n up to {part.n.max()}"
        body = frame.to_html(escape=True, border=0, classes="companion", na_rep="")
        shown.append(
            f'<details class="{result_tables.BOX}"><summary>{html.escape(head)}</summary>'
            f"{result_tables.badge(PROFILE)}{body}</details>"
        )
    return shown


def write_items() -> None:
    """The page of all answers, of which none is kept."""
    write_atomic(
        layout.GENERATED / "items.html",
        "<p>The answers themselves are not kept; <code>make book</code> writes them.</p>\n",
    )
