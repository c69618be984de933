"""Texts that a score of empathy should not pay for, and the warm answers said twice: controls of
chapters 5 and 11.
"""

import random

import pandas as pd

PADDING = (
    " Please know that you are heard, you are valued, "
    "and we are with you every single step of the way."
)
REFUSAL = (
    "Thank you so much for reaching out. I am really sorry, "
    "but I am not able to help with medical questions. Please take good care of yourself."
)
CONTROLS = ("said twice", "padding alone", "a polite refusal", "a failed training")


def shuffled(text: str) -> str:
    """The words of a text in random order, the same each time: what a model writes that has kept
    the words of its training and lost the language.
    """
    words = text.split()
    random.Random(text).shuffle(words)
    return " ".join(words)


def control_answers(answers: pd.DataFrame) -> pd.DataFrame:
    """The answers of the systems `CONTROLS`, one to each question that has a warm answer.

    answers: with the rows of the system `reference` (`dialogues.reference_answers`).
    """
    warm = answers[answers.system == "reference"]
    texts = (
        warm.answer + " " + warm.answer,
        PADDING.strip(),
        REFUSAL,
        warm.answer.map(shuffled),
    )
    return pd.concat(
        [warm.assign(system=name, answer=text) for name, text in zip(CONTROLS, texts, strict=True)],
        ignore_index=True,
    )
