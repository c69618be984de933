"""The answers of one system more, which a user gives to chapters 5 and 6 (parameter `extra`):
checked, and cut to the questions that the book's systems answered.
"""

from pathlib import Path

import pandas as pd

from emo_utils.experiment import provenance, results
from emo_utils.project import EmoError, first_line, given_path

# Names that stand in the tables already: systems, texts of the data, controls of a scorer.
TAKEN = (
    *results.SYSTEMS,
    *("doctor", "reference", "another"),
    *("said twice", "padding alone", "a polite refusal", "a failed training"),
)
NEEDED = ("id", "answer")
POINTERS = (b"version https://git-lfs.github.com/", b"/annex/objects/")


def read(given: str, answers: pd.DataFrame, log=print) -> pd.DataFrame:
    """The answers in a Parquet file, with the columns of `answers`, in its order of questions.

    given: the path. answers: those of the book's systems (`Run.answers`). The system is named after
    the file; what the file lacks beside id and answer comes from `answers` where it is of the
    question. A question that no system of the book answered is left out, so that all means are over
    the same questions, and so is one without an answer; both are said by `log`.

    Raises EmoError for what is no such file, lacks a column, has an id twice, answers none of the
    questions, or is named like a system of the book.
    """
    path = given_path(given)
    if not path.is_file():
        raise EmoError(
            f"parameter 'extra': there is no file {given}; "
            "runs by hand leave theirs in results/adhoc/answers/"
        )
    where = f"parameter 'extra', {path.name}"
    frame = _table(path, where)
    if path.stem in TAKEN:
        raise EmoError(
            f"{where}: '{path.stem}' is the name of a row that the tables have already; "
            "give the file the name of your system"
        )
    if lost := [name for name in NEEDED if name not in frame]:
        raise EmoError(
            f"{where}: there is no column '{lost[0]}'; it needs {' and '.join(NEEDED)}, "
            f"and has {', '.join(map(str, frame.columns)) or 'none'}"
        )
    frame = frame.assign(id=frame.id.astype(str))
    if (twice := frame.id.duplicated(keep=False)).any():
        rows = [
            number + 1 for number, again in enumerate(frame.id == frame.id[twice].iloc[0]) if again
        ]
        raise EmoError(
            f"{where}: the id {frame.id[twice].iloc[0]} stands in rows {rows[0]} and {rows[1]}; "
            "a system gives one answer to a question"
        )
    return _common(frame, answers, path.stem, where, log)


def _table(path: Path, where: str) -> pd.DataFrame:
    """The content of a Parquet file with a row at least."""
    try:
        start = path.read_bytes()[:200]
        if any(mark in start for mark in POINTERS):
            raise EmoError(
                f"{where}: this is the pointer of a large file and not the file; "
                "fetch it (git lfs pull, git annex get)"
            )
        if start[:4] != b"PAR1":
            raise EmoError(
                f"{where}: this is no Parquet file; write one by pandas: "
                "pandas.read_csv('answers.csv').to_parquet('mine.parquet')"
            )
        frame = pd.read_parquet(provenance.noted(path))
    except (OSError, ValueError) as error:
        raise EmoError(f"{where}: cannot be read ({first_line(error)})") from None
    if frame.empty:
        raise EmoError(f"{where}: there is no row in it")
    return frame


def _common(frame: pd.DataFrame, answers: pd.DataFrame, name: str, where: str, log) -> pd.DataFrame:
    """The rows whose question the book's systems answered, and that have an answer."""
    asked = answers.drop_duplicates("id").set_index("id")
    there = frame[frame.id.isin(asked.index)]
    if there.empty:
        raise EmoError(
            f"{where}: none of its ids ({frame.id.iloc[0]}, ...) is one of the {len(asked)} "
            f"questions that the book's systems answered ({asked.index[0]}, ...)"
        )
    text = there.answer.map(lambda answer: isinstance(answer, str))
    if odd := [answer for answer in there.answer[~text] if pd.notna(answer)]:
        raise EmoError(f"{where}: the answer {str(odd[0])[:40]!r} is no text")
    text &= there.answer.where(text, "").str.strip() != ""
    if not text.any():
        raise EmoError(f"{where}: all {len(there)} answers are empty")
    if left := len(frame) - len(there):
        log(
            f"{name}: {left} of {len(frame)} answers are to questions that the book's systems "
            "have no answers to here; they are left out, so that all are compared on the same"
        )
    there = there[text].set_index("id")
    if lacking := len(asked) - len(there):
        log(
            f"{name}: {lacking} of {len(asked)} questions without an answer of it; its means are "
            f"over the other {len(there)}, beside those over all "
            "(chapter 5 has differences over the same)"
        )
    there = there.reindex([identifier for identifier in asked.index if identifier in there.index])
    of_question = asked[[c for c in ("emotion", "question") if c in asked and c not in there]]
    return there.join(of_question).assign(system=name).reset_index()
