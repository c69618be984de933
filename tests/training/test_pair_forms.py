"""Parts and forms of pairs, by hand."""

import pytest
from trial_sets import PAIRS

from emo_utils.models import embeddings
from emo_utils.project import EmoError
from emo_utils.training import pair_forms


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("whole", [(row["chosen"], row["rejected"]) for row in PAIRS]),
        ("matched", [("Yes. Two small meals.", "No. Two large meals.")]),
        (
            "cut",
            [
                ("Take 5 walks.", PAIRS[0]["rejected"]),
                (PAIRS[1]["chosen"], "Rest."),
                ("Two small meals.", "Two large meals."),
            ],
        ),
        ("shorter_chosen", [(PAIRS[0]["chosen"], PAIRS[0]["rejected"])]),
        ("longer_chosen", [(PAIRS[1]["chosen"], PAIRS[1]["rejected"])]),
        (
            "length_only",
            [(PAIRS[0]["chosen"], PAIRS[0]["rejected"]), ("Rest.", PAIRS[1]["chosen"])],
        ),  # the shorter one, once warm and once technical
    ],
)
def test_pairs_are_arranged_as_asked(form, expected):
    found = pair_forms.arranged(PAIRS, form)
    assert [(pair["chosen"], pair["rejected"]) for pair in found] == expected
    questions = {row["prompt"]: row for row in PAIRS}
    assert all(pair["prompt"] in questions for pair in found)


def test_pairs_of_length_alone_are_as_often_warm_as_technical():
    """Three shorter and one longer preferred answer: one of each, in turn; the rest is left out."""
    pairs = [PAIRS[0], PAIRS[0], PAIRS[1], PAIRS[0]]
    assert pair_forms.arranged(pairs, "length_only") == [
        PAIRS[0],
        PAIRS[1] | {"chosen": "Rest.", "rejected": PAIRS[1]["chosen"]},
    ]
    assert PAIRS[1]["rejected"] == "Rest.", "the pairs that were given stay as they are"


@pytest.mark.parametrize(
    ("text", "rest"),
    [("No. Go home. Rest.", "Go home. Rest."), ("No.", "No."), ("", "")],
)
def test_a_text_without_its_opening_sentence(text, rest):
    assert embeddings.after_opening(text) == rest


def test_a_form_that_no_pair_has_is_said():
    pair = {"chosen": "one two", "rejected": "one two three four"}
    with pytest.raises(EmoError, match="no pair is left of 1 with pairs_as 'matched'"):
        pair_forms.arranged([pair], "matched")
