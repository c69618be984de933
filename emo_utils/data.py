"""The dialogues: loading them, and the shapes that the three trainers read.

The data sets' cards are in `data/*/README.md`; rewriting real data is in `rewrite`.
"""

import json
import random
from pathlib import Path

from emo_utils.project import DATA, EmoError, relative, sha256_file

EMOTIONS = ("fear", "anxiety", "embarrassment", "frustration", "distrust")
ER_FIELDS = ("id", "topic", "question", "answer", "empathetic_response")
EQSR_FIELDS = ("id", "topic", "emotion", "question", "answer", "emotional_question", "soothing_response")
FILES = {"er": DATA / "dialogues/er_train.jsonl", "eqsr": DATA / "dialogues/eqsr_train.jsonl", "test": DATA / "dialogues/test.jsonl"}
USED: dict[str, str] = {}  # files that this process read, with their hashes, for its provenance


class DataError(EmoError):
    """A row that cannot be used: file, row number and field are named."""


def used(path: Path) -> Path:
    """Note a file as read by this run, and return it."""
    USED[relative(path)] = sha256_file(path)
    return path


def load(name: str, rows: int = 0) -> list[dict]:
    """Rows of a shipped set (`er`, `eqsr`, `test`), checked; `rows` > 0 keeps that many, balanced over emotions.

    Raises DataError for a missing file, a line that is not JSON, a missing or empty field, or an unknown emotion.
    """
    path = FILES[name]
    if not path.is_file():
        raise DataError(f"{relative(path)} is missing; restore it with: git checkout -- {relative(path)}")
    fields = ER_FIELDS if name == "er" else EQSR_FIELDS
    loaded = []
    for number, line in enumerate(used(path).read_text(encoding="utf-8").splitlines(), start=1):
        loaded.append(_row(line, fields, f"{relative(path)}, row {number}"))
    if len({row["id"] for row in loaded}) != len(loaded):
        raise DataError(f"{relative(path)}: two rows share an id")
    return balanced(loaded, rows) if rows else loaded


def _row(line: str, fields: tuple[str, ...], where: str) -> dict:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error}); each line is one row") from None
    for name in fields:
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise DataError(f"{where}: field '{name}' is missing or empty")
    if row.get("emotion", "fear") not in EMOTIONS:
        raise DataError(f"{where}: emotion '{row['emotion']}' is none of {', '.join(EMOTIONS)}")
    return row


def balanced(rows: list[dict], count: int) -> list[dict]:
    """The first `count` rows, taken in turn from each emotion (in file order where there are none)."""
    if count > len(rows):
        raise DataError(f"{count} rows were asked for and there are {len(rows)}")
    turn: dict[str, int] = {}
    keyed = []
    for position, row in enumerate(rows):
        emotion = row.get("emotion", "")
        turn[emotion] = turn.get(emotion, -1) + 1
        keyed.append((turn[emotion], position, row))
    return [row for _, _, row in sorted(keyed, key=lambda item: item[:2])[:count]]


def messages(system: str, question: str) -> list[dict]:
    """A prompt as chat messages: the task instruction, then the patient's question."""
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def sft_rows(rows: list[dict], system: str) -> list[dict]:
    """Prompt and completion (EmoDoctor 3.2): the ER answer to the plain question, or the soothing answer to the emotional one."""
    return [
        {"prompt": messages(system, row.get("emotional_question", row["question"])),
         "completion": [{"role": "assistant", "content": row.get("soothing_response") or row["empathetic_response"]}]}
        for row in rows
    ]


def dpo_rows(rows: list[dict], system: str) -> list[dict]:
    """Triplets (EmoDoctor 3.3): the soothing response is chosen, the doctor's own answer rejected."""
    return [
        {"prompt": messages(system, row["emotional_question"]),
         "chosen": [{"role": "assistant", "content": row["soothing_response"]}],
         "rejected": [{"role": "assistant", "content": row["answer"]}]}
        for row in rows
    ]


def kto_rows(rows: list[dict], system: str, seed: int) -> list[dict]:
    """Single labelled answers (EmoDoctor 3.4), desirable and undesirable in turn, no prompt beside itself.

    `KTOTrainer` never shuffles and compares each row with its neighbour in the batch, so the order is
    made here: both halves shuffled with one seed, the undesirable one shifted by two rows.
    """
    if len(rows) < 4:
        raise DataError(f"KTO needs at least 4 pairs to keep equal prompts apart, and there are {len(rows)}")
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    out = []
    for place, index in enumerate(order):
        wanted, unwanted = rows[index], rows[order[(place + 2) % len(order)]]
        out.append({"prompt": messages(system, wanted["emotional_question"]),
                    "completion": [{"role": "assistant", "content": wanted["soothing_response"]}], "label": True})
        out.append({"prompt": messages(system, unwanted["emotional_question"]),
                    "completion": [{"role": "assistant", "content": unwanted["answer"]}], "label": False})
    return out
