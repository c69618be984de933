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
        (0.01234, "0.012"),
        (0.0, "0"),
        (1.0, "1.0"),
        (99.94, "99.9"),
        (100.4, "100"),
        (1_234_567.8, "1,234,568"),
    ],
)
def test_a_number_has_the_digits_that_a_bill_needs(value, text):
    assert bill_tables.rounded(value) == text


def test_tasks_stand_by_hours_and_trainings_in_their_colour():
    lines = pd.DataFrame(
        {
            "item": ["long", "short", "a service's"],
            "GPU hours": [8.0, 0.5, math.nan],
            "GB": [math.nan, 16.0, math.nan],
        }
    )
    [axis] = bill_figures.hours_by_task(lines, "L40S").axes
    assert [bar.get_width() for bar in axis.patches] == [0.5, 8.0]
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()).upper() for bar in axis.patches]
    assert colours == [figures.COLOURS["sft"], figures.COLOURS["dpo"]]
    assert [text.get_text() for text in axis.texts] == ["0.5", "8.0"]
    assert "L40S" in axis.get_xlabel() and axis.get_xscale() == "log"
    plt.close("all")
