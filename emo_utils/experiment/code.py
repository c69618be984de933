"""Hashes of a notebook and of the package's modules behind it: whether a kept number is still
what the code gives.
"""

import ast
from functools import lru_cache
from pathlib import Path

from emo_utils.experiment import parameters
from emo_utils.project import ROOT, notebook_cells, relative, sha256_file, sha256_json

PACKAGE = ROOT / "emo_utils"
# Its entries enter a fingerprint one by one, as the identities of the models that a step uses.
BY_ENTRY = "registry.yaml"


def module_file(name: str) -> Path:
    """The file of a module of the package, such as `models.loading`."""
    return PACKAGE.joinpath(*name.split(".")).with_suffix(".py")


def module_closure(names) -> list[str]:
    """The named modules of the package with every module of it that they import, directly or not;
    sorted.
    """
    todo, found = list(names), set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += imported_modules(module_file(name).read_text(encoding="utf-8"))
    return sorted(found)


@lru_cache(maxsize=256)
def imported_modules(source: str) -> frozenset[str]:
    """Names of the package's modules that a piece of Python imports, at any depth of the code:
    `models.loading` for `from emo_utils.models import loading` as for `import
    emo_utils.models.loading`.
    """
    named = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "emo_utils":
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names if alias.name.startswith("emo_utils.")}
    within = {name.partition(".")[2] for name in named} - {""}
    return frozenset(name for name in within if module_file(name).is_file())


def module_hashes(notebook: str) -> dict[str, str]:
    """File hashes of the package's modules behind a notebook, and of the files beside them that
    they name in their code (texts, rules, forms).
    """
    cells = notebook_cells(parameters.notebook_path(notebook))
    source = "\n".join(text for kind, text, _ in cells if kind == "code")
    files = []
    for name in module_closure(imported_modules(source)):
        module = module_file(name)
        text = module.read_text(encoding="utf-8")
        files.append(module)
        for beside in sorted(module.parent.iterdir()):
            if beside.suffix == ".py" or beside.name == BY_ENTRY or f'"{beside.name}"' not in text:
                continue
            if beside.is_file():
                files.append(beside)
            elif not (beside / "__init__.py").is_file():  # a folder of texts, no room
                files += sorted(path for path in beside.iterdir() if path.is_file())
    return {relative(path): sha256_file(path) for path in files}


def notebook_sha256(notebook: str) -> str:
    """Hash over the sources of a notebook's cells."""
    return sha256_json(
        [[kind, text] for kind, text, _ in notebook_cells(parameters.notebook_path(notebook))]
    )


def code_sha256(notebook: str) -> str:
    """Hash over a notebook's cells and the package modules behind it."""
    return sha256_json([notebook_sha256(notebook), module_hashes(notebook)])
