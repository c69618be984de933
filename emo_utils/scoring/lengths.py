"""How long a Japanese text is: characters, and words, which it does not mark by spaces."""

from importlib.metadata import version

import pandas as pd

NO_WORDS = ("補助記号", "空白")  # Sudachi's parts of speech for punctuation and spaces
PIECE = 4000  # characters that the tokenizer gets at once; it refuses more than 49,149 bytes


def characters(text: str) -> int:
    """Number of characters without spaces."""
    return len("".join(text.split()))


def japanese_words(texts) -> list[int]:
    """Number of words of each text without punctuation: Sudachi's longest units (mode C), by its
    small dictionary.
    """
    from sudachipy import Dictionary, SplitMode

    tokenizer = Dictionary(dict="small").create(mode=SplitMode.C)
    return [
        sum(
            morpheme.part_of_speech()[0] not in NO_WORDS
            for start in range(0, len(text), PIECE)
            for morpheme in tokenizer.tokenize(text[start : start + PIECE])
        )
        for text in texts
    ]


def words_signature() -> str:
    """How `japanese_words` counts, with the versions of tokenizer and dictionary."""
    return (
        f"Sudachi {version('sudachipy')}, dictionary small {version('sudachidict-small')}, "
        "mode C, without punctuation"
    )


def add_records(run, dialogues: pd.DataFrame) -> None:
    """Mean length of each system's dialogues (EmplifAI, Table 7); dialogues: columns system,
    characters, words.
    """
    counted = {
        "characters": "characters without spaces of a dialogue",
        "words": f"words of a dialogue by {words_signature()}",
    }
    for system, part in dialogues.groupby("system", sort=False):
        for metric, signature in counted.items():
            run.add_mean(
                part[metric],
                table="emplifai.table7",
                system=system,
                metric=metric,
                scorer="counts",
                signature=signature,
                unit="pairs",
            )
