"""Consultations to rewrite: a hub data set by id and revision, or a CSV, JSONL or Parquet file of
any size.

Rows are streamed, so that the file may be larger than the memory. A row that cannot be used is
yielded with its number and a reason, and the run goes on without it.
"""

import csv
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emo_utils.data import files
from emo_utils.data.dialogues import EMOTIONS
from emo_utils.data.files import LONGEST
from emo_utils.project import EmoError, first_line, storable, write_atomic
from emo_utils.rewriting import gates, plain_text
from emo_utils.rewriting.english import is_english

# Ours, the two sets of the paper, and what other sets of instructions or consultations call them.
FIELDS = (
    ("question", "answer"),
    ("input", "output"),
    ("input", "answer_icliniq"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "response"),
    ("patient", "doctor"),
)
# Where a row is a conversation: the list, and who speaks (OpenAI's messages, ShareGPT).
CONVERSATIONS = ("messages", "conversations", "conversation")
ASKS, ANSWERS = {"user", "human", "patient"}, {"assistant", "gpt", "doctor", "model"}
_UNCLEAN = re.compile("[\ud800-\udfff\x00\ufffd]")  # half a character, or a sign that one was lost
csv.field_size_limit(2**20)  # what an unclosed quote may take in before it is noticed


@dataclass(frozen=True)
class Row:
    """One consultation.

    number: its place in the source, from 1. reason: why it cannot be used, or empty.
    """

    number: int
    id: str
    question: str = ""
    answer: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    place: a file, or `owner/name` on the hub with its revision. The fields' names may be given.
    """

    place: str
    revision: str = ""
    split: str = "train"
    question_field: str = ""
    answer_field: str = ""

    def rows(self) -> Iterator[Row]:
        """All rows in order, usable or not.

        Raises EmoError when the source itself cannot be read.
        """
        for number, (raw, reason) in enumerate(self._raw(), start=1):
            yield Row(number, f"row-{number}", reason=reason) if reason else self._row(number, raw)

    def _row(self, number: int, raw: dict) -> Row:
        name = raw.get("id")
        name = (
            storable(str(name))
            if isinstance(name, str | int) and str(name).strip()
            else f"row-{number}"
        )
        found = self._fields(raw)
        if isinstance(found, str):
            return Row(number, name, reason=found)
        texts = []
        for field, text in found.items():
            if text is None or (isinstance(text, str) and not text.strip()):
                return Row(number, name, reason=f"field '{field}' is empty")
            if not isinstance(text, str):
                return Row(
                    number, name, reason=f"field '{field}' is {type(text).__name__}, not text"
                )
            if len(text) > LONGEST:
                return Row(
                    number,
                    name,
                    reason=f"field '{field}' has {len(text)} characters, more than {LONGEST}",
                )
            if _UNCLEAN.search(text):
                return Row(number, name, reason=f"field '{field}' is not clean UTF-8 text")
            text = plain_text.clean(text).strip()
            if odd := files.unfit(text):
                return Row(number, name, reason=f"field '{field}' {odd}")
            # What no rewrite could pass the gates for is not paid for.
            if not gates.words(text) and text.isascii():
                return Row(number, name, reason=f"field '{field}' has no words")
            if not is_english(text, letters=0.5):
                return Row(number, name, reason=f"field '{field}' is not English")
            texts.append(text)
        return Row(number, name, *texts)

    def _fields(self, raw: dict) -> dict[str, object] | str:
        """Question and answer of a row by the names of their fields, or why they are not found."""
        own = {str(field).strip().casefold(): field for field in raw}
        pairs = FIELDS
        if self.question_field or self.answer_field:
            pairs = ((self.question_field or "question", self.answer_field or "answer"),)
        for pair in pairs:
            fields = [own.get(name.strip().casefold()) for name in pair]
            if None in fields:
                continue
            # An instruction without an input is the question itself.
            if pair == ("input", "output") and not raw[fields[0]] and "instruction" in own:
                fields[0] = own["instruction"]
            return {str(field): raw[field] for field in fields}
        reason = f"no field '{pairs[0][0]}' or '{pairs[0][1]}'"
        if pairs is FIELDS:
            for name in CONVERSATIONS:
                if name in own:
                    return _exchange(own[name], raw[own[name]])
            others = ", ".join(" and ".join(pair) for pair in FIELDS[1:])
            reason += f", nor {others}, nor a list of {' or '.join(CONVERSATIONS[:2])}"
        return f"{reason} (it has: {storable(', '.join(map(str, raw)))[:80]})"

    def _raw(self) -> Iterator[tuple[dict, str]]:
        path = Path(self.place).expanduser()
        if path.is_file():
            readers = {".json": _json, ".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
            reader = readers.get(path.suffix.lower())
            if reader is None:
                raise EmoError(
                    f"{path.name}: a source is a .json, .jsonl, .csv or .parquet file, "
                    f"not '{path.suffix}'"
                )
            return reader(path)
        if (
            self.place.count("/") != 1 or path.suffix and not self.revision
        ):  # a data set's name may have a dot in it
            raise EmoError(
                f"there is no file {self.place} "
                "(a data set of the hub is given as owner/name, with its revision)"
            )
        return _hub(self.place, self.revision, self.split)


def _exchange(field: str, turns) -> dict[str, object] | str:
    """The first question of a conversation and the answer to it."""
    found: dict[str, object] = {}
    for turn in turns if isinstance(turns, list) else ():
        if not isinstance(turn, dict):
            break
        who = str(turn.get("role") or turn.get("from") or "").casefold()
        text = turn.get("content") if "content" in turn else turn.get("value")
        if who in ASKS and not found:
            found[f"{field}: {who}"] = text
        elif who in ANSWERS and found:
            return found | {f"{field}: {who}": text}
    return (
        f"field '{field}' holds no question of a {' or '.join(sorted(ASKS))} "
        f"with an answer of a {' or '.join(sorted(ANSWERS))} after it"
    )


def _json(path: Path) -> Iterator[tuple[dict, str]]:
    """An array of rows, read whole, or a row a line."""
    content = path.read_bytes()
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        yield from _jsonl(path)
        return
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise EmoError(f"{path.name} is no whole JSON array ({first_line(error)})") from None
    for row in found:
        yield (row, "") if isinstance(row, dict) else ({}, "not a JSON object")


def _jsonl(path: Path) -> Iterator[tuple[dict, str]]:
    with open(path, "rb") as handle:
        for line in handle:
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except UnicodeDecodeError as error:
                yield {}, f"not UTF-8 at byte {error.start} of the line"
            except (ValueError, RecursionError):  # ValueError: also a number of thousands of digits
                yield {}, "empty line" if not line.strip() else "not JSON"
            else:
                yield (row, "") if isinstance(row, dict) else ({}, "not a JSON object")


def _csv(path: Path) -> Iterator[tuple[dict, str]]:
    # surrogateescape: a byte that is no UTF-8 spoils its own row only
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
        separator, skipped = files.separated_by(handle)
        handle.seek(0)
        for _ in range(skipped):
            handle.readline()
        # strict: a quote that is never closed spoils its row, instead of taking in those below
        reader = csv.reader(handle, delimiter=separator, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
        except csv.Error:
            header = None
        if not header or len(set(header)) != len(header):
            raise EmoError(f"{path.name}: the first line must name the columns, each once")
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield {}, f"not CSV ({error})"
                continue
            if cells:
                yield (
                    (dict(zip(header, cells, strict=True)), "")
                    if len(cells) == len(header)
                    else ({}, f"{len(cells)} cells where the header has {len(header)}")
                )


def _parquet(path: Path) -> Iterator[tuple[dict, str]]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        for batch in ParquetFile(path).iter_batches(batch_size=512):
            try:
                yield from [(row, "") for row in batch.to_pylist()]
            except UnicodeDecodeError:
                yield from (_alone(batch.slice(place, 1)) for place in range(len(batch)))
    except (pyarrow.ArrowException, OSError) as error:
        raise EmoError(
            f"{path.name} is no readable Parquet file ({str(error).splitlines()[0][:120]})"
        ) from None


def _alone(batch) -> tuple[dict, str]:
    try:
        return batch.to_pylist()[0], ""
    except UnicodeDecodeError as error:
        return {}, f"not UTF-8 at byte {error.start} of a field"


def _hub(name: str, revision: str, split: str) -> Iterator[tuple[dict, str]]:
    if not revision:
        raise EmoError(
            f"name the revision of {name} (a commit of the hub): "
            "without it the rows may change from one day to the next"
        )
    import datasets

    try:
        yield from (
            (row, "")
            for row in datasets.load_dataset(name, split=split, revision=revision, streaming=True)
        )
    except Exception as error:  # the library raises many kinds; all mean that the set cannot be had
        raise EmoError(
            f"{name} at {revision} cannot be read ({type(error).__name__}: {str(error)[:160]})"
        ) from None


@dataclass(frozen=True)
class Task:
    """One rewrite to make: ER without an emotion, EQ+SR with one."""

    row: Row
    emotion: str = ""

    @property
    def name(self) -> str:
        return "eqsr" if self.emotion else "er"


@dataclass(frozen=True)
class Selection:
    """Which rows go to which task.

    er: row numbers; eqsr: row number to emotion. usable, set_aside: what the source holds.
    """

    er: frozenset[int]
    eqsr: dict[int, str]
    usable: int
    set_aside: tuple[Row, ...]

    @property
    def both(self) -> int:
        """Rows that serve both tasks."""
        return len(self.er & self.eqsr.keys())

    def tasks(self, source: Source) -> Iterator[Task]:
        """The rewrites in the order of the source, ER before EQ+SR; read anew from it."""
        for row in source.rows():
            if row.number in self.er:
                yield Task(row)
            if row.number in self.eqsr:
                yield Task(row, self.eqsr[row.number])


def select(source: Source, er_rows: int, eqsr_rows: int, seed: int) -> Selection:
    """Draw the two subsets of EmoDoctor 3.1 by seed: ER from the front of one shuffled order,
    EQ+SR from its back.

    So they share rows only where together they ask for more than there are (the paper's 60k and 50k
    out of 100k). Emotions take turns along the drawn order. Raises EmoError when one task alone
    asks for more rows than are usable.
    """
    numbers, bad = [], []
    for row in source.rows():
        if row.reason:
            bad.append(row)
        else:
            numbers.append(row.number)
    if min(er_rows, eqsr_rows) < 0:
        raise EmoError(
            f"{min(er_rows, eqsr_rows)} rows were asked for; a number of rows is 0 or more"
        )
    if max(er_rows, eqsr_rows) > len(numbers):
        raise EmoError(
            f"{max(er_rows, eqsr_rows)} rows were asked for and {source.place} has "
            f"{len(numbers)} usable ones ({len(bad)} set aside)"
            + (f"; row {bad[0].number}: {bad[0].reason}" if bad else "")
        )
    random.Random(seed).shuffle(numbers)
    drawn = numbers[len(numbers) - eqsr_rows :]
    return Selection(
        frozenset(numbers[:er_rows]),
        {n: EMOTIONS[i % len(EMOTIONS)] for i, n in enumerate(drawn)},
        len(numbers),
        tuple(bad),
    )


def reasons(rows: tuple[Row, ...], most: int = 3) -> str:
    """Why rows cannot be used, the commonest reasons first, each with its first row."""
    first = {row.reason: row.number for row in reversed(rows)}
    counts = Counter(row.reason for row in rows).most_common(most)
    return "; ".join(f"{count} {why} (first: row {first[why]})" for why, count in counts)


def write_set_aside(rows: tuple[Row, ...], path: Path) -> None:
    """The rows that cannot be used, one JSON object a line: number, id, reason."""
    write_atomic(
        path,
        "".join(
            json.dumps({"number": r.number, "id": r.id, "reason": r.reason}, ensure_ascii=False)
            + "\n"
            for r in rows
        ),
    )


def chunks(items: Iterable, size: int = 256) -> Iterator[list]:
    rest = iter(items)
    while part := list(itertools.islice(rest, size)):
        yield part
