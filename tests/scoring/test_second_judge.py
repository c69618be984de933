"""The second judge: each question by its own score, and no choice where there is none."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.judging import preference
from emo_utils.project import EmoError
from emo_utils.scoring import emotion, facts, second_judge


def test_of_two_answers_the_one_with_the_higher_score_is_taken(monkeypatch):
    warm = {"!": 0.25, "!!": 0.75, "!!!": 0.75}
    monkeypatch.setattr(
        emotion,
        "scores_by_contrast",
        lambda _, texts: pd.DataFrame({"mean": [warm[text] for text in texts]}),
    )
    monkeypatch.setattr(
        facts,
        "kept",
        lambda model, tokenizer, doctor, texts: np.array(
            [float(text in told) if told else np.nan for told, text in zip(doctor, texts)]
        ),
    )
    answers = pd.DataFrame({"x": ["!", "!!"], "y": ["!!", "!!!"]}, index=["a", "b"])
    doctor = pd.Series({"a": "!", "b": ""})
    duels = pd.DataFrame(
        [(i, "x", "y", q) for q in ("knowledge", "emotion") for i in "ab"],
        columns=["id", "first", "second", "question"],
        index=[3, 5, 7, 9],
    )
    found = second_judge.choices(duels, answers, doctor, None, (None, None))
    assert found.index.tolist() == [3, 5, 7, 9]
    assert found[3] == 1.0 and np.isnan(found[5])  # he says nothing: nothing can be kept
    assert (found[7], found[9]) == (0.0, 0.5)


def test_a_question_without_a_score_is_named(monkeypatch):
    monkeypatch.setitem(preference.QUESTIONS, "safety", "Which answer is the safest?")
    with pytest.raises(EmoError, match="no score for safety, only for knowledge and emotion"):
        second_judge.choices(pd.DataFrame(), pd.DataFrame(), pd.Series(), None, (None, None))
