"""Counts of words: what a score must beat, as it costs nothing to compute (chapter 11)."""

import re

import numpy as np

KIND = frozenset(
    (
        "sorry understand feel feelings hard difficult tough okay alright safe proud brave strong "
        "hope help here care worry worried glad happy great good well normal"
    ).split()
)


def kind_words(text: str) -> int:
    """Number of words that sound kind (`KIND`)."""
    return sum(word.strip(".,!?'") in KIND for word in text.lower().split())


def unseen_words(text: str, source: str) -> int:
    """Number of words of four letters and more whose first five letters begin no word of the
    source.
    """
    known = {word[:5] for word in re.findall(r"[a-z]+", source.lower())}
    words = re.findall(r"[a-z]+", text.lower())
    return sum(len(word) > 3 and word[:5] not in known for word in words)


def minus_unseen(sources: list[str], texts: list[str]) -> np.ndarray:
    """Minus the `unseen_words` of each text after its source, shape (texts,)."""
    pairs = zip(texts, sources, strict=True)
    return -np.array([unseen_words(text, source) for text, source in pairs], dtype=float)


def share_in(text: str, other: str) -> float:
    """Share of the first text's words that the other has."""
    words, others = (re.findall(r"[a-z0-9]+", t.lower()) for t in (text, other))
    known = set(others)
    return sum(word in known for word in words) / max(1, len(words))


def without_reading(statements) -> np.ndarray:
    """What can be seen of statements without reading, shape (statements, 2): tens of words of each,
    and the share of its words that its source has.

    statements: a table with the columns text and source.
    """
    return np.array(
        [
            [len(text.split()) / 10, share_in(text, source)]
            for text, source in zip(statements.text, statements.source, strict=True)
        ]
    )


def fitted_on_words(learnt, statements) -> np.ndarray:
    """Log odds that each statement is right, shape (statements,), by a logistic regression on its
    words, pairs of words and `without_reading`: what the wording of statements gives away.

    learnt: the statements that it is fitted on, columns text, source, supported (1 or 0).
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    seen = hstack([words.fit_transform(learnt.text), without_reading(learnt)]).tocsr()
    fitted = LogisticRegression(max_iter=1000).fit(seen, learnt.supported)
    held = hstack([words.transform(statements.text), without_reading(statements)]).tocsr()
    return fitted.decision_function(held)
