"""The kept book as pages: where nothing was run, the chapters' words with the tables that the
repository keeps, and on each page a line that says when, where and from what they were made.
"""

import html
import json
import shutil
from collections import Counter
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd

from emo import drift
from emo.graph import due, fingerprints, steps
from emo.site import built, edition_page, kept_cells, layout, other_runs
from emo_utils.data import arms
from emo_utils.experiment import parameters, results
from emo_utils.project import REFERENCE, write_atomic
from emo_utils.report import figures, kept_runs, result_tables

PROFILE = built.KEPT
WHERE_WRITTEN = "print(figures.saved(run))"  # ends a cell that shows no more than that
MAKE = "`make book` runs all of it on this machine."
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


def in_words(differences: list[str]) -> str:
    """What `changed` found, by kind and with the number of files of each; empty for nothing."""
    kinds = Counter(difference.partition(" ")[0].rstrip(":") for difference in differences)
    named = {
        "modules": "file of the package",
        "data": "file of data",
        "parameters": "parameter",
        "models": "model",
    }

    def words(kind: str, count: int) -> str:
        if kind == "lock":
            return "versions of libraries"
        if kind not in named:
            return kind
        first, *rest = named[kind].split(" ")
        return " ".join([str(count), first + "s" * (count > 1), *rest])

    return ", ".join(words(kind, count) for kind, count in kinds.items())


def made(run: dict) -> str:
    """When, from what and where a kept run was made, in words."""
    read_arms = " and ".join(arms.arms_of(run["fingerprint"].get("data", {})))
    return f"{run['started'][:10]}, commit {run['git_commit'][:10]}, {run['device']}" + (
        f", arm {read_arms} of the data" if read_arms else ""
    )


def days(runs: dict[str, dict]) -> str:
    """When kept runs were made: a day, or the first and the last."""
    first, last = (pick(run["started"][:10] for run in runs.values()) for pick in (min, max))
    return first if first == last else f"{first} to {last}"


def when(runs: dict[str, dict]) -> str:
    """When and from which commits, for the badges of pages that show all of them."""
    commits = sorted({run["git_commit"][:10] for run in runs.values()})
    named = f"commit {commits[0]}" if len(commits) == 1 else f"{len(commits)} commits"
    return f"{days(runs)}, {named}"


def note(runs: dict[str, dict]) -> str:
    """What stands above the pages that show the whole book's numbers."""
    commits = ", ".join(sorted({run["git_commit"][:10] for run in runs.values()}))
    devices = " and ".join(sorted({run["device"].rpartition(",")[0] for run in runs.values()}))
    without = {step.notebook for step in steps.STEPS} - {
        step.notebook for step in steps.STEPS if step.run in runs
    }
    lacking = f" No run is kept of {', '.join(sorted(without))}." if without else ""
    behind = sum(bool(changed(name, run)) for name, run in runs.items())
    return _box(
        "Kept numbers: nothing was run here",
        f"They are those of the {len(runs)} runs that the maintainers kept: {days(runs)}, "
        f"commits {commits}, {devices}. Behind {behind} of them something has changed since, "
        f"such as their code or data.{lacking} {MAKE}",
    )


def _box(title: str, text: str) -> str:
    return f":::{{admonition}} {title}\n:class: note\n{text}\n:::"


def place_chapters(runs: dict[str, dict]) -> None:
    """The notebooks with what their cells show of kept records, below the title what is kept of
    each, and at the end all tables that are.
    """
    folder, wanted = layout.GENERATED / "kept", set()
    matplotlib.use("agg")  # no window system is asked for
    write_runs(runs, folder)
    here = records(runs)
    for step in steps.steps(PROFILE):
        notebook = nbformat.read(parameters.notebook_path(step.notebook), as_version=4)
        notebook.cells = [
            cell for cell in notebook.cells if not cell.source.endswith(WHERE_WRITTEN)
        ]
        run = runs.get(step.run)
        of_run = kept_run(step, run, folder)
        names = of_run.values
        if run:  # without one every table of its records would be empty
            names |= {"run": of_run} | kept_cells.known(step.notebook, of_run.table())
        with kept_cells.reading_from(folder):
            shown = kept_cells.show_again(notebook, names)
        for cell in notebook.cells:
            tags = cell.metadata.setdefault("tags", [])
            folded = cell.cell_type == "code" and step.notebook[:2] not in layout.TAUGHT
            if folded and "hide-input" not in tags:
                tags.append("hide-input")
            if "finding" in tags and cell.outputs in ([], [kept_cells.NOT_RUN]):
                tags.remove("finding")
        tables = _of_run(step.run, runs) + _of_longer_runs(step)
        layout.name_section(notebook, step)
        layout.finding_first(notebook)
        cell = nbformat.v4.new_markdown_cell
        if block := edition_page.of_chapter(step, PROFILE, here, of_run.kept):
            notebook.cells.insert(layout.behind_findings(notebook), cell(block))
        about = _about(step.run, run, shown, bool(tables))
        notebook.cells.insert(1, cell(_box("Kept numbers: nothing was run here", about)))
        if of_all := other_runs.of_chapter(step, PROFILE, folder):
            notebook.cells.append(cell(of_all))
        if tables:
            notebook.cells.append(cell("\n\n".join(["## All kept tables", *tables])))
        for number, each in enumerate(notebook.cells):
            each["id"] = f"cell-{number}"
        wanted.add(target := layout.CHAPTERS / f"{layout.page_name(step)}.ipynb")
        write_atomic(target, nbformat.writes(notebook))
    for old in set(layout.CHAPTERS.glob("*.ipynb")) - wanted:
        old.unlink()


def write_runs(runs: dict[str, dict], folder: Path) -> None:
    """The kept runs as files such as a run writes, for what reads those: records, and as much of
    the provenance as was kept.
    """
    shutil.rmtree(folder, ignore_errors=True)
    notebooks = {step.run: step.notebook for step in steps.STEPS}
    for name in (name for name in runs if name in notebooks):
        run, of = runs[name], runs[name]["fingerprint"]
        about = {part: value for part, value in run.items() if part != "records"}
        about |= {"run": name, "notebook": f"notebooks/{notebooks[name]}.ipynb"}
        about |= {"profile": PROFILE, "data_sha256": of["data"], "kept": kept_runs.when(run)}
        about["models"] = {model: {"sha256": digest} for model, digest in of["models"].items()}
        content = {"records": run["records"], "provenance": about}
        write_atomic(folder / f"{name}.json", json.dumps(content, indent=1))


def kept_run(step: steps.Step, run: dict | None, folder: Path) -> kept_cells.KeptRun:
    """A run of the kept book as the cells of its chapter see it; one without records where none is
    kept.
    """
    kept = run or {"parameters": steps.values(step, PROFILE), "records": []}
    since = in_words(changed(step.run, run)) if run else ""
    return kept_cells.KeptRun(
        name=step.run,
        notebook=step.notebook,
        profile=PROFILE,
        folder=folder,
        values=kept["parameters"],
        records=[results.Record.model_validate(record) for record in kept["records"]],
        kept=kept_runs.when(run) if run else "",
        changed=[since] if since else [],
    )


def _about(name: str, run: dict | None, shown: int, tables: bool) -> str:
    """What is kept of a run's page, in the words of its box."""
    more = "Its words and its code follow."
    if shown:
        more = (
            "Tables and figures are drawn from what is kept. *Not run here* stands where a cell "
            "needs more than records, such as a model or its answers."
        )
    if tables:
        more += " All tables of the records stand at the end."
    more += f" {MAKE}"
    if not run:
        longer = ", but longer runs of it are" if tables else ""
        return f"No run of this chapter is kept{longer}. {more}"
    since = in_words(changed(name, run))
    return (
        f"The numbers are of the kept run of {made(run)}. "
        f"Changed since: {since or 'nothing'}. {more}"
    )


def _of_run(name: str, runs: dict[str, dict]) -> list[str]:
    """The tables of a run of the kept book, with what they come from."""
    if not (run := runs.get(name)) or not run["records"]:
        return []
    of_run = results.frame(run["records"])
    return [f"Of the kept run of {made(run)}:", *tables(of_run, PROFILE, kept_runs.when(run))]


def _of_longer_runs(step: steps.Step) -> list[str]:
    """The tables of the longer runs of a chapter's notebook that are kept, each with its
    provenance; on the page of the run that stands for the notebook.
    """
    shown = []
    for path in sorted(REFERENCE.glob("*.json")) if layout.page_name(step) == step.notebook else ():
        about = json.loads(path.read_text(encoding="utf-8")).get("provenance")
        if about and Path(about["notebook"]).stem == step.notebook:
            source = kept_runs.kept_source(path)
            shown += [
                f"Of the longer run `{path.stem}`:",
                result_tables.provenance_line(source),
                *tables(kept_runs.kept(path), source.profile, source.kept),
            ]
    return shown


def tables(records: pd.DataFrame, profile: str, kept: str) -> list[str]:
    """Records as folded tables of HTML, one for each table and scorer: a row a system (and group),
    a column a metric; the papers' printed numbers beside ours where the page of a table has them.
    profile, kept: of the badge of each.
    """
    shown = []
    for (table, scorer), part in records.groupby(["table", "scorer"], sort=False, dropna=False):
        if table in PRINTED:
            frame = result_tables.side_by_side(part, table)
        else:
            of_all, named = part.group == "all", part.system.map(figures.named)
            frame = result_tables.grid(
                part.assign(row=named.where(of_all, named + ", " + part.group)),
                rows="row",
            ).fillna("")
            frame.index.name = frame.columns.name = None
        scored_by = figures.named(scorer)  # a training is its own
        head = f"{table} ({scored_by}): {len(frame)} rows, n up to {part.n.max()}"
        body = result_tables.with_names(frame).to_html(
            escape=True, border=0, classes="companion", na_rep=""
        )
        shown.append(
            f'<details class="{result_tables.BOX}"><summary>{html.escape(head)}</summary>'
            f"{result_tables.badge(profile, kept)}{body}</details>"
        )
    return shown


def write_items() -> None:
    """The page of all answers, of which none is kept."""
    write_atomic(
        layout.GENERATED / "items.html",
        "<p>The answers themselves are not kept; <code>make book</code> writes them.</p>\n",
    )
