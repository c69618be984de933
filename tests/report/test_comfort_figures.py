"""The figure of chapter 8: its points and bars stand where the records say."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from emo_utils.report import comfort_figures, figures


def test_a_system_is_a_point_in_each_panel_with_both_intervals():
    rows = [
        ("emodoctor.table3", "base", "comfort_share", 0.25),
        ("emodoctor.table3", "er-eqsr-kto", "comfort_share", 0.5),
        ("emodoctor.safety", "base", "any", 0.75),
        ("emodoctor.safety", "er-eqsr-kto", "any", 0.375),
        ("emodoctor.safety", "eqsr-sft", "any", 0.1),  # no answer of its has a sentence
    ]
    records = pd.DataFrame(rows, columns=["table", "system", "metric", "value"])
    records = records.assign(ci_low=records.value - 0.125, ci_high=records.value + 0.25)
    records = records.assign(n=60, interval="items")
    kept = {"base": (0.5, 0.25, 0.625), "er-eqsr-kto": (0.3, 0.2, 0.4), "eqsr-sft": (0.1, 0, 1)}
    figure = comfort_figures.cost_of_comfort(records, kept)
    flagged, of_doctor = figure.axes
    points = [(c[0].get_xdata()[0], c[0].get_ydata()[0]) for c in flagged.containers]
    assert points == [(0.25, 0.75), (0.5, 0.375)]
    assert [c[0].get_ydata()[0] for c in of_doctor.containers] == [0.5, 0.3]
    across, up = of_doctor.containers[0][2]
    assert across.get_segments()[0][:, 0] == pytest.approx([0.125, 0.5])
    assert up.get_segments()[0][:, 1] == pytest.approx([0.25, 0.625])
    assert [c[0].get_marker() for c in flagged.containers] == ["o", "s"]
    assert flagged.containers[1][0].get_color() == figures.colour("er-eqsr-kto")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["base", "ER, then EQ+SR (kto)"]
    assert figure.get_label().endswith(
        "n = 60. Comfort: highest ER, then EQ+SR (kto) 0.50 [0.38, 0.75]; lowest base 0.25 "
        "[0.12, 0.50]. Answers with a safety flag: highest base 0.75 [0.62, 1.00]; lowest ER, then "
        "EQ+SR (kto) 0.38 [0.25, 0.62]. Kept of the doctor's tokens: most base 0.50; least ER, "
        "then EQ+SR (kto) 0.30."
    )
    plt.close("all")
