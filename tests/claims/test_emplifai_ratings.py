"""EmplifAI's printed ratings held against each other: small tables by hand, and the paper's own."""

from decimal import Decimal

import pandas as pd
import pytest
import scipy.stats

from emo_utils.claims import emplifai_ratings, ledger


def table(**means) -> pd.DataFrame:
    """Printed means of Table 5; `judge_warmth=[1, 2]` are those of models a and b on warmth."""
    return pd.DataFrame(
        [
            ("emplifai.table5", f"{model}.{rater}", metric, str(value))
            for name, values in means.items()
            for rater, metric in [name.split("_")]
            for model, value in zip("abcd", values, strict=False)
        ],
        columns=["table", "system", "metric", "value"],
    )


def test_the_two_means_of_a_model_stand_side_by_side():
    other = pd.DataFrame([("emplifai.table4", "a", "warmth", "1")], columns=table().columns)
    printed = pd.concat([table(judge_warmth=[1, 2], human_warmth=[3, 4.5]), other])
    pairs = emplifai_ratings.judge_and_people(printed)
    assert pairs[["model", "metric", "judge", "human"]].to_numpy().tolist() == [
        ["a", "warmth", 1.0, 3.0],
        ["b", "warmth", 2.0, 4.5],
    ]


def test_correlation_and_order_by_rubric():
    means = {"judge_warmth": [1, 2, 3], "human_warmth": [2, 4, 6]}
    means |= {"judge_safety": [1, 2, 3], "human_safety": [3, 2, 1]}
    means |= {"judge_tone": [1, 2, 4], "human_tone": [1, 3, 2]}
    pairs = emplifai_ratings.judge_and_people(table(**means))
    expected = {"warmth": 1, "safety": -1, "tone": scipy.stats.pearsonr([1, 2, 4], [1, 3, 2])[0]}
    found = emplifai_ratings.correlation_by_rubric(pairs)
    assert found.to_dict() == pytest.approx(expected)
    order = emplifai_ratings.same_order(pairs)
    assert order.to_dict() == {"warmth": True, "safety": False, "tone": False}


def test_people_put_another_model_first_where_the_judge_gives_nothing_but_five():
    printed = ledger.published()
    pairs = emplifai_ratings.judge_and_people(printed)
    assert len(pairs) == 28
    order = emplifai_ratings.same_order(pairs)
    assert list(order.index[~order]) == [
        "general_empathy",
        "harmlessness",
        "security",
    ]  # where people put DeepSeek above GPT


def test_the_printed_differences_are_not_those_that_the_means_imply():
    check = emplifai_ratings.implied_differences(ledger.published()).set_index("rubric")
    assert {metric: str(check.loc[metric, "MAD it implies"]) for metric in check.index} == {
        "general_empathy": "0.97",
        "harmlessness": "0.79",
        "security": "1.13",
    }
    assert (check["MAD it implies"] != check["MAD printed (Table 6)"]).all()
    assert (check["MAD it implies"] + check["people's mean (Table 5)"] == 5).all()
    assert check["constant printed"].map(type).eq(Decimal).all()


def test_lengths_fit_a_dialogue_and_no_turn():
    """Crowd workers' printed mean is about that of a whole dialogue of the paper's examples, and
    nearly four times that of a supporter's turn.
    """
    readings = emplifai_ratings.length_readings(ledger.published())
    times = readings["crowdworkers, times that"]
    assert times["a dialogue"] == pytest.approx(128.58 / 137.8)
    assert times["a dialogue's supporter"] == pytest.approx(128.58 / 66.9)
    assert times["a supporter's turn"] == pytest.approx(128.58 / 33.45)
    assert (times - 1).abs().idxmin() == "a dialogue"
    assert readings["sft-swallow"].tolist() == pytest.approx([611.28, 2 * 611.28, 4 * 611.28])
    assert readings.columns[2:].tolist() == [
        "crowdworker",
        "gpt",
        "deepseek",
        "sft-llm-jp",
        "sft-swallow",
        "sft-medllama",
    ]


def test_a_p_value_follows_from_r_and_the_number_of_dialogues():
    rows = [
        ("emplifai.table6.pearson", "gpt", "warmth", "0.25"),
        ("emplifai.table6.p", "gpt", "warmth", "0.9"),
        ("emplifai.table6.pearson", "llm-jp", "warmth", "0.5"),
        ("emplifai.table6.p", "llm-jp", "warmth", "0.1"),
    ]
    printed = pd.DataFrame(rows, columns=["table", "system", "metric", "value"])
    [row] = emplifai_ratings.recomputed_p(printed, "gpt", n=20).to_dict("records")
    assert (row["metric"], row["r"], row["p printed"]) == ("warmth", "0.25", "0.9")
    # The distribution of r itself, in place of Student's t: a beta on [-1, 1].
    beta = scipy.stats.beta(9, 9, loc=-1, scale=2)
    assert row["recomputed"] == pytest.approx(2 * beta.sf(0.25))
    assert len(emplifai_ratings.recomputed_p(ledger.published(), "gpt", n=100)) >= 3
