"""The rooms of the packages: what may import what, read from the code."""

import ast
import functools
import graphlib

import pytest

from emo_utils.project import NOTEBOOKS, ROOT, notebook_cells

# A room imports those before it, never one behind it.
ROOMS = (
    "project",
    "stats",
    "experiment",
    "data",
    "models",
    "training",
    "generation",
    "rewriting",
    "judging",
    "scoring",
    "people",
    "claims",
    "report",
)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in ("emo_utils", "emo")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "__init__.py" or path.parent.name == "cli"
}
MODULES = {name.removesuffix(".__init__"): path for name, path in MODULES.items()}


def imported(source: str) -> set[str]:
    """Modules of the two packages that a piece of Python imports, at any depth of the code."""
    named = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
    return named & set(MODULES)


@functools.cache
def imports() -> dict[str, set[str]]:
    """Each module of the two packages -> those that it imports."""
    return {
        name: imported(path.read_text(encoding="utf-8")) - {name} for name, path in MODULES.items()
    }


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_has_its_place():
    package = ROOT / "emo_utils"
    assert {path.parent.name for path in package.glob("*/__init__.py")} | {"project"} == set(ROOMS)
    assert {path.stem for path in package.glob("*.py")} == {"__init__", "project"}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("emo_utils.")])
def test_a_room_imports_only_rooms_before_it(module):
    for other in imports()[module]:
        assert other.startswith("emo_utils."), f"{module} imports {other}: the program is above it"
        assert ROOMS.index(room(other)) <= ROOMS.index(room(module)), f"{module} imports {other}"


def test_no_module_imports_itself_by_way_of_others():
    order = graphlib.TopologicalSorter(imports()).static_order()
    assert set(order) == set(MODULES)  # CycleError names the modules of a circle


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_imports_nothing_of_the_program(path):
    code = [text for kind, text, _ in notebook_cells(path) if kind == "code"]
    assert not any(name.startswith("emo.") for text in code for name in imported(text))


def test_the_book_holds_no_python():
    assert not list((ROOT / "book").rglob("*.py"))
