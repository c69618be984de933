"""Intervals and word-overlap scores against the libraries that define them,
and against sums done by hand.
"""

import math
import os
import tracemalloc

os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when evaluate is first imported

import numpy as np
import pandas as pd
import played
import pytest
import sacrebleu
import scipy.stats
from rouge_score import rouge_scorer

from emo_utils.scoring import overlap_scores
from emo_utils.stats import intervals

CHAPTER_5, RANKS, CHAPTER_12 = (
    played.cell_with(*where)
    for where in (
        ("05_emotion_scoring", "def holm"),
        ("05_emotion_scoring", "def spearman_interval"),
        ("12_sweeps", "def mean_interval_over_seeds"),
    )
)

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
def samples() -> np.ndarray:
    """A skewed sample: where a percentile interval is not symmetric,
    so that swapped or mirrored ends would show.
    """
    return np.random.default_rng(5).exponential(size=60)


# Intervals


@pytest.mark.parametrize("n", [12, 60, 400])
def test_mean_interval_agrees_with_scipy(n):
    values = np.random.default_rng(n).exponential(size=n)
    reference = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20000, rng=np.random.default_rng(1)
    ).confidence_interval
    mean, low, high = intervals.mean_interval(values, seed=3)
    # The ends of 2,000 draws scatter by about 0.06 standard errors around their limit.
    tolerance = 0.2 * values.std() / math.sqrt(n)
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(reference.low, abs=tolerance) and high == pytest.approx(
        reference.high, abs=tolerance
    )


@pytest.mark.parametrize("held", [1, 60, 1000, 59_999, 10**9])
def test_samples_drawn_in_parts_are_those_drawn_at_once(held, samples, monkeypatch):
    at_once = samples[intervals.resample_indices(len(samples), seed=3)].mean(axis=1)
    monkeypatch.setattr(intervals, "HELD", held)
    mean, draws = intervals.mean_draws(samples, seed=3)
    assert mean == samples.mean() and draws.tolist() == at_once.tolist()


def test_memory_of_an_interval_does_not_grow_with_its_items():
    values = np.random.default_rng(0).normal(size=50_000)
    tracemalloc.start()
    intervals.mean_interval(values, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 8 * intervals.HELD < 0.1 * 8 * intervals.RESAMPLES * len(values)


def test_interval_is_the_central_95_percent():
    assert intervals.interval(np.arange(1001)) == (25.0, 975.0)
    assert intervals.interval(np.arange(1001)[::-1]) == (25.0, 975.0)


def test_edge_cases_by_hand():
    assert intervals.mean_interval([3], seed=0) == (3.0, 3.0, 3.0)
    assert intervals.mean_interval([0.5] * 9, seed=0) == (0.5, 0.5, 0.5)
    # Two values: a draw is 0, .5 or 1 with chances 1/4, 1/2, 1/4, so each end lies at a value.
    assert intervals.mean_interval([0, 1], seed=0) == (0.5, 0.0, 1.0)
    with pytest.raises(ValueError, match="every item needs a value"):
        intervals.mean_interval([], seed=0)


def test_the_same_seed_draws_the_same_items():
    drawn = intervals.resample_indices(7, seed=4)
    assert drawn.shape == (intervals.RESAMPLES, 7) and drawn.min() == 0 and drawn.max() == 6
    assert np.array_equal(drawn, intervals.resample_indices(7, seed=4))
    assert not np.array_equal(drawn, intervals.resample_indices(7, seed=5))
    assert intervals.resample_indices(3, seed=0, resamples=11).shape == (11, 3)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    """500 samples of 40 normal values: the percentile interval,
    a little narrow at this size, covers some 94 %.
    """
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(500):
        _, low, high = intervals.mean_interval(generator.normal(2.0, 1.0, size=40), seed=trial)
        covered += low <= 2.0 <= high
    assert 0.91 <= covered / 500 <= 0.97


# Overlap with a reference


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


def test_an_interval_over_seeds_holds_the_spread_of_both():
    """Without spread over seeds it is the interval over items; without spread over items it is that
    over seeds; with both it is wider than each.
    """
    items = np.random.default_rng(0).normal(size=40)
    alike = np.tile(items, (3, 1))
    value, low, high = CHAPTER_12.mean_interval_over_seeds(alike, 5)
    assert value == pytest.approx(items.mean())
    _, item_low, item_high = intervals.mean_interval(items, 6)
    assert high - low == pytest.approx(item_high - item_low, rel=0.1)
    steady = np.tile([[1.0], [2.0], [4.0]], 40)
    value, low, high = CHAPTER_12.mean_interval_over_seeds(steady, 5)
    # Means of three draws out of 1, 2, 4: 1 and 4 have a probability of 1/27 each, above 2.5 %.
    assert (value, low, high) == (pytest.approx(7 / 3), pytest.approx(1.0), pytest.approx(4.0))
    _, low, high = CHAPTER_12.mean_interval_over_seeds(alike + steady, 5)
    assert high - low == pytest.approx(
        3.0, rel=0.1
    )  # the seeds, three draws of far values, outweigh forty items


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0]], [1.0, 2.0], [[1.0, float("nan")], [1.0, 2.0]], [[], []]]
)
def test_an_interval_over_seeds_needs_two_whole_rows(values):
    with pytest.raises(ValueError, match="at least two seeds"):
        CHAPTER_12.mean_interval_over_seeds(values, 0)


def test_the_permutation_test_is_that_of_all_sign_patterns():
    """Six differences: 64 sign patterns, counted by hand in plain Python."""
    import itertools

    d = [0.3, -0.1, 0.4, 0.25, 0.05, 0.6]
    means = [
        sum(s * x for s, x in zip(signs, d)) / 6 for signs in itertools.product([1, -1], repeat=6)
    ]
    exact = (
        2
        * min(sum(m >= means[0] - 1e-12 for m in means), sum(m <= means[0] + 1e-12 for m in means))
        / 64
    )
    assert CHAPTER_5.permutation_p(d, 0) == pytest.approx(min(exact, 1.0))
    assert (
        CHAPTER_5.permutation_p([0.0] * 8, 0) == 1.0
        and CHAPTER_5.permutation_p(np.full(30, 0.2), 1) < 0.001
    )


def test_holm_on_a_hand_computed_case():
    """Sorted .01, .02, .03, .04 times 4, 3, 2, 1: .04, .06, .06, .04,
    which may not fall again: .06.
    """
    assert CHAPTER_5.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert CHAPTER_5.holm([0.5, 0.9]) == [1.0, 1.0]


def test_the_detectable_difference_is_found_as_often_as_it_says():
    """Of many samples around a true difference of that size, about 80 % have a t-test below 5 %."""
    rng = np.random.default_rng(0)
    size = CHAPTER_5.detectable(rng.normal(size=100_000)) * np.sqrt(
        100_000 / 60
    )  # for 60 pairs of standard deviation 1
    samples = rng.normal(size, 1, size=(4000, 60))
    assert (scipy.stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(
        0.8, abs=0.03
    )


def test_rank_correlation_resamples_whole_units():
    """Two answers to each of 12 questions; the ranks agree within a question but not between its
    copies: the interval is that of questions.
    """
    frame = pd.DataFrame({"id": np.repeat(range(12), 2), "a": np.repeat(np.arange(12.0), 2)})
    frame["b"] = frame.a * 2 + 1
    assert RANKS.spearman_interval(frame, "a", "b", "id", seed=1) == pytest.approx((1, 1, 1))
    noisy = frame.assign(b=np.random.default_rng(0).normal(size=24))
    value, low, high = RANKS.spearman_interval(noisy, "a", "b", "id", seed=1)
    assert (
        value == pytest.approx(scipy.stats.spearmanr(noisy.a, noisy.b).statistic)
        and -1 <= low < value < high <= 1
    )
    assert RANKS.spearman_interval(frame.assign(b=3.0), "a", "b", "id", seed=1) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="no row has both"):
        RANKS.spearman_interval(frame.assign(b=math.nan), "a", "b", "id", seed=1)
    gap = frame.assign(b=frame.b.where(frame.index > 3))
    assert RANKS.spearman_interval(gap, "a", "b", "id", seed=1)[0] == pytest.approx(1)


def test_units_are_drawn_whole():
    """Rows 0 and 2 belong together, and so do 1 and 3: they come and go together,
    and over many draws each as often.
    """
    draws = intervals.resample_units(["a", "b", "a", "b", "c"], seed=1, resamples=3000)
    counts = np.array([np.bincount(rows, minlength=5) for rows in draws])
    assert (counts[:, 0] == counts[:, 2]).all() and (counts[:, 1] == counts[:, 3]).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(5), abs=0.06)
    assert {rows.size for rows in draws} == {3, 4, 5, 6}
