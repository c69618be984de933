"""Reading the files of rows, the project's own and a user's: every row is checked, every fault
named with its file, row and field.
"""

import json
import re
from pathlib import Path
from typing import TextIO

from emo_utils.experiment import provenance
from emo_utils.project import DATA, EmoError, first_line, relative

LONGEST = (
    8000  # characters of a text; longer ones are pasted records rather than questions or answers
)


class DataError(EmoError):
    """A row that cannot be used: file, row number and field are named."""


def table(path: Path):
    """A table (pandas) that a user gave as .jsonl, .csv or .parquet, noted as read;
    raises DataError for another suffix and for what cannot be read.

    A CSV's ids and texts stay texts.
    """
    import pandas as pd  # half a second, which a command that only lists things need not take

    readers = {
        ".jsonl": lambda p: pd.read_json(p, lines=True, dtype=False),
        ".csv": _csv_table,
        ".parquet": pd.read_parquet,
    }
    if path.suffix.lower() not in readers:
        raise DataError(f"{path.name}: a table is a {', '.join(readers)} file")
    try:
        return readers[path.suffix.lower()](provenance.noted(path))
    except (OSError, ValueError, TypeError) as error:  # the last: lines that are no objects
        raise DataError(f"{path.name} cannot be read ({first_line(error)[:120]})") from None


def _csv_table(path: Path):
    import pandas as pd

    with open(path, encoding="utf-8-sig", errors="replace") as handle:
        separator, skipped = separated_by(handle)
    found = pd.read_csv(path, sep=separator, skiprows=skipped, dtype=str, keep_default_na=False)
    return found.rename(columns=lambda name: name.strip('\ufeff \t"'))


def separated_by(handle: TextIO) -> tuple[str, int]:
    """The sign between the cells of a CSV file, and the number of lines before its header.

    Spreadsheets of some countries write semicolons, some name the sign in a first line `sep=;`.
    """
    first = handle.readline(2**16)
    if named := re.fullmatch(r"\ufeff?\"?sep=(.)\"?\s*", first, re.IGNORECASE):
        return named[1], 1
    counts = {sign: first.count(sign) for sign in ",;\t|"}
    return ("," if counts[","] else max(counts, key=counts.get)), 0


def named_file(name: str, files: dict[str, Path]) -> Path:
    if name not in files:
        raise DataError(f"there is no data set '{name}'; there are: {', '.join(files)}")
    return files[name]


def rows_of(
    path: Path, fields: tuple[str, ...], emotions: tuple[str, ...] = (), marks: bool = False
) -> list[dict]:
    """All rows of a file, with `fields` filled, an emotion out of `emotions` if there are any,
    and ids used once.

    marks: whether texts may hold marks of chat templates, as attacks on a judge do that no chat
    model is trained on.
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
        lines = provenance.noted(path).read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
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
            loaded.append(_row(line, fields, emotions, f"{name}, row {number}", marks))
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


def _row(
    line: str, fields: tuple[str, ...], emotions: tuple[str, ...], where: str, marks: bool
) -> dict:
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
        texts = value if name == "turns" else [value]
        if odd := next(filter(None, (unfit(text, marks) for text in texts)), ""):
            raise DataError(f"{where}: field '{name}' {odd}")
    if "emotion" in fields and row["emotion"] not in emotions:
        raise DataError(f"{where}: emotion '{row['emotion']}' is none of {', '.join(emotions)}")
    return row


def _is_text(value) -> bool:
    return isinstance(value, str) and bool(value.strip())


# Marks by which chat templates tell turns and ends of texts apart: in a text they would end a turn,
# or begin one that nobody spoke.
_TEMPLATE_MARK = re.compile(
    r"<\|[a-z][a-z0-9_]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?s>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>",
    re.IGNORECASE,
)


def unfit(text: str, marks: bool = False) -> str:
    """What in a text no tokenizer, table or page should get, or an empty text. marks: as of
    `rows_of`.
    """
    if odd := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", text):
        return f"holds U+{ord(odd[0]):04X}, which is no character of a text"
    if not marks and (mark := _TEMPLATE_MARK.search(text)):
        return f"holds {mark[0]!r}, by which chat templates end or begin a turn: take it out"
    if len(text) > LONGEST:
        return f"has {len(text)} characters, more than {LONGEST}"
    return ""


def as_compared(text: str) -> str:
    """A text without what does not make it another one: blanks and capitals."""
    return " ".join(text.split()).casefold()


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
