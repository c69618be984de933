"""The figures of the page on the architecture."""

import importlib.util

import numpy as np
import pytest

from emo.site import architecture, built, theme
from emo_utils.project import ROOT


@pytest.fixture(scope="module")
def counted():
    return architecture.room_imports()


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """The figure of the rooms, drawn once."""
    path = tmp_path_factory.mktemp("figures") / "rooms.svg"
    architecture.rooms_figure(path)
    return path


def test_the_rooms_stand_so_that_imports_run_one_way(counted):
    order, counts = counted
    rooms = {path.parent.name for path in (ROOT / "emo_utils").glob("*/__init__.py")}
    assert set(order) == rooms | {"project", "emo", "notebooks"}
    assert not np.tril(counts).any()  # nothing on the diagonal or below it
    assert order[-1] == "project" and not counts[-1].any() and not counts[:, 0].any()


def test_a_circle_is_named(monkeypatch):
    monkeypatch.setattr(
        architecture,
        "_sources",
        lambda room: [
            {
                "data": "from emo_utils.stats import intervals",
                "stats": "from emo_utils.data import files",
            }.get(room, "")
        ],
    )
    with pytest.raises(ValueError, match="data.*stats|stats.*data"):
        architecture.room_imports()


def test_imports_are_counted_as_they_stand(monkeypatch):
    sources = {
        "emo": ["from emo_utils import project\nfrom emo_utils.data.files import rows_of, table"],
        "data": ["def f():\n    from emo_utils.project import ROOT"],
    }
    monkeypatch.setattr(architecture, "_sources", lambda room: sources.get(room, []))
    order, counts = architecture.room_imports()
    place = {name: k for k, name in enumerate(order)}
    assert counts[place["emo"], place["project"]] == 1
    assert counts[place["emo"], place["data"]] == 2
    assert counts[place["data"], place["project"]] == 1
    assert counts.sum() == 4


@pytest.mark.parametrize("module", [module for _, _, module in architecture.WAY])
def test_each_step_of_the_way_is_a_module(module):
    name = module if module.startswith("emo.") else f"emo_utils.{module}"
    assert importlib.util.find_spec(name)


def test_the_figures_are_drawn(rooms, counted, tmp_path):
    architecture.way_figure(tmp_path / "way.svg")
    assert all("<svg" in path.read_text() for path in (rooms, tmp_path / "way.svg"))
    order, counts = counted
    drawn = rooms.read_text()
    assert all(name in drawn for name in order)
    said = theme.written_into(rooms)[0]
    assert said.startswith(f"From top to bottom: {', '.join(order)}. Most names are imported by ")
    row, column = np.unravel_index(counts.argmax(), counts.shape)
    assert f"imported by {order[row]} from {order[column]}, {counts.max()}; " in said
    assert "a verdict (claims.yaml) by claims.ledger" in theme.written_into(tmp_path / "way.svg")[0]


def test_a_figure_is_the_same_for_the_same_code(rooms, tmp_path):
    architecture.rooms_figure(tmp_path / "again.svg")
    assert rooms.read_bytes() == (tmp_path / "again.svg").read_bytes()


def test_pages_are_made_again_where_the_code_that_they_show_changed(monkeypatch):
    read = []
    monkeypatch.setattr(built, "sha256_file", lambda path: read.append(path) or "hash")
    built.digest("smoke")
    shown = {path.relative_to(ROOT).as_posix() for path in read}
    assert {
        "emo/graph/steps.py",
        "emo/cli/books.py",
        "emo_utils/models/registry.yaml",
        "notebooks/03_dpo.ipynb",
    } <= shown
