"""The book: executed notebooks and pages put together and built by Jupyter Book."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat

from emo import drift, licences
from emo.graph import due, steps
from emo.site import (
    api,
    architecture,
    assets,
    benchmarks,
    built,
    calibration,
    claims_page,
    current,
    data_page,
    edition_page,
    front,
    hostile,
    items,
    kept_book,
    layout,
    other_runs,
    settling,
)
from emo_utils.experiment import results
from emo_utils.project import ROOT, EmoError, write_atomic


def build(profile: str, kept: bool = False) -> Path:
    """Assemble the sources of the book from a profile's results and build the HTML;
    nothing is done when nothing changed.

    kept: from the kept book in place of results, with no run.

    Returns the folder of the HTML. Raises EmoError with the end of Jupyter Book's output when it
    warns of anything.
    """
    if built.is_current(profile, kept):
        return built.HTML
    if kept:
        about = kept_book.read()
        records, note, since = (
            kept_book.records(about),
            kept_book.note(about),
            kept_book.when(about),
        )
        kept_book.place_chapters(about)
        kept_book.write_items()
        story = kept_book.STORY
    else:
        about, records = layout.read_provenance(profile), results.read(profile)
        note = since = ""
        place_notebooks(profile)
        answers = items.scored_answers(profile)
        items.write_items(profile, answers)
        story = front.story_html(answers, profile)
    ledger, longer_runs = claims_page.by_every_source(records)
    front.write_front(profile, records, about, ledger, story, since)
    claims_page.write_claims(profile, ledger, longer_runs, note, since)
    settling.write_settling(profile, records, about, ledger, note, since)
    edition_page.write_edition()
    current.write_costs(profile, about, note, since)
    current.write_current(profile, about if kept else drift.snapshot(profile), note, since)
    claims_page.write_records(profile, records)
    benchmarks.write_speed()
    calibration.write_calibration()
    hostile.write_attacks()
    hostile.write_complaints()
    data_page.write_models()
    write_atomic(
        layout.GENERATED / "licences.md",
        data_page.browse_html(
            licences.table().to_dict("records"), "packages, weights and data sets"
        )
        + "\n",
    )
    benchmarks.steps_figure(layout.GENERATED / "steps.svg")
    architecture.rooms_figure(layout.GENERATED / "rooms.svg")
    architecture.way_figure(layout.GENERATED / "way.svg")
    data_page.write_data()
    api.write_api()
    assets.place_mathjax()
    assets.place_datatables()
    assets.place_font()
    assets.place_icons()
    built.BUILT_FROM.unlink(missing_ok=True)
    run_jupyter_book(ROOT)
    built.BUILT_FROM.write_text(built.digest(profile, kept))
    return built.HTML


def run_jupyter_book(folder: Path) -> None:
    """Build the HTML of the book in a folder.

    Raises EmoError with the end of Jupyter Book's output when it fails or warns of anything.
    """
    command = [
        *(sys.executable, "-c", "import emo; from jupyter_book.cli.main import main; main()"),
        "build",
        str(folder),
        "-W",
        "--keep-going",
        "-q",
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    if done.returncode or not (folder / "_build" / "html" / "index.html").is_file():
        # The cause, and not the way by which it came up through Jupyter Book.
        cause = (done.stdout + done.stderr).partition("Traceback (most recent call last)")[0]
        raise EmoError(
            "Jupyter Book could not build the pages:\n" + "\n".join(cause.splitlines()[-25:])
        )


def place_notebooks(profile: str) -> None:
    """Copy executed notebooks into the book: injected cells removed, code folded but in chapters
    that teach it, what was found behind the title, a title of its own for each section.
    """
    layout.CHAPTERS.mkdir(parents=True, exist_ok=True)
    records, wanted = results.read(profile), set()
    for step in steps.steps(profile):
        source = due.executed_path(step.run, profile)
        if not source.is_file():
            raise EmoError(
                f"{step.run} has no executed notebook in the {profile} profile; "
                f"make it with: emo make {step.run} --profile {profile}"
            )
        notebook = nbformat.read(source, as_version=4)
        for cell in notebook.cells:
            tags = cell.metadata.setdefault("tags", [])
            if "injected-parameters" in tags:
                tags.append("remove-cell")
            elif cell.cell_type == "code" and step.notebook[:2] not in layout.TAUGHT:
                tags.append("hide-input")
            cell.metadata.pop("papermill", None)
        notebook.metadata.pop("papermill", None)
        layout.name_section(notebook, step)
        layout.finding_first(notebook)
        if block := edition_page.of_chapter(step, profile, records):
            notebook.cells.insert(
                layout.behind_findings(notebook), nbformat.v4.new_markdown_cell(block)
            )
        if table := other_runs.of_chapter(step, profile):
            notebook.cells.append(nbformat.v4.new_markdown_cell(table))
        target = layout.CHAPTERS / f"{layout.page_name(step)}.ipynb"
        wanted.add(target)
        write_atomic(target, nbformat.writes(notebook))
    for old in set(layout.CHAPTERS.glob("*.ipynb")) - wanted:
        old.unlink()
