"""The three scorers of emotion: the contrast of embeddings,
typed decisions turned into a score by hand, and Emollama's prompt and number.
"""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from emo_utils.experiment import provenance
from emo_utils.judging.decisions import Judge
from emo_utils.models import embeddings, loading
from emo_utils.scoring import emotion

# As the model card of Emollama-chat-7b prints its example for emotion intensity.
CARD = (
    "Human: \n"
    "Task: Assign a numerical value between 0 (least E) and 1 (most E) "
    "to represent the intensity of emotion E expressed in the text.\n"
    "Text: @CScheiwiller can't stop smiling 😆😆😆\n"
    "Emotion: joy\n"
    "Intensity Score:\n"
    "\n"
    "Assistant:\n"
)


def test_the_prompt_is_that_of_the_model_card_to_the_letter():
    assert emotion.emollama_prompt("@CScheiwiller can't stop smiling 😆😆😆", "joy") == CARD


@pytest.mark.parametrize(
    "text, value",
    [
        (">>0.896", 0.896),
        ("\n>>0.896", 0.896),
        ("  0.25", 0.25),
        ("0.5", 0.5),
        ("1", 1.0),
        ("0", 0.0),
        ("1.0", 1.0),
        (">>0.5\nHuman:", 0.5),
        ("0.5 out of 1", 0.5),
        ("1.5", None),
        ("2", None),
        ("10", None),
        ("none", None),
        ("", None),
        (">>0.8.9", None),
        ("-0.5", None),
        ("about 0.5", None),
        (">>", None),
        ("0.", None),
    ],
)
def test_the_number_is_read_or_the_answer_is_unscored(text, value):
    assert emotion.parse_emollama(text) == value


# Contrast of embeddings


class Compass:
    """An encoder of two dimensions: a sentence with `north` points up, one with `east` to the
    right, any other one between; it counts what it is given.
    """

    matrix_dtype, device = "float32", torch.device("cpu")

    def __init__(self):
        self.asked = []

    def get_embedding_dimension(self):
        return 2

    def encode(self, texts, **options):
        self.asked += texts
        return np.array(
            [
                [0.0, 1] if "north" in t else [1.0, 0] if "east" in t else [math.sqrt(0.5)] * 2
                for t in texts
            ],
            dtype=np.float32,
        )


@pytest.fixture
def compass(monkeypatch):
    """Showing an emotion is north, being plain is east."""
    monkeypatch.setattr(
        emotion, "ANCHORS", {e: ("north", f"{e} and north") for e in emotion.EMOTIONS}
    )
    monkeypatch.setattr(emotion, "PLAIN", ("east", "due east"))
    return Compass()


def test_a_contrast_is_similarity_to_one_side_less_that_to_the_other(compass):
    assert emotion.contrasts(compass, ["north", "east", "x"]).tolist() == [
        [1.0] * 3,
        [-1.0] * 3,
        [0.0] * 3,
    ]


def test_scores_by_contrast_are_means_over_sentences(compass):
    """A sentence's probability is a logistic of its contrast:
    nearly 1 to the north, nearly 0 to the east, and by slope and centre between.
    """
    found = emotion.scores_by_contrast(
        compass,
        ["Go north. Go east.", "Go on.", "", "Go north! Go north. Go north? Go east.", "5 ..."],
    )
    between = 1 / (1 + math.exp(emotion.SLOPE * emotion.CENTRE))
    north, east = (1 / (1 + math.exp(-emotion.SLOPE * (c - emotion.CENTRE))) for c in (1, -1))
    assert list(found.columns) == [
        "empathetic",
        "comforting",
        "reassuring",
        "mean",
        "max",
    ] and found.index.tolist() == [0, 1, 2, 3, 4]
    assert found["mean"].tolist() == pytest.approx(
        [(north + east) / 2, between, 0, (3 * north + east) / 4, between]
    )
    assert compass.asked.count("Go north.") == 1  # equal sentences are embedded once


def test_empty_texts_show_nothing(compass):
    assert emotion.scores_by_contrast(compass, ["", " "]).to_numpy().tolist() == [[0.0] * 5] * 2


def test_the_lists_are_of_one_kind_each():
    assert (
        set(emotion.ANCHORS) == set(emotion.EMOTIONS)
        and all(len(a) == 8 for a in emotion.ANCHORS.values())
        and len(emotion.PLAIN) == 16
    )
    everything = [s for several in (emotion.PLAIN, *emotion.ANCHORS.values()) for s in several]
    assert len(set(everything)) == len(everything) and all(
        embeddings.sentences(s) for s in everything
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Dr. Lee says 2.5 mg is fine. Take it, e.g. at night! Is it ok?",
            ["Dr. Lee says 2.5 mg is fine.", "Take it, e.g. at night!", "Is it ok?"],
        ),
        ("1. Rest.\n2) Drink water\n- Come back.", ["Rest.", "Drink water", "Come back."]),
        ('"Stop." He said (now.) Go.', ['"Stop."', "He said (now.)", "Go."]),
        (
            "I can't. It is Alzheimer’s. He takes 5 g. No more at 2 a.m. though.",
            ["I can't.", "It is Alzheimer’s.", "He takes 5 g. No more at 2 a.m. though."],
        ),
        ("... 😀 5!", []),
        ("", []),
    ],
)
def test_sentences_by_hand(text, expected):
    assert embeddings.sentences(text) == expected


def test_embeddings_have_length_one_and_keep_the_order(tiny):
    encoder = embeddings.load("tiny-llama")
    found = embeddings.embed(encoder, ["b", "a longer text", "b"])
    assert found.shape == (3, 64) and np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert (found[0] == found[2]).all() and not np.allclose(found[0], found[1])
    assert embeddings.embed(encoder, ["a longer text"])[0] == pytest.approx(found[1], abs=1e-5)
    assert (
        embeddings.embed(encoder, []).shape == (0, 64) and "tiny-llama" in provenance.MODELS_LOADED
    )
    rounded = embeddings.embed(
        embeddings.load("tiny-llama", "bfloat16"), ["b", "a longer text", "b"]
    )
    assert (
        rounded.dtype == np.float32 and (rounded != found).any()
    )  # its products were rounded, the vectors are of length 1 all the same
    assert (rounded * found).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-3) and np.linalg.norm(
        rounded, axis=1
    ) == pytest.approx(np.ones(3), abs=1e-5)


# Typed decisions


def decisions(*rows: tuple[int, str, list[float | None]]) -> pd.DataFrame:
    """As `Judge.decide` returns them: (state, question, probabilities of levels 0, 1, 2)."""
    flat = [(s, q, str(level), p) for s, q, several in rows for level, p in enumerate(several)]
    return pd.DataFrame(flat, columns=["state", "question", "option", "probability"])


def test_scores_are_expected_levels_over_the_highest():
    """(.2 x 0 + .3 x 1 + .5 x 2) / 2 = .65 and so on."""
    found = emotion.scores_from_decisions(
        decisions(
            (0, "empathetic", [0.2, 0.3, 0.5]),
            (0, "comforting", [1, 0, 0]),
            (0, "reassuring", [0, 0, 1]),
            (1, "reassuring", [0.5, 0.5, 0]),
            (1, "empathetic", [0, 1, 0]),
            (1, "comforting", [0.25, 0.5, 0.25]),
        )
    )
    assert list(found.columns) == ["empathetic", "comforting", "reassuring", "mean", "max"]
    assert found.loc[0].tolist() == pytest.approx([0.65, 0, 1, 0.55, 1])
    assert found.loc[1].tolist() == pytest.approx([0.5, 0.5, 0.25, 1.25 / 3, 0.5])


def test_a_text_without_probabilities_is_missing_and_the_others_are_not():
    rows = [(0, e, [0.2, 0.3, 0.5]) for e in emotion.EMOTIONS] + [
        (1, e, [None] * 3) for e in emotion.EMOTIONS
    ]
    found = emotion.scores_from_decisions(decisions(*rows))
    assert found.loc[0].tolist() == pytest.approx([0.65] * 5)
    assert found.loc[1].isna().all() and len(found) == 2


def test_texts_that_are_all_without_probabilities_are_all_missing():
    found = emotion.scores_from_decisions(
        decisions(*[(0, e, [None] * 3) for e in emotion.EMOTIONS])
    )
    assert found.shape == (1, 5) and found.isna().all(axis=None)


def test_one_missing_emotion_makes_mean_and_maximum_missing():
    table = pd.DataFrame(
        {"empathetic": [0.1, 0.1], "comforting": [0.4, math.nan], "reassuring": [0.7, 0.7]}
    )
    found = emotion.with_mean_and_max(table)
    assert found.loc[0, ["mean", "max"]].tolist() == pytest.approx([0.4, 0.7])
    assert found.loc[1, ["mean", "max"]].isna().all()
    assert found.loc[1, ["empathetic", "reassuring"]].tolist() == [0.1, 0.7]
    assert list(table.columns) == ["empathetic", "comforting", "reassuring"]


def test_the_questions_describe_every_level_and_name_no_emotion_alone():
    assert tuple(emotion.QUESTIONS) == emotion.EMOTIONS
    for name, question in emotion.QUESTIONS.items():
        assert (
            question["type"] == "score"
            and len(question["criteria"]) == 3
            and name in question["instructions"]
        )
        assert all(len(level.split()) >= 5 for level in question["criteria"])


def test_a_judge_and_the_scores_fit_together(tiny):
    """Tiny and random: what matters is one row a text,
    in order, inside [0, 1], and missing where the text is too long.
    """
    texts = ["You are not alone in this.", "x" * 9000, "Take one tablet."]
    found = emotion.scores_from_decisions(
        Judge("tiny-llama", "float32").decide(texts, emotion.QUESTIONS)
    )
    assert found.index.tolist() == [0, 1, 2]
    assert found.loc[1].isna().all() and found.loc[[0, 2]].notna().all(axis=None)
    assert ((found.loc[[0, 2]] >= 0) & (found.loc[[0, 2]] <= 1)).all(axis=None)


def test_emollamas_numbers_come_back_in_the_order_of_the_texts(tiny, monkeypatch):
    """The model is replaced by one that repeats a number hidden in its prompt:
    order and batching are what is tested.
    """
    import re

    import torch

    _, tokenizer = loading.load("tiny-llama")
    texts = ["a 0.11", "a much longer text than all the others 0.22", "bb no number", "cc 0.44"]

    class Parrot:
        device = torch.device("cpu")

        def generate(self, input_ids, **options):
            found = [
                re.findall(r"Text:.*?(0\.\d\d)?\nEmotion: (\w+)", p)[0]
                for p in tokenizer.batch_decode(input_ids, skip_special_tokens=True)
            ]
            replies = [f">>{n}{len(e) % 10}".ljust(10) if n else "none".ljust(10) for n, e in found]
            return torch.cat(
                [
                    input_ids,
                    tokenizer(
                        replies, return_tensors="pt", add_special_tokens=False, padding=True
                    ).input_ids,
                ],
                dim=1,
            )

    found = emotion.score_with_emollama(Parrot(), tokenizer, texts, batch_size=5)
    # The third digit is the length of the emotion's name:
    # empathetic 10, comforting 10, reassuring 10.
    assert {len(e) for e in emotion.EMOTIONS} == {10}
    assert found.iloc[[0, 1, 3]]["mean"].tolist() == pytest.approx([0.11, 0.22, 0.44])
    assert found.iloc[2].isna().all()
