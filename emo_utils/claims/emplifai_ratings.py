"""EmplifAI's printed numbers held against each other: ratings by judge and people (Tables 5 and
6), and what Table 7 counts the characters of.

Everything here is computed from `ledger.published`; ratings of our own are in `emo_utils.people`.
"""

from decimal import Decimal

import pandas as pd

from emo_utils.stats import correlations

BEST = 5  # the highest level of a rubric
# What the characters of Table 7 may be those of, with how many turns that is; a dialogue has four,
# two of them the supporter's.
READINGS = {"a dialogue": 4, "a dialogue's supporter": 2, "a supporter's turn": 1}


def judge_and_people(printed: pd.DataFrame) -> pd.DataFrame:
    """Table 5: columns model, metric, human, judge, the two means of a model on a rubric."""
    means = printed[printed.table == "emplifai.table5"]
    parts = means.system.str.rsplit(".", n=1, expand=True)  # gpt.judge, gpt.human
    means = means.assign(model=parts[0], rater=parts[1], value=means.value.astype(float))
    return means.pivot(index=["model", "metric"], columns="rater", values="value").reset_index()


def correlation_by_rubric(pairs: pd.DataFrame) -> pd.Series:
    """Pearson's r of the models' means by judge and by people, for each rubric (metric)."""
    by_metric = pairs.groupby("metric", sort=False)[["judge", "human"]]
    return by_metric.apply(lambda part: part.judge.corr(part.human))


def same_order(pairs: pd.DataFrame) -> pd.Series:
    """Whether judge and people put the models in the same order, for each rubric (metric)."""
    by_judge, by_people = (
        pairs.pivot(index="model", columns="metric", values=rater).rank()
        for rater in ("judge", "human")
    )
    return (by_judge == by_people).all()


def implied_differences(printed: pd.DataFrame) -> pd.DataFrame:
    """What Table 5 implies and Table 6 prints of GPT where its judge gave nothing but 5: the mean
    absolute difference to people (MAD) must then be 5 less the people's mean.

    A row a rubric; columns rubric, people's mean (Table 5), MAD it implies, MAD printed (Table 6),
    constant printed, as exact decimals.
    """

    def number(table: str, system: str, metric: str) -> Decimal:
        of_cell = (printed.table == table) & (printed.system == system) & (printed.metric == metric)
        return Decimal(printed[of_cell].value.iloc[0])

    rows = []
    for metric in printed[printed.table == "emplifai.table5"].metric.unique():
        if number("emplifai.table5", "gpt.judge", metric) != BEST:
            continue
        people = number("emplifai.table5", "gpt.human", metric)
        rows.append(
            {
                "rubric": metric,
                "people's mean (Table 5)": people,
                "MAD it implies": BEST - people,
                "MAD printed (Table 6)": number("emplifai.table6.mad", "gpt", metric),
                "constant printed": number("emplifai.table6.constant", "gpt", metric),
            }
        )
    return pd.DataFrame(rows)


def recomputed_p(printed: pd.DataFrame, system: str, n: int) -> pd.DataFrame:
    """Table 6's correlations of a system's judge with people beside the p-values that are printed
    and those that follow from r and n: a row a rubric, columns metric, r, `p printed`, recomputed.

    n: dialogues behind each correlation.
    """
    of_system = printed[printed.system == system]
    r, p = (of_system[of_system.table == f"emplifai.table6.{name}"] for name in ("pearson", "p"))
    both = r.merge(p, on="metric", suffixes=("_r", "_p"))
    return pd.DataFrame(
        {
            "metric": both.metric,
            "r": both.value_r,
            "p printed": both.value_p,
            "recomputed": [correlations.pearson_p(float(r), n) for r in both.value_r],
        }
    )


def length_readings(printed: pd.DataFrame) -> pd.DataFrame:
    """What Table 7's mean number of characters implies under each reading of its unit (READINGS), a
    row a reading.

    Columns `printed examples`: characters that the ten dialogues of Appendix C have by that
    reading; `crowdworkers, times that`: how many times as many Table 7 prints for the people who
    wrote them; and, for each of its systems, the characters that a dialogue of theirs has then, if
    all turns are of one length.
    """
    found = printed.set_index(["table", "system", "metric"]).value
    a_dialogue, a_turn = (
        float(found["emplifai.text", "examples", f"characters-a-{what}"])
        for what in ("dialogue", "supporter-turn")
    )
    examples = {"a dialogue": a_dialogue, "a dialogue's supporter": 2 * a_turn}
    examples["a supporter's turn"] = a_turn
    lengths = printed[(printed.table == "emplifai.table7") & (printed.metric == "characters")]
    lengths = lengths.set_index("system").value.astype(float)
    rows = {
        reading: {
            "printed examples": examples[reading],
            "crowdworkers, times that": lengths["crowdworker"] / examples[reading],
        }
        | {system: value * READINGS["a dialogue"] / turns for system, value in lengths.items()}
        for reading, turns in READINGS.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")
