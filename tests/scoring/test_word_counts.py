"""Counts of words, by hand; the regression on words against what it must find."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from emo_utils.scoring import word_counts


def test_words_are_counted():
    assert word_counts.kind_words("I hope, HOPE that you're fine: take care!") == 3
    # "at" is too short, "nights" begins as "night"
    assert word_counts.unseen_words("Penicillin given at night, nights", "it hurts at night") == 2
    assert word_counts.share_in("a b b c", "b c d") == 0.75
    assert word_counts.share_in("", "b c d") == 0.0
    unseen = word_counts.minus_unseen(["it hurts at night"] * 2, ["Penicillin given", "it hurts"])
    assert unseen.tolist() == [-2, 0]


def test_what_is_seen_without_reading():
    table = pd.DataFrame({"text": ["a b b c", "x"], "source": ["b c d", "b"]})
    assert word_counts.without_reading(table).tolist() == [[0.4, 0.75], [0.1, 0.0]]


def test_words_that_give_the_marks_away_are_learnt():
    """Right statements say *reports*; sources and lengths are alike."""
    learnt = pd.DataFrame(
        [
            {"text": f"She {word} pain since day {k}", "source": "Pain.", "supported": supported}
            for k in range(8)
            for word, supported in (("reports", 1), ("denies", 0))
        ]
    )
    held = learnt.assign(text=learnt.text.str.replace("day", "week")).sample(16, random_state=1)
    odds = word_counts.fitted_on_words(learnt, held)
    assert odds.shape == (16,) and roc_auc_score(held.supported, odds) == 1.0
    assert np.sign(odds).tolist() == (held.supported * 2 - 1).tolist()
    assert word_counts.fitted_on_words(learnt, held) == pytest.approx(odds)
