"""Where the pages lie."""

import json
import re

import nbformat

from emo.graph import steps
from emo_utils.project import ROOT, results_dir
from emo_utils.report import figures

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


TAUGHT = ("02", "03", "04")  # chapters whose lesson is their code; of the others it is folded


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
        title = f"# {number} continued: the run of {figures.named(system)}"
        notebook.cells[0].source = re.sub(r"^# .*", title, notebook.cells[0].source)


def finding_first(notebook: nbformat.NotebookNode) -> None:
    """Put the cells that show what a chapter found (tag `finding`) behind its first cell: they run
    where their numbers are there, and a reader sees them before the method.
    """
    found = [cell for cell in notebook.cells if "finding" in cell.metadata.get("tags", ())]
    if not found:
        return
    title, *rest = (
        nbformat.v4.new_markdown_cell("*Shown at the top of this page.*") if cell in found else cell
        for cell in notebook.cells
    )
    heading = nbformat.v4.new_markdown_cell("## What was found")
    notebook.cells = [title, heading, *found, *rest]


def read_provenance(profile: str) -> dict[str, dict]:
    """Provenance of every book run of a profile, by run name."""
    return {
        c["run"]: c
        for c in (
            json.loads(p.read_text(encoding="utf-8"))["provenance"]
            for p in sorted(results_dir(profile).glob("*.json"))
        )
    }


def behind_findings(notebook: nbformat.NotebookNode) -> int:
    """The place behind the title and what was found."""
    found = ["finding" in cell.metadata.get("tags", ()) for cell in notebook.cells]
    return len(found) - found[::-1].index(True) if True in found else 1
