"""The project's own data sets: loading them, and the shapes that the three trainers read.

The data sets' cards are in `data/*/README.md`; rewriting real data is in `rewrite`.
"""

import csv
import json
import random
import re
from pathlib import Path

from emo_utils.project import DATA, EmoError, first_line, given_path, relative, sha256_file

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
# How the warm texts were written: comfort without its usual phrases, or said in so many words.
ARMS = {"subtle": ".", "overt": "overt"}  # the folder of each beside the files above
COMFORT_PHRASES = DATA / "dialogues/explicit_comfort.txt"
def _emotions() -> tuple[tuple[str, str, str], ...]:
    """EmplifAI's Table 1: each emotion in English and Japanese, with its sentiment."""
    with open(DATA / "published/emplifai_emotions.csv", encoding="utf-8", newline="") as table:
        return tuple(
            (row["emotion"], row["japanese"], row["sentiment"]) for row in csv.DictReader(table)
        )


EMPLIFAI_EMOTIONS = _emotions()
JAPANESE_FIELDS = ("id", "emotion", "situation", "turns", "gloss")
JAPANESE_FILE, SCREENING_FILE = (
    DATA / "emplifai_ja" / name for name in ("dialogues.jsonl", "screening.jsonl")
)
CAREGIVER_FIELDS = ("id", "topic", "prompt", "chosen", "rejected")
CAREGIVER_FILES = {"train": DATA / "caregiver/train.jsonl", "test": DATA / "caregiver/test.jsonl"}
SENTENCE_FILES = {
    name: DATA / "sentences" / f"{name}.jsonl"
    for name in ("comfort_knowledge", "safety", "urgent", "addressed", "claims", "claim_sources")
}
LONGEST = (
    8000  # characters of a text; longer ones are pasted records rather than questions or answers
)
USED: dict[str, str] = {}  # files that this process read, with their hashes, for its provenance


class DataError(EmoError):
    """A row that cannot be used: file, row number and field are named."""


def used(path: Path) -> Path:
    """Note a file as read by this run, and return it."""
    USED[relative(path)] = sha256_file(path)
    return path


def load(name: str, rows: int = 0, file: str = "", arm: str = "subtle") -> list[dict]:
    """Dialogues of a shipped set (`er`, `eqsr`, `test`) in one of its `ARMS`, or of a user's JSONL
    file in its place, checked; `rows` > 0 keeps that many, balanced over emotions.

    A user's rows need no topic and no specialty. Raises DataError for a missing file, and with the
    first lines that are no JSON, lack a field or have an unknown emotion.
    """
    fields = ER_FIELDS if name == "er" else EQSR_FIELDS
    loaded = (
        _rows(
            given_path(file), tuple(f for f in fields if f not in ("topic", "specialty")), EMOTIONS
        )
        if file
        else _rows(_of_arm(_file(name, FILES), arm), fields, EMOTIONS)
    )
    return balanced(loaded, rows) if rows else loaded


def _of_arm(path: Path, arm: str) -> Path:
    if arm not in ARMS:
        raise DataError(f"there is no arm '{arm}' of the dialogues; there are: {', '.join(ARMS)}")
    return path.parent / ARMS[arm] / path.name


def comfort_phrases() -> re.Pattern:
    """What finds explicit comfort in a text in lower case: any phrase of the shipped list."""
    lines = used(COMFORT_PHRASES).read_text(encoding="utf-8").splitlines()
    phrases = [re.escape(line) for line in lines if line and not line.startswith("#")]
    return re.compile(rf"(?<![a-z])(?:{'|'.join(phrases)})")


def named(file: str) -> str:
    """What a training's rows are called on its page: a user's file by its name alone."""
    return f"the file {given_path(file).name}" if file else "data/dialogues"


def load_japanese() -> list[dict]:
    """The Japanese dialogues, checked as `load` does; `turns` is a list of four texts:
    patient, supporter, patient, supporter.
    """
    return _rows(
        JAPANESE_FILE, JAPANESE_FIELDS, tuple(english for english, _, _ in EMPLIFAI_EMOTIONS)
    )


def load_caregiver(split: str) -> list[dict]:
    """Caregivers' questions (`train`, `test`) with a chosen and a rejected answer,
    checked as `load` does.
    """
    return _rows(_file(split, CAREGIVER_FILES), CAREGIVER_FIELDS)


def load_sentences(name: str) -> list[dict]:
    """Sentences with readers' marks (`comfort_knowledge`, `safety`):
    id, text, part (`train`, `test`) and a 0 or 1 for each mark; checked as `load` does.

    `urgent`: the doctors' sentences of the test questions that call for care within a day, whatever
    else happens; their ids are those of the questions.
    `addressed`: sentences that speak to a judge of answers in place of a patient, and others;
    0 or 1 in that field, and their `kind`.
    `claims`: statements about the texts of `claim_sources`, named in `source`:
    `supported` (0 or 1) by it, and the kind of `change` where not.
    """
    return _rows(_file(name, SENTENCE_FILES), ("id", "text", "part"))


def table(path: Path):
    """A table (pandas) that a user gave as .jsonl, .csv or .parquet, noted as read;
    raises DataError for another suffix and for what cannot be read.

    A CSV's ids and texts stay texts.
    """
    import pandas as pd  # half a second, which a command that only lists things need not take

    readers = {
        ".jsonl": lambda p: pd.read_json(p, lines=True, dtype=False),
        ".csv": lambda p: pd.read_csv(p, dtype=str, keep_default_na=False),
        ".parquet": pd.read_parquet,
    }
    if path.suffix not in readers:
        raise DataError(f"{path.name}: a table is a {', '.join(readers)} file")
    try:
        return readers[path.suffix](used(path))
    except (OSError, ValueError, TypeError) as error:  # the last: lines that are no objects
        raise DataError(f"{path.name} cannot be read ({first_line(error)[:120]})") from None


def published(path: Path):
    """The printed numbers of the papers' tables (pandas, all text):
    columns table, system, metric, value and what else the file has.

    Raises DataError with the row of a fault.
    """
    frame = table(path)
    if lacking := [name for name in ("table", "system", "metric", "value") if name not in frame]:
        raise DataError(f"{path.name} lacks the column '{lacking[0]}'")
    odd = ~frame.value.str.fullmatch(r"<?-?\d+(\.\d+)?") | frame.duplicated(
        ["table", "system", "metric"]
    )
    if odd.any():
        row = frame[odd].iloc[0]
        raise DataError(
            f"{path.name}, row {frame.index[odd][0] + 2}: {row.table}, {row.system}, "
            f"{row.metric} is {row.value!r}: no number, or given twice"
        )
    return frame


def _file(name: str, files: dict[str, Path]) -> Path:
    if name not in files:
        raise DataError(f"there is no data set '{name}'; there are: {', '.join(files)}")
    return files[name]


def _rows(path: Path, fields: tuple[str, ...], emotions: tuple[str, ...] = ()) -> list[dict]:
    """All rows of a file, with `fields` filled, an emotion out of `emotions` if there are any,
    and ids used once.
    """
    name = relative(path)
    if not path.is_file():
        what = (
            "is a folder"
            if path.is_dir()
            else "is no ordinary file"
            if path.exists()
            else "is missing"
        )
        raise DataError(
            f"{name} {what}"
            + (
                f"; restore it with: git checkout -- {name}"
                if path.is_relative_to(DATA)
                else f": there is no file {path}"
            )
        )
    try:
        lines = used(path).read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: not UTF-8 at byte {error.start}; "
            "save it as UTF-8 text, a JSON object a line, not compressed"
        ) from None
    if not any(map(str.strip, lines)):
        raise DataError(
            f"{name} is empty; it needs a JSON object a line with the fields {', '.join(fields)}"
        )
    loaded, wrong, seen = [], [], {}
    for number, line in enumerate(lines, start=1):
        try:
            loaded.append(_row(line, fields, emotions, f"{name}, row {number}"))
            if (first := seen.setdefault(loaded[-1]["id"], number)) != number:
                raise DataError(
                    f"{name}, row {number}: field 'id' is that of row {first}, {loaded[-1]['id']!r}"
                )
        except DataError as error:
            wrong.append(str(error))
    if wrong:
        raise DataError(
            "\n".join(wrong[:20]) + (f"\n... and {len(wrong) - 20} more" if len(wrong) > 20 else "")
        )
    return loaded


def _row(line: str, fields: tuple[str, ...], emotions: tuple[str, ...], where: str) -> dict:
    try:
        row = json.loads(line)
    except (
        ValueError,
        RecursionError,
    ) as error:  # brackets without end, numbers of thousands of digits
        raise DataError(f"{where}: not JSON ({first_line(error)}); each line is one row") from None
    if not isinstance(row, dict):
        raise DataError(
            f"{where}: not a JSON object; each line is one row with the fields {', '.join(fields)}"
        )
    for name in fields:
        value = row.get(name)
        if name == "turns" and not (
            isinstance(value, list) and len(value) == 4 and all(map(_is_text, value))
        ):
            raise DataError(
                f"{where}: field 'turns' is not a list of four texts: "
                "patient, supporter, patient, supporter"
            )
        if name != "turns" and not _is_text(value):
            raise DataError(
                f"{where}: field '{name}' is "
                f"""{
                    "missing or empty"
                    if value is None or isinstance(value, str)
                    else "no text but " + type(value).__name__
                }"""
            )
        if odd := next(
            filter(None, (_unfit(text) for text in (value if name == "turns" else [value]))), ""
        ):
            raise DataError(f"{where}: field '{name}' {odd}")
    if "emotion" in fields and row["emotion"] not in emotions:
        raise DataError(f"{where}: emotion '{row['emotion']}' is none of {', '.join(emotions)}")
    return row


def _is_text(value) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _unfit(text: str) -> str:
    """What in a text no tokenizer, table or page should get, or an empty text."""
    odd = re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", text)
    return (
        f"holds U+{ord(odd[0]):04X}, which is no character of a text"
        if odd
        else f"has {len(text)} characters, more than {LONGEST}"
        if len(text) > LONGEST
        else ""
    )


def balanced(rows: list[dict], count: int) -> list[dict]:
    """The first `count` rows, taken in turn from each emotion
    (in file order where there are none).
    """
    if not 0 < count <= len(rows):
        raise DataError(f"{count} rows were asked for and there are {len(rows)}")
    turn: dict[str, int] = {}
    keyed = []
    for position, row in enumerate(rows):
        emotion = row.get("emotion", "")
        turn[emotion] = turn.get(emotion, -1) + 1
        keyed.append((turn[emotion], position, row))
    return [row for _, _, row in sorted(keyed, key=lambda item: item[:2])[:count]]


def split(
    name: str, train_rows: int = 0, validation_rows: int = 0, file: str = ""
) -> tuple[list[dict], list[dict]]:
    """Rows of a training set to train on (0: all that remain) and rows held out,
    both balanced over emotions.

    The held-out rows are taken from the end of the file and do not depend on train_rows.
    """
    rows = load(name, file=file)
    held_out = balanced(rows[::-1], validation_rows) if validation_rows else []
    rest = [row for row in rows if row not in held_out]
    return (balanced(rest, train_rows) if train_rows else rest), held_out


def messages(system: str, question: str) -> list[dict]:
    """A prompt as chat messages: the task instruction, then the patient's question."""
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def sft_rows(rows: list[dict], system: str) -> list[dict]:
    """Prompt and completion (EmoDoctor 3.2): the ER answer to the plain question,
    or the soothing answer to the emotional one.
    """
    return [
        {
            "prompt": messages(system, row.get("emotional_question", row["question"])),
            "completion": [
                {
                    "role": "assistant",
                    "content": row.get("soothing_response") or row["empathetic_response"],
                }
            ],
        }
        for row in rows
    ]


def dpo_rows(rows: list[dict], system: str) -> list[dict]:
    """Triplets (EmoDoctor 3.3): the soothing response is chosen,
    the doctor's own answer rejected.
    """
    return [
        {
            "prompt": messages(system, row["emotional_question"]),
            "chosen": [{"role": "assistant", "content": row["soothing_response"]}],
            "rejected": [{"role": "assistant", "content": row["answer"]}],
        }
        for row in rows
    ]


def kto_rows(rows: list[dict], system: str, seed: int, batch_size: int) -> list[dict]:
    """Single labelled answers (EmoDoctor 3.4), desirable and undesirable in turn,
    no question beside itself.

    `KTOTrainer` never shuffles and pairs each row of a batch with its neighbour (the last with the
    first), so the order is made here: both halves shuffled with one seed, and the undesirable half
    shifted until no two neighbours of a batch share a question. Raises DataError when there are too
    few rows for that.
    """
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    for shift in range(2, len(rows)):
        places = [
            index
            for place in range(len(order))
            for index in (order[place], order[(place + shift) % len(order)])
        ]
        if _neighbours_differ(places, batch_size):
            return [
                {
                    "prompt": messages(system, rows[i]["emotional_question"]),
                    "label": place % 2 == 0,
                    "completion": [
                        {
                            "role": "assistant",
                            "content": rows[i]["answer" if place % 2 else "soothing_response"],
                        }
                    ],
                }
                for place, i in enumerate(places)
            ]
    raise DataError(
        f"{len(rows)} pairs are too few to keep equal questions apart in batches of {batch_size}; "
        "use more rows or a smaller batch_size"
    )


def _neighbours_differ(places: list[int], batch_size: int) -> bool:
    """Whether no row of a batch stands beside one of the same question,
    the last and the first of a batch included.
    """
    batches = [places[i : i + batch_size] for i in range(0, len(places), batch_size)]
    return all(
        len(batch) > 1 and all(batch[i] != batch[i - 1] for i in range(len(batch)))
        for batch in batches
    )
