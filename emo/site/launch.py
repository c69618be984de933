"""Chapters that fetch the package where it is not there: what a launch button opens in Colab, or on
a hub that knows nothing of this project.

`python emo/site/launch.py https://HOST/OWNER/REPOSITORY BRANCH` writes them over the chapters of a
checkout, which nightly.yml pushes as that branch. Nothing is imported but Python's own.
"""

import json
import sys
from pathlib import Path

FIRST_CELL = """\
# Fetches the package where it is not there yet (Colab, a hub); elsewhere this does nothing.
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("emo_utils") is None:
    project = Path.cwd().parent  # a hub has the whole repository
    if not (project / "emo_utils").is_dir():
        project = Path("companion").resolve()
        if not project.is_dir():
            fetch = ["git", "clone", "--quiet", "--depth", "1", "--branch", {branch!r}]
            subprocess.run([*fetch, {address!r}, str(project)], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--editable"]
    subprocess.run([*install, str(project)], check=True)
    sys.path.insert(0, str(project))  # for this process, which began before
"""


def with_first_cell(notebook: dict, address: str, branch: str) -> dict:
    """A chapter as JSON, with the cell that fetches the package before its first cell of code.

    address, branch: of the public repository.
    """
    cells = notebook["cells"]
    place = next(n for n, cell in enumerate(cells) if cell["cell_type"] == "code")
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "fetch-the-package",
        "metadata": {},
        "outputs": [],
        "source": FIRST_CELL.format(address=address, branch=branch).splitlines(keepends=True),
    }
    return notebook | {"cells": [*cells[:place], cell, *cells[place:]]}


def main(address: str, branch: str, folder: Path) -> None:
    """Write the cell into each chapter of a folder."""
    for path in sorted(folder.glob("*.ipynb")):
        chapter = json.loads(path.read_text(encoding="utf-8"))
        content = json.dumps(
            with_first_cell(chapter, address, branch), indent=1, ensure_ascii=False
        )
        path.write_text(content + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(__file__).resolve().parents[2] / "notebooks")
