"""Texts that a paper prints, as a reader of the paper types them in: the six answers of EmoDoctor's
Table 3, and the dialogues of EmplifAI's Appendix E.

Their sentences are not ours to ship. They are read from files outside of this repository, and only
numbers are kept.
"""

import os
from pathlib import Path
from typing import NamedTuple

from emo_utils.data import emplifai, files
from emo_utils.data.files import DataError
from emo_utils.project import EmoError, given_path


class Printed(NamedTuple):
    """Where printed texts lie in a folder of trial data, and the form of their file in words."""

    file: str
    form: str


METHODS = ("sft", "dpo", "kto")
COLOURS = {"comfort": "red", "knowledge": "blue"}  # what the paper's colours say, by our marks
_OF_ANSWER = ("id", "case", "system", "answer")
ANSWERS = Printed(
    "emodoctor_table3/answers.jsonl",
    f"one JSON object an answer with {', '.join(_OF_ANSWER)} (system: {', '.join(METHODS)}) and, "
    "where the colours are at hand, lists 'red' and 'blue' of passages as they stand in the answer",
)
_OF_DIALOGUE = ("id", "emotion", "situation", "turns")
DIALOGUES = Printed(
    "emplifai_appendix_e/dialogues.jsonl",
    f"one JSON object a dialogue with {', '.join(_OF_DIALOGUE)} (emotion in English and situation "
    "in your words where none is printed; four turns, the patient's first), and ratings: the name "
    "of a rubric -> [the paper's judge, people], each from 1 to 5",
)


def path_in(printed: Printed, trial_data: str, book: bool) -> Path | None:
    """The file with printed texts: in the folder given, or in EMO_TRIAL_DATA for a run by hand
    where that has it; None where neither is. Raises EmoError for a given folder without it.
    """
    if trial_data:
        path = given_path(trial_data) / printed.file
        if not path.is_file():
            raise EmoError(
                f"{trial_data} (parameter 'trial_data') holds no {printed.file}: {printed.form}"
            )
        return path
    named = "" if book else os.environ.get("EMO_TRIAL_DATA", "")
    path = given_path(named) / printed.file
    return path if named and path.is_file() else None


def answers(path: Path) -> list[dict]:
    """The printed answers, each with its lists of coloured passages (None where the file has no
    such field).

    Raises DataError, by row and field, for what is not in the form, for two answers of one method
    to a question, and for a passage that does not stand in its answer.
    """
    rows, seen = _rows(path, _OF_ANSWER, ANSWERS), set()
    for number, row in enumerate(rows, start=1):
        where = f"{path.name}, row {number}"
        if row["system"] not in METHODS:
            raise DataError(
                f"{where}: field 'system' is {row['system']!r}; the file needs {ANSWERS.form}"
            )
        if (which := (row["case"], row["system"])) in seen:
            raise DataError(f"{where}: a second answer of {row['system']} in case {row['case']}")
        seen.add(which)
        for colour in COLOURS.values():
            row[colour] = _passages(row.get(colour), row["answer"], f"{where}: field '{colour}'")
    return rows


def _rows(path: Path, fields: tuple[str, ...], printed: Printed, emotions: tuple[str, ...] = ()):
    try:
        return files.rows_of(path, fields, emotions)
    except DataError as error:
        raise DataError(f"{error}\nthe file needs {printed.form}") from None


def _passages(passages, answer: str, where: str) -> list[str] | None:
    if passages is None:
        return None
    if not isinstance(passages, list) or not all(isinstance(p, str) and p for p in passages):
        raise DataError(f"{where} is no list of texts; the file needs {ANSWERS.form}")
    if lost := [passage for passage in passages if passage not in answer]:
        raise DataError(f"{where}: {lost[0][:40]!r} does not stand in the answer as it is written")
    return passages


def dialogues(path: Path, rubrics: tuple[str, ...]) -> list[dict]:
    """The printed dialogues, with `ratings`: rubric -> (the paper's judge, people).

    rubrics: the names that there are. Raises DataError, by row and field, for what is not in the
    form.
    """
    rows = _rows(path, _OF_DIALOGUE, DIALOGUES, tuple(name for name, *_ in emplifai.EMOTIONS))
    for number, row in enumerate(rows, start=1):
        where = f"{path.name}, row {number}: field"
        row["ratings"] = _both_ratings(row.get("ratings"), rubrics, f"{where} 'ratings'")
    return rows


def _both_ratings(given, rubrics: tuple[str, ...], where: str) -> dict[str, tuple[float, float]]:
    if not isinstance(given, dict) or not given:
        raise DataError(f"{where} is missing or empty; the file needs {DIALOGUES.form}")
    if strange := [name for name in given if name not in rubrics]:
        raise DataError(f"{where}: there is no rubric {strange[0]!r}; it is {', '.join(rubrics)}")
    for name, pair in given.items():
        numbers = pair if isinstance(pair, list) and len(pair) == 2 else [None]
        if not all(type(x) in (int, float) and 1 <= x <= 5 for x in numbers):
            raise DataError(f"{where}: {name} is {pair!r}; it is [the judge's, people's], 1 to 5")
    return {name: (float(judge), float(people)) for name, (judge, people) in given.items()}
