"""The chapters played cell by cell in this process, as a kernel does it with papermill's
parameters, without the seconds that a kernel takes.
"""

import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from emo.graph import fingerprints, steps
from emo_utils import project
from emo_utils.data import dialogues
from emo_utils.experiment import code, parameters, provenance, runs
from emo_utils.generation import prompts
from emo_utils.project import NOTEBOOKS, notebook_cells
from emo_utils.training import fitting, model_cards

# fp32, as the choice by measurement may differ between two runs on a busy machine.
STEPS, TRAININGS, FILES = (
    steps.STEPS,
    steps.TRAININGS,
    dialogues.FILES,
)  # as they are outside of any home
RECORDED = "run.finish();"  # the cell after which a chapter only shows
START = {"profile": "smoke", "precision": "fp32", "test_rows": 2, "max_new_tokens": 4}


@functools.cache
def cut_dialogues() -> dict[Path, str]:
    """The files of dialogues, their texts cut: path in their folder -> text, read once."""
    folder, files = NOTEBOOKS.parent / "data" / "dialogues", {}
    for path in folder.rglob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        cut = [
            {k: v[: 40 + len(v) % 17] if k in TEXTS else v for k, v in row.items()} for row in rows
        ]
        files[path.relative_to(folder)] = "".join(json.dumps(row) + "\n" for row in cut)
    return files


def home_in(folder, patch):
    """A project in `folder`, with results, checkpoints, package files and dialogues of its own;
    the dialogues are cut.
    """
    source = NOTEBOOKS.parent
    for name in ("notebooks", "profiles", "sweeps", "book", "requirements.lock"):
        (folder / name).symlink_to(source / name)
    shutil.copytree(
        source / "emo_utils", folder / "emo_utils", ignore=shutil.ignore_patterns("__pycache__")
    )
    copies = folder / "data" / "dialogues"
    copies.mkdir(parents=True)
    (folder / "data" / "published").symlink_to(source / "data" / "published")
    shutil.copy(source / "data" / "dialogues" / "explicit_comfort.txt", copies)
    (copies / "overt").mkdir()
    for path, text in cut_dialogues().items():
        (copies / path).write_text(text, encoding="utf-8")
    moved = {
        s.run: replace(s, files=tuple(folder / p.relative_to(source) for p in s.files))
        for s in STEPS
    }
    patch.setattr(steps, "STEPS", tuple(moved.values()))
    patch.setattr(steps, "TRAININGS", tuple(moved[s.run] for s in TRAININGS))
    for module in (project, code, runs, fitting, model_cards):
        patch.setattr(module, "ROOT", folder)
    patch.setattr(code, "PACKAGE", folder / "emo_utils")
    patch.setattr(prompts, "FOLDER", folder / "emo_utils" / "generation" / "prompt_texts")
    patch.setattr(dialogues, "FILES", {name: copies / path.name for name, path in FILES.items()})
    patch.setattr(dialogues, "COMFORT_PHRASES", copies / "explicit_comfort.txt")
    patch.setenv("EMO_HOME", str(folder))  # for the processes that a training starts
    clean = {"commit": "c" * 40, "dirty": False}
    patch.setattr(provenance, "git_state", lambda: clean)
    patch.setattr(provenance, "FILES_READ", {})
    patch.setattr(provenance, "MODELS_LOADED", {})
    return folder


def as_a_step(patch, run: str) -> None:
    """The next notebook is a run of the book, as `emo step` makes it known."""
    patch.setenv(runs.STEP, fingerprints.environment(run, "smoke")[runs.STEP])


def records_of(played) -> pd.DataFrame:
    """The records that a played notebook wrote, by table, system, metric and group."""
    content = json.loads((played.run.folder / f"{played.run.name}.json").read_text())
    return (
        pd.DataFrame(content["records"])
        .set_index(["table", "system", "metric", "group"])
        .sort_index()
    )


TEXTS = ("question", "answer", "emotional_question", "soothing_response", "empathetic_response")


def play(notebook: str, *, until: str = "", before: str = "", **given) -> SimpleNamespace:
    """Execute a notebook's code cells, up to and with the one that holds `until`,
    or without the one that holds `before`; returns its names.
    """
    provenance.FILES_READ.clear()  # as in a fresh kernel
    provenance.MODELS_LOADED.clear()
    known = parameters.declared(notebook)
    given = {
        name: value
        for name, value in START.items()
        if name in known and ("test_rows" in known or name in ("profile", "precision"))
    } | given
    cells = [
        (text, tags)
        for kind, text, tags in notebook_cells(NOTEBOOKS / f"{notebook}.ipynb")
        if kind == "code"
    ]
    injected = "# Parameters\n" + "\n".join(f"{k} = {v!r}" for k, v in given.items())
    namespace: dict = {"In": [""]}
    for text, tags in cells:
        if before and before in text:
            break
        for source in (text, injected) if "parameters" in tags else (text,):
            namespace["In"].append(source)
            if (until or before) and source.startswith("figures.style()"):
                continue  # a second for a drawing that nothing looks at
            exec(compile(source, notebook, "exec"), namespace)
        if until and until in text:
            break
    else:
        assert not before and not until, f"{notebook} has no cell with {before or until}"
    return SimpleNamespace(**{k: v for k, v in namespace.items() if k != "__builtins__"})
