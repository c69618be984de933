"""The instructions that models are given, each in a text file of its own under `prompt_texts/`."""

from emo_utils.project import ROOT

FOLDER = ROOT / "emo_utils" / "prompt_texts"


def text(name: str, **fields: str) -> str:
    """The instruction of that name, with its fields (`emotion`) filled in."""
    content = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").strip()
    for key, value in fields.items():
        content = content.replace("{" + key + "}", value)
    return content
