"""EmoDoctor's dialogues, written for this project (card: `data/dialogues/README.md`)."""

import re

from emo_utils.data import files
from emo_utils.data.arms import in_arm
from emo_utils.data.files import DataError
from emo_utils.experiment import provenance
from emo_utils.project import DATA, given_path

EMOTIONS = ("fear", "anxiety", "embarrassment", "frustration", "distrust")
ER_FIELDS = ("id", "topic", "specialty", "question", "answer", "empathetic_response")
EQSR_FIELDS = (
    "id",
    "topic",
    "specialty",
    "emotion",
    "question",
    "answer",
    "emotional_question",
    "soothing_response",
)
FILES = {
    "er": DATA / "dialogues/er_train.jsonl",
    "eqsr": DATA / "dialogues/eqsr_train.jsonl",
    "test": DATA / "dialogues/test.jsonl",
}
# Systems that are texts of the data and stand beside the trained ones: the doctor's plain answer,
# the arm's warm one, and the warm answer to another question.
REFERENCES = ("doctor", "reference", "another")
REPEATED = 0.05  # share of a user's rows that may repeat another
COMFORT_PHRASES = DATA / "dialogues/explicit_comfort.txt"


def load(name: str, rows: int = 0, file: str = "", arm: str = "overt") -> list[dict]:
    """Dialogues of a shipped set (`er`, `eqsr`, `test`) in one of its arms, or of a user's JSONL
    file in its place, checked; `rows` > 0 keeps that many, balanced over emotions.

    A user's rows need no topic and no specialty. Raises DataError for a missing file, with the
    first lines that are no JSON, lack a field or have an unknown emotion, and for rows of a user
    that would teach nothing (`check_teaching`).
    """
    fields = ER_FIELDS if name == "er" else EQSR_FIELDS
    loaded = (
        files.rows_of(
            given_path(file), tuple(f for f in fields if f not in ("topic", "specialty")), EMOTIONS
        )
        if file
        else files.rows_of(in_arm(files.named_file(name, FILES), arm), fields, EMOTIONS)
    )
    if file:
        check_teaching(loaded, given_path(file).name)
    return files.balanced(loaded, rows) if rows else loaded


def check_teaching(rows: list[dict], name: str) -> None:
    """Raise DataError for rows whose warm answer is the plain one, which teaches nothing, and where
    more than one row, and more than the share `REPEATED`, repeat an earlier one.
    """
    warm = "soothing_response" if "soothing_response" in rows[0] else "empathetic_response"
    equal = [
        f"{name}, row {number}: field '{warm}' is the text of 'answer': "
        "nothing is learnt from two equal answers"
        for number, row in enumerate(rows, start=1)
        if files.as_compared(row[warm]) == files.as_compared(row["answer"])
    ]
    if equal:
        more = [f"... and {len(equal) - 20} more"] if len(equal) > 20 else []
        raise DataError("\n".join(equal[:20] + more))
    again = repeated(rows)
    if len(again) > max(REPEATED * len(rows), 1):
        number, first = next(iter(again.items()))
        raise DataError(
            f"{name}: {len(again)} of {len(rows)} rows repeat an earlier one under another id, "
            f"row {number} is row {first}; keep each once, or a few rows decide what is learnt"
        )


def repeated(rows: list[dict]) -> dict[int, int]:
    """Numbers of the rows (from 1) whose texts are those of an earlier one, with its number."""
    first: dict[tuple, int] = {}
    found = {}
    for number, row in enumerate(rows, start=1):
        texts = tuple(
            files.as_compared(row[field])
            for field in EQSR_FIELDS[4:] + ER_FIELDS[-1:]
            if field in row
        )
        if (earlier := first.setdefault(texts, number)) != number:
            found[number] = earlier
    return found


def reference_answers(answers, test: list[dict]):
    """The answers of the systems `REFERENCES` to the questions of a table of answers, in its form.

    answers: one row an answer (columns id, emotion, system, question, answer, tokens, complete).
    test: all rows that have an answer to borrow; that to another question is the next row's. Raises
    DataError for a question that is not among them, and for a single row, which has no other.
    """
    import pandas as pd  # as in `files.table`

    place = {row["id"]: number for number, row in enumerate(test)}
    asked = answers.drop_duplicates("id")[["id", "emotion", "question"]]
    if strange := [i for i in asked.id if i not in place]:
        raise DataError(
            f"the answers are to {len(strange)} questions that the test set does not have, "
            f"the first is {strange[0]}: give the arm that they were asked in"
        )
    if len(test) < 2:
        raise DataError("with one row there is no answer to another question to compare with")
    rows = [test[place[i]] for i in asked.id]
    others = [test[(place[i] + 1) % len(test)] for i in asked.id]
    texts = {
        "doctor": [row["answer"] for row in rows],
        "reference": [row["soothing_response"] for row in rows],
        "another": [row["soothing_response"] for row in others],
    }
    return pd.concat(
        [asked.assign(system=name, answer=texts[name], complete=True) for name in REFERENCES],
        ignore_index=True,
    )


def asked_plainly(rows: list[dict]) -> list[dict]:
    """Rows whose question is asked without its feeling (EmoDoctor, Section 4.4)."""
    return [{k: v for k, v in row.items() if k != "emotional_question"} for row in rows]


def comfort_phrases() -> re.Pattern:
    """What finds explicit comfort in a text in lower case: any phrase of the shipped list."""
    lines = provenance.noted(COMFORT_PHRASES).read_text(encoding="utf-8").splitlines()
    phrases = [re.escape(line) for line in lines if line and not line.startswith("#")]
    return re.compile(rf"(?<![a-z])(?:{'|'.join(phrases)})")


def rewritten_elsewhere(folder: str) -> list[dict]:
    """Real doctors' answers and what another rewriter made of them (fields id, doctor, rewrite),
    from `askdocs_half/askdocs_half.jsonl` in a folder that a user gave as `trial_data`.

    Raises DataError where that is not in the folder, and as `load`.
    """
    path = given_path(folder) / "askdocs_half" / "askdocs_half.jsonl"
    if not path.is_file():
        raise DataError(f"parameter 'trial_data': {path.parent.name} is not in that folder")
    return files.rows_of(path, ("id", "doctor", "rewrite"))
