"""The chapters played cell by cell in this process, as a kernel does it with papermill's parameters, without the seconds that a kernel takes."""

import shutil
from types import SimpleNamespace

from emo_utils import data, graph, models, parameters, project, results, train
from emo_utils.project import NOTEBOOKS, notebook_cells

# fp32, as the choice by measurement may differ between two runs on a busy machine.
START = {"profile": "smoke", "precision": "fp32", "test_rows": 2, "max_new_tokens": 4}


def home_in(folder, patch):
    """A project in `folder`: its own results, checkpoints and copy of the package's files, the data and notebooks of this one."""
    for name in ("notebooks", "data", "profiles", "sweeps", "requirements.lock"):
        (folder / name).symlink_to(NOTEBOOKS.parent / name)
    shutil.copytree(NOTEBOOKS.parent / "emo_utils", folder / "emo_utils", ignore=shutil.ignore_patterns("__pycache__"))
    for module in (project, results, graph, train):
        patch.setattr(module, "ROOT", folder)
    patch.setenv("EMO_HOME", str(folder))  # for the processes that a training starts
    patch.setattr(data, "USED", {})
    patch.setattr(models, "USED", {})
    return folder


def play(notebook: str, *, until: str = "", before: str = "", **given) -> SimpleNamespace:
    """Execute a notebook's code cells, up to and with the one that holds `until`, or without the one that holds `before`; returns its names."""
    data.USED.clear()  # as in a fresh kernel
    models.USED.clear()
    given = (START if "test_rows" in parameters.declared(notebook) else {"profile": "smoke"}) | given
    cells = [(text, tags) for kind, text, tags in notebook_cells(NOTEBOOKS / f"{notebook}.ipynb") if kind == "code"]
    injected = "# Parameters\n" + "\n".join(f"{k} = {v!r}" for k, v in given.items())
    namespace: dict = {"In": [""]}
    for text, tags in cells:
        if before and before in text:
            break
        for source in (text, injected) if "parameters" in tags else (text,):
            namespace["In"].append(source)
            exec(compile(source, notebook, "exec"), namespace)
        if until and until in text:
            break
    else:
        assert not before and not until, f"{notebook} has no cell with {before or until}"
    return SimpleNamespace(**{k: v for k, v in namespace.items() if k != "__builtins__"})
