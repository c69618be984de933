"""What the tests of the shipped data measure: sentences, numbers, overlap and variety of texts.

Standard library only.
"""

import csv
import itertools
import json
import os
import re
from collections import Counter
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when datasets is first imported

import yaml


def read(path: Path) -> list[dict]:
    """A JSONL file as the standard library reads it,
    so that a fault of our loader cannot hide one of the data.
    """
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def tokens(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def numbers(text: str) -> set[str]:
    """Number tokens such as 38.5, 128/70 or 1,000, without the punctuation that follows them."""
    return {token.rstrip(".,/") for token in re.findall(r"\d[\d.,/]*", text)}


def sentences(texts: list[str]) -> list[str]:
    """Every sentence of English texts, in lower case and without punctuation."""
    return [
        " ".join(tokens(sentence))
        for text in texts
        for sentence in re.split(r"(?<=[.!?])\s+", text)
    ]


def sentences_below(folder: Path) -> set[str]:
    """Every sentence of the texts in a folder's JSON, JSONL and CSV files."""
    found = set()
    for path in folder.rglob("*.*"):
        if path.suffix == ".jsonl":
            found.update(sentences(_texts(read(path))))
        elif path.suffix == ".json":
            found.update(sentences(_texts(json.loads(path.read_text("utf-8")))))
        elif path.suffix == ".csv":
            with open(path, newline="", encoding="utf-8") as handle:
                found.update(sentences(_texts(list(csv.reader(handle)))))
    return found


def _texts(value) -> list[str]:
    """All texts in a value that JSON can hold, however deep they lie."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def repeated(items) -> list[str]:
    return sorted(item for item, count in Counter(items).items() if count > 1)


def near_duplicates(texts: list[tuple[str, str]], share: float = 0.5) -> list[tuple[str, str]]:
    """Pairs of (id, text) whose 5-word shingles overlap by `share` or more: exact Jaccard,
    of which MinHash is an estimate.
    """
    shingles = [
        (key, set(zip(*(tokens(text)[start:] for start in range(5))))) for key, text in texts
    ]
    return [
        (a, b)
        for (a, first), (b, second) in itertools.combinations(shingles, 2)
        if len(first & second) >= share * len(first | second)
    ]


def distinct_2(words: list[list[str]]) -> float:
    """Share of different pairs among the first 3,000 pairs of neighbours, none across two texts."""
    pairs = [pair for text in words for pair in zip(text, text[1:])][:3000]
    assert len(pairs) == 3000
    return len(set(pairs)) / 3000


def load_dataset(*arguments, cache: Path, **options):
    # Imported late: the other tests run in a second without it.
    import datasets

    return datasets.load_dataset(*arguments, cache_dir=str(cache), **options)


def card(folder: Path) -> tuple[dict, str]:
    """Front matter and text of a data set's card; lines are joined,
    so that a wrapped sentence is found.
    """
    _, front, text = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(front), re.sub(r"(?<=[^\n|])\n(?=[^\n|#-])", " ", text)
