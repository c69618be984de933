"""EmoDoctor's Table 3 as a reader of the paper types it in: two questions, each answered by SFT,
DPO and KTO, and the passages that the paper prints in colour.

Its sentences are not ours to ship. They are read from a file outside of this repository, and only
numbers are kept.
"""

import os
from pathlib import Path

from emo_utils.data import files
from emo_utils.data.files import DataError
from emo_utils.project import EmoError, given_path

FILE = "emodoctor_table3/answers.jsonl"
FIELDS = ("id", "case", "system", "answer")
METHODS = ("sft", "dpo", "kto")
COLOURS = {"comfort": "red", "knowledge": "blue"}  # what the paper's colours say, by our marks
FORM = (
    f"one JSON object an answer with {', '.join(FIELDS)} (system: {', '.join(METHODS)}) and, where "
    "the colours are at hand, lists 'red' and 'blue' of passages as they stand in the answer"
)


def path_in(trial_data: str, book: bool) -> Path | None:
    """The file with the printed answers: in the folder given, or in EMO_TRIAL_DATA for a run by
    hand where that has it; None where neither is. Raises EmoError for a given folder without it.
    """
    if trial_data:
        path = given_path(trial_data) / FILE
        if not path.is_file():
            raise EmoError(f"{trial_data} (parameter 'trial_data') holds no {FILE}: {FORM}")
        return path
    named = "" if book else os.environ.get("EMO_TRIAL_DATA", "")
    path = given_path(named) / FILE
    return path if named and path.is_file() else None


def load(path: Path) -> list[dict]:
    """The answers of the file, each with its lists of coloured passages (None where the file has no
    such field).

    Raises DataError, by row and field, for what is not in the form, for two answers of one method
    to a question, and for a passage that does not stand in its answer.
    """
    rows, seen = files.rows_of(path, FIELDS), set()
    for number, row in enumerate(rows, start=1):
        where = f"{path.name}, row {number}"
        if row["system"] not in METHODS:
            raise DataError(f"{where}: field 'system' is {row['system']!r}; the file needs {FORM}")
        if (which := (row["case"], row["system"])) in seen:
            raise DataError(f"{where}: a second answer of {row['system']} in case {row['case']}")
        seen.add(which)
        for colour in COLOURS.values():
            row[colour] = _passages(row.get(colour), row["answer"], f"{where}: field '{colour}'")
    return rows


def _passages(passages, answer: str, where: str) -> list[str] | None:
    if passages is None:
        return None
    if not isinstance(passages, list) or not all(isinstance(p, str) and p for p in passages):
        raise DataError(f"{where} is no list of texts; the file needs {FORM}")
    if lost := [passage for passage in passages if passage not in answer]:
        raise DataError(f"{where}: {lost[0][:40]!r} does not stand in the answer as it is written")
    return passages
