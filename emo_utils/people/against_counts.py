"""Scores of summaries against people's counts of their facts, and two such counts against each
other (chapter 11).

Tables: one row a summary, columns talk, text, recall and precision as people counted them, shares
in [0, 1]. Whole talks are resampled, with all their summaries.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from emo_utils.scoring.facts_of_summaries import SUPPORTED
from emo_utils.stats import correlations, intervals, label_agreement

FOLLOWS = {
    "pearson": label_agreement.pearson,
    "spearman": correlations.spearman,
    "weighted kappa": label_agreement.weighted_kappa,
}
KINDS = {
    "pearson": "correlation",
    "spearman": "correlation",
    "weighted kappa": "agreement",
    "equal counts": "share",
}
# Scores that are shares as the counts are: kappa is for these alone.
SHARES = (
    "facts kept",
    "share of the reference's words",
    "share of words in the talk",
    SUPPORTED,
)
RESAMPLES = 1000


def following(
    table: pd.DataFrame, scores: dict, seed: int, suffix: str = "", reader: str = ""
) -> Iterator[dict]:
    """How each score follows the counts, as fields of a record for each correlation.

    scores: (label, who, form) -> a score a summary, more being better, as a series by the rows that
    were to be scored; missing where they got none. label: `recall` or `precision`.
    suffix: put behind a form's name. reader: the signature of who gave `SUPPORTED`.
    Draws in which the counts have fewer than three values are left out, and with them a score that
    none is left of.
    """
    for (label, who, form), score in scores.items():
        scored = score.dropna()
        counts, talks = table[label][scored.index].to_numpy(dtype=float), table.talk[scored.index]
        measures = {m: FOLLOWS[m] for m in FOLLOWS if form in SHARES or m != "weighted kappa"}
        about = "bootstrap over talks with their summaries"
        draws = _draws(counts, talks, seed)
        for fields in _measured(measures, scored.to_numpy(), counts, draws, talks.nunique()):
            yield fields | {
                "system": form + suffix,
                "n": len(scored),
                "unscored": len(score) - len(scored),
                "group": label,
                "scorer": who,
                "signature": f"{about}; {reader}" if form == SUPPORTED else about,
            }


def _measured(measures: dict, first, second, draws: list[np.ndarray], talks: int) -> Iterator[dict]:
    """Each measure's name, value, interval over so many talks, and kind; none without a draw."""
    for metric, measure in measures.items() if draws else ():
        low, high = intervals.interval([measure(first[i], second[i]) for i in draws], talks)
        value = float(measure(first, second))
        yield {
            "metric": metric,
            "value": value,
            "ci_low": low,
            "ci_high": high,
            "kind": KINDS[metric],
        }


def _draws(counts, talks, seed: int) -> list[np.ndarray]:
    """Samples of whole talks whose counts have three different values at least."""
    return [
        rows
        for rows in intervals.resample_units(talks, seed, RESAMPLES)
        if len(set(counts[rows])) > 2
    ]


def _wording(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each summary's words alone, by which equal ones are found."""
    return table.assign(words=table.text.str.lower().str.findall(r"[a-z0-9]+").str.join(" "))


def equal_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Counts of equal summaries of a talk (but for capitals and stops) beside each other, those of
    the second in columns `recall_again` and `precision_again`; each pair both ways round.
    """
    same = _wording(table).reset_index(names="row")
    both = same.merge(same, on=["talk", "words"], suffixes=("", "_again"))
    return both.query("row != row_again").reset_index(drop=True)


def counted_again(table: pd.DataFrame, seed: int) -> Iterator[dict]:
    """How the counts of equal summaries follow each other, and the share of pairs with equal ones,
    as fields of records; nothing where no summary was counted twice.

    Draws without three values have no correlation worth the name; how many had is in the signature.
    """
    pairs = equal_pairs(table)
    for label in ("recall", "precision"):
        first, second = pairs[label].to_numpy(), pairs[f"{label}_again"].to_numpy()
        draws = _draws(second, pairs.talk, seed) if len(set(second)) > 2 else []
        faulty = pairs[pairs[label] < 1].groupby(["talk", "words"]).ngroups
        about = (
            f"pairs of equal summaries, {pairs.groupby(['talk', 'words']).ngroups} "
            f"in {pairs.talk.nunique()} talks, {faulty} of which have a count below 1; "
            f"bootstrap over talks, {len(draws)} of {RESAMPLES} draws"
        )
        measures = FOLLOWS | {"equal counts": _equal}
        for fields in _measured(measures, first, second, draws, pairs.talk.nunique()):
            yield fields | {
                "system": "the same summary, counted again (n pairs)",
                "n": len(pairs) // 2,
                "group": label,
                "scorer": "people",
                "signature": about,
            }


def _equal(first, second) -> float:
    return float(np.isclose(first, second).mean())


def each_once(table: pd.DataFrame, scores: dict) -> tuple[pd.DataFrame, dict]:
    """Each different summary of a talk once, with the mean of the precisions of equal ones, and the
    scores of precision on them (but for `SUPPORTED`, which a part alone has).

    scores: as `following` takes them, each of all rows of the table.
    """
    keys = _wording(table)[["talk", "words"]]
    first = ~keys.duplicated()
    precision = table.precision.groupby([keys.talk, keys.words]).transform("mean")
    kept = {
        (label, who, form): score[first].reset_index(drop=True)
        for (label, who, form), score in scores.items()
        if label == "precision" and form != SUPPORTED
    }
    return table.assign(precision=precision)[first].reset_index(drop=True), kept
