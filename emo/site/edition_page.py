"""The edition on the pages: its numbers between the paper's and this run's, and its own page.

It is put in where pages are built: a unit that is kept later changes no chapter's run.
"""

import html

import pandas as pd

from emo import edition
from emo.graph import steps
from emo.site import html_tables, layout, series
from emo_utils.claims import gates
from emo_utils.claims import ledger as claims_ledger
from emo_utils.project import write_atomic
from emo_utils.report import kept_runs, result_tables

# The tables of a chapter that stand beside the edition's, with what they are.
TABLES = {
    "05_emotion_scoring": {"emodoctor.table1": "Emotion scores (the paper's Table 1)"},
    "05_plain_questions": {"emodoctor.plain": "Emotion scores of answers to plain questions"},
    "06_knowledge_scoring": {
        "emodoctor.table2.doctor": "Overlap with the doctor's answers (Table 2)",
        "emodoctor.table2.modified": "Overlap with the warm answers (Table 2)",
        "emodoctor.facts": "What is kept of the doctor's answers, added and opposed",
    },
    "07_preference_ablation": {
        "emodoctor.figure2.knowledge": "Chosen as most knowledgeable (Figure 2)",
        "emodoctor.figure2.emotion": "Chosen as most reassuring (Figure 2)",
    },
    "08_qualitative_cases": {"emodoctor.safety": "Answers with a safety mark"},
}
TRAININGS = ("02_sft.eqsr-sft", "03_dpo.eqsr-dpo", "04_kto.eqsr-kto")
REGISTERED = ("learning_rate", "epochs", "batch_size", "lora_rank", "train_rows", "seed")


def of_chapter(step: steps.Step, profile: str, records: pd.DataFrame, kept: str = "") -> str:
    """Markdown behind what a chapter found: the same tables by the edition, and its verdicts; empty
    for a chapter that the edition has no run of, or where no unit is kept.

    records: this book's, as `results.read` gives them. kept: of their badge.
    """
    wanted = TABLES.get(step.run, {})
    # Reading a unit takes a moment: most steps have no table that it could show.
    unit = edition.shown() if wanted else None
    if unit is None or step.run not in unit.runs or profile == unit.name:
        return ""
    theirs = unit.records[unit.records.run == step.run]
    here = records[records.run == step.run]
    badges = " ".join(
        [
            result_tables.badge(unit.name, kept_runs.when(unit.runs[step.run])),
            result_tables.badge(profile, kept),
        ]
    )
    parts = [f"## In the edition\n\n{made_of(unit)} Its numbers stand beside those of this run."]
    parts += [
        f"<p>{badges} {html.escape(what)}.</p>\n{table_html(here, theirs, table, profile)}"
        for table, what in wanted.items()
        if (theirs.table == table).any()
    ]
    verdicts = claims_ledger.verdicts(theirs, tuple(wanted), "in the edition")
    if len(verdicts):
        parts.append(html_tables.table_html(verdicts, "companion companion-claims", index=False))
    return "\n\n".join(parts)


def made_of(unit: edition.Unit) -> str:
    """What the edition is, in two sentences."""
    return (
        f"The [edition](../edition) is the same pipeline with {unit.model}, trained once on all "
        f"rows and asked all test questions (profile `{unit.name}`, commit "
        f"{', '.join(unit.commits)})."
    )


def table_html(here: pd.DataFrame, theirs: pd.DataFrame, table: str, profile: str) -> str:
    """A table of the paper's numbers, the edition's and this run's, cells escaped, with n, scorer
    and what the intervals cover of each of ours below it, and which of the edition's numbers decide
    nothing by its gates (this run's gates stand in its chapter).
    """
    shown = result_tables.side_by_side(here, table, edition=theirs)
    shown.columns = [
        f"{metric}, {source}".replace("_", " ").replace("this run", f"this run ({profile})")
        for metric, source in shown.columns
    ]
    notes = [
        f"{name}: {result_tables.caption(part, table)}"
        for name, part in (("Edition", theirs), ("This run", here))
        if (part.table == table).any()
    ]
    if warning := gates.warning(theirs, table):
        notes.append(f"Edition: {warning}.")
    note = "".join(f"<p>{html.escape(text)}</p>" for text in notes)
    return html_tables.table_html(shown, note=note)


def write_edition() -> None:
    """The tables of the page on the edition: its units, and the values of their trainings."""
    units = []
    for name, unit in edition.states().items():
        values = steps.values(steps.step(TRAININGS[0]), name)
        row = {"unit": name, "model": values["base_model"], "arm": values["arm"]}
        if isinstance(unit, str):
            units.append(row | {"kept": f"no: {unit}"})
            continue
        missing = [s.run for s in steps.STEPS if s.run not in unit.runs]
        units.append(
            row
            | {
                "kept": f"{len(unit.runs)} of {len(steps.STEPS)} runs, {len(unit.records)} records",
                "hours": f"{unit.hours:.1f}",
                "memory, GB": f"{unit.memory_gb:.1f}",
                "commit": ", ".join(unit.commits),
                "not reached": ", ".join(missing) or "nothing",
            }
        )
    values = [
        {"unit": name, "training": run}
        | {
            key: str(value) if key != "train_rows" or value else "all"
            for key, value in steps.values(steps.step(run), name).items()
            if key in REGISTERED
        }
        for name in edition.UNITS
        for run in TRAININGS
    ]
    write_atomic(
        layout.GENERATED / "edition.md",
        "\n\n".join(
            [
                "## The units",
                html_tables.table_html(pd.DataFrame(units).fillna(""), index=False),
                "## How they are trained",
                html_tables.table_html(pd.DataFrame(values), index=False),
                series.section(layout.GENERATED / "series.svg"),
                "",
            ]
        ),
    )
