"""Dialogues that differ in one thing, so that a judge's ratings say what moves it (EmplifAI,
Section 5.5): the supporter's first answer with one sentence more that validates, advises, or only
says the patient's words back; and answers without their sentences of validation.

EmplifAI's authors asked their judge for its reasons. What a judge says of itself need not be what
moves it: here the text is changed, and nothing is asked.
"""

import re

import pandas as pd

from emo_utils.data import emplifai

PLAIN, OVERT, STRIPPED = "as it is", "rewritten to validate", "rewritten, validation cut"
ADDED = ("validates", "advises", "repeats the patient")  # one sentence more, of about equal length
VERSIONS = (PLAIN, *ADDED, OVERT, STRIPPED)
RUBRICS = ("general_empathy", "specific_empathy", "harmlessness", "security")  # of Section 5.5
SENTENCES = {
    "validates": (
        "そう感じるのは無理もないことですし、一人ではありませんよ。",
        "そのお気持ちは当然だと思います。本当につらいですよね。",
        "そう思ってしまうのは自然なことです。よく話してくれました。",
    ),
    "advises": (
        "一度、主治医の先生に相談してみてはいかがでしょうか。",
        "毎日の様子を手帳に書いて、次の診察で見せてください。",
        "まずは病院に電話をして、診察を早めてもらいましょう。",
    ),
}
SAID_BACK = 12  # of the patient's characters: the whole sentence is then as long as those above
# What validates in the arm `overt`, by words: the feeling is called understandable, or shared.
_VALIDATES = re.compile(
    "当然|当たり前|無理もな|自然なこと|一人|ひとり|独り|同じ気持ち|気持ち|つらいで|つらかった|ですもの|ますもの"
)
_SENTENCE = re.compile(r"[^。！？!?]*[。！？!?]*」?")


def sentences(turn: str) -> list[str]:
    """The sentences of a Japanese turn, each with its mark."""
    return [part for part in _SENTENCE.findall(turn) if part.strip()]


def without_validation(turn: str) -> str:
    """A turn without each sentence that validates by its words, with whatever else that sentence
    says; the turn itself where none would be left.
    """
    left = "".join(s for s in sentences(turn) if not _VALIDATES.search(s))
    return left or turn


def said_back(turn: str) -> str:
    """A sentence that says the beginning of the patient's turn back, and nothing else."""
    words = re.sub(r"[。！？!?、…\s]+$", "", turn.replace("「", "").replace("」", "")[:SAID_BACK])
    return f"「{words}」と、そうおっしゃいましたね。"


def versions(count: int) -> pd.DataFrame:
    """VERSIONS of the first dialogue of `count` situations with a negative emotion, as many of each
    emotion as goes: columns id, system (the version), emotion, situation, turns, and characters (of
    the supporter's turns).

    PLAIN and what is added to it have the arm `subtle`, which meets a feeling mostly without
    validating it; OVERT and STRIPPED are of the arm `overt`.
    """
    negative = {english for english, _, sentiment in emplifai.EMOTIONS if sentiment == "negative"}
    first: dict[str, dict] = {}
    for row in emplifai.load("subtle"):
        if row["emotion"] in negative:
            first.setdefault(row["situation"], row)
    turn_of_emotion = pd.DataFrame(list(first.values()))
    turn_of_emotion["place"] = turn_of_emotion.groupby("emotion").cumcount()
    chosen = turn_of_emotion.sort_values("place", kind="stable").head(count)
    overt = {row["id"]: row["turns"] for row in emplifai.load("overt")}
    rows = []
    for number, row in enumerate(chosen.itertuples()):
        more = {name: texts[number % len(texts)] for name, texts in SENTENCES.items()}
        more["repeats the patient"] = said_back(row.turns[0])
        of_row = {PLAIN: list(row.turns)} | {
            name: [row.turns[0], row.turns[1] + more[name], *row.turns[2:]] for name in ADDED
        }
        of_row[OVERT] = overt[row.id]
        of_row[STRIPPED] = [
            without_validation(turn) if place % 2 else turn
            for place, turn in enumerate(overt[row.id])
        ]
        rows += [
            {
                "id": row.id,
                "system": name,
                "emotion": row.emotion,
                "situation": row.situation,
                "turns": of_row[name],
                "characters": len(of_row[name][1] + of_row[name][3]),
            }
            for name in VERSIONS
        ]
    return pd.DataFrame(rows)


# Each question, and the two versions whose difference answers it.
QUESTIONS = {
    "length": ("repeats the patient", PLAIN),
    "advice": ("advises", "repeats the patient"),
    "validation": ("validates", "repeats the patient"),
    "validation against advice": ("validates", "advises"),
    "validation throughout": (OVERT, STRIPPED),
}


def add_effects(run, ratings: pd.DataFrame, table: pd.DataFrame, scorer: str, how: str) -> None:
    """Record for each of QUESTIONS the mean difference of the expected levels, dialogue by
    dialogue, on each rubric and over them (`mean`), and of the characters (table
    `emplifai.ablation`, the question as system).

    ratings: of `rubrics.ratings`; table: of `versions`.
    """
    levels = ratings.pivot(index="id", columns=["system", "metric"], values="expected")
    lengths = table.pivot(index="id", columns="system", values="characters")
    for question, (one, other) in QUESTIONS.items():
        moved = levels[one] - levels[other]
        moved = moved.assign(mean=moved.mean(axis=1, skipna=False))
        moved["characters"] = lengths[one] - lengths[other]
        for metric in (*RUBRICS, "mean", "characters"):
            run.add_mean(
                moved[metric],
                table="emplifai.ablation",
                system=question,
                metric=metric,
                kind="difference",
                scorer="counts" if metric == "characters" else scorer,
                signature=f"{one} less {other}; {how}",
                unit="dialogues, one a situation",
            )
