"""Caregivers' questions with two answers (card: `data/caregiver/README.md`)."""

from emo_utils.data import files
from emo_utils.project import DATA

FIELDS = ("id", "topic", "prompt", "chosen", "rejected")
FILES = {"train": DATA / "caregiver/train.jsonl", "test": DATA / "caregiver/test.jsonl"}


def load(split: str) -> list[dict]:
    """Caregivers' questions (`train`, `test`) with a chosen and a rejected answer,
    checked as `load` does.
    """
    return files.rows_of(files.named_file(split, FILES), FIELDS)
