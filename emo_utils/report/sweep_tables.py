"""Tables of a sweep's records: its variants, the trainings that failed, and seeds beside questions.

The records are those of chapter 12: group `all` has one a variant and metric, `all seeds` one a
training with several seeds.
"""

import pandas as pd

from emo_utils.experiment import sweeps
from emo_utils.report import result_tables

SHOWN = (
    "warmth",
    "bleu1",
    "final_margin",
    "kl_per_token",
    "gain_per_token",
    "validation_loss",
    "complete",
    "repeated",
)


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
        .rename(columns={"base": "system", "seed_of": "seed"})
        .round(3)
    )


def failed_in_words(records: pd.DataFrame) -> str:
    """Which trainings ended with a margin below 0, and their ranks by warmth; records of group
    `all`.
    """
    measures = records.pivot(index="system", columns="metric", values="value")
    ranks = measures.warmth.rank(ascending=False).astype(int)
    failed = measures.index[measures.final_margin < 0] if "final_margin" in measures else []
    sentences = [
        f"{variant} failed, and is number {ranks[variant]} of {len(measures)} by warmth"
        for variant in failed
    ]
    return "; ".join(sentences) or "no training failed by this sign"


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
            half=(single.ci_high - single.ci_low) / 2,
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
