"""Rules that know one thing of an answer, on pairs that differ in one thing."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from emo_utils.models import embeddings
from emo_utils.scoring import probes

# The preferred answer has seven words less, and words as long.
PAIRS = [{"chosen": "a " * (k + 2), "rejected": "a " * (k + 9)} for k in range(12)]


@pytest.fixture
def known(monkeypatch):
    """What the rules know, with an encoder that counts the letters a and b."""
    monkeypatch.setattr(
        probes.embeddings,
        "embed",
        lambda encoder, texts: np.array([[t.count("a"), t.count("b")] for t in texts], float),
    )
    return probes.features("encoder")


def test_a_rule_finds_what_tells_the_sides_apart_and_nothing_else(known):
    assert probes.picks(known["length"], PAIRS[:8], PAIRS[8:]).tolist() == [1.0] * 4
    assert probes.picks(known["length of words"], PAIRS[:8], PAIRS[8:]).tolist() == [0.5] * 4


def test_a_rule_that_was_learnt_the_other_way_round_is_wrong(known):
    turned = [{"chosen": pair["rejected"], "rejected": pair["chosen"]} for pair in PAIRS]
    assert probes.picks(known["length"], turned[:8], PAIRS[8:]).tolist() == [0.0] * 4


def test_openings_and_what_follows_are_told_apart(known):
    train = [{"chosen": "So aa it is. Then bbbb.", "rejected": "So it is. Then b."}] * 4
    test = [
        {"chosen": "Well aa. Then.", "rejected": "Well. Then."},
        {"chosen": "Well. Then bb.", "rejected": "Well. Then b."},
    ]
    assert probes.picks(known["opening sentence"], train, test).tolist() == [1.0, 0.5]
    assert probes.picks(known["all but the opening"], train, test).tolist() == [0.5, 1.0]


def test_picks_are_those_of_a_regression_on_scaled_differences():
    draws = np.random.default_rng(0).normal(size=(40, 2, 3)) * [1, 5, 0.2]
    draws[:, 0, 0] += 0.7
    place = {str(k): row for k, row in enumerate(draws.reshape(80, 3))}
    pairs = [{"chosen": str(2 * k), "rejected": str(2 * k + 1)} for k in range(40)]
    picked = probes.picks(lambda texts: np.array([place[t] for t in texts]), pairs[:25], pairs[25:])
    # Both orders are symmetric about zero: the deviation is the root of the mean square.
    first, last = (draws[:25, 0] - draws[:25, 1], draws[25:, 0] - draws[25:, 1])
    scale = np.sqrt((first**2).mean(axis=0))
    rule = LogisticRegression(fit_intercept=False, max_iter=2000)
    rule.fit(np.concatenate([first, -first]) / scale, [1] * 25 + [0] * 25)
    expected = ((last / scale) @ rule.coef_[0] > 0).astype(float)
    assert picked.tolist() == expected.tolist() and 0 < expected.mean() < 1


def test_openings_by_hand():
    assert probes.opening("No. Go home. Rest.") == "No."
    assert embeddings.after_opening("No. Go home. Rest.") == "Go home. Rest."
    assert embeddings.after_opening("No.") == "No." and probes.opening("") == ""
    assert probes.length_of_words(["ab c", ""]).tolist() == [[1.5], [0.0]]
