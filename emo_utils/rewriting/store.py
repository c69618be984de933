"""The store of replies: all attempts at a row, and what they cost."""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from emo_utils.project import EmoError


@dataclass(frozen=True)
class Reply:
    """A committed reply.

    reason: why it was not kept, or empty; final: nothing more is asked for this row.
    """

    attempt: int
    text: str
    reason: str
    final: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Store:
    """Replies of endpoints in an SQLite file to which rows are only added.

    Any process may read; one at a time fills it (`lock`).
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.lock = path, FileLock(path.with_suffix(".lock"))
        try:
            self.connection = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
            for left in range(
                200, -1, -1
            ):  # the change to WAL does not wait for another process, as all else does
                try:
                    self.connection.execute("PRAGMA journal_mode=WAL")
                    break
                except sqlite3.OperationalError as error:
                    if not left or "locked" not in str(error):
                        raise
                    time.sleep(0.05)
            self.connection.execute("PRAGMA synchronous=NORMAL")
            self.connection.execute(
                "CREATE TABLE IF NOT EXISTS replies "
                "(key TEXT, attempt INTEGER, text TEXT, reason TEXT, final INTEGER, "
                "prompt_tokens INTEGER, completion_tokens INTEGER, at REAL, "
                "PRIMARY KEY (key, attempt))"
            )
            self.last([""])  # a table of another program has other columns
            if (found := self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(" ".join(found.split()))
        except sqlite3.DatabaseError as error:
            raise EmoError(
                f"{path.name} is no store of replies ({error}); move it away to start anew, "
                "its replies are lost to this program then"
            ) from None

    def add(self, name: str, reply: Reply) -> None:
        """Commit one reply."""
        self.connection.execute(
            "INSERT OR IGNORE INTO replies VALUES (?,?,?,?,?,?,?,?)",
            (
                name,
                reply.attempt,
                reply.text,
                reply.reason,
                reply.final,
                reply.prompt_tokens,
                reply.completion_tokens,
                time.time(),
            ),
        )

    def last(self, names: list[str]) -> dict[str, Reply]:
        """The latest reply under each of these keys, where there is one."""
        marks = ",".join("?" * len(names))
        rows = self.connection.execute(
            "SELECT key, attempt, text, reason, final, prompt_tokens, completion_tokens "
            f"FROM replies WHERE key IN ({marks}) ORDER BY attempt",
            names,
        )
        return {row[0]: Reply(*row[1:4], bool(row[4]), *row[5:]) for row in rows}

    def spent(self) -> tuple[int, int]:
        """Tokens read and written by all committed replies."""
        return tuple(
            n or 0
            for n in self.connection.execute(
                "SELECT SUM(prompt_tokens), SUM(completion_tokens) FROM replies"
            ).fetchone()
        )
