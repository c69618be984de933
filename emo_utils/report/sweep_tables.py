"""Tables of a sweep's records: its variants, the trainings that failed, and seeds beside questions.

The records are those of chapter 12: group `all` has one a variant and metric, `all seeds` one a
training with several seeds.
"""

import numpy as np
import pandas as pd

from emo_utils.experiment import sweeps
from emo_utils.report import result_tables

SHOWN = (
    "warmth",
    "bleu1",
    "last_margin",
    "final_margin",
    "kl_per_token",
    "gain_per_token",
    "validation_loss",
    "complete",
    "repeated",
)
# Headings of what a training says of its own end. Runs that were kept before the tenth was taken
# have the mean of the last five steps, of seven as of seventy.
HEADINGS = {
    "last_margin": "margin, last tenth of the steps",
    "final_margin": "margin, last five steps",
}


def with_parameters(records: pd.DataFrame) -> pd.DataFrame:
    """Records with what their variants' names say, as text: columns variant, base (the system), and
    one a parameter (`seed_of` for the seed, which is a column of records).
    """
    rows = []
    for variant in records.system.unique():
        changed = sweeps.changed(variant)
        rows.append({"variant": variant, "base": changed.pop("system")} | changed)
    return records.merge(
        pd.DataFrame(rows), left_on="system", right_on="variant", suffixes=("", "_of")
    )


def parameters(records: pd.DataFrame) -> list[str]:
    """The columns that `with_parameters` has added behind `variant`."""
    return [*records.columns[records.columns.get_loc("variant") + 1 :]]


def variants_table(records: pd.DataFrame) -> pd.DataFrame:
    """One row a variant: its system, the parameters that differ, warmth with its interval,
    and the other measures. Records of group `all`.
    """
    measures = records.pivot(index="system", columns="metric", values="value")
    warm = records[records.metric == "warmth"].set_index("system").loc[measures.index]
    measures["warmth"] = [result_tables.cell(r, digits=3) for r in warm.itertuples()]
    variants = with_parameters(records).drop_duplicates("system").set_index("system")
    differing = [
        name for name in parameters(variants) if name == "base" or variants[name].nunique() > 1
    ]
    return (
        variants[differing]
        .join(measures[[name for name in SHOWN if name in measures]])
        .rename(columns={"base": "system", "seed_of": "seed"} | HEADINGS)
        .round(3)
    )


def told_apart(records: pd.DataFrame) -> pd.DataFrame:
    """Whether each training tells apart rows that it did not see, one row a variant: `apart` (True,
    False, or missing where nothing says) and `by`, in words; records of group `all`.

    That is the reward margin of training rows that were held out, or else on how many test
    questions the wanted answer gained more than the other one.
    """
    measures = records.pivot(index="system", columns="metric", values="value")
    measures = measures.reindex(
        columns=measures.columns.union(["validation_margin", "test_accuracy"])
    )
    found = {}
    for variant in records.system.unique():
        margin, share = measures.loc[variant, ["validation_margin", "test_accuracy"]]
        if not np.isnan(margin):
            found[variant] = margin > 0, f"margin {margin:.2f} on held-out rows"
        elif not np.isnan(share):
            by = f"the wanted answer gained more on {share:.0%} of unseen questions"
            found[variant] = share > 0.5, by
        else:
            found[variant] = None, ""
    return pd.DataFrame.from_dict(found, orient="index", columns=["apart", "by"])


def failed_in_words(records: pd.DataFrame) -> str:
    """Which trainings do not tell apart rows that they did not see (`told_apart`), with their ranks
    by warmth, and how many were not asked; records of group `all`.
    """
    warmth = records[records.metric == "warmth"].set_index("system").value
    ranks, asked = warmth.rank(ascending=False).astype(int), told_apart(records)
    sentences = [
        f"{r.Index} failed ({r.by}), and is number {ranks[r.Index]} of {len(ranks)} by warmth"
        for r in asked[asked.apart.eq(False)].itertuples()
    ]
    unknown = int(asked.apart.isna().sum())
    if unknown < len(asked) and not sentences:
        sentences = ["no training failed by this sign"]
    if unknown:
        sentences.append(f"{unknown} of {len(asked)} trainings have no number on unseen rows")
    return "; ".join(sentences)


def seeds_table(records: pd.DataFrame) -> pd.DataFrame:
    """One row a training and measure: 1.96 standard deviations over its seeds, half the interval
    over questions (the mean of its seeds'), and the mean with an interval over both.
    """
    scores = records[records.metric.isin(["warmth", "bleu1"])]
    single = scores[scores.group == "all"]
    joined = scores[scores.group == "all seeds"].set_index(["system", "metric"])
    spreads = (
        single.assign(
            training=single.system.map(sweeps.without_seed),
            half=(single.ci_high - single.ci_low).where(single.interval != "none") / 2,
        )
        .groupby(["training", "metric"], sort=False)
        .agg(
            seeds=("value", "size"),
            over_seeds=("value", lambda values: 1.96 * values.std()),
            over_questions=("half", "mean"),
        )
    )
    means = [result_tables.cell(r, digits=3) for r in joined.loc[spreads.index].itertuples()]
    return spreads.round(3).assign(mean=means).reset_index()
