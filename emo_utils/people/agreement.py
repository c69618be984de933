"""Agreement between people, and of people with a judge or a score."""

import numpy as np
import pandas as pd

from emo_utils.people import rating_kit
from emo_utils.project import EmoError
from emo_utils.stats import correlations, intervals, reliability


def against_judge(ratings: pd.DataFrame, judged: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """How far a judge follows the mean of the raters (EmplifAI, Table 6), for each system and
    metric that it scored; dialogues are resampled.

    judged: columns id, system, metric, value (1 to 5, or missing). Returns columns system, metric,
    measure (`people`, `judge`: means; `difference`: mean absolute difference; `pearson`), value,
    low, high, n, unscored (rated dialogues without a score), note. No correlation is given for
    fewer than `intervals.ENOUGH` dialogues, nor where one of the two never varies (`constant`).
    Raises EmoError for a score off the scale, or given twice.
    """
    cells = ["id", "system", "metric"]
    judged = judged.astype(dict.fromkeys(cells, str)).assign(value=scores_of(judged))
    if (wrong := judged[(judged.value < 1) | (judged.value > 5)]).size:
        raise EmoError(
            f"the judge gives dialogue {wrong.id.iloc[0]!r} of {wrong.system.iloc[0]} "
            f"{wrong.value.iloc[0]:g} on {wrong.metric.iloc[0]}; the scale is 1 to 5"
        )
    if (twice := judged[judged.duplicated(cells)]).size:
        raise EmoError(
            f"the judge scores dialogue {twice.id.iloc[0]!r} of {twice.system.iloc[0]} twice "
            f"on {twice.metric.iloc[0]}; give one judge's scores at a time"
        )
    scored = judged[["system", "metric"]].drop_duplicates()
    people = ratings.groupby(cells, as_index=False, sort=False).value.mean().merge(scored)
    both, rows = people.merge(judged, on=cells, how="left", suffixes=("_people", "_judge")), []
    for (system, metric), part in both.groupby(["system", "metric"], sort=False):
        a, b = part.dropna()[["value_people", "value_judge"]].to_numpy(float).T
        common = {"system": system, "metric": metric, "n": len(a), "unscored": len(part) - len(a)}
        for measure, values in (
            {"people": a, "judge": b, "difference": np.abs(a - b)}.items() if len(a) else ()
        ):
            value, low, high = intervals.mean_interval(values)
            rows.append(
                common | {"measure": measure, "value": value, "low": low, "high": high, "note": ""}
            )
        still = [
            who for who, values in (("people", a), ("judge", b)) if len(a) and np.ptp(values) == 0
        ]
        note = (
            f"fewer than {intervals.ENOUGH} dialogues"
            if len(a) < intervals.ENOUGH
            else f"constant: {' and '.join(still)}"
            if still
            else ""
        )
        value, low, high = (np.nan,) * 3 if note else correlations.pearson_interval(a, b, seed)
        rows.append(
            common | {"measure": "pearson", "value": value, "low": low, "high": high, "note": note}
        )
    return pd.DataFrame(
        rows,
        columns=["system", "metric", "measure", "value", "low", "high", "n", "unscored", "note"],
    )


def scores_of(judged: pd.DataFrame) -> pd.Series:
    """The column `value` as numbers, missing where it is empty; a comma may stand for the point.

    Raises EmoError for what is no number.
    """
    told = judged.value.astype(str).str.strip()
    empty = judged.value.isna() | told.str.lower().isin(("", "nan", "none", "na", "n/a"))
    found = pd.to_numeric(told.str.replace(r"^(-?\d*),(\d+)$", r"\1.\2", regex=True), "coerce")
    if (wrong := judged[found.isna() & ~empty]).size:
        raise EmoError(
            f"the score of {str(wrong.id.iloc[0])!r} of {wrong.system.iloc[0]} "
            f"on {wrong.metric.iloc[0]} is {wrong.value.iloc[0]!r}, which is no number"
        )
    return found.mask(empty)


def agreement(ratings: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """How far raters agree with each other on each metric:
    Krippendorff's alpha for ordinal values; columns metric, value, low, high, n, raters.

    n: dialogues that at least two people rated; the others say nothing. Intervals resample ids,
    under which one scene stands with all its systems. 1 is full agreement, 0 what chance gives;
    missing where nobody rated what another did, or all ratings are one and the same.
    """
    rows = []
    for metric, part in ratings.groupby("metric", sort=False):
        counts = (
            part.assign(one=1)
            .pivot_table(
                index=["id", "system"], columns="value", values="one", aggfunc="sum", fill_value=0
            )
            .reindex(columns=rating_kit.LEVELS, fill_value=0)
        )
        counts = counts[counts.sum(axis=1) > 1]
        value, low, high = reliability.krippendorff_alpha(counts.to_numpy()), np.nan, np.nan
        if not np.isnan(value):
            draws = np.array(
                [
                    reliability.krippendorff_alpha(counts.to_numpy()[i])
                    for i in intervals.resample_units(
                        counts.index.get_level_values("id"), seed, 1000
                    )
                ]
            )
            # A sample of one and the same rating has no alpha.
            dialogues = counts.index.get_level_values("id").nunique()
            low, high = intervals.interval(draws[~np.isnan(draws)], dialogues)
        rows.append(
            {
                "metric": metric,
                "value": value,
                "low": low,
                "high": high,
                "n": len(counts),
                "raters": part.rater.nunique(),
            }
        )
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "n", "raters"])


def choices(ratings: pd.DataFrame) -> pd.DataFrame:
    """Which of two systems people chose, for each question asked of them: columns metric, chosen,
    against, no_difference, value, low, high, n, raters, left, n_left.

    A question (of n) is one system's where the mean of its raters lies on that side of the middle;
    value counts no difference half, its interval is over questions and missing under
    `intervals.ENOUGH` of them. left: share of all single choices (n_left, without "no difference")
    that went to the answer on the left; far from 0.5, places were chosen and not answers.
    """
    rows = []
    for metric, part in ratings.groupby("metric", sort=False):
        side = np.sign(part.groupby("id").value.mean().to_numpy() - 3)
        value, low, high = _share((side + 1) / 2)
        single = part[part.value != 3]
        rows.append(
            {
                "metric": metric,
                "chosen": int((side > 0).sum()),
                "against": int((side < 0).sum()),
                "no_difference": int((side == 0).sum()),
                "value": value,
                "low": low,
                "high": high,
                "n": len(side),
                "raters": part.rater.nunique(),
                "left": ((single.value > 3) == (single.left == single.system)).mean(),
                "n_left": len(single),
            }
        )
    return pd.DataFrame(
        rows,
        columns=[
            "metric",
            "chosen",
            "against",
            "no_difference",
            "value",
            "low",
            "high",
            "n",
            "raters",
            "left",
            "n_left",
        ],
    )


def against_scores(ratings: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """How often an automatic score is higher for the answer that people chose: columns metric
    (asked of people), score, value, low, high, n, undecided, unscored.

    scores: columns id, system, metric, value on any scale, for both systems. n: questions in which
    people chose and the score tells the answers apart; undecided: people or the score do not;
    unscored: one of the two answers has no score. 0.5 is chance; under 0.5 the *lower* score goes
    with the choice. Intervals as in `choices`.
    """
    scores = scores.astype({"id": str, "system": str})
    if (twice := scores[scores.duplicated(["id", "system", "metric"])]).size:
        raise EmoError(
            f"{twice.metric.iloc[0]} is given twice for the answer of {twice.system.iloc[0]} "
            f"to {twice.id.iloc[0]!r}"
        )
    wide = scores.assign(value=scores_of(scores)).pivot(
        index=["metric", "id"], columns="system", values="value"
    )
    system, against = ratings.system.iloc[0], ratings.against.iloc[0]
    if not {system, against} <= set(wide.columns):
        return pd.DataFrame(
            columns=["metric", "score", "value", "low", "high", "n", "undecided", "unscored"]
        )
    higher, rows = np.sign(wide[system] - wide[against]), []
    for metric, part in ratings.groupby("metric", sort=False):
        side = np.sign(part.groupby("id").value.mean() - 3)
        for score in scores.metric.unique():
            both = higher[score].reindex(side.index) * side
            decided = both[both.abs() == 1]
            value, low, high = _share((decided + 1) / 2) if len(decided) else (np.nan,) * 3
            rows.append(
                {
                    "metric": metric,
                    "score": score,
                    "value": value,
                    "low": low,
                    "high": high,
                    "n": len(decided),
                    "undecided": int((both == 0).sum()),
                    "unscored": int(both.isna().sum()),
                }
            )
    return pd.DataFrame(rows)


def _share(won) -> tuple[float, float, float]:
    """Share of questions won with its interval; with ties, which count half, it is a mean."""
    won = np.asarray(won)
    tied = (won == 0.5).any()
    return intervals.mean_interval(won) if tied else intervals.share_interval(won)
