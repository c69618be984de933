"""The figures of emotion scores: their points and bars stand where the numbers are."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from emo_utils.report import arms_figures, emotion_figures, emotion_tables, figures


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_every_answer_is_a_point_in_the_line_of_its_system():
    scores = pd.DataFrame(
        {"system": ["base", "eqsr-dpo", "base"], "mean": [0.25, 0.5, 0.75], "max": 1.0}
    )
    figure = emotion_figures.answers_figure(scores, "a title")
    assert "3 answers. Medians: base 0.50; EQ+SR (dpo) 0.50." in figure.get_label()
    [axis] = figure.axes
    points = [line.get_offsets()[:, 0].tolist() for line in axis.collections]
    assert points == [[0.25, 0.75], [0.5]] and figure.get_suptitle() == "a title"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["base", "EQ+SR (dpo)"]


def test_two_scorers_have_an_axis_each():
    rows = [
        ("scorer=contrast", "encoder", "base", "mean", 0.5, 5),
        ("scorer=contrast", "encoder", "eqsr-dpo", "mean", 0.75, 4),
        ("scorer=decision", "judge", "base", "mean", 0.25, 5),
        ("all answers", "encoder and judge", "agreement", "spearman", 0.9, 9),
    ]
    records = pd.DataFrame(rows, columns=["group", "scorer", "system", "metric", "value", "n"])
    records = records.assign(
        ci_low=records.value - 0.125, ci_high=records.value + 0.125, interval="items"
    )
    figure = emotion_figures.evaluators_figure(records)
    assert figure.get_label().endswith(
        "contrast, n from 4 to 5: highest EQ+SR (dpo) 0.75; lowest base 0.50. "
        "decision, n = 5: base 0.25."
    )  # fewer than ten: no interval
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("contrast: encoder", "decision: judge")
    assert left.get_xlabel() == "mean score,\nn = 4 questions"
    assert [line.get_xdata()[0] for line in left.lines[1::2]] == [0.5, 0.75]
    assert list(left.lines[0].get_xdata()) == [0.375, 0.625]
    assert left.lines[3].get_color() == figures.colour("eqsr-dpo") and len(right.lines) == 2


def test_what_a_score_pays_for_stands_on_one_axis_from_low_to_high():
    rows = [
        ("emodoctor.table1", "base", "mean", "all", 0.5),
        ("emodoctor.table1", "reference", "mean", "all", 0.25),
        ("emodoctor.table1", "base", "max", "all", 0.9),
        ("emodoctor.table1", "base", "mean", "emotion=fear", 0.9),
        ("emodoctor.table1.controls", "a failed training", "mean", "all", 0.75),
        ("emodoctor.facts", "base", "mean", "all", 0.9),
    ]
    records = pd.DataFrame(rows, columns=["table", "system", "metric", "group", "value"])
    records = records.assign(
        ci_low=records.value - 0.125, ci_high=records.value + 0.125, n=60, interval="items"
    )
    figure = emotion_figures.paid_figure(records, "mean score")
    shuffled = "shuffled words (a failed training)"
    assert figure.get_label().endswith(
        "Systems, n = 60: base (untrained) 0.50 [0.38, 0.62]. Texts of the data: the warm answer "
        f"(reference) 0.25 [0.12, 0.38]. Controls: {shuffled} 0.75 [0.62, 0.88]. "
        f"Controls above every system: {shuffled}."
    )
    calmer = emotion_figures.paid_figure(records.assign(value=0.5), "mean score").get_label()
    assert calmer.endswith("Controls above every system: none.")
    [axis] = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "the warm answer (reference)",
        "base (untrained)",
        "shuffled words (a failed training)",
    ]
    points = [(line.get_xdata()[0], line.get_marker()) for line in axis.lines[1::2]]
    assert points == [(0.25, "s"), (0.5, "o"), (0.75, "x")]
    assert list(axis.lines[0].get_xdata()) == [0.125, 0.375]


def plain_records() -> pd.DataFrame:
    """Two systems on plain and on emotional questions, and texts of the data, as chapter 5.1 has
    them.
    """
    rows = [
        ("emodoctor.plain", "base", "mean", 0.5),
        ("emodoctor.plain", "er-sft", "mean", 0.75),
        ("emodoctor.plain", "doctor", "mean", 0.25),
        ("emodoctor.plain", "another", "mean", 0.875),
        ("emodoctor.plain", "base", "max", 0.9),
        ("emodoctor.plain.emotional", "base", "mean", 0.625),
        ("emodoctor.plain.emotional", "er-sft", "mean", 0.875),
        ("emodoctor.plain.less_emotional", "er-sft", "mean", -0.125),
    ]
    records = pd.DataFrame(rows, columns=["table", "system", "metric", "value"])
    return records.assign(
        ci_low=records.value - 0.0625,
        ci_high=records.value + 0.0625,
        n=20,
        unscored=0,
        interval="items",
    )


def test_plain_questions_stand_beside_emotional_ones():
    figure = emotion_figures.plain_figure(plain_records(), "mean score")
    [axis] = figure.axes
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["base", "ER (sft)", "the doctor's answer"]
    points = [
        (line.get_xdata()[0], line.get_marker(), line.get_markerfacecolor() == "white")
        for line in axis.lines[1::2][:5]
    ]
    assert points == [
        (0.5, "o", False),
        (0.625, "o", True),
        (0.75, "o", False),
        (0.875, "o", True),
        (0.25, "s", False),
    ]
    assert figure.get_suptitle().startswith("plain questions: ER (sft) is highest, 0.75 [0.69")
    assert figure.get_label().endswith(
        "Emotional questions, n = 20: base 0.62 [0.56, 0.69]; ER (sft) 0.88 [0.81, 0.94]. "
        "Texts of the data: the doctor's answer 0.25 [0.19, 0.31]."
    )


def test_plain_questions_and_emotional_ones_are_columns_of_one_table():
    table = emotion_tables.plain_beside_emotional(plain_records())
    assert list(table.index) == ["base", "er-sft", "doctor", "another"]
    assert table.loc["er-sft"].tolist() == [
        "0.75 [0.69, 0.81]",
        "0.88 [0.81, 0.94]",
        "-0.12 [-0.19, -0.06]",
    ]
    assert table.loc["doctor"].tolist() == ["0.25 [0.19, 0.31]", "", ""]


def test_every_text_is_a_point_beside_the_interval_of_its_kind():
    scores = {"doctor": pd.Series([0.1, 0.2]), "overt": pd.Series([0.7, 0.8, 0.9])}
    records = pd.DataFrame(
        [
            ("overt", "auc", 0.9, 1.0),
            ("overt", "mean", 0.75, 0.85),
            ("doctor", "mean", 0.125, 0.175),
        ],
        columns=["system", "metric", "ci_low", "ci_high"],
    )
    records = records.assign(value=(records.ci_low + records.ci_high) / 2, n=60, interval="items")
    figure = arms_figures.scores_figure(scores, records, 1, "a title")
    assert figure.get_label().endswith(
        "n = 60. Means: overt 0.80 [0.75, 0.85]; the doctor's answer 0.15 [0.12, 0.17]."
    )
    [axis] = figure.axes
    points, bars = axis.lines[::2], axis.lines[1::2]
    assert [line.get_xdata().tolist() for line in points] == [[0.1, 0.2], [0.7, 0.8, 0.9]]
    assert [list(bar.get_xdata()) for bar in bars] == [[0.125, 0.175], [0.75, 0.85]]
    assert [list(bar.get_ydata()) for bar in bars] == [[0, 0], [1, 1]]
    assert all(np.abs(line.get_ydata() - place).max() <= 0.25 for place, line in enumerate(points))
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "the doctor's answer",
        "overt",
    ]
