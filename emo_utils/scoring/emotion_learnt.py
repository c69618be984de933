"""The learnt scorer of emotion (chapter 5): the contrast of `emotion` and a regression that was
taught on people's labels, of each text as a whole and of its warmest sentence.

Its coefficients come with the package (`emotion_learnt.json`, made by `benchmarks/emotion.py`):
taught on the caring comments of one half of GoEmotions' development set (Apache-2.0) and on this
project's own sentences, and chosen among other ways on halves of three sets that people labelled.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from emo_utils.models import embeddings
from emo_utils.project import EmoError
from emo_utils.scoring import emotion

KEPT = Path(__file__).with_name("emotion_learnt.json")
ENCODER = "all-mpnet-base-v2"  # on whose vectors the regression was taught
CONTRAST = 2 / 3  # part of the contrast in the chance of a sentence; 1/3 and 1/2 chose no better


def coefficients(embedding_model: str) -> tuple[np.ndarray, float]:
    """The regression's coefficients, one a dimension of a sentence's vector, and its intercept.

    Raises EmoError for another encoder than the one on whose vectors it was taught.
    """
    if embedding_model != ENCODER:
        raise EmoError(
            f"the scorer 'learnt' reads vectors of {ENCODER}, not of {embedding_model!r}: "
            f"set the parameter embedding_model to {ENCODER}, or scorer to contrast"
        )
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    return np.array(kept["coefficients"]), kept["intercept"]


def name(embedding_model: str) -> str:
    """The name by which records call this scorer."""
    return f"{embedding_model}, learnt"


def chances(vectors: np.ndarray, weights: np.ndarray, intercept: float) -> np.ndarray:
    """The regression's probability that each sentence is warm, shape (sentences,)."""
    return 1 / (1 + np.exp(-(vectors @ weights + intercept)))


def scores(encoder, texts: list[str], weights: np.ndarray, intercept: float) -> pd.DataFrame:
    """Scores in [0, 1], columns as `emotion.scores_from_decisions`, one row a text.

    A sentence has for each emotion two thirds of its chance by contrast and one third of its chance
    by regression; a text has the mean of the mean and the maximum over its sentences, and an empty
    one 0.
    """
    pieces = [emotion.pieces(text) for text in texts]
    flat = [piece for several in pieces for piece in several]
    owner = np.repeat(np.arange(len(texts)), [len(several) for several in pieces])
    warm = chances(embeddings.embed(encoder, flat), weights, intercept)
    each = CONTRAST * emotion.chances(encoder, flat) + (1 - CONTRAST) * warm[:, None]
    by_text = pd.DataFrame(each, columns=list(emotion.EMOTIONS)).groupby(owner)
    table = (by_text.mean() + by_text.max()) / 2
    return emotion.with_mean_and_max(table.reindex(range(len(texts)), fill_value=0.0))
