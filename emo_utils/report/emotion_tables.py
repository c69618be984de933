"""Tables of emotion scores (chapter 5): paired differences, and scores by the patient's emotion."""

import pandas as pd

from emo_utils.report import result_tables


def differences(records: pd.DataFrame) -> pd.DataFrame:
    """Each system against the untrained ones, a row a pair: columns system, minus, difference, n,
    p, p_holm and detectable (empty where there are too few questions for them).

    records: of chapter 5.
    """
    of_pairs = records[records.table == "emodoctor.table1.differences"]
    of_pairs = of_pairs.assign(minus=of_pairs.group.str.removeprefix("minus "))
    smallest = of_pairs[of_pairs.metric == "detectable"].set_index(["system", "minus"]).value
    means = of_pairs[of_pairs.metric == "mean"]
    return pd.DataFrame(
        {
            "system": means.system,
            "minus": means.minus,
            "difference": [result_tables.with_interval(r, 3, "+") for r in means.itertuples()],
            "n": means.n,
            "p": means.p.astype(float).round(3),
            "p_holm": means.p_adjusted.astype(float).round(3),
            "detectable": [
                round(smallest.get(pair, float("nan")), 3)
                for pair in zip(means.system, means.minus, strict=True)
            ],
        }
    )


def by_emotion(records: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The mean score of each system for each emotion that patients voiced, and the number of
    questions behind the smallest cell.
    """
    felt = records[(records.table == "emodoctor.table1") & records.group.str.startswith("emotion=")]
    cells = felt.assign(emotion=felt.group.str.removeprefix("emotion="))
    return cells.pivot(index="system", columns="emotion", values="value").round(2), felt.n.min()
