"""The page of all answers with their scores."""

import html

import pandas as pd

from emo.site import layout
from emo_utils.data import dialogues
from emo_utils.experiment import results
from emo_utils.project import results_dir, write_atomic
from emo_utils.report import result_tables


def write_items(profile: str) -> None:
    """Every answer of every system, and of the data, with its item scores, as a table to filter:
    from any aggregate to the answers behind it.
    """

    def scores(run: str, table: str, metric: str) -> pd.Series:
        frame = results.read_items(profile, run)
        return (
            frame[(frame.table == table) & (frame.metric == metric)]
            .set_index(["id", "system"])
            .value
        )

    columns = {
        "warmth": scores("05_emotion_scoring", "emodoctor.table1", "mean"),
        "facts kept": scores("06_knowledge_scoring", "emodoctor.beyond", "kept"),
        "comfort": scores("08_qualitative_cases", "emodoctor.cases", "comfort_share"),
    }
    flags = {
        rule: scores("08_qualitative_cases", "emodoctor.cases", rule)
        for rule in ("prescribes", "discourages", "claims", "contradicts", "false calm")
    }
    answers = pd.concat(
        [
            pd.read_parquet(results_dir(profile) / "answers" / f"{system}.parquet")
            for system in results.SYSTEMS
        ],
        ignore_index=True,
    )
    arm = layout.read_provenance(profile)["05_emotion_scoring"]["parameters"]["arm"]
    of_the_data = dialogues.reference_answers(answers, dialogues.load("test", arm=arm))
    answers = pd.concat([answers, of_the_data], ignore_index=True)

    def row(r) -> str:
        numbers = [
            f"{value:.2f}" if pd.notna(value := column.get((r.id, r.system))) else ""
            for column in columns.values()
        ]
        raised = (
            ", ".join(rule for rule, column in flags.items() if column.get((r.id, r.system)))
            or "none"
        )
        return "".join(
            f"<td>{html.escape(cell)}</td>"
            for cell in (r.system, r.emotion, r.id, r.question, r.answer, *numbers, raised)
        )

    kinds = dict.fromkeys(("system", "emotion", "flags"), " data-choose") | dict.fromkeys(
        columns, " data-number"
    )
    head = "".join(
        f"<th{kinds.get(name, '')}>{name}</th>"
        for name in ("system", "emotion", "id", "question", "answer", *columns, "flags")
    )
    body = "\n".join(f"<tr>{row(r)}</tr>" for r in answers.itertuples())
    write_atomic(
        layout.GENERATED / "items.html",
        f'<div class="companion-table full-width">{result_tables.badge(profile)} '
        f"{len(answers)} answers"
        '<table class="companion companion-texts companion-items" data-browse>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>\n",
    )
