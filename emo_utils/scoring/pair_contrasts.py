"""What tells the two answers of preference pairs apart besides their tone: lengths, words, grade,
numbers, and how close they are in meaning.
"""

import pandas as pd

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
