"""A judge of two answers against people's choices (chapter 11): each pair is shown in both orders,
in the form of chapter 7.
"""

import numpy as np
import pandas as pd

from emo_utils.judging import decisions, preference
from emo_utils.stats import reliability

RULE = "Which answer does better what was asked?"


def both_orders(reader, pairs: list[dict], seed: int) -> pd.DataFrame:
    """One row a pair: `ahead` and `behind`, the probability of the first output where it stands
    first and where it stands second, missing where it was not answered; `human`, whether people
    chose it.

    reader: of `remote.reader`. pairs: input, output_1, output_2, label (the chosen one, 1 or 2).
    """
    states, questions = [], []
    for number, pair in enumerate(pairs):
        outputs = {"1": pair["output_1"], "2": pair["output_2"]}
        for order in (["1", "2"], ["2", "1"]):
            state, asked = preference.comparison(pair["input"], outputs, order, f"{seed}{number}")
            states.append(state)
            questions.append({"better": _by_rule(asked["knowledge"])})
    first = decisions.probability(reader.decide(states, questions, "pairs"), "better", "answer 1")
    return pd.DataFrame(
        {
            "ahead": first[0::2].to_numpy(),
            "behind": 1 - first[1::2].to_numpy(),
            "human": [pair["label"] == 1 for pair in pairs],
        }
    )


def _by_rule(question: dict) -> dict:
    """A question of chapter 7 with `RULE` in the place of its own."""
    asked = question["instructions"].replace(preference.QUESTIONS["knowledge"], RULE)
    return question | {"instructions": asked}


def averaged(table: pd.DataFrame) -> pd.Series:
    """Whether the first output is the likelier one, log-odds of both orders averaged.

    table: of `both_orders`, without gaps.
    """
    chances = table[["ahead", "behind"]].clip(1e-12, 1 - 1e-12)
    return (np.log(chances) - np.log1p(-chances)).sum(axis=1) > 0


def hits(table: pd.DataFrame) -> pd.DataFrame:
    """For each pair 1 or 0, missing where an order was not answered: whether the judge chooses as
    people did (in each order, and `averaged`), and whether both orders give the same choice.
    """
    answered = table.dropna()
    ahead, behind = answered.ahead > 0.5, answered.behind > 0.5
    found = {
        "first output shown first": ahead == answered.human,
        "first output shown second": behind == answered.human,
        "both orders averaged": averaged(answered) == answered.human,
        "same choice in both orders": ahead == behind,
    }
    return pd.DataFrame(found).astype(float).reindex(table.index)


def kappa(table: pd.DataFrame, seed: int) -> dict:
    """The judge's agreement with people beyond chance, orders averaged (Cohen's kappa), as fields
    of a record; pairs are resampled.
    """
    answered = table.dropna()
    value, low, high = reliability.cohen_kappa_interval(answered.human, averaged(answered), seed)
    return {
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": len(answered),
        "unscored": len(table) - len(answered),
    }


def add_choices(run, table: pd.DataFrame, reader, group: str) -> None:
    """Record how far the judge chooses as people did (table `validity.judge`): `kappa`, and the
    shares of `hits`.

    table: of `both_orders`; group: the name of the pairs.
    """
    about = {"table": "validity.judge", "scorer": reader.name, "group": group}
    run.add(
        **about,
        system="both orders averaged",
        metric="kappa",
        **kappa(table, run.values["seed"]),
        kind="agreement",
        signature="Cohen's kappa, agreement beyond chance; bootstrap over pairs; "
        + reader.signature,
    )
    for system, agreed in hits(table).items():
        run.add_mean(
            agreed,
            **about,
            system=system,
            metric="consistency" if "same" in system else "accuracy",
            kind="share",
            signature=f"share of pairs; bootstrap over pairs; {reader.signature}",
            unit="",
        )
