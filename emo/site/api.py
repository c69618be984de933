"""The page on the package: every module of `emo_utils`, room by room, by its docstrings."""

import ast
from importlib.util import find_spec

from emo.site import layout
from emo_utils.project import ROOT, write_atomic


def write_api() -> None:
    """A section a room, a subsection a module; Sphinx takes the docstrings from the code."""
    package = ROOT / "emo_utils"
    lines = ["## project", *_automodule("emo_utils.project")]
    for room in sorted(path.parent for path in package.glob("*/__init__.py")):
        about = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
        lines += [f"## {room.name}", "", about, ""]
        for module in sorted(room.glob("*.py")):
            if module.name != "__init__.py":
                lines += [f"### {room.name}.{module.stem}"]
                lines += _automodule(f"emo_utils.{room.name}.{module.stem}")
    write_atomic(layout.GENERATED / "api.md", "\n".join(lines) + "\n")


def not_installed() -> list[str]:
    """Libraries that the package imports and this environment lacks, as that of `make read` does:
    Sphinx reads the docstrings without them.
    """
    named = set()
    for path in (ROOT / "emo_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                named.add(node.module.partition(".")[0])
    return sorted(name for name in named if find_spec(name) is None)


def _automodule(name: str) -> list[str]:
    return ["", "```{eval-rst}", f".. automodule:: {name}", "   :members:", "```", ""]
