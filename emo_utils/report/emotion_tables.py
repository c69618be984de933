"""Tables of emotion scores (chapters 5 and 5.1): paired differences, scores by the patient's
emotion, and plain questions beside emotional ones.
"""

import pandas as pd

from emo_utils.report import result_tables
from emo_utils.scoring import emotion_records


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


def plain_beside_emotional(records: pd.DataFrame) -> pd.DataFrame:
    """The mean score of each system on plain questions and on the same questions with their
    feeling, and the difference; texts of the data have a score in the first column only.

    records: of chapter 5.1.
    """
    columns = {
        emotion_records.PLAIN: "plain question",
        emotion_records.EMOTIONAL: "emotional question",
        f"{emotion_records.PLAIN}.less_emotional": "difference",
    }
    means = records[(records.metric == "mean") & records.table.isin(columns)]
    cells = {
        heading: {
            r.system: result_tables.cell(r, sign="+" if heading == "difference" else "")
            for r in means[means.table == table].itertuples()
        }
        for table, heading in columns.items()
    }
    return pd.DataFrame(cells).fillna("").rename_axis("system")
