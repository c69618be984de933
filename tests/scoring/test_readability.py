"""Grade by textstat, and what is counted of a text, against counts by hand."""

import math

import pytest

from emo_utils.scoring import readability

SPANISH = "Debe descansar y beber mucha agua durante dos o tres días antes de volver al trabajo."
JAPANESE = "二日間は休んで、水をたくさん飲んでください。"


def test_textstats_grade_is_kincaids_formula():
    """12 words in 2 sentences with 13 syllables; textstat rounds both means to a tenth."""
    text = "The cat sat on the mat. The water was cold and still."
    grade = readability.grade_by_textstat(text)
    assert grade == pytest.approx(0.39 * 12 / 2 + 11.8 * 13 / 12 - 15.59, abs=0.6)


@pytest.mark.parametrize("text", ["", "12 34", "悲しみと怒りと喜びと安心。"])
def test_what_is_no_english_text_has_no_grade_by_textstat_either(text):
    assert math.isnan(readability.grade_by_textstat(text))


def test_a_text_is_measured_as_by_hand():
    found = readability.measured(["Oh dear. Take 5 walks.", ""])
    assert found.words.tolist() == [5, 0]
    assert found.letters_a_word.tolist() == pytest.approx([(22 - 4) / 5, math.nan], nan_ok=True)
    assert found.grade[0] == readability.grade_by_textstat("Oh dear. Take 5 walks.")
    assert math.isnan(found.grade[1])
    assert list(readability.measured([])) == ["words", "letters_a_word", "grade"]


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
