"""The instructions that models are given, each in a text file of its own under `prompt_texts/`."""

import re
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).with_name("prompt_texts")


def text(name: str, **fields: str) -> str:
    """The instruction of that name, with its fields (`emotion`) filled in."""
    path = FOLDER / f"{name}.txt"
    content = _file(path, path.stat().st_mtime_ns)
    return re.sub(
        r"\{(\w+)\}", lambda found: fields.get(found[1], found[0]), content
    )  # in one pass: what a field holds is not read again


@lru_cache(maxsize=32)
def _file(path: Path, changed: int) -> str:
    """A file's text; `changed` (its time) makes an edited file be read again."""
    return path.read_text(encoding="utf-8").strip()
