"""The learnt scorer of emotion: its regression against scikit-learn's, its scores by hand, and what
ships with it.
"""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from emo_utils.data import marked_sentences
from emo_utils.models import embeddings
from emo_utils.project import EmoError
from emo_utils.scoring import emotion, emotion_learnt, emotion_scorers

TEXTS = ["I am so sorry.", "Take two tablets.", "You are not alone.", "It is a virus.", "Rest."]
WARM = [1, 0, 1, 0, 0]


def test_the_regression_is_scikit_learns():
    """On vectors of the stand-in: the same probabilities and the same decision function."""
    vectors = embeddings.embed(embeddings.load("tiny-llama"), TEXTS)
    model = LogisticRegression(C=10).fit(vectors, WARM)
    found = emotion_learnt.chances(vectors, model.coef_[0], float(model.intercept_[0]))
    assert found == pytest.approx(model.predict_proba(vectors)[:, 1], abs=1e-6)
    logits = np.log(found / (1 - found))
    assert logits == pytest.approx(model.decision_function(vectors), abs=1e-4)


def test_a_text_has_the_mean_of_its_mean_and_its_warmest_sentence(monkeypatch):
    """Sentences of one letter each: A is warm by contrast alone, B by the regression alone."""
    of_contrast = {"A aa.": 0.75, "B bb.": 0.0, "word": 0.0}
    of_regression = {"A aa.": 0.0, "B bb.": 0.6, "word": 0.3}
    monkeypatch.setattr(
        emotion, "chances", lambda _, texts: np.array([[of_contrast[t]] * 3 for t in texts])
    )
    monkeypatch.setattr(
        embeddings,
        "embed",
        lambda _, texts: np.array(
            [[np.log(p / (1 - p)) if (p := of_regression[t]) else -99.0] for t in texts]
        ),
    )
    found = emotion_learnt.scores(None, ["A aa. B bb.", "", "word"], np.array([1.0]), 0.0)
    # Sentences: 2/3 of .75 is .5, 1/3 of .6 is .2; mean .35, maximum .5.
    assert found["mean"].tolist() == pytest.approx([0.425, 0.0, 0.1])
    assert list(found) == [*emotion.EMOTIONS, "mean", "max"]
    assert found["comforting"].tolist() == pytest.approx(found["max"].tolist())


def test_what_ships_fits_its_encoder_and_says_where_it_is_from():
    weights, intercept = emotion_learnt.coefficients("all-mpnet-base-v2")
    assert weights.shape == (768,) and weights.std() > 0 and np.isfinite(intercept)
    assert emotion_learnt.KEPT.stat().st_size < 100_000
    about = json.loads(emotion_learnt.KEPT.read_text(encoding="utf-8"))["about"]
    assert "Apache-2.0" in about["taught on"] and about["licence"] == "CC BY 4.0"


def test_another_encoder_is_refused():
    with pytest.raises(EmoError, match="'learnt' reads vectors of all-mpnet-base-v2, not of 'tiny"):
        emotion_scorers.score(
            "learnt", ["a"], embedding_model="tiny-llama", scorer_model="", dtype="float32"
        )


def test_its_scores_have_a_name_of_their_own(monkeypatch):
    monkeypatch.setattr(embeddings, "load", lambda *_: None)
    monkeypatch.setattr(embeddings, "embed", lambda _, texts: np.ones((len(texts), 768)))
    found = emotion_scorers.score(
        "learnt", ["Go."], embedding_model="all-mpnet-base-v2", scorer_model="", dtype="float32"
    )
    assert (found.kind, found.scorer) == ("learnt", "all-mpnet-base-v2, learnt")
    assert "one part regression" in found.signature and found.scores["mean"].between(0, 1).all()
    assert emotion_scorers.second_kind("learnt", "auto") == "decision"
    assert emotion_scorers.second_kind("learnt", "contrast") == "contrast"


def test_sentences_as_people_write_them_online_are_balanced():
    rows = marked_sentences.load("chat")
    assert [sum(row["warm"] == mark for row in rows) for mark in (1, 0)] == [60, 60]
    assert len({row["text"] for row in rows}) == 120
