"""The scorers of chapter 5: which goes beside which, what they are given, and two of them on the
same answers.
"""

import math

import numpy as np
import pandas as pd
import pytest

from emo_utils.judging import decisions, remote
from emo_utils.models import embeddings, loading
from emo_utils.project import EmoError
from emo_utils.scoring import emotion, emotion_scorers
from emo_utils.scoring.emotion_scorers import Scored

MODELS = {"embedding_model": "all-mpnet-base-v2", "scorer_model": "tiny-llama", "dtype": "float32"}


@pytest.mark.parametrize(
    "scorer, second, kind",
    [
        ("contrast", "auto", "decision"),
        ("decision", "auto", "contrast"),
        ("emollama", "auto", "contrast"),
        ("contrast", "none", "none"),
        ("decision", "contrast", "contrast"),
    ],
)
def test_the_second_scorer_is_of_another_kind(scorer, second, kind):
    assert emotion_scorers.second_kind(scorer, second) == kind


@pytest.mark.parametrize(
    "scorer, second, endpoint, message",
    [
        ("contrast", "contrast", "", "'second' is 'contrast' beside the scorer 'contrast'"),
        ("emollama", "decision", "", "Emollama does not decide; give auto, contrast or none"),
        ("emollama", "auto", "http://localhost/v1", "parameter 'endpoint' goes with typed"),
    ],
)
def test_scorers_that_do_not_go_together_are_refused(scorer, second, endpoint, message):
    with pytest.raises(EmoError, match=message):
        emotion_scorers.second_kind(scorer, second, endpoint)


def table_of(*means):
    return pd.DataFrame({"mean": means, "max": means})


def test_each_kind_reads_with_its_own_weights(monkeypatch):
    asked = []
    monkeypatch.setattr(embeddings, "load", lambda *given: asked.append(given) or "encoder")
    monkeypatch.setattr(loading, "load", lambda *given: asked.append(given) or ("model", "words"))
    monkeypatch.setattr(emotion, "scores_by_contrast", lambda e, texts: table_of(e, *texts))
    monkeypatch.setattr(
        emotion, "score_with_emollama", lambda model, words, texts: table_of(model, words, *texts)
    )
    contrast = emotion_scorers.score("contrast", ["a", "b"], **MODELS)
    assert contrast.scores["mean"].tolist() == ["encoder", "a", "b"]
    assert (contrast.kind, contrast.scorer) == ("contrast", "all-mpnet-base-v2")
    assert contrast.signature.startswith("contrast of sentence embeddings, all-mpnet-base-v2 (")
    paper = emotion_scorers.score("emollama", ["a"], **MODELS)
    assert paper.scores["mean"].tolist() == ["model", "words", "a"]
    assert (paper.kind, paper.scorer) == ("emollama", "tiny-llama")
    assert asked == [("all-mpnet-base-v2", "float32"), ("tiny-llama", "float32")]


class LongerIsWarmer(decisions.Reader):
    """Decides for the highest level with a probability of a tenth a letter, else for the lowest."""

    identity, signature = ["rule"], "by rule"

    def _forward(self, text, questions):
        high = len(text) / 10
        chances = {"0": 1 - high, "1": 0.0, "2": high}
        return dict.fromkeys(questions, chances)


def test_decisions_are_asked_for_where_the_endpoint_says(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        remote, "reader", lambda *given: asked.append(given) or LongerIsWarmer("rule")
    )
    scored = emotion_scorers.score(
        "decision", ["abc", "a"], **MODELS, store=tmp_path / "s", endpoint="chat"
    )
    assert asked == [("tiny-llama", "float32", tmp_path / "s", "chat")]
    assert scored.scores["mean"].tolist() == pytest.approx([0.3, 0.1])
    assert (scored.kind, scored.signature) == ("decision", "by rule; expected level of 3")


ANSWERS = pd.DataFrame(
    {
        "id": ["q1", "q2", "q3"] * 2,
        "emotion": ["fear", "fear", "distrust"] * 2,
        "system": ["base"] * 3 + ["eqsr-dpo"] * 3,
        "answer": list("abcdef"),
    },
    index=range(10, 16),
)
FIRST = Scored("contrast", table_of(0.1, 0.2, math.nan, 0.7, 0.8, 0.9), "encoder", "by contrast")
SECOND = Scored("decision", table_of(0.3, 0.1, 0.2, math.nan, 0.5, 0.6), "judge", "by decision")


def test_scores_stand_beside_their_answers():
    table = emotion_scorers.with_scores(ANSWERS, FIRST)
    assert list(table.columns) == ["id", "emotion", "system", "mean", "max"]
    assert table.id.tolist() == ANSWERS.id.tolist()
    assert table["mean"].tolist() == pytest.approx(FIRST.scores["mean"].tolist(), nan_ok=True)


def test_what_a_server_did_not_answer_is_unscored_and_what_a_model_left_empty_is_not():
    answers = ANSWERS.assign(
        answer=["", "b", "c", "d", " \n", "f"], system=["base"] * 3 + ["mine"] * 3
    )
    table = emotion_scorers.with_scores(answers, FIRST)
    assert table["mean"].isna().tolist() == [False, False, True, False, True, False]
    assert table["max"].isna().iloc[4]


def test_a_system_without_any_score_stops_the_chapter():
    lost = Scored("contrast", table_of(0.1, 0.2, 0.3, *[math.nan] * 3), "encoder", "by contrast")
    with pytest.raises(EmoError, match="encoder could score no answer of eqsr-dpo: are they empty"):
        emotion_scorers.with_scores(ANSWERS, lost)


def test_two_scorers_means_stand_beside_each_other():
    both = emotion_scorers.means_of_both(emotion_scorers.with_scores(ANSWERS, FIRST), SECOND)
    assert list(both.columns) == ["id", "system", "first", "second"]
    assert both.second.tolist() == pytest.approx([0.3, 0.1, 0.2, math.nan, 0.5, 0.6], nan_ok=True)


def test_a_second_scorer_that_reads_nothing_is_named():
    table = emotion_scorers.with_scores(ANSWERS, FIRST)
    nothing = Scored("decision", table_of(*np.full(6, math.nan)), "judge", "by decision")
    with pytest.raises(EmoError, match="judge could score no answer; set the parameter second"):
        emotion_scorers.means_of_both(table, nothing)
