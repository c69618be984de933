"""Word-overlap scores against the libraries that define them, and against sums done by hand; what
they say aloud instead of quietly giving 0, and what other tools call BLEU.
"""

import math
import os
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when evaluate is first imported

import evaluate
import numpy as np
import pytest
import sacrebleu
from rouge_score import rouge_scorer

from emo_utils.data import dialogues
from emo_utils.project import EmoError
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
ANSWER, REFERENCE = (
    "You should rest and drink water for two days.",
    "Please rest and drink plenty of water for two or three days.",
)
SPANISH = "Debe descansar y beber mucha agua durante dos o tres días antes de volver al trabajo."
JAPANESE = "二日間は休んで、水をたくさん飲んでください。"


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


def test_bleu1_of_each_answer_is_that_of_a_corpus_of_one():
    found = overlap_scores.bleu1_items([*PREDICTIONS, ""], [*REFERENCES, REFERENCE])
    metric = sacrebleu.BLEU(max_ngram_order=1)
    pairs = zip(PREDICTIONS, REFERENCES, strict=True)
    alone = [metric.corpus_score([answer], [[reference]]).score for answer, reference in pairs]
    assert found.tolist() == [*alone, 0.0] and 0 < min(alone) < max(alone) < 100
    with pytest.raises(EmoError, match="answer 2 is nan, not text"):
        overlap_scores.bleu1_items([ANSWER, float("nan")], [REFERENCE, REFERENCE])


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
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (
        low < sacrebleu.BLEU(max_ngram_order=1).corpus_score(PREDICTIONS, [REFERENCES]).score < high
    )


def test_scores_combine_without_the_hub(offline):
    both = evaluate.combine([overlap_scores.Bleu(**offline), overlap_scores.Rouge(**offline)])
    result = both.compute(predictions=PREDICTIONS, references=REFERENCES)
    alone = overlap_scores.rouge_items(PREDICTIONS, REFERENCES)
    assert result["bleu"] == pytest.approx(sacrebleu.corpus_bleu(PREDICTIONS, [REFERENCES]).score)
    assert {name: result[name] for name in overlap_scores.ROUGE_TYPES} == pytest.approx(
        {name: alone[name].mean() for name in overlap_scores.ROUGE_TYPES}
    )


def test_scores_of_a_system_are_those_of_the_libraries_with_draws_of_the_same_items():
    scores = overlap_scores.corpus_scores(PREDICTIONS, REFERENCES, seed=3)
    indices = intervals.resample_indices(5, seed=3)
    for metric, order in (("bleu", 4), ("bleu1", 1)):
        value, draws, signature = scores[metric]
        theirs = sacrebleu.BLEU(max_ngram_order=order)
        assert value == pytest.approx(theirs.corpus_score(PREDICTIONS, [REFERENCES]).score)
        assert draws.shape == (intervals.RESAMPLES,) and signature == str(theirs.get_signature())
        texts = [
            ([PREDICTIONS[i] for i in sample], [REFERENCES[i] for i in sample])
            for sample in indices[:20]
        ]
        expected = [theirs.corpus_score(answers, [truth]).score for answers, truth in texts]
        assert draws[:20].tolist() == pytest.approx(expected, abs=1e-9)
    scorer = rouge_scorer.RougeScorer(list(overlap_scores.ROUGE_TYPES), use_stemmer=True)
    items = [scorer.score(truth, answer) for answer, truth in zip(PREDICTIONS, REFERENCES)]
    for metric in overlap_scores.ROUGE_TYPES:
        value, draws, signature = scores[metric]
        f1 = np.array([row[metric].fmeasure for row in items])
        assert value == pytest.approx(f1.mean()) and signature.startswith("rouge-score, F1")
        assert draws.tolist() == pytest.approx(f1[indices].mean(axis=1).tolist())


def test_a_system_with_a_missing_answer_has_no_scores():
    with pytest.raises(EmoError, match="answer 2 is None, not text"):
        overlap_scores.corpus_scores([ANSWER, None], [REFERENCE, REFERENCE], seed=0)


# What is read badly, and other tools


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        (ANSWER, REFERENCE, {}),
        ("", REFERENCE, {"empty answer": 1}),
        (" \n\t", REFERENCE, {"empty answer": 1}),
        (SPANISH, REFERENCE, {"answer in another language": 1}),
        (JAPANESE, REFERENCE, {"answer in another language": 1}),
        (
            "Sie sollten sich zwei Tage lang mit viel Wasser und Ruhe erholen, "
            "das ist nicht schlimm.",
            REFERENCE,
            {"answer in another language": 1},
        ),
        (
            "Vous devez vous reposer et boire beaucoup d'eau pendant les prochains jours.",
            REFERENCE,
            {"answer in another language": 1},
        ),
        ("Oui.", REFERENCE, {}),  # too short to tell
        ("Take ibuprofen 400 mg 😀😀😀 and rest.", REFERENCE, {}),
        ("😀😀😀", REFERENCE, {}),
        ("rest " * 25_000, REFERENCE, {"answer of more than 20,000 characters": 1}),
        (ANSWER, "Rest well, friend.", {"reference of fewer than four words": 1}),
        (ANSWER, SPANISH, {"reference in another language": 1}),
    ],
)
def test_what_is_read_badly_is_counted(answer, reference, expected):
    assert overlap_scores.check_texts([answer], [reference]) == expected
    assert overlap_scores.check_texts([ANSWER, answer], [REFERENCE, reference]) == expected


def test_the_shipped_rows_are_read_well():
    """No answer written in English is taken for another language,
    nor a Japanese one for English.
    """
    for name, fields in {
        "er": ("answer", "empathetic_response"),
        "eqsr": ("answer", "soothing_response"),
        "test": ("answer", "soothing_response"),
    }.items():
        rows = dialogues.load(name)
        for field in fields:
            assert (
                overlap_scores.check_texts(
                    [row[field] for row in rows], [row[field] for row in rows]
                )
                == {}
            ), (name, field)


@pytest.mark.parametrize(
    ("answer", "reference", "message"),
    [
        (float("nan"), REFERENCE, "answer 2 is nan, not text"),
        (None, REFERENCE, "answer 2 is None, not text"),
        (ANSWER, 3.5, "reference 2 is 3.5, not text"),
        (ANSWER, JAPANESE, "reference 2 has no Latin letter or digit"),
        (ANSWER, "", "reference 2 has no Latin letter or digit"),
        (ANSWER, "?!", "reference 2 has no Latin letter or digit"),
    ],
)
@pytest.mark.parametrize("metric", [overlap_scores.Bleu, overlap_scores.Rouge])
def test_what_no_score_can_be_given_to_stops_with_its_place(
    metric, answer, reference, message, tmp_path
):
    with pytest.raises(EmoError, match=message):
        metric(cache_dir=str(tmp_path)).compute(
            predictions=[ANSWER, answer], references=[REFERENCE, reference]
        )


def test_lists_of_different_length_stop(tmp_path):
    with pytest.raises(EmoError, match="2 answers and 1 references"):
        overlap_scores.Bleu(cache_dir=str(tmp_path)).compute(
            predictions=[ANSWER, ANSWER], references=[REFERENCE]
        )


def test_the_scores_warn_and_an_empty_answer_scores_zero(tmp_path):
    with pytest.warns(UserWarning, match="1 of 2 items: empty answer"):
        found = overlap_scores.Rouge(cache_dir=str(tmp_path)).compute(
            predictions=["", REFERENCE], references=[REFERENCE, REFERENCE]
        )
    assert found["rouge1"] == pytest.approx(0.5)
    both = evaluate.combine(
        [
            overlap_scores.Bleu(cache_dir=str(tmp_path)),
            overlap_scores.Rouge(cache_dir=str(tmp_path)),
        ]
    )
    with pytest.warns(UserWarning, match="another language"):
        both.compute(predictions=[SPANISH, ANSWER], references=[REFERENCE, REFERENCE])


def test_a_hundred_thousand_characters_and_emoji_are_scored(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = overlap_scores.Rouge(cache_dir=str(tmp_path)).compute(
            predictions=["rest and drink " * 6_667, "Rest 😀"],
            references=[REFERENCE, "Rest 😀 😀 😀"],
        )
        assert 0 < found["rouge1"] < 1 and np.isfinite(
            overlap_scores.Bleu(cache_dir=str(tmp_path)).compute(
                predictions=["a " * 50_000], references=[REFERENCE]
            )["bleu"]
        )


def test_bleu_variants_by_hand():
    """`a b c d e` against `a b c d f`: 4 of 5 words, 3 of 4 pairs, 2 of 3 triples, 1 of 2 fours,
    equal length.

    In characters 8 of 9, 7 of 8, 6 of 7, 5 of 6.
    """
    found = overlap_scores.bleu_variants(["a b c d e"], ["a b c d f"])
    words = 100 * math.exp(np.mean(np.log([4 / 5, 3 / 4, 2 / 3, 1 / 2])))
    assert [
        found[name] for name in ("sacrebleu", "NLTK corpus", "NLTK sentences")
    ] == pytest.approx([words] * 3)
    assert found["characters"] == pytest.approx(
        100 * math.exp(np.mean(np.log([8 / 9, 7 / 8, 6 / 7, 5 / 6])))
    )


def test_bleu_variants_differ_where_the_tools_do():
    """A text without a common 4-gram:
    NLTK's is nothing, sacrebleu smooths, characters hardly notice.
    """
    found = overlap_scores.bleu_variants([ANSWER, ""], [REFERENCE, REFERENCE])
    assert found["NLTK corpus"] < 1e-6 < found["sacrebleu"] < found["characters"]
    assert found["NLTK sentences"] == pytest.approx(0, abs=1e-6)


def test_rouge_items_are_rouge_scores_to_the_last_digit():
    """On every shipped pair, on words drawn at random with many repetitions,
    and on what is empty or has no Latin letter.
    """
    rows = dialogues.load("eqsr")
    pairs = [(row["soothing_response"], row["answer"]) for row in rows] + [
        (a["answer"], b["answer"]) for a, b in zip(rows[::5], rows[1::5])
    ]
    rng = np.random.default_rng(0)
    words = ["running", "runs", "a", "B-12", "doctor's", "flies", "flying", "x", "9", "it"]
    pairs += [
        (
            " ".join(rng.choice(words, rng.integers(0, 30))),
            " ".join(rng.choice(words, rng.integers(0, 30))),
        )
        for _ in range(200)
    ]
    pairs += [("", REFERENCE), (REFERENCE, ""), (JAPANESE, REFERENCE), ("one", "one"), ("😀", "😀")]
    scorer = rouge_scorer.RougeScorer(list(overlap_scores.ROUGE_TYPES), use_stemmer=True)
    theirs = [scorer.score(reference, prediction) for prediction, reference in pairs]
    ours = overlap_scores.rouge_items(*map(list, zip(*pairs)))
    for name in overlap_scores.ROUGE_TYPES:
        assert ours[name].tolist() == pytest.approx(
            [row[name].fmeasure for row in theirs], abs=1e-9
        ), name
