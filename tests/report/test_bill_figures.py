"""Figure and numbers of the bill."""

import math

import matplotlib.colors
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from emo_utils.report import bill_figures, bill_tables, figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, ""),
        (0.01234, "0.01"),
        (0.0, "0"),
        (1.0, "1"),
        (1.4, "1"),
        (99.94, "100"),
        (100.4, "100"),
        (1_234_567.8, "1,000,000"),
    ],
)
def test_a_number_has_the_one_digit_that_a_bill_knows(value, text):
    assert bill_tables.rounded(value) == text


def test_runs_stand_beside_the_formula():
    kept = [{"run": "a", "computed": 8.0, "seconds": 20.0, "rows": 5}]
    assert bill_tables.own_runs(kept).to_dict("records") == [
        {"run": "a", "computed, s": 8.0, "measured, s": 20.0, "times": 2.5}
    ]


def test_the_last_line_of_a_bill_is_its_sum():
    line = dict.fromkeys(bill_tables.SUMMED, 14.0) | {"item": "a", "model": "b", "GB": 16.0}
    lines = pd.DataFrame([line | {"GPUs at least": 2.0}, line | {"GPU hours": math.nan}])
    total = bill_tables.total_of(lines)
    assert total["million tokens in"] == 28.0 and total["GPU hours"] == 14.0
    shown = bill_tables.with_total(lines, total)
    assert list(shown) == ["item", "model", *bill_tables.SUMMED, "GPUs at least"]
    assert shown["GPU, $"].tolist() == ["10", "10", "30"]  # one digit
    assert shown["GPU hours"].tolist() == ["10", "", "10"]
    assert shown["GPUs at least"].tolist() == ["2", "", ""]


def test_how_far_off_the_formula_is_says_least_and_most():
    own, stated = (pd.DataFrame({"times": times}) for times in ([2.14, 9.7, 5.0], [4.2, 31.0]))
    assert bill_tables.off_in_words(own, stated) == (
        "The formula was off 2 to 10 times on this project's runs, and 4 to 30 times on the paper's"
    )


def test_a_halved_assumption_stands_beside_the_whole():
    assert bill_tables.halved({"batch": 450.0}, 300.0).to_dict("records") == [
        {"halved": "batch", "hours on one GPU": "400", "times": "1.50"}
    ]


def test_tasks_stand_by_hours_and_trainings_in_their_colour():
    lines = pd.DataFrame(
        {
            "item": ["long", "short", "a service's"],
            "GPU hours": [8.0, 0.5, math.nan],
            "GB": [math.nan, 16.0, math.nan],
        }
    )
    figure = bill_figures.hours_by_task(lines, "L40S")
    assert figure.get_label().endswith(
        "for 2 tasks, 1 of them trainings. Longest: long, 8; shortest: short, 0.5."
    )
    [axis] = figure.axes
    assert [bar.get_width() for bar in axis.patches] == [0.5, 8.0]
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()).upper() for bar in axis.patches]
    assert colours == [figures.COLOURS["sft"], figures.COLOURS["dpo"]]
    assert [text.get_text() for text in axis.texts] == ["0.5", "8"]
    assert "L40S" in axis.get_xlabel() and axis.get_xscale() == "log"
    plt.close("all")
