"""The page on the package: every module of `emo_utils`, room by room, by its docstrings."""

import ast

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


def _automodule(name: str) -> list[str]:
    return ["", "```{eval-rst}", f".. automodule:: {name}", "   :members:", "```", ""]
