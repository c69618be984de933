"""What a launch button opens: a chapter that can import the package wherever it is opened."""

import importlib.util
import json
import shutil
import subprocess
import sys

import nbformat
import pytest

from emo.site import launch
from emo_utils.experiment.parameters import given_in_session, parameters_cell
from emo_utils.project import NOTEBOOKS

ADDRESS = "https://git.example/the/book"


@pytest.fixture
def chapter(tmp_path):
    """A chapter as `launch` writes it."""
    shutil.copy(NOTEBOOKS / "03_dpo.ipynb", tmp_path)
    launch.main(ADDRESS, "launch", tmp_path)
    return json.loads((tmp_path / "03_dpo.ipynb").read_text(encoding="utf-8"))


def first_cell(chapter: dict) -> str:
    return "".join(next(c["source"] for c in chapter["cells"] if c["cell_type"] == "code"))


@pytest.fixture
def execute(chapter, monkeypatch, tmp_path):
    """Execute the first cell in a folder; returns the commands that it started."""
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: started.append(command))
    monkeypatch.setattr(sys, "path", list(sys.path))

    def execute(folder, there: bool) -> list[list[str]]:
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: "a spec" if there else None)
        exec(first_cell(chapter), {})
        return started

    return execute


def test_a_chapter_stays_what_it_is_behind_the_cell(chapter):
    nbformat.validate(chapter)
    source = json.loads((NOTEBOOKS / "03_dpo.ipynb").read_text(encoding="utf-8"))
    assert [cell for cell in chapter["cells"] if cell["id"] != "fetch-the-package"] == source[
        "cells"
    ]
    assert chapter["metadata"] == source["metadata"]


def test_the_cell_gives_no_parameter(chapter):
    """The first call into the package looks at what the cells before it assign."""
    history = ["", first_cell(chapter), parameters_cell("03_dpo"), "beta = 0.2", "start("]
    names = {"project": "/content/companion", "fetch": [], "install": [], "beta": 0.2}
    assert given_in_session("03_dpo", names | {"In": history}) == {"beta": 0.2}


def test_where_the_package_is_the_cell_does_nothing(execute, tmp_path):
    assert execute(tmp_path / "anywhere", there=True) == []


PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--editable"]


def test_on_a_hub_the_repository_is_installed(execute, tmp_path):
    (tmp_path / "book" / "emo_utils").mkdir(parents=True)
    assert execute(tmp_path / "book" / "notebooks", there=False) == [[*PIP, str(tmp_path / "book")]]
    assert sys.path[0] == str(tmp_path / "book")


def test_in_colab_it_is_fetched_once(execute, tmp_path):
    project = str(tmp_path / "content" / "companion")
    clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", "launch", ADDRESS, project]
    assert execute(tmp_path / "content", there=False) == [clone, [*PIP, project]]
    (tmp_path / "content" / "companion").mkdir()
    assert execute(tmp_path / "content", there=False)[2:] == [[*PIP, project]]
    assert sys.path[0] == project
