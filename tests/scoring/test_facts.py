"""What an answer keeps, adds and opposes: against a slow second implementation on the tiny model,
and by hand.
"""

import numpy as np
import pytest
import torch

from emo_utils.data import dialogues
from emo_utils.models import loading
from emo_utils.scoring import facts

REFERENCES = [
    "Rest for two days and drink water.",
    "Rest for two days and drink water.",
    "Take ibuprofen 400 mg with food.",
    "No.",
]
ANSWERS = [
    "Drink water and rest for two days.",
    "",
    "It may rain tomorrow, and the bus is late; take an umbrella with you.",
    "Yes, of course.",
]


@pytest.fixture(scope="module")
def loaded(tiny):
    return loading.load("tiny-llama", "float32")


def one_at_a_time(loaded, head: str, tail: str) -> torch.Tensor:
    """Log-probabilities of the tail's tokens by the model's own logits, without a batch."""
    model, tokenizer = loaded
    before = tokenizer(f"Text: {head}\n\nThe same text in other words:", add_special_tokens=False)[
        "input_ids"
    ]
    after = tokenizer(" " + tail, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        table = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
    return torch.stack([table[len(before) + k - 1, token] for k, token in enumerate(after)])


def test_kept_and_doubtful_are_counts_of_tokens(loaded, monkeypatch):
    monkeypatch.setattr(facts, "LEARNT", 0.001)  # a random model learns next to nothing
    monkeypatch.setattr(facts, "UNEXPLAINED", 0.001)
    gains = [
        one_at_a_time(loaded, a, r) - one_at_a_time(loaded, "", r)
        for a, r in zip(ANSWERS, REFERENCES, strict=True)
    ]
    expected = [float((g > 0.001).float().mean()) for g in gains]
    assert expected[1] == 0 and len(set(expected)) == 4
    assert facts.kept(*loaded, REFERENCES, ANSWERS) == pytest.approx(expected)
    assert facts.kept(*loaded, REFERENCES, ANSWERS, batch_size=1) == pytest.approx(expected)
    known, alone = zip(
        *[
            (one_at_a_time(loaded, r, a), one_at_a_time(loaded, "", a))
            for a, r in zip(ANSWERS, REFERENCES, strict=True)
            if a
        ]
    )
    doubts = [int(((k < -3) & (k - b < 0.001)).sum()) for k, b in zip(known, alone, strict=True)]
    assert len(set(doubts)) > 1
    full = [k for k in range(4) if ANSWERS[k]]
    assert (
        facts.doubtful(*loaded, [REFERENCES[k] for k in full], [ANSWERS[k] for k in full]).tolist()
        == doubts
    )


def test_spaces_and_lines_do_not_change_what_is_kept(loaded):
    plain, broken = (
        facts.kept(*loaded, ["Rest and drink."], [text])
        for text in ("Drink. Rest well.", "Drink.\n\n  Rest   well.\n")
    )
    assert plain == broken


def test_what_is_too_long_is_missing(loaded):
    model, tokenizer = loaded
    long = "water " * model.config.max_position_embeddings
    found = facts.kept(model, tokenizer, ["Rest.", "Rest.", long], [long, "Rest.", "Rest."])
    assert np.isnan(found).tolist() == [True, False, True]
    assert np.isnan(
        facts.doubtful(model, tokenizer, ["Rest.", long], ["Rest.", "Rest."])
    ).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fifty-eight years", {"50", "58", "8"}),
        ("two hundred and five", {"2", "5", "205"}),
        ("1,500 mg or 0.5 ml", {"1500", "0.5"}),
        ("on day 007", {"007", "7"}),
        ("three thousand two hundred", {"3", "2", "3200"}),
        ("a hundred", {"100"}),
        ("a thousand and one", {"1000", "1"}),
        ("nothing here", set()),
        ("", set()),
        ("zero", {"0"}),
        ("14th of May", {"14"}),
    ],
)
def test_numbers_in_words_and_digits(text, expected):
    assert facts.numbers(text) == expected


@pytest.mark.parametrize(
    ("source", "answer", "expected"),
    [
        ("Take 400 mg of ibuprofen.", "Take 400 mg of ibuprofen.", []),
        ("Take 400 mg of ibuprofen.", "Take 4000 mg of ibuprofen.", ["4000"]),
        ("Take 400 mg of ibuprofen.", "Take ibuprofen and naproxen, 400 mg.", ["naproxen"]),
        ("Rest for two weeks.", "Rest for 2 weeks.", []),
        ("Rest for two weeks.", "Rest for three weeks.", ["3"]),
        (
            "Rest.",
            "1. Rest. 2. Drink. One of them helps.",
            [],
        ),  # marks of a list and "one of them" measure nothing
        ("Rest.", "Rest 3 times a day, with 2.5 ml of it and 25 % less salt.", ["2.5", "25", "3"]),
        ("He is fifty-eight.", "At 58 this is common.", []),
        ("At 58 years, for 21 days.", "At fifty-eight years, for twenty one days.", []),
        ("At 58.", "At fifty-nine years.", ["59"]),
        ("Take 100 mg.", "Take a hundred mg.", []),
        ("On 12.05.2020 take 5,10 or 1,500 mg.", "On 12.05.2020 take 5,10 or 1500 mg.", []),
        ("On 12.05.2020.", "In 2020.", []),
        ("Take 0.5 mg or 1,500 units.", "Take 5 mg or 500 units.", ["5", "500"]),
        (
            "He is fifty-eight, and his son with him.",
            "She rests, and her son, too.",
            ["she"],
        ),  # one person of the other sex is a detail, however often named
        ("My wife is ill. She coughs, and he does not.", "She coughs; he does not.", []),
        (
            "Rest for a while.",
            "He should rest.",
            [],
        ),  # a source that names nobody's sex contradicts none
        ("She rests.", "The patient rests. There, the heart heals.", []),  # parts of other words
        ("", "", []),
    ],
)
def test_details_that_the_source_lacks(source, answer, expected):
    assert facts.added(source, answer) == expected


def test_our_own_rewrites_add_little():
    """A rewrite keeps the facts and adds none: hardly any of ours raises an alarm."""
    alarms = [
        facts.added(f"{row['question']} {row['answer']}", row["soothing_response"])
        for row in dialogues.load("test") + dialogues.load("eqsr")
    ]
    assert np.mean([bool(found) for found in alarms]) < 0.1


class Topics:
    """An encoder of two dimensions: sentences with `tablet` lie together,
    and all others lie together.
    """

    matrix_dtype = "float32"
    device = torch.device("cpu")

    def encode(self, texts, **_):
        return np.array(
            [[1.0, 0.0] if "tablet" in text else [0.0, 1.0] for text in texts], dtype=np.float32
        )

    def get_embedding_dimension(self):
        return 2


def test_sentences_that_differ_in_not_are_opposed():
    doctor = "Take the tablet daily. It is not cancer."
    assert facts.opposed(Topics(), [doctor], ["Do not take the tablet. It is not cancer."]) == [
        [("Take the tablet daily.", "Do not take the tablet.")]
    ]
    assert facts.opposed(Topics(), [doctor], ["The tablet helps. It isn't cancer."]) == [[]]
    assert facts.opposed(Topics(), [doctor], ["It is never not cancer."]) == [
        [("It is not cancer.", "It is never not cancer.")]
    ]  # nothing near the tablet's sentence; a double not counts as none
    assert facts.opposed(Topics(), [doctor], ["The tablet helps. It isn’t cancer."]) == [
        []
    ]  # a curly apostrophe
    assert facts.opposed(Topics(), [doctor, doctor], ["", "The tablet."]) == [[], []]
    assert facts.nearest(Topics(), [doctor, ""], ["Rest well.", "Rest."]) == [
        [("Take the tablet daily.", "Rest well.", 0.0), ("It is not cancer.", "Rest well.", 1.0)],
        [],
    ]
