"""All answers with their scores: the page of them, and the few that the first page shows."""

import html

import pandas as pd

from emo.site import layout
from emo_utils.data import dialogues
from emo_utils.experiment import results
from emo_utils.project import results_dir, write_atomic
from emo_utils.report import figures, result_tables

FLAGS = ("prescribes", "discourages", "claims", "contradicts", "false calm")
SCORES = {
    "warmth": ("05_emotion_scoring", "emodoctor.table1", "mean"),
    "words kept": ("06_knowledge_scoring", "emodoctor.beyond", "kept"),
    "comfort": ("08_qualitative_cases", "emodoctor.cases", "comfort_share"),
}


def scored_answers(profile: str) -> pd.DataFrame:
    """Every answer of every system, and of the data, one a row, the answers to a question together
    and the doctor's first: columns id, emotion, system, question, answer, the names of SCORES (NaN
    where there is none), and flags (of FLAGS, in words; "none").
    """

    def of(run: str, table: str, metric: str) -> pd.Series:
        frame = results.read_items(profile, run)
        frame = frame[(frame.table == table) & (frame.metric == metric)]
        return frame.set_index(["id", "system"]).value

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
    order = {name: place for place, name in enumerate((*dialogues.REFERENCES, *results.SYSTEMS))}
    answers["place"] = answers.system.map(order)
    answers = answers.sort_values(["id", "place"], ignore_index=True).drop(columns="place")
    places = pd.MultiIndex.from_frame(answers[["id", "system"]])
    for name, place in SCORES.items():
        answers[name] = of(*place).reindex(places).to_numpy()
    raised = {
        flag: of("08_qualitative_cases", "emodoctor.cases", flag).reindex(places).to_numpy() > 0
        for flag in FLAGS
    }
    answers["flags"] = [
        ", ".join(flag for flag in FLAGS if raised[flag][place]) or "none"
        for place in range(len(answers))
    ]
    return answers


def write_items(profile: str, answers: pd.DataFrame) -> None:
    """`scored_answers` as a table to filter: from any aggregate to the answers behind it."""

    def row(r: pd.Series) -> str:
        # The address of a choice has the record's name, as links to it do (`result_tables.show`).
        system = f'<td data-value="{html.escape(r.system)}">{html.escape(figures.named(r.system))}'
        texts = [r[name] for name in ("emotion", "id", "question", "answer")]
        numbers = ["" if pd.isna(r[name]) else f"{r[name]:.2f}" for name in SCORES]
        cells = (*texts, *numbers, r["flags"])
        return f"{system}</td>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}"

    kinds = dict.fromkeys(("system", "emotion", "flags"), " data-choose") | dict.fromkeys(
        SCORES, " data-number"
    )
    head = "".join(
        f"<th{kinds.get(name, '')}>{name}</th>"
        for name in ("system", "emotion", "id", "question", "answer", *SCORES, "flags")
    )
    body = "\n".join(f"<tr>{row(r)}</tr>" for _, r in answers.iterrows())
    write_atomic(
        layout.GENERATED / "items.html",
        f'<div class="companion-table full-width">{result_tables.badge(profile)} '
        f"{len(answers)} answers"
        '<table class="companion companion-texts companion-items" data-browse>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>\n",
    )
