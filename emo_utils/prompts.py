"""The instructions that models are given, each in a text file of its own under `prompt_texts/`."""

from functools import lru_cache
from pathlib import Path

from emo_utils.project import ROOT

FOLDER = ROOT / "emo_utils" / "prompt_texts"


def text(name: str, **fields: str) -> str:
    """The instruction of that name, with its fields (`emotion`) filled in."""
    path = FOLDER / f"{name}.txt"
    content = _file(path, path.stat().st_mtime_ns)
    for key, value in fields.items():
        content = content.replace("{" + key + "}", value)
    return content


@lru_cache(maxsize=32)
def _file(path: Path, changed: int) -> str:
    """A file's text; `changed` (its time) makes an edited file be read again."""
    return path.read_text(encoding="utf-8").strip()
