"""Rules that know one thing of an answer and pick the preferred one of a pair: what tells the two
sides of pairs apart before any training (chapter 10.2).
"""

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emo_utils.models import embeddings


def opening(text: str) -> str:
    """The first sentence; the whole text where it has none."""
    return (embeddings.sentences(text) or [text])[0]


def length(texts: list[str]) -> np.ndarray:
    """Words at spaces, shape (texts, 1)."""
    return np.array([[len(text.split())] for text in texts], dtype=float)


def length_of_words(texts: list[str]) -> np.ndarray:
    """Letters a word, shape (texts, 1); 0 without a word."""
    return np.array([[len("".join(text.split())) / max(len(text.split()), 1)] for text in texts])


def features(encoder) -> dict[str, Callable[[list[str]], np.ndarray]]:
    """What each rule knows of texts: functions to an array of shape (texts, width).

    encoder: of `embeddings.load`.
    """
    return {
        "length": length,
        "length of words": length_of_words,
        "opening sentence": lambda texts: embeddings.embed(encoder, [opening(t) for t in texts]),
        "all but the opening": lambda texts: embeddings.embed(
            encoder, [embeddings.after_opening(t) for t in texts]
        ),
    }


def picks(known: Callable, train: list[dict], test: list[dict]) -> np.ndarray:
    """1 for each test pair whose preferred answer a rule picks, 0.5 where it cannot tell, else 0;
    shape (test,).

    The rule is a logistic regression on the difference of what is `known` of the two answers. It is
    learnt on the training pairs in both orders, so that no side is likelier. Pairs: chosen and
    rejected.
    """
    differences = _differences(known, train)
    rule = make_pipeline(
        StandardScaler(with_mean=False), LogisticRegression(fit_intercept=False, max_iter=2000)
    ).fit(np.concatenate([differences, -differences]), [1] * len(train) + [0] * len(train))
    margins = rule.decision_function(_differences(known, test))
    return (margins > 0) + 0.5 * (margins == 0)


def _differences(known: Callable, pairs: list[dict]) -> np.ndarray:
    """Of the preferred answer less that of the other, shape (pairs, width)."""
    return known([pair["chosen"] for pair in pairs]) - known([pair["rejected"] for pair in pairs])
