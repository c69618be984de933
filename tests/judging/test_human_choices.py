"""A judge against people's choices: places, orders and shares, by hand and by scikit-learn."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from emo_utils.experiment import parameters, runs
from emo_utils.judging import human_choices

PAIRS = [
    {
        "input": f"Name {k} fruits.",
        "output_1": "Apple. " * k,
        "output_2": "Trains. " * k,
        "label": 1 + k % 2,
    }
    for k in range(1, 5)
]


@pytest.fixture
def run():
    values = parameters.resolve("11_judge_validity", {"profile": "smoke"})
    return runs.Run("11_judge_validity", values, {})


class First:
    """A judge that gives whatever stands first .9."""

    name, signature = "first", "stub"

    def decide(self, states, questions, desc):
        assert all(
            human_choices.RULE in q["better"]["instructions"]
            and "medical" not in q["better"]["instructions"]
            for q in questions
        )
        self.states = states
        return pd.DataFrame(
            [
                {
                    "state": s,
                    "question": "better",
                    "option": f"answer {p}",
                    "probability": (0.9, 0.1)[p - 1],
                }
                for s in range(len(states))
                for p in (1, 2)
            ]
        )


def shares(run) -> dict:
    return {r.system: r.value for r in run.records if r.metric != "kappa"}


def test_places_are_turned_back_into_outputs(run):
    """The first output gets .9 ahead and .1 behind, and the two orders never agree."""
    judge = First()
    table = human_choices.both_orders(judge, PAIRS, seed=42)
    assert (
        table.ahead.tolist() == [0.9] * 4
        and table.behind.tolist() == pytest.approx([0.1] * 4)
        and table.human.tolist() == [False, True, False, True]
    )
    for ahead, behind in zip(judge.states[0::2], judge.states[1::2]):
        assert ahead.index("Apple") < ahead.index("Trains")
        assert behind.index("Apple") > behind.index("Trains")
    human_choices.add_choices(run, table, judge, "own")
    assert shares(run) == {
        "first output shown first": 0.5,
        "first output shown second": 0.5,
        "both orders averaged": 0.5,
        "same choice in both orders": 0.0,
    }


def test_orders_are_averaged_in_log_odds(run):
    table = pd.DataFrame(
        {"ahead": [0.9, 0.6, 0.2], "behind": [0.2, 0.1, 0.4], "human": [True, True, False]}
    )
    # Log-odds: 2.197 - 1.386 > 0, right; 0.405 - 2.197 < 0, wrong; both below 0, right.
    assert math.log(9) + math.log(0.25) > 0 > math.log(1.5) + math.log(1 / 9)
    assert human_choices.averaged(table).tolist() == [True, False, False]
    human_choices.add_choices(run, table, First, "own")
    assert shares(run) == pytest.approx(
        {
            "first output shown first": 1.0,
            "first output shown second": 1 / 3,
            "both orders averaged": 2 / 3,
            "same choice in both orders": 1 / 3,
        }
    )
    # Two of three are right; by chance 2/3 x 1/3 + 1/3 x 2/3 = 4/9 would be:
    # (2/3 - 4/9) / (1 - 4/9) = .4.
    assert next(r.value for r in run.records if r.metric == "kappa") == pytest.approx(0.4)


def test_pairs_that_were_not_answered_are_counted(run):
    table = pd.DataFrame(
        {
            "ahead": [0.9, np.nan, 0.2, 0.3],
            "behind": [0.8, 0.5, 0.4, np.nan],
            "human": [True, True, False, True],
        }
    )
    found = human_choices.hits(table)
    assert found.loc[[1, 3]].isna().all(axis=None)
    assert (found.loc[[0, 2]] == 1).all(axis=None)
    human_choices.add_choices(run, table, First, "own")
    assert {(r.n, r.unscored) for r in run.records} == {(2, 2)}


def test_kappa_is_scikit_learns():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"ahead": rng.random(40), "behind": rng.random(40)})
    table["human"] = rng.random(40) < table.ahead
    found = human_choices.kappa(table, seed=42)
    expected = cohen_kappa_score(table.human, human_choices.averaged(table))
    assert found["value"] == pytest.approx(expected)
    assert -1 <= found["ci_low"] < found["value"] < found["ci_high"] <= 1
