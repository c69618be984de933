"""The two scorers of emotion: typed decisions turned into a score by hand, and Emollama's prompt and number."""

import math

import pandas as pd
import pytest

from emo_utils import emotion, models
from emo_utils.judge import Judge

# As the model card of Emollama-chat-7b prints its example for emotion intensity.
CARD = """Human: 
Task: Assign a numerical value between 0 (least E) and 1 (most E) to represent the intensity of emotion E expressed in the text.
Text: @CScheiwiller can't stop smiling 😆😆😆
Emotion: joy
Intensity Score:

Assistant:
"""


def test_the_prompt_is_that_of_the_model_card_to_the_letter():
    assert emotion.emollama_prompt("@CScheiwiller can't stop smiling 😆😆😆", "joy") == CARD


@pytest.mark.parametrize("text, value", [
    (">>0.896", 0.896), ("\n>>0.896", 0.896), ("  0.25", 0.25), ("0.5", 0.5), ("1", 1.0), ("0", 0.0), ("1.0", 1.0), (">>0.5\nHuman:", 0.5), ("0.5 out of 1", 0.5),
    ("1.5", None), ("2", None), ("10", None), ("none", None), ("", None), (">>0.8.9", None), ("-0.5", None), ("about 0.5", None), (">>", None), ("0.", None),
])
def test_the_number_is_read_or_the_answer_is_unscored(text, value):
    assert emotion.parse_emollama(text) == value


# Typed decisions


def decisions(*rows: tuple[int, str, list[float | None]]) -> pd.DataFrame:
    """As `Judge.decide` returns them: (state, question, probabilities of levels 0, 1, 2)."""
    flat = [(s, q, str(level), p) for s, q, several in rows for level, p in enumerate(several)]
    return pd.DataFrame(flat, columns=["state", "question", "option", "probability"])


def test_scores_are_expected_levels_over_the_highest():
    """(.2 x 0 + .3 x 1 + .5 x 2) / 2 = .65 and so on."""
    found = emotion.scores_from_decisions(decisions(
        (0, "empathetic", [0.2, 0.3, 0.5]), (0, "comforting", [1, 0, 0]), (0, "reassuring", [0, 0, 1]),
        (1, "reassuring", [0.5, 0.5, 0]), (1, "empathetic", [0, 1, 0]), (1, "comforting", [0.25, 0.5, 0.25]),
    ))
    assert list(found.columns) == ["empathetic", "comforting", "reassuring", "mean", "max"]
    assert found.loc[0].tolist() == pytest.approx([0.65, 0, 1, 0.55, 1])
    assert found.loc[1].tolist() == pytest.approx([0.5, 0.5, 0.25, 1.25 / 3, 0.5])


def test_a_text_without_probabilities_is_missing_and_the_others_are_not():
    rows = [(0, e, [0.2, 0.3, 0.5]) for e in emotion.EMOTIONS] + [(1, e, [None] * 3) for e in emotion.EMOTIONS]
    found = emotion.scores_from_decisions(decisions(*rows))
    assert found.loc[0].tolist() == pytest.approx([0.65] * 5)
    assert found.loc[1].isna().all() and len(found) == 2


def test_texts_that_are_all_without_probabilities_are_all_missing():
    found = emotion.scores_from_decisions(decisions(*[(0, e, [None] * 3) for e in emotion.EMOTIONS]))
    assert found.shape == (1, 5) and found.isna().all(axis=None)


def test_one_missing_emotion_makes_mean_and_maximum_missing():
    table = pd.DataFrame({"empathetic": [0.1, 0.1], "comforting": [0.4, math.nan], "reassuring": [0.7, 0.7]})
    found = emotion.with_mean_and_max(table)
    assert found.loc[0, ["mean", "max"]].tolist() == pytest.approx([0.4, 0.7])
    assert found.loc[1, ["mean", "max"]].isna().all()
    assert found.loc[1, ["empathetic", "reassuring"]].tolist() == [0.1, 0.7]
    assert list(table.columns) == ["empathetic", "comforting", "reassuring"]


def test_the_questions_describe_every_level_and_name_no_emotion_alone():
    assert tuple(emotion.QUESTIONS) == emotion.EMOTIONS
    for name, question in emotion.QUESTIONS.items():
        assert question["type"] == "score" and len(question["criteria"]) == 3 and name in question["instructions"]
        assert all(len(level.split()) >= 5 for level in question["criteria"])


def test_a_judge_and_the_scores_fit_together(tiny):
    """Tiny and random: what matters is one row a text, in order, inside [0, 1], and missing where the text is too long."""
    texts = ["You are not alone in this.", "x" * 9000, "Take one tablet."]
    found = emotion.scores_from_decisions(Judge("tiny-llama", "float32").decide(texts, emotion.QUESTIONS))
    assert found.index.tolist() == [0, 1, 2]
    assert found.loc[1].isna().all() and found.loc[[0, 2]].notna().all(axis=None)
    assert ((found.loc[[0, 2]] >= 0) & (found.loc[[0, 2]] <= 1)).all(axis=None)


def test_emollamas_numbers_come_back_in_the_order_of_the_texts(tiny, monkeypatch):
    """The model is replaced by one that repeats a number hidden in its prompt: order and batching are what is tested."""
    import re

    import torch

    _, tokenizer = models.load("tiny-llama")
    texts = ["a 0.11", "a much longer text than all the others 0.22", "bb no number", "cc 0.44"]

    class Parrot:
        device = torch.device("cpu")

        def generate(self, input_ids, **options):
            found = [re.findall(r"Text:.*?(0\.\d\d)?\nEmotion: (\w+)", p)[0] for p in tokenizer.batch_decode(input_ids, skip_special_tokens=True)]
            replies = [f">>{n}{len(e) % 10}".ljust(10) if n else "none".ljust(10) for n, e in found]
            return torch.cat([input_ids, tokenizer(replies, return_tensors="pt", add_special_tokens=False).input_ids], dim=1)

    found = emotion.score_with_emollama(Parrot(), tokenizer, texts, batch_size=5)
    # The third digit is the length of the emotion's name: empathetic 10, comforting 10, reassuring 10.
    assert {len(e) for e in emotion.EMOTIONS} == {10}
    assert found.iloc[[0, 1, 3]]["mean"].tolist() == pytest.approx([0.11, 0.22, 0.44])
    assert found.iloc[2].isna().all()
