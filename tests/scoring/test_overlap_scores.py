"""Word-overlap scores against the libraries that define them, and against sums done by hand."""

import math
import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when evaluate is first imported

import numpy as np
import pytest
import sacrebleu
from rouge_score import rouge_scorer

from emo_utils.scoring import overlap_scores
from emo_utils.stats import intervals

PREDICTIONS = [
    "Rest the knee, use ice and see a doctor if it swells.",
    "It is probably a tension headache; paracetamol helps, and so does sleep.",
    "Don't worry.",  # too short for a 4-gram: alone it has BLEU 0
    "Keep the tablet with food and drink plenty of water through the day.",
    "Go to the emergency department for chest pain.",
]
REFERENCES = [
    "Rest and ice the knee; see a doctor if it swells or locks.",
    "Probably a tension headache. Paracetamol and sleep help.",
    "Blood tests are not needed, but repeat the measurement in two weeks.",
    "Take the tablet with food and drink plenty of water.",
    "Chest pain or fainting: go to the emergency department at once.",
]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Refuse every connection, and keep what evaluate writes in the test's own folder."""

    def refuse(*arguments):
        raise AssertionError("a score tried to reach the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    return {"cache_dir": str(tmp_path)}


@pytest.mark.parametrize("order", [1, 4])
def test_bleu_is_sacrebleu(order, offline):
    metric = sacrebleu.BLEU(max_ngram_order=order)
    expected = metric.corpus_score(PREDICTIONS, [REFERENCES]).score
    result = overlap_scores.Bleu(**offline).compute(
        predictions=PREDICTIONS, references=REFERENCES, max_order=order
    )
    assert 0 < expected < 100 and result["bleu"] == pytest.approx(expected, abs=1e-9)
    assert result["signature"] == str(metric.get_signature()) and "version:" in result["signature"]
    if order == 4:
        assert overlap_scores.Bleu(**offline).compute(
            predictions=PREDICTIONS, references=REFERENCES
        )["bleu"] == pytest.approx(expected, abs=1e-9)


def test_rouge_is_rouge_score(offline):
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    scored = [
        scorer.score(target=reference, prediction=prediction)
        for prediction, reference in zip(PREDICTIONS, REFERENCES)
    ]
    items = overlap_scores.rouge_items(PREDICTIONS, REFERENCES)
    result = overlap_scores.Rouge(**offline).compute(predictions=PREDICTIONS, references=REFERENCES)
    for name in ("rouge1", "rouge2", "rougeL"):
        expected = [row[name].fmeasure for row in scored]
        assert items[name].shape == (5,) and items[name].tolist() == pytest.approx(expected)
        assert result[name] == pytest.approx(sum(expected) / 5)
    assert list(items) == ["rouge1", "rouge2", "rougeL"] and "signature" in result


@pytest.mark.parametrize(
    "prediction, precision, brevity",
    [
        (
            "the the the the the the the",
            2 / 7,
            1.0,
        ),  # seven words, two of them in the reference; longer than it
        ("the the the", 2 / 3, math.exp(1 - 6 / 3)),  # three words for six
        ("the cat is on the mat", 1.0, 1.0),
    ],
)
def test_bleu1_by_hand(prediction, precision, brevity, offline):
    result = overlap_scores.Bleu(**offline).compute(
        predictions=[prediction], references=["the cat is on the mat"], max_order=1
    )
    assert result["bleu"] == pytest.approx(100 * precision * brevity)


def test_rouge_by_hand():
    items = overlap_scores.rouge_items(
        ["the cat sat", "two dogs", "no"], ["the cat is on the mat", "two dog", "yes"]
    )
    # First item: two of 3 words and two of 6 are shared; one of 2 pairs and one of 5;
    # a common subsequence of two.
    # Second item: the stem counts, "dogs" is "dog". Third: nothing is shared.
    assert items["rouge1"].tolist() == pytest.approx(
        [2 * (2 / 3) * (2 / 6) / (2 / 3 + 2 / 6), 1.0, 0.0]
    )
    assert items["rouge2"].tolist() == pytest.approx(
        [2 * (1 / 2) * (1 / 5) / (1 / 2 + 1 / 5), 1.0, 0.0]
    )
    assert items["rougeL"].tolist() == pytest.approx(
        [2 * (2 / 3) * (2 / 6) / (2 / 3 + 2 / 6), 1.0, 0.0]
    )


def test_rouge_refuses_lists_of_different_length():
    with pytest.raises(ValueError):
        overlap_scores.rouge_items(["a", "b"], ["a"])


@pytest.mark.parametrize("order", [1, 4])
def test_bleu_draws_are_corpus_scores_of_the_resampled_texts(order):
    metric = sacrebleu.BLEU(max_ngram_order=order)
    # The third sample has no 4-gram at all,
    # the fourth none in common with its reference (smoothed).
    indices = np.vstack(
        [
            np.arange(5),
            [4, 3, 2, 1, 0],
            [2, 2, 2, 2, 2],
            [1, 1, 1, 1, 1],
            np.random.default_rng(0).integers(0, 5, size=(20, 5)),
        ]
    )
    draws = overlap_scores.bleu_draws(PREDICTIONS, REFERENCES, order, indices)
    expected = [
        metric.corpus_score(
            [PREDICTIONS[i] for i in sample], [[REFERENCES[i] for i in sample]]
        ).score
        for sample in indices
    ]
    assert draws.shape == (24,) and draws.tolist() == pytest.approx(expected, abs=1e-9)
    assert draws[0] == pytest.approx(draws[1])  # the corpus itself, in either order
    assert draws[0] == pytest.approx(metric.corpus_score(PREDICTIONS, [REFERENCES]).score, abs=1e-9)
    # A mean of item scores is another number: the draws must not be that.
    assert (
        abs(
            draws[0]
            - np.mean(
                [metric.corpus_score([p], [[r]]).score for p, r in zip(PREDICTIONS, REFERENCES)]
            )
        )
        > 0.5
    )


def test_bleu_interval_holds_the_corpus_score():
    draws = overlap_scores.bleu_draws(
        PREDICTIONS, REFERENCES, 1, intervals.resample_indices(5, seed=1, resamples=300)
    )
    low, high = intervals.interval(draws)
    assert (
        low < sacrebleu.BLEU(max_ngram_order=1).corpus_score(PREDICTIONS, [REFERENCES]).score < high
    )


def test_scores_combine_without_the_hub(offline):
    import evaluate

    both = evaluate.combine([overlap_scores.Bleu(**offline), overlap_scores.Rouge(**offline)])
    result = both.compute(predictions=PREDICTIONS, references=REFERENCES)
    alone = overlap_scores.rouge_items(PREDICTIONS, REFERENCES)
    assert result["bleu"] == pytest.approx(sacrebleu.corpus_bleu(PREDICTIONS, [REFERENCES]).score)
    assert {name: result[name] for name in overlap_scores.ROUGE_TYPES} == pytest.approx(
        {name: alone[name].mean() for name in overlap_scores.ROUGE_TYPES}
    )
