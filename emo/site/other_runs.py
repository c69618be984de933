"""The runs of a chapter side by side: one of them is its page, the others have pages to which only
the chapter's last table leads (`emo.site.theme.OTHER_RUNS`).
"""

import json
from pathlib import Path

import pandas as pd

from emo.graph import steps
from emo.site import layout
from emo_utils.project import results_dir
from emo_utils.report import figures, result_tables

# The tables that say of each run how it went.
TABLES = ("emodoctor.training", "emplifai.finetuning")


def of_chapter(step: steps.Step, profile: str, folder: Path | None = None) -> str:
    """Markdown at the end of a chapter whose notebook the book runs more than once: what each run
    recorded of its training, from its records, with links to the others' pages. Empty for a
    notebook that is run once, and for the pages of the other runs.

    folder: where the runs' records lie, if not where those of this machine do.
    """
    runs = [other for other in steps.steps(profile) if other.notebook == step.notebook]
    if len(runs) == 1 or layout.page_name(step) != step.notebook:
        return ""
    runs.sort(key=lambda other: other.run != step.run)
    pages = ", ".join(
        f"[{figures.named(dict(other.fixed)['system'])}]({layout.page_name(other)})"
        for other in runs[1:]
    )
    folder = folder or results_dir(profile)
    contents = {
        other.run: json.loads((folder / f"{other.run}.json").read_text(encoding="utf-8"))
        for other in runs
    }
    records = pd.DataFrame(
        record | {"run": run}
        for run, content in contents.items()
        for record in content["records"]
        if record["table"] in TABLES and record["group"] == "all"
    )
    table = result_tables.grid(records)
    table.columns = [name.replace("_", " ") for name in table.columns]
    shown = result_tables.show_of_runs(
        table.reset_index(),
        profile,
        [other.run for other in runs],
        "What each run of this chapter recorded; n and how each number was computed stand in the "
        "records under the table.",
        folder,
    )
    return (
        "## All runs of this chapter\n\n"
        f"This page shows one of {len(runs)} runs of the same notebook. The others have pages of "
        f"their own: {pages}.\n\n{shown.data}\n"
    )
