"""The book that is read without a run: the kept records as its source, and pages that say so."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata

import nbformat
import page_measures
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from emo import drift
from emo.cli import books, main
from emo.graph import steps
from emo.site import (
    api,
    build,
    built,
    claims_page,
    current,
    front,
    kept_book,
    kept_cells,
    layout,
    links,
    settling,
    theme,
)
from emo_utils.project import ROOT, notebook_cells


@pytest.fixture(scope="module")
def runs() -> dict[str, dict]:
    return kept_book.read()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "GENERATED", tmp_path / "generated")
    monkeypatch.setattr(layout, "CHAPTERS", tmp_path / "notebooks")
    return tmp_path


# A section of a chapter, one without a kept run, one of records, and one with longer runs.
PLACED = ("02_sft.er-sft", "05_plain_questions", "06_knowledge_scoring")
PLACED = (*PLACED, "09_emplifai_finetuning.emplifai-sft")


@pytest.fixture(scope="module")
def pages(tmp_path_factory, runs) -> dict[str, nbformat.NotebookNode]:
    """The notebooks of PLACED as they are put into the book, by the name of their run."""
    folder = tmp_path_factory.mktemp("notebooks")
    placed = [steps.step(name) for name in PLACED]
    (folder / "99_gone.ipynb").write_text("{}")  # of an earlier book
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "GENERATED", tmp_path_factory.mktemp("generated"))
        patch.setattr(layout, "CHAPTERS", folder)
        patch.setattr(steps, "steps", lambda profile: placed)
        kept_book.place_chapters(runs)
    files = {step.run: folder / f"{layout.page_name(step)}.ipynb" for step in placed}
    assert {*folder.iterdir()} == {*files.values()}
    return {run: nbformat.read(path, as_version=4) for run, path in files.items()}


def text_of(page: nbformat.NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in page.cells)


def tables_in(page: nbformat.NotebookNode) -> list[BeautifulSoup]:
    """The tables that the cells of a page show, as pandas or `result_tables` made them."""
    texts = [each.data.get("text/html", "") for cell in page.cells for each in outputs_of(cell)]
    return [table for text in texts for table in BeautifulSoup(text, "html.parser").select("table")]


def outputs_of(cell) -> list:
    return [each for each in cell.get("outputs", ()) if "data" in each]


def test_every_chapter_has_its_words_says_that_it_was_not_run_and_ends_with_its_kept_tables(
    pages, runs
):
    for name, page in pages.items():
        text, step, run = text_of(page), steps.step(name), runs.get(name)
        words = [
            text
            for kind, text, _ in notebook_cells(ROOT / f"notebooks/{step.notebook}.ipynb")
            if "figures.saved" not in text
        ]
        assert all(cell in text for cell in words[1:]) and "figures.saved" not in text
        assert text.index("nothing was run here") < text.index(words[1])
        assert ("## All kept tables" in text) == bool(run)
        if not run:
            said = "No run of this chapter is kept. Its words and its code follow. `make book`"
            assert said in text
            continue
        assert f"{run['started'][:10]}, commit {run['git_commit'][:10]}, {run['device']}" in text
        for table in {record["table"] for record in run["records"]}:
            assert f"{table} (" in text
    assert "Of the longer run `emplifai_sft`" in text_of(pages[PLACED[-1]])


def test_a_chapter_shows_its_own_tables_and_figures_with_kept_numbers(pages, runs):
    page, name = pages["06_knowledge_scoring"], "06_knowledge_scoring"
    value = next(
        record
        for record in runs[name]["records"]
        if (record["table"], record["system"], record["metric"])
        == ("emodoctor.table2.doctor", "eqsr-dpo", "rougeL")
    )
    shown = f"{value['value']:.2f} [{value['ci_low']:.2f}, {value['ci_high']:.2f}]"
    published = next(table for table in tables_in(page) if table.find("th", string="paper"))
    assert shown in published.find("th", string="EQ+SR (dpo)").find_parent("tr").get_text("|")
    shown_of = [each.data for cell in page.cells for each in outputs_of(cell)]
    assert sum("image/svg+xml" in data for data in shown_of) == 2
    titles = [cell.source for cell in page.cells if cell.cell_type == "markdown"]
    assert "## What was found" in titles  # its claims and its figure need records alone
    of_lines = BeautifulSoup("".join(d.get("text/html", "") for d in shown_of), "html.parser")
    lines = [line.get_text() for line in of_lines.select("details.companion-provenance summary")]
    assert lines and all(f"commit {runs[name]['git_commit'][:10]}" in line for line in lines)


def test_a_chapter_of_training_says_cell_by_cell_that_it_was_not_run_and_shows_its_code(pages):
    cells = [cell for cell in pages["02_sft.er-sft"].cells if cell.cell_type == "code"]
    unrun = [cell for cell in cells if cell.outputs == [kept_cells.NOT_RUN]]
    assert "model_cards.describe(log, path)" in "".join(cell.source for cell in unrun)
    assert not any("hide-input" in cell.metadata.tags for cell in cells)
    of_results = [c for c in pages["06_knowledge_scoring"].cells if c.cell_type == "code"]
    assert all("hide-input" in cell.metadata.tags for cell in of_results)
    (table,) = tables_in(pages["02_sft.er-sft"])
    assert "steps" in table.get_text()


def test_kept_tables_hold_each_record_and_the_papers_printed_number(runs):
    records = pd.DataFrame(
        [
            {"table": "a", "scorer": "s", "group": group, "metric": metric, "system": system}
            | {"value": value, "ci_low": value - 0.1, "ci_high": value + 0.1, "n": 20}
            | {"unscored": 0, "interval": "items"}
            for system, group, metric, value in (
                ("one", "all", "m", 0.5),
                ("one", "fear", "m", 0.25),
                ("<two>", "all", "k", 0.75),
            )
        ]
    )
    (shown,) = kept_book.tables(records, "embedded", "2026-01-02, commit c")
    assert "a (s): 3 rows, n up to 20" in shown and "\n\n" not in shown  # Markdown ends HTML there
    rows = [
        [cell.get_text() for cell in row.find_all(["th", "td"])]
        for row in BeautifulSoup(shown, "html.parser").select("tbody tr")
    ]
    assert rows == [
        ["one", "0.50 [0.40, 0.60]", ""],
        ["one, fear", "0.25 [0.15, 0.35]", ""],
        ["<two>", "", "0.75 [0.65, 0.85]"],
    ]
    of_table1 = kept_book.records(runs).query("run == '05_emotion_scoring'")
    printed = next(
        html for html in kept_book.tables(of_table1, "embedded", "") if "emodoctor.table1 (" in html
    )
    assert printed.count("<th>paper</th>") == printed.count("<th>ours</th>") > 0


def test_differences_are_named_by_kind():
    found = ["notebook changed", "modules: a.py changed", "modules: b.py changed", "lock changed"]
    found.append("data: d.jsonl changed")
    said = "notebook, 2 files of the package, versions of libraries, 1 file of data"
    assert kept_book.in_words(found) == said and kept_book.in_words([]) == ""


def test_what_changed_since_a_kept_run_is_said(runs, monkeypatch):
    name = "03_dpo.eqsr-dpo"
    now = kept_book.fingerprints.static_fingerprint(name, "embedded")
    same = {name: runs[name] | {"fingerprint": now | {"upstream": {}}}}
    assert kept_book.changed(name, same[name]) == []
    assert "Behind 0 of them" in kept_book.note(same)
    other = {name: same[name] | {"fingerprint": now | {"lock": "another"}}}
    assert kept_book.changed(name, other[name]) == ["lock changed"]
    assert "Behind 1 of them" in kept_book.note(other)
    assert kept_book.changed("99_gone", runs[name]) == ["the book has no such run any more"]


def test_pages_with_the_whole_books_numbers_say_that_nothing_was_run(folder, runs):
    note, records = kept_book.note(runs), kept_book.records(runs)
    ledger, longer = claims_page.by_every_source(records)
    front.write_front("embedded", records, runs, ledger, kept_book.STORY, kept_book.when(runs))
    claims_page.write_claims("embedded", ledger, longer, note)
    settling.write_settling("embedded", records, runs, ledger, note)
    current.write_current("embedded", runs, note)
    kept_book.write_items()
    first = (folder / "generated/front.md").read_text(encoding="utf-8")
    assert f"kept: embedded profile, {kept_book.when(runs)}<" in first
    assert "· nothing was run here: `make book` runs all of it ·" in first
    for name in ("claims", "settling", "current"):
        text = (folder / "generated" / f"{name}.md").read_text(encoding="utf-8")
        assert text.lstrip().startswith(":::{admonition} Kept numbers: nothing was run here")
    assert "nothing can have moved" in text
    assert "are not kept" in (folder / "generated/items.html").read_text(encoding="utf-8")


def test_the_kept_book_is_another_than_that_of_this_machines_results(monkeypatch):
    assert built.digest("embedded", kept=True) != built.digest("embedded")
    monkeypatch.setattr(built, "results_dir", lambda profile: ROOT / "nowhere")
    assert built.digest("embedded", kept=True) != built.digest("embedded")


def test_reading_leaves_the_book_of_this_machine_alone(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(build, "build", lambda *a, **k: asked.append((a, k)))
    state = [True]
    monkeypatch.setattr(built, "is_current", lambda *_: state[0])
    assert main(["read"]) == 0
    state[0] = False
    assert main(["read"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("the book with the numbers of this machine is there: ")
    assert second.startswith("the book, with kept numbers: ")
    assert asked == [(("embedded",), {"kept": True})]


@pytest.mark.parametrize(
    ("profile", "reasons", "there", "first"),
    [
        ("embedded", ["there is no result yet"], False, True),
        ("embedded", ["there is no result yet"], True, False),  # a book, of whatever numbers
        ("embedded", [], False, False),
        ("smoke", ["there is no result yet"], False, False),
    ],
)
def test_a_first_book_begins_with_the_pages_that_need_no_run(
    tmp_path, monkeypatch, capsys, profile, reasons, there, first
):
    done = []
    monkeypatch.setattr(built, "HTML", tmp_path)
    monkeypatch.setattr(built, "is_current", lambda *_: False)
    monkeypatch.setattr(books.due, "why", lambda run, profile: reasons)
    monkeypatch.setattr(books, "relative", str)
    monkeypatch.setattr(books, "_snakemake", lambda *_: done.append("runs"))

    def read(command, **how):
        done.append(command[1:])
        return subprocess.CompletedProcess(command, 1, "", "emo: no pages\nbecause")

    monkeypatch.setattr(books.subprocess, "run", read)
    if there:
        (tmp_path / "index.html").write_text("")
    assert main(["book", "--profile", profile]) == 0
    assert done == [["-m", "emo", "read"], "runs"][0 if first else 1 :]
    assert ("  pages    emo: no pages\n" in capsys.readouterr().out) == first


def test_the_kept_book_is_the_one_that_a_night_is_held_against(runs):
    kept = drift.read(drift.reference("embedded"))
    assert {name: run | kept[name] for name, run in runs.items()} == runs and set(runs) == set(kept)
    for name, run in runs.items():
        assert run["parameters"].items() >= kept[name]["fingerprint"]["parameters"].items()
    assert len(kept_book.records(runs)) == sum(len(run["records"]) for run in runs.values())


# The environment of `make read`


def needed() -> set[str]:
    """Every package that the Makefile's list brings, by the names that pip compares."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = re.search(r"^PAGES_NEED := ((?:.*\\\n)*.*)", makefile, re.MULTILINE)[1]
    waiting, found = listed.replace("\\", " ").split(), set()
    while waiting:
        if (name := canonicalize_name(waiting.pop())) in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


WITHOUT = """
import importlib, sys
from pathlib import Path
from sphinx.ext.autodoc.mock import mock

lacking = {}

class Lacking:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in lacking:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Lacking)
import emo.cli, emo.site.build, emo.site.kept_book
with mock([*lacking, "openvino"]):  # as Sphinx imports for the page on the package
    for path in sorted(Path("emo_utils").rglob("*.py")):
        importlib.import_module(".".join(path.with_suffix("").parts))
"""


def lacking() -> set[str]:
    """The modules here that the environment of `make read` has not."""
    there = needed()
    return {
        module
        for module, names in metadata.packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & {*there, "emo-companion"}
        and not module.startswith("_")
    }


@pytest.mark.slow
def test_the_pages_are_made_without_torch_and_whatever_else_that_environment_lacks():
    there = needed()
    assert "torch" not in there and "transformers" not in there and "jupyter-book" in there
    missing = lacking()
    assert {"torch", "papermill", "snakemake"} <= missing
    program = WITHOUT.format(sorted(missing))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_docstrings_are_read_without_libraries_that_are_not_there(monkeypatch):
    monkeypatch.setattr(api, "find_spec", lambda name: None if name == "openai" else True)

    class Config:
        autodoc_mock_imports = ["torch"]

    theme.mock_missing(None, Config)
    assert Config.autodoc_mock_imports == ["torch", "openai"]


# The whole book

LACKING = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in {lacking!r}:
            return PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


@pytest.mark.night
def test_the_whole_book_to_read_is_built_without_torch_and_no_link_of_it_is_broken(tmp_path):
    home = tmp_path / "home"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, home / name)
    there = tmp_path / "lacking"
    there.mkdir()
    (there / "sitecustomize.py").write_text(LACKING.format(lacking=lacking()))
    done = subprocess.run(
        [sys.executable, "-m", "emo", "read"],
        cwd=home,
        env=os.environ | {"PYTHONPATH": f"{there}{os.pathsep}{home}", "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    assert done.stdout == "the book, with kept numbers: _build/html/index.html\n"
    built = home / "_build" / "html"
    assert links.broken(built) == []
    assert not (home / "results").exists()
    chapters = [*(built / "book" / "notebooks").glob("*.html")]
    assert len(chapters) == len(steps.STEPS)
    for page in [built / "index.html", built / "book" / "claims.html", *chapters]:
        text = page.read_text(encoding="utf-8")
        assert "nothing was run here" in text and "Traceback" not in text, page.name
        assert page_measures.names_of_records(text) == [], page.name
    assert page_measures.too_small(built) == {}
    verdicts = "The paper's claims on this table"
    assert verdicts in (built / "book/notebooks/05_emotion_scoring.html").read_text("utf-8")
