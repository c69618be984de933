"""Scores of named labels against scikit-learn, scipy, the encoders' own libraries and by hand."""

import bert_score
import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import f1_score

from emo_utils.models import registry
from emo_utils.scoring import labels
from emo_utils.stats import intervals


@pytest.fixture(scope="module")
def scorer(tiny):
    return labels.bert_scorer("tiny-llama", 1)


@pytest.fixture
def choices() -> tuple[np.ndarray, np.ndarray]:
    """Sixty named and true ones of nine labels, of which one never occurs; a third is right."""
    generator = np.random.default_rng(8)
    true, named = generator.integers(0, 8, size=60), generator.integers(0, 9, size=60)
    return np.where(generator.random(60) < 1 / 3, true, named), true


def test_similarities_are_those_of_the_libraries(encoder, scorer):
    found = labels.similarities(["悲しみ", "", "喜び"], ["怒り", "喜び", "喜び"], encoder, scorer)
    vectors = {text: encoder.encode(text) for text in ("悲しみ", "怒り")}
    assert found["cosine"] == pytest.approx(
        [float(vectors["悲しみ"] @ vectors["怒り"]), 0.0, 1.0], abs=1e-5
    )
    plain = bert_score.BERTScorer(model_type=str(registry.folder("tiny-llama")), num_layers=1)
    plain._tokenizer.model_max_length = 512
    assert found["bertscore_f1"][0] == pytest.approx(
        plain.score(["悲しみ"], ["怒り"])[2].item(), abs=1e-5
    )
    assert found["bertscore_f1"][1] == 0.0 and found["bertscore_f1"][2] == pytest.approx(
        1.0, abs=1e-3
    )
    named = labels.bert_score_hash("tiny-llama", 1)
    assert (
        named.startswith(f"tiny-llama_L1_no-idf_version={bert_score.__version__}(")
        and "rescaled" not in named
    )
    assert labels.signatures(named)["bertscore_f1"] == f"BERTScore f1, {named}, not rescaled"


def test_the_table_of_all_labels_has_the_named_one_in_its_row(encoder, scorer):
    words = ["悲しみ", "懐かしさ", "喜び"]
    tables = labels.between(words, encoder, scorer)
    assert set(tables) == {"cosine", *(f"bertscore_{part}" for part in labels.PARTS)}
    for metric, table in tables.items():
        alone = labels.similarities(["懐かしさ"], ["喜び"], encoder, scorer)[metric]
        assert table.shape == (3, 3) and table[1, 2] == pytest.approx(alone[0], abs=1e-5)
        assert table.diagonal() == pytest.approx(np.ones(3), abs=1e-3)
    precision, recall = tables["bertscore_precision"], tables["bertscore_recall"]
    assert precision == pytest.approx(recall.T, abs=1e-5)


def test_macro_f1_is_scikit_learns(choices):
    named, true = choices
    occurring = np.unique(true)
    plain = f1_score(true, named, labels=occurring, average="macro", zero_division=0)
    assert labels.macro_f1(named, true, 9) == pytest.approx(plain)
    assert labels.macro_f1(true, true, 9) == 1.0
    assert labels.macro_f1([0, 0, 0], [1, 2, 2], 3) == 0.0
    # By hand: label 0 named three times, right twice of two; label 1 named once less.
    assert labels.macro_f1([0, 0, 0, 1], [0, 0, 1, 1], 2) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_the_interval_of_macro_f1_is_that_of_scikit_learn_over_the_samples(choices):
    named, true = choices
    units = np.repeat(range(20), 3)
    value, low, high = labels.macro_f1_interval(named, true, 9, units, seed=4)
    draws = [
        f1_score(
            true[rows], named[rows], labels=np.unique(true[rows]), average="macro", zero_division=0
        )
        for rows in intervals.resample_units(units, 4)
    ]
    assert value == labels.macro_f1(named, true, 9)
    assert (low, high) == pytest.approx(intervals.interval(draws, 20))


def test_the_place_of_the_true_label_is_scipys_and_ties_stand_before_it():
    generator = np.random.default_rng(3)
    scores, true = (
        generator.integers(0, 5, size=(40, 6)).astype(float),
        generator.integers(0, 6, 40),
    )
    highest_first = scipy.stats.rankdata(-scores, method="max", axis=1)
    assert (labels.ranks(scores, true) == highest_first[np.arange(40), true] - 1).all()
    assert labels.ranks(np.zeros((1, 4)), [2]).tolist() == [3]
    assert labels.ranks(np.array([[3.0, 1.0, 2.0]]), [2]).tolist() == [1]


def test_scores_of_a_choice_stand_in_its_row_and_the_true_ones_column():
    table = np.array([[1.0, 0.2], [0.5, 1.0]])
    scores = labels.of_choice({"cosine": table}, [0, 1, 0], [1, 0, 0])
    assert scores["cosine"].tolist() == [0.2, 0.5, 1.0]
    assert scores["exact"].tolist() == [False, False, True]


def test_a_random_choice_reaches_what_many_draws_reach():
    generator = np.random.default_rng(5)
    table, true = generator.random((9, 9)), generator.integers(0, 9, size=50)
    reached = labels.of_random_choice({"cosine": table}, true, 9)
    drawn = generator.integers(0, 9, size=(20_000, 50))
    many = labels.of_choice({"cosine": table}, drawn, np.broadcast_to(true, drawn.shape))
    assert reached["cosine"] == pytest.approx(many["cosine"].mean(axis=0), abs=0.01)
    assert reached["exact"] == pytest.approx(many["exact"].mean(axis=0), abs=0.01)
    assert reached["top3"].tolist() == [1 / 3] * 50


def test_floors_are_reached_without_reading():
    """Three labels, of which the second is the most frequent; always to say the first would reach
    most on this score.
    """
    table = np.array([[1.0, 0.9, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # [named, true]
    true = np.array([0, 1, 1, 2])
    floors, frequent, best = labels.floors({"cosine": table}, true)
    assert list(floors) == [
        ("floor", "random label"),
        ("floor", "most frequent label"),
        ("floor", "best constant word"),
    ]
    assert frequent == 1 and best == {"cosine": 0}
    assert floors["floor", "most frequent label"]["cosine"].tolist() == [0, 1, 1, 0]
    assert floors["floor", "most frequent label"]["exact"].tolist() == [False, True, True, False]
    assert floors["floor", "best constant word"]["cosine"].tolist() == [1.0, 0.9, 0.9, 0.5]
    random = floors["floor", "random label"]
    assert random["cosine"].tolist() == pytest.approx([1 / 3, 1.9 / 3, 1.9 / 3, 0.5])
    assert random["exact"].tolist() == [1 / 3] * 4


def test_random_macro_f1_is_the_mean_of_scikit_learns(choices):
    _, true = choices
    guesses = np.random.default_rng(2).integers(0, 9, size=(30, 60))
    occurring = np.unique(true)
    plain = [
        f1_score(true, guess, labels=occurring, average="macro", zero_division=0)
        for guess in guesses
    ]
    assert labels.random_macro_f1(true, 9, seed=2, guesses=30) == pytest.approx(np.mean(plain))


def test_mean_probabilities_by_hand():
    """Log-probabilities up to a constant a dialogue; label 1 has no dialogue."""
    chances = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
    means = labels.mean_probabilities(np.log(chances) + [[7.0], [-3.0], [0.0]], [0, 0, 2])
    assert means[0] == pytest.approx([0.3, 0.525, 0.175])
    assert np.isnan(means[1]).all() and means[2] == pytest.approx([0.2, 0.2, 0.6])
