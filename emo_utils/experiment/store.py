"""Answers kept in a file: what was paid for or computed once is not asked for again."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path


class Store:
    """Answers kept by the hash of model, precision, text and questions:
    a stopped run goes on where it was.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, timeout=60)
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS decisions (key TEXT PRIMARY KEY, answer TEXT)"
        )

    def get(self, key: str):
        row = self.connection.execute(
            "SELECT answer FROM decisions WHERE key = ?", (key,)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, key: str, answer) -> None:
        with self.connection:
            self.connection.execute(
                "INSERT OR REPLACE INTO decisions VALUES (?, ?)", (key, json.dumps(answer))
            )
