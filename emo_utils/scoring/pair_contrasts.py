"""What tells the two answers of preference pairs apart besides their tone: lengths, words, grade,
numbers, and how close they are in meaning.
"""

import numpy as np
import pandas as pd

from emo_utils.models import embeddings
from emo_utils.rewriting import preference_pairs
from emo_utils.scoring import emotion, facts, readability

OF_PAIRS = "share of pairs; equal ones count one half"
# How each contrast is computed; `{encoder}` is the name of the weights behind the cosines.
SIGNATURES = {
    "preferred has fewer words": OF_PAIRS,
    "preferred has shorter words": OF_PAIRS,
    "preferred has the lower grade": OF_PAIRS,
    "same numbers": "share of pairs whose two answers have the same numbers",
    "words, chosen": "words of the chosen answer",
    "grade, chosen": "Flesch-Kincaid grade of the chosen answer by textstat 0.7.4",
    "words, rejected": "words of the rejected answer",
    "grade, rejected": "Flesch-Kincaid grade of the rejected answer by textstat 0.7.4",
    "cosine": "cosine of the two answers by {encoder}",
    "cosine with another pair's": (
        "cosine of a preferred answer with the rejected one of the pair before "
        "by {encoder}: the zero of the line above"
    ),
}
# Those of 1 or 0 a pair (and one half, where both answers have as much).
SHARES = (
    "preferred has fewer words",
    "preferred has shorter words",
    "preferred has the lower grade",
    "same numbers",
)


def measured(pairs: list[dict], encoder) -> pd.DataFrame:
    """The contrasts of SIGNATURES, a row a pair and a column a contrast; a grade is missing where a
    text is not English.

    pairs: with chosen and rejected. encoder: of `embeddings.load`.
    """
    chosen, rejected = (
        readability.measured(pair[side] for pair in pairs) for side in ("chosen", "rejected")
    )
    first, second = (
        embeddings.embed(encoder, [pair[side] for pair in pairs]) for side in ("chosen", "rejected")
    )
    less = preferred_has_less
    return pd.DataFrame(
        {
            "preferred has fewer words": less(chosen.words, rejected.words),
            "preferred has shorter words": less(chosen.letters_a_word, rejected.letters_a_word),
            "preferred has the lower grade": less(chosen.grade, rejected.grade),
            "same numbers": [
                float(facts.numbers(pair["chosen"]) == facts.numbers(pair["rejected"]))
                for pair in pairs
            ],
            "words, chosen": chosen.words,
            "grade, chosen": chosen.grade,
            "words, rejected": rejected.words,
            "grade, rejected": rejected.grade,
            "cosine": (first * second).sum(axis=1),
            "cosine with another pair's": (first * np.roll(second, 1, axis=0)).sum(axis=1),
        }
    )


def fault(pair: dict, encoder) -> str:
    """`preference_pairs.fault` of a pair that a service wrote (texts `plain` and `technical`), by
    textstat's grade and the warmth of chapter 5; empty where nothing is wrong.
    """
    return preference_pairs.fault(
        pair,
        readability.grade_by_textstat,
        lambda texts: emotion.scores_by_contrast(encoder, texts)["mean"],
    )


def preferred_has_less(chosen: pd.Series, rejected: pd.Series) -> pd.Series:
    """1 for each pair whose preferred answer has less of what was measured, one half where both
    have as much, missing where one was not measured.
    """
    less = (chosen < rejected) + 0.5 * (chosen == rejected)
    return less.where(chosen.notna() & rejected.notna())


def add_records(run, contrasts: pd.DataFrame, pairs: list[dict], source: str, encoder: str) -> None:
    """Record the mean of each contrast (table `ebd.pairs`), with an interval over questions, each
    drawn with all its pairs.

    contrasts: a row a pair, a column a contrast; missing values are counted as unscored. source:
    where the pairs are from. encoder: the name of the weights behind the cosines.
    """
    questions = [pair["prompt"] for pair in pairs]
    for metric, values in contrasts.items():
        run.add_mean(
            values,
            units=questions,
            table="ebd.pairs",
            system=source,
            metric=metric,
            scorer=encoder if "cosine" in metric else "textstat and counts",
            kind="share" if metric in SHARES else "mean",
            signature=SIGNATURES.get(metric, "mean over pairs").format(encoder=encoder),
            unit="questions, each with all its pairs",
        )
