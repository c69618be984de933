"""The book that is read without a run: the kept records as its source, and pages that say so."""

import re
import subprocess
import sys
from importlib import metadata

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from emo import drift
from emo.cli import main
from emo.graph import steps
from emo.site import (
    api,
    build,
    built,
    claims_page,
    current,
    front,
    kept_book,
    layout,
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


def text_of(path) -> str:
    return "\n\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def test_every_chapter_has_its_words_says_that_it_was_not_run_and_ends_with_its_kept_tables(
    folder, runs
):
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "99_gone.ipynb").write_text("{}")  # of an earlier book
    kept_book.place_chapters(runs)
    pages = {path.stem: text_of(path) for path in (folder / "notebooks").glob("*.ipynb")}
    assert set(pages) == {layout.page_name(step) for step in steps.STEPS}
    for step in steps.STEPS:
        text = pages[layout.page_name(step)]
        words = [
            text for kind, text, _ in notebook_cells(ROOT / f"notebooks/{step.notebook}.ipynb")
        ]
        assert words[-1] in text and text.index("Not run here") < text.index(words[1])
        run = runs.get(step.run)
        assert ("## The kept tables" in text) or not (run and run["records"])
        if run and run["records"]:
            assert (
                f"{run['started'][:10]}, commit {run['git_commit'][:10]}, {run['device']}" in text
            )
            for table in {record["table"] for record in run["records"]}:
                assert f"{table} (" in text
        elif "## The kept tables" not in text:
            assert "no table of it is kept" in text
    assert "Of the longer run `validity`" in pages["11_judge_validity"]
    assert "Of the longer run `sweep_beta`" in pages["12_sweeps"]


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
    (shown,) = kept_book.tables(records)
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
    printed = next(html for html in kept_book.tables(of_table1) if "emodoctor.table1 (" in html)
    assert printed.count("<th>paper</th>") == printed.count("<th>ours</th>") > 0


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
    front.write_front("embedded", records, runs, ledger, kept_book.STORY, note)
    claims_page.write_claims("embedded", ledger, longer, note)
    settling.write_settling("embedded", records, runs, ledger, note)
    current.write_current("embedded", runs, note)
    kept_book.write_items()
    for name in ("front", "claims", "settling", "current"):
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


@pytest.mark.slow
def test_the_pages_are_made_without_torch_and_whatever_else_that_environment_lacks():
    there = needed()
    assert "torch" not in there and "transformers" not in there and "jupyter-book" in there
    lacking = {
        module
        for module, names in metadata.packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & {*there, "emo-companion"}
        and not module.startswith("_")
    }
    assert {"torch", "papermill", "snakemake"} <= lacking
    program = WITHOUT.format(sorted(lacking))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_docstrings_are_read_without_libraries_that_are_not_there(monkeypatch):
    monkeypatch.setattr(api, "find_spec", lambda name: None if name == "openai" else True)

    class Config:
        autodoc_mock_imports = ["torch"]

    theme.mock_missing(None, Config)
    assert Config.autodoc_mock_imports == ["torch", "openai"]
