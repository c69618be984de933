"""Figures of chapter 10.2: points, lines and texts stand where the numbers are."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_ebd_open_tables import record

from emo_utils.data.caregiver import ELSEWHERE, REJECTED
from emo_utils.report import ebd_open_figures, figures
from emo_utils.report.ebd_open_tables import Shown

BASE, TUNED = figures.LABELS["ebd-base"], figures.LABELS["ebd-dpo"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def shown(rows, profile="smoke", full=False):
    return Shown(pd.DataFrame(rows), SimpleNamespace(profile=profile), full)


def points(axis) -> list[tuple[float, float]]:
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in axis.lines
        if line.get_marker() == "o"
    ]


def bars(axis) -> list[list[float]]:
    return [list(line.get_xdata()) for line in axis.lines if line.get_lw() == 2]


def test_dots_of_two_systems_stand_beside_each_other():
    rows = [
        record("t", system, value=value, group=group)
        for system, value in (("ebd-base", 0.25), ("ebd-dpo", 0.75))
        for group in ("one", "two")
    ]
    axis = plt.figure().subplots()
    ebd_open_figures.dots(axis, pd.DataFrame(rows), ["one", "two"])
    assert points(axis) == [
        (0.25, pytest.approx(-0.175)),
        (0.25, pytest.approx(0.825)),
        (0.75, pytest.approx(0.175)),
        (0.75, pytest.approx(1.175)),
    ]
    assert bars(axis) == [[0.0, 0.5]] * 2 + [[0.5, 1.0]] * 2
    assert axis.get_legend_handles_labels()[1] == [BASE, TUNED]
    assert axis.get_ylim() == (1.5, -0.5)


def test_every_answer_is_a_point_and_every_system_a_mark_at_its_mean():
    answers = pd.DataFrame(
        {
            "id": ["a", "b"] * 4,
            "system": np.repeat(["ebd-base", "ebd-dpo", REJECTED, ELSEWHERE], 2),
            "grade": [4.0, 8.0, 3.0, np.nan, 12.0, 14.0, 5.0, 5.0],
            "kept": [0.5, 0.25, 0.5, 0.75, 1.0, 0.5, 0.0, 0.25],
        }
    )
    figure = ebd_open_figures.precision(answers, "embedded")
    assert f"Means: {BASE} grade 6.0, 0.38 kept; {TUNED} grade 3.0, 0.50 kept;" in (
        figure.get_label()
    )
    [axis] = figure.axes
    means = [line for line in axis.lines if line.get_markersize() == 11]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in means] == [
        (6, 0.375),
        (3, 0.5),  # the answer without a grade is left out of both means
        (13, 0.75),
        (5, 0.125),
    ]
    clouds = [line for line in axis.lines if line.get_markersize() == 4]
    assert clouds[0].get_xdata().tolist() == [4, 8] and len(clouds) == 4
    drawn = [text.get_text() for text in axis.get_legend().get_texts()]
    assert drawn == [BASE, TUNED, REJECTED, ELSEWHERE]
    assert "n = 2 questions" in axis.get_title() and "embedded profile" in axis.get_title()


def test_nothing_is_drawn_of_what_no_run_has():
    nothing = [shown([record("ebd.people")])]
    for figure in ("caveats", "transfer", "voices", "probes"):
        assert getattr(ebd_open_figures, figure)(nothing) is None
    assert not plt.get_fignums()


def test_the_full_run_is_drawn_where_it_was_kept():
    few = shown([record("ebd.caveats", metric="kept", group="numbers", n=2)])
    rows = [
        record("ebd.caveats", metric="kept", value=0.75, group="numbers", n=8),
        record("ebd.caveats", metric="kept", value=0.25, group="the rest"),
        record("ebd.caveats", metric="change", group="numbers"),
    ]
    figure = ebd_open_figures.caveats([few, shown(rows, "embedded", full=True)])
    assert "(numbers, the rest), for each system; n from 8 to 12. " in figure.get_label()
    assert "highest the rest" not in figure.get_label() and "highest numbers" in figure.get_label()
    [axis] = figure.axes
    assert points(axis) == [(0.75, 0), (0.25, 1)] and axis.get_xlim()[0] == 0
    assert axis.get_title().startswith("full run:") and "up to 12" in axis.get_title()
    [axis] = ebd_open_figures.caveats([few]).axes
    assert axis.get_title().startswith("smoke profile:") and "up to 2" in axis.get_title()


def test_transfer_has_a_panel_a_measure():
    rows = [
        record("ebd.transfer", "ebd-dpo", metric, value, group)
        for metric, value in (("warmth", 0.5), ("cosine", -0.25), ("grade", -2.0), ("words", 9.0))
        for group in ("CARE", "DOCTOR")
    ]
    figure = ebd_open_figures.transfer([shown(rows)])
    assert f"warmth: {TUNED} on CARE 0.50" in figure.get_label()
    assert f"cosine: {TUNED} on CARE -0.25" in figure.get_label()
    assert [points(axis)[0][0] for axis in figure.axes] == [0.5, -0.25, -2.0]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["CARE", "DOCTOR"]
    assert figure._suptitle.get_text() == "smoke profile, n = 12 of CARE, n = 12 of DOCTOR"


def test_voices_lie_in_a_line_each_the_untuned_model_above():
    rows = [
        record("ebd.voices", system, metric, value, group)
        for system, value in (("ebd-base", 0.25), ("ebd-dpo", 0.5))
        for metric in ("warmth", "grade", "words")
        for group in ("original again", "older")
    ]
    figure = ebd_open_figures.voices([shown(rows)])
    assert f"grade, {TUNED}: all 2 at 0.50." in figure.get_label()
    first, second = figure.axes
    assert points(first) == [(0.25, -0.12), (0.25, 0.88), (0.5, 0.12), (0.5, 1.12)]
    assert first.yaxis_inverted() and second.get_title().startswith("grade: voice minus original")
    assert figure._suptitle.get_text() == "smoke profile, this page's run"
    full = ebd_open_figures.voices([shown(rows, full=True)])
    assert full._suptitle.get_text() == "full run"


def test_probes_have_a_line_each_and_chance_is_marked():
    rows = [
        record("ebd.probes", name, "accuracy", value, n=40)
        for name, value in (("length", 0.75), ("opening sentence", 0.5))
    ]
    figure = ebd_open_figures.probes([shown(rows), shown([], full=True)])
    assert "n = 40. length 0.75" in figure.get_label()
    [axis] = figure.axes
    assert points(axis) == [(0.75, 0), (0.5, 1)]
    [chance] = [line for line in axis.lines if line.get_linestyle() == ":"]
    assert list(chance.get_xdata()) == [0.5, 0.5] and "40 test pairs" in axis.get_title()


def test_shortcuts_have_a_dot_a_seed_and_a_line_at_their_mean():
    rows = [
        {"pairs_as": pairs, "metric": metric, "value": value}
        for metric in ("words", "warmth", "grade", "kl_per_token")
        for pairs, values in (("cut", (1.0, 3.0)), ("shorter_chosen", (5.0, 6.0)))
        for value in values
    ]
    figure = ebd_open_figures.shortcuts(pd.DataFrame(rows))
    assert "Mean grade: shorter_chosen 5.50; cut 2.00." in figure.get_label()
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["shorter_chosen", "cut"]
    assert [list(line.get_xdata()) for line in axis.lines] == [[5, 6], [5.5, 5.5], [1, 3], [2, 2]]
    assert [a.get_title() for a in figure.axes][-2:] == ["grade of the answers", "kl_per_token"]


def test_a_grid_is_ordered_by_size_and_averaged_over_seeds():
    metrics = ("test_accuracy", "gain_per_token", "kl_per_token", "warmth", "cosine", "repeated")
    rows = [
        {"metric": metric, "lora_rank": rank, "beta": beta, "learning_rate": rate, "value": value}
        for metric in metrics
        for rank in ("16", "8")
        for beta, rate, value in (
            ("0.3", "0.0002", 0.0),
            ("0.1", "0.0002", 0.25),
            ("0.1", "0.0002", 0.75),
            ("0.3", "0.004", 1.0),
            ("0.1", "0.004", 0.125),
        )
    ]
    figure = ebd_open_figures.grid(pd.DataFrame(rows))
    assert (
        "warmth: highest 1.00 at rank 16, beta 0.3, learning rate 0.004; lowest 0.00 at rank 16, "
        "beta 0.3, learning rate 0.0002."
    ) in figure.get_label()
    assert len(figure.axes) == 12
    assert [axis.get_title() for axis in figure.axes[:2]] == [
        "test_accuracy, rank 8",
        "test_accuracy, rank 16",
    ]
    axis = figure.axes[0]
    assert axis.images[0].get_array().tolist() == [[0.5, 0.125], [0.0, 1.0]]
    assert [text.get_text() for text in axis.texts] == ["0.50", "0.12", "0.00", "1.00"]
    assert [text.get_color() for text in axis.texts] == ["white", "white", "white", "black"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["0.1", "0.3"]
