"""The forms of the emotion score: which texts get which, against the scorers themselves."""

import numpy as np
import pandas as pd
import pytest
from trial_sets import FORMS

from emo_utils.judging import decisions
from emo_utils.scoring import emotion, emotion_forms, instruments

TEXTS = ["You are not alone, I hope.", "Take one tablet.", "", "Here. I care for you!"]


@pytest.fixture(scope="module")
def scorers(tiny):
    loaded = instruments.load("tiny-llama", "tiny-llama", "tiny-llama", "float32")
    # The contrast and the decision under two names, as they have where they are two models.
    return instruments.Instruments(
        "encoder", loaded.encoder, "tiny-llama", loaded.language_model, loaded.reader
    )


@pytest.fixture(scope="module")
def table():
    return pd.DataFrame(
        {"text": TEXTS, "before": ["I am sad.", "It hurts.", "?", "Nobody calls."]}
    ).assign(read=[True, False, True, True])


def test_all_texts_are_scored_by_contrast_and_a_part_by_decision(scorers, table):
    found = emotion_forms.every_form(table, scorers)
    assert {form for _, form in found} == FORMS | {"yes or no, after what was said"}
    contrast = emotion.scores_by_contrast(scorers.encoder, TEXTS)
    assert found["encoder", "mean"].tolist() == contrast["mean"].tolist()
    one = emotion.scores_by_contrast(scorers.encoder, TEXTS, wordings=1)["mean"]
    assert found["encoder", "mean, one wording"].tolist() == one.tolist()
    for (who, _), score in found.items():
        assert score.index.tolist() == (
            [0, 2, 3] if who in ("tiny-llama", "both") else [0, 1, 2, 3]
        )
    assert found["counts", "words (floor)"].tolist() == [6, 3, 0, 5]
    assert found["counts", "kind words (floor)"].tolist() == [1, 0, 0, 2]


def test_a_decision_is_what_the_model_says_of_the_text_alone(scorers, table):
    found = emotion_forms.every_form(table, scorers)
    text = TEXTS[3]
    answered = scorers.reader.decide([text], emotion_forms.QUESTIONS)
    p = answered.set_index(["question", "option"]).probability.astype(float)
    bare = sum(k * p["bare 1 to 5", str(k)] for k in range(5)) / 4
    yes = p["yes or no", "yes"]
    mean = np.mean([sum(k * p[e, str(k)] for k in range(3)) / 2 for e in emotion.EMOTIONS])
    for form, value in {
        "bare 1 to 5": bare,
        "yes or no": yes,
        "mean": mean,
        "all wordings": (bare + yes + mean) / 3,
    }.items():
        assert found["tiny-llama", form][3] == pytest.approx(value, abs=1e-6), form
    both = found["both", "all wordings and contrast"]
    assert both[3] == pytest.approx(((bare + yes + mean) / 3 + found["encoder", "mean"][3]) / 2)
    shown = scorers.reader.decide(
        [f"Person: Nobody calls.\n\nReply: {text}"], {"q": emotion_forms.YES}
    )
    assert found["tiny-llama", "yes or no, after what was said"][3] == pytest.approx(
        decisions.probability(shown, "q", "yes")[0], abs=1e-6
    )


def test_without_what_was_said_it_is_not_asked(scorers, table):
    found = emotion_forms.every_form(table.drop(columns="before"), scorers)
    assert {form for _, form in found} == FORMS


def test_the_texts_read_are_scored_once_more(scorers, table):
    scores = emotion_forms.every_form(table, scorers)
    again = emotion_forms.on_the_texts_read(scores, table.read, "encoder", "comforting")
    assert list(again) == [
        ("encoder", "mean, texts read"),
        ("encoder", "comforting, texts read"),
        ("counts", "words (floor), texts read"),
        ("counts", "kind words (floor), texts read"),
    ]
    assert again["counts", "words (floor), texts read"].to_dict() == {0: 6.0, 2: 0.0, 3: 5.0}
