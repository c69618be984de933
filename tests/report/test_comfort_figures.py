"""The figures of chapter 8: their points and bars stand where the records say."""

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


def test_each_system_has_a_point_by_the_program_and_by_the_reader():
    rows = [
        ("base", "share by program", "claims, of systems", 0.25),
        ("base", "share by first reader", "claims, of systems", 0.0),
        ("doctor", "share by program", "claims, of systems", 0.5),
        ("doctor", "share by first reader", "claims, of systems", 0.75),
        ("base", "share by program", "comfort, of systems", 1.0),
        ("program and first reader", "kappa", "claims, of systems", 0.125),  # of no system
    ]
    records = pd.DataFrame(rows, columns=["system", "metric", "group", "value"])
    records = records.assign(table="validity.sentences", n=20, interval="items")
    records = records.assign(ci_low=records.value - 0.125, ci_high=records.value + 0.125)
    figure = comfort_figures.on_systems(records)
    comfort, *_, claims = figure.axes
    points = [
        (line.get_xdata()[0], line.get_ydata()[0], line.get_color())
        for line in claims.lines
        if line.get_marker() == "o"
    ]
    program, reader = figures.ORANGE, figures.BLUE
    assert points == [
        (0.25, -0.15, program),
        (0.5, 0.85, program),
        (0.0, 0.15, reader),
        (0.75, 1.15, reader),
    ]
    bars = [line.get_xdata().tolist() for line in claims.lines if line.get_marker() != "o"]
    assert bars[0] == [0.125, 0.375]
    assert [label.get_text() for label in comfort.get_yticklabels()] == [
        *("base", "the doctor's answer")
    ]
    assert "claims, by the reader: highest the doctor's answer 0.75" in figure.get_label()
    assert comfort_figures.on_systems(records[-1:]) is None
    plt.close("all")
