"""Where the pages lie."""

import json
import re

from emo.graph import steps
from emo_utils.project import ROOT, results_dir

CHAPTERS = ROOT / "book" / "notebooks"
GENERATED = ROOT / "book" / "generated"
# The run that stands for a notebook in the book; its other runs are sections of that chapter.
FIRST_RUN = {
    "02_sft": "02_sft.eqsr-sft",
    "03_dpo": "03_dpo.eqsr-dpo",
    "04_kto": "04_kto.eqsr-kto",
    "09_emplifai_finetuning": "09_emplifai_finetuning.emplifai-sft",
    "10_empathy_by_design": "10_empathy_by_design.ebd-dpo",
}


def page_name(step: steps.Step) -> str:
    """File name of a run's page, without a dot, which Sphinx would take for a suffix."""
    return (
        step.notebook
        if FIRST_RUN.get(step.notebook, step.run) == step.run
        else step.run.replace(".", "_")
    )


def name_section(notebook, step: steps.Step) -> None:
    """Give a notebook (nbformat) whose page is a section of its chapter a title of its own."""
    if page_name(step) != step.notebook:
        number, system = step.notebook[:2].lstrip("0"), dict(step.fixed)["system"]
        title = f"# {number} continued: the run of {system}"
        notebook.cells[0].source = re.sub(r"^# .*", title, notebook.cells[0].source)


def read_provenance(profile: str) -> dict[str, dict]:
    """Provenance of every book run of a profile, by run name."""
    return {
        c["run"]: c
        for c in (
            json.loads(p.read_text(encoding="utf-8"))["provenance"]
            for p in sorted(results_dir(profile).glob("*.json"))
        )
    }
