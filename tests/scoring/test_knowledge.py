"""What the overlap scores say aloud instead of quietly giving 0, and what other tools call BLEU."""

import math
import warnings

import evaluate
import numpy as np
import pytest
from played import cell_with
from rouge_score import rouge_scorer

from emo_utils.project import EmoError
from emo_utils.scoring import overlap_scores, readability

bleu_variants = cell_with("06_knowledge_scoring", "def bleu_variants").bleu_variants
ANSWER, REFERENCE = (
    "You should rest and drink water for two days.",
    "Please rest and drink plenty of water for two or three days.",
)
SPANISH = "Debe descansar y beber mucha agua durante dos o tres días antes de volver al trabajo."
JAPANESE = "二日間は休んで、水をたくさん飲んでください。"


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
    from emo_utils.data import dialogues

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
    found = bleu_variants(["a b c d e"], ["a b c d f"])
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
    found = bleu_variants([ANSWER, ""], [REFERENCE, REFERENCE])
    assert found["NLTK corpus"] < 1e-6 < found["sacrebleu"] < found["characters"]
    assert found["NLTK sentences"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "words", "sentences", "syllables"),
    [
        ("The cat sat on the mat.", 6, 1, 6),
        (
            "Embarrassing medication. Inflammatory, doctor!",
            4,
            2,
            15,
        ),  # em-bar-rass-ing, med-i-ca-tion, in-flam-ma-to-ry, doc-tor
        ("Rest", 1, 1, 1),
    ],
)
def test_grade_by_hand(text, words, sentences, syllables):
    assert readability.grade(text) == pytest.approx(
        0.39 * words / sentences + 11.8 * syllables / words - 15.59
    )


@pytest.mark.parametrize("text", ["", "12 34", "😀", SPANISH, JAPANESE])
def test_what_has_no_grade_has_none(text):
    assert math.isnan(readability.grade(text))


def test_rouge_items_are_rouge_scores_to_the_last_digit():
    """On every shipped pair, on words drawn at random with many repetitions,
    and on what is empty or has no Latin letter.
    """
    from emo_utils.data import dialogues

    rows = dialogues.load("eqsr")
    pairs = [(row["soothing_response"], row["answer"]) for row in rows] + [
        (a["answer"], b["answer"]) for a, b in zip(rows, rows[1:])
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
