"""Caregivers' questions with two answers (card: `data/caregiver/README.md`), and pairs of a user's
file in their place.
"""

from pathlib import Path

from emo_utils.data import files
from emo_utils.data.arms import in_arm
from emo_utils.data.files import DataError
from emo_utils.project import DATA

FIELDS = ("id", "topic", "prompt", "chosen", "rejected")
FILES = {"train": DATA / "caregiver/train.jsonl", "test": DATA / "caregiver/test.jsonl"}
VOICES = DATA / "caregiver/voices.jsonl"
# Texts of the data that stand beside a system's answers: the reference itself, its facts in another
# tone, and its tone without its facts.
PREFERRED = "the preferred answer"
REJECTED, ELSEWHERE = "the rejected answer", "the preferred answer to another question"


def load(split: str, arm: str = "overt") -> list[dict]:
    """Caregivers' questions (`train`, `test`) with a chosen and a rejected answer in one of their
    arms, checked row by row.

    arm: in `overt` the chosen answer names the feeling, calls it understandable and reassures, in
    so many words, before the advice; in `subtle` it is plain and warm mostly without such words.
    Ids, topics and questions are the same in both. Raises DataError for another split or arm, and
    as `files.rows_of`.
    """
    return files.rows_of(in_arm(files.named_file(split, FILES), arm), FIELDS)


def pairs_of(path: Path) -> list[dict]:
    """A user's pairs (.jsonl, .csv, .parquet): rows of id (`row-1`, `row-2`, ...), prompt, chosen
    and rejected.

    Raises DataError where a column is missing or a text is empty, holds what no tokenizer should
    get, or both answers are the same, and names the first such row.
    """
    texts = ["prompt", "chosen", "rejected"]
    table = files.table(path)
    if missing := set(texts) - set(table):
        raise DataError(
            f"{path.name} has the columns {', '.join(map(str, table))[:120]} "
            f"and lacks {', '.join(sorted(missing))}"
        )
    filled = table[texts].map(lambda text: isinstance(text, str) and bool(text.strip()))
    unusable = ~filled.all(axis=1)
    if unusable.any():
        raise DataError(
            f"{path.name}, row {int(unusable.to_numpy().argmax()) + 1}: "
            "prompt, chosen and rejected must be texts that are not empty"
        )
    for number, row in enumerate(table[texts].to_dict("records"), start=1):
        where = f"{path.name}, row {number}"
        for name, text in row.items():
            if odd := files.unfit(text[: files.LONGEST]):
                raise DataError(f"{where}: field '{name}' {odd}")
        if files.as_compared(row["chosen"]) == files.as_compared(row["rejected"]):
            raise DataError(f"{where}: chosen and rejected are one text, which teaches nothing")
    ids = [f"row-{number}" for number in range(1, len(table) + 1)]
    return table[texts].assign(id=ids).to_dict("records")


def training_pairs(given: Path | None, arm: str) -> tuple[list[dict], str]:
    """The pairs to train on and where they are from, in words: those of a user's file, or where
    none is given the shipped ones of an arm.
    """
    if given:
        return pairs_of(given), f"the file {given.name}"
    return load("train", arm), f"data/caregiver, arm {arm}"


def as_dialogue(pair: dict) -> dict:
    """A pair under the names that the trainings have for question, warm and plain answer."""
    return {
        "id": pair["id"],
        "question": pair["prompt"],
        "emotional_question": pair["prompt"],
        "soothing_response": pair["chosen"],
        "answer": pair["rejected"],
    }


def preferred_answers(pairs: list[dict]) -> list[dict]:
    """Rows of id, system, answer and complete: the preferred answer to each question."""
    return [
        {"id": pair["id"], "system": PREFERRED, "answer": pair["chosen"], "complete": True}
        for pair in pairs
    ]


def baseline_answers(pairs: list[dict]) -> list[dict]:
    """Rows of id, system, answer and complete: of each question the rejected answer, and the
    preferred answer to the question behind it (the last gets that of the first).
    """
    texts = {
        REJECTED: [pair["rejected"] for pair in pairs],
        ELSEWHERE: [pair["chosen"] for pair in pairs[1:] + pairs[:1]],
    }
    return [
        {"id": pair["id"], "system": system, "answer": answer, "complete": True}
        for system, answers in texts.items()
        for pair, answer in zip(pairs, answers, strict=True)
    ]


def in_voices(pairs: dict[str, dict], count: int) -> list[dict]:
    """The first `count` test questions that are there in other voices, as rows of id, question,
    voice and of (the pair's id): all as they are, all the same again, then in every voice.

    pairs: those of `test` by their ids.
    """
    spoken = files.rows_of(VOICES, ("id", "question", "voice", "prompt"))
    chosen = list(dict.fromkeys(row["question"] for row in spoken))[:count]
    rows = [
        {"id": f"{i}.{ending}", "question": pairs[i]["prompt"], "voice": voice, "of": i}
        for ending, voice in (("original", "original"), ("again", "original again"))
        for i in chosen
    ]
    return rows + [
        {"id": row["id"], "question": row["prompt"], "voice": row["voice"], "of": row["question"]}
        for row in spoken
        if row["question"] in chosen
    ]
