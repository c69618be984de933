"""The figures of a judge's preferences: bars and points stand where the numbers are."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from emo_utils.judging.preference import SYSTEMS
from emo_utils.report import figures, preference_figures


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def records(table, metric, values, half_width):
    frame = pd.DataFrame({"table": table, "metric": metric, "system": SYSTEMS, "value": values})
    frame = frame.assign(n=60, interval="items")
    return frame.assign(ci_low=frame.value - half_width, ci_high=frame.value + half_width)


def test_every_system_has_a_bar_with_its_interval_in_both_panels():
    shares = [0.1, 0.15, 0.2, 0.05, 0.25, 0.25]
    frame = pd.concat(
        [
            records("emodoctor.figure2.knowledge", "win_share", shares, 0.05),
            records("emodoctor.figure2.emotion", "win_share", shares[::-1], 0.05),
            records("emodoctor.figure2.emotion", "strength", shares, 0.05),
        ]
    ).sample(frac=1, random_state=1)
    figure = preference_figures.win_shares(frame)
    highest, lowest = figures.LABELS[SYSTEMS[5]], figures.LABELS[SYSTEMS[3]]
    assert (
        f"Most knowledgeable, n = 60: highest {highest} 0.25 [0.20, 0.30]; lowest {lowest} 0.05 "
        "[0.00, 0.10] (of the highest, its interval overlaps with 3 of 5 others)."
    ) in figure.get_label()
    assert "each of 6 systems won, in two panels; dotted at 0.17" in figure.get_label()
    left, right = figure.axes
    assert [bar.get_width() for bar in left.patches] == shares
    assert [bar.get_width() for bar in right.patches] == shares[::-1]
    [bars] = left.collections
    assert [line[:, 0].tolist() for line in bars.get_segments()] == [
        pytest.approx([share - 0.05, share + 0.05]) for share in shares
    ]
    assert [label.get_text() for label in left.get_yticklabels()] == [
        figures.LABELS[system] for system in SYSTEMS
    ]
    assert (left.get_title(), right.get_title()) == ("most knowledgeable", "most reassuring")
    [guess] = left.lines[-1:]
    assert list(guess.get_xdata()) == [1 / 6, 1 / 6]


def test_strengths_stand_beside_those_without_length():
    raw, controlled = [-0.5, -0.25, 0, 0.25, 0.5, 0], [0.0] * 6
    frame = pd.concat(
        records(f"emodoctor.figure2.tournament.{question}", metric, values, 0.125)
        for question in ("knowledge", "emotion")
        for metric, values in (("strength", raw), ("strength_length_controlled", controlled))
    )
    figure = preference_figures.tournament(frame)
    highest, lowest = figures.LABELS[SYSTEMS[4]], figures.LABELS[SYSTEMS[0]]
    assert (
        f"Most reassuring, n = 60: highest {highest} 0.50 [0.38, 0.62]; lowest {lowest} -0.50 "
        "[-0.62, -0.38]"
    ) in figure.get_label()
    left, right = figure.axes
    points = [line for line in left.lines if line.get_marker() in "os" and line.get_marker()]
    drawn = {
        (line.get_marker(), round(float(line.get_ydata()[0]))): float(line.get_xdata()[0])
        for line in points
    }
    assert drawn == {("o", k): raw[k] for k in range(6)} | {("s", k): 0.0 for k in range(6)}
    bars = [line.get_xdata() for line in left.lines if len(line.get_xdata()) == 2][:6]
    assert [list(bar) for bar in bars] == [[value - 0.125, value + 0.125] for value in raw]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "strength",
        "strength length controlled",
    ]
