"""Measures of the facts of a summary, to be held against people's counts of its recall and its
precision (chapter 11); the measures of chapter 6 beside simple counts.
"""

import numpy as np
import pandas as pd

from emo_utils.models import embeddings
from emo_utils.scoring import facts, statements, word_counts
from emo_utils.scoring.instruments import Instruments

# A detail counts as ten unseen words: what least squares gave on the talks that were looked at.
WEIGHT = 10
SUPPORTED = "each sentence supported"  # the one that a chat model gives to a part of them


def of_recall(table: pd.DataFrame, instruments: Instruments) -> dict[tuple[str, str], pd.Series]:
    """(who, form) -> a score a summary, higher where more of the reference is in it.

    table: columns text, reference.
    """
    texts, references = table.text.tolist(), table.reference.tolist()
    similarity = embeddings.embed(instruments.encoder, texts) * embeddings.embed(
        instruments.encoder, references
    )
    return _by_rows(
        {
            (instruments.reader_model, "facts kept"): facts.kept(
                *instruments.language_model, references, texts
            ),
            (instruments.embedding_model, "similarity"): similarity.sum(axis=1),
            ("counts", "share of the reference's words"): _shares_in(references, texts),
            ("counts", "length over the reference's (floor)"): _words(texts) / _words(references),
        },
        table,
    )


def of_precision(
    table: pd.DataFrame, instruments: Instruments, read: int
) -> dict[tuple[str, str], pd.Series]:
    """(who, form) -> a score a summary, higher where less of it is doubtful.

    table: columns text, reference, source (the talk). read: how many summaries, from the first on,
    the deciding model reads.
    """
    texts, sources = table.text.tolist(), table.source.tolist()
    known = [f"{source} {reference}" for source, reference in zip(sources, table.reference)]
    details = statements.minus_added(known, texts)
    words = word_counts.minus_unseen(sources, texts)
    doubtful = -facts.doubtful(*instruments.language_model, sources, texts)
    together = WEIGHT * details + words
    reader = instruments.reader
    return _by_rows(
        {
            ("rules", "details added"): details,
            ("rules", "unseen words"): words,
            (instruments.reader_model, "doubtful tokens"): doubtful,
            ("rules", "details and unseen words"): together,
            (instruments.reader_model, "details, unseen words, doubtful tokens"): together
            + doubtful,
            (reader.name, SUPPORTED): statements.least_support(
                reader, sources[:read], texts[:read]
            ),
            ("counts", "share of words in the talk"): _shares_in(texts, sources),
            ("counts", "fewer words (floor)"): -_words(texts),
        },
        table,
    )


def _shares_in(texts: list[str], others: list[str]) -> np.ndarray:
    return np.array([word_counts.share_in(*pair) for pair in zip(texts, others, strict=True)])


def _words(texts: list[str]) -> np.ndarray:
    return np.array([len(text.split()) for text in texts], dtype=float)


def _by_rows(scores: dict, table: pd.DataFrame) -> dict:
    """Arrays as series by the first rows of the table, as many as there are."""
    return {
        key: pd.Series(s, index=table.index[: len(s)], dtype=float) for key, s in scores.items()
    }
