"""The figures of EmplifAI's chapters: points, lines and squares stand where the numbers are."""

import matplotlib.pyplot as plt
import numpy as np
import page_measures
import pandas as pd
import pytest

from emo_utils.data import emplifai
from emo_utils.report import emplifai_figures, figures

RUBRICS = {
    "fluency": {"english": "fluency", "japanese": "流暢さ"},
    "security": {"english": "security", "japanese": "安心感"},
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def records(rows: list[tuple]) -> pd.DataFrame:
    """Rows of table, system, metric, group and value; intervals reach an eighth to both sides."""
    frame = pd.DataFrame(rows, columns=["table", "system", "metric", "group", "value"])
    return frame.assign(
        ci_low=frame.value - 0.125, ci_high=frame.value + 0.125, n=60, interval="items"
    )


def test_a_score_has_an_axis_and_its_highest_floor_a_line():
    rows = [
        ("emplifai.table2", system, metric, group, value)
        for metric in ("exact", "cosine", "bertscore_f1", "top3")
        for system, group, value in (
            ("model", "as it is", 0.75),
            ("floor", "random label", 0.25),
            ("floor", "best constant word", 0.5),
        )
    ]
    figure = emplifai_figures.floors_figure(records(rows))
    assert (
        "The right label: model, as it is 0.75 [0.62, 0.88]; 1 of 1 above the highest "
        "floor, best constant word 0.50 [0.38, 0.62]."
    ) in figure.get_label()
    axes = figure.axes
    titles = [axis.get_title().replace("\n", " ") for axis in axes]
    assert titles == list(emplifai_figures.SCORES.values())
    for axis in axes:
        intervals, points, [line] = axis.lines[0:6:2], axis.lines[1:6:2], axis.lines[6:]
        assert [float(point.get_xdata()[0]) for point in points] == [0.75, 0.25, 0.5]
        assert [point.get_marker() for point in points] == ["o", "s", "s"]
        assert list(intervals[0].get_xdata()) == [0.625, 0.875]
        assert set(line.get_xdata()) == {0.5}
    names = [label.get_text().replace("\n", " ") for label in axes[0].get_yticklabels()]
    assert names == ["model, as it is", "floor, random label", "floor, best constant word"]


def test_similar_labels_are_neighbours():
    """Two close pairs in any order; what has no like stands outside of both."""
    similarity = np.full((5, 5), 0.1)
    similarity[[0, 3], [3, 0]] = 0.9
    similarity[[1, 4], [4, 1]] = 0.8
    np.fill_diagonal(similarity, 1.0)
    order = emplifai_figures.similar_side_by_side(similarity).tolist()
    assert sorted(order) == [0, 1, 2, 3, 4]
    for pair in ((0, 3), (1, 4)):
        assert abs(order.index(pair[0]) - order.index(pair[1])) == 1


def test_a_confusion_stands_in_the_row_of_its_true_label():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 0.9, 0.1], [np.nan] * 3])
    order = np.array([2, 0, 1])
    figure = emplifai_figures.confusion_figure(probabilities, ["a", "b", "c"], order, "a title")
    assert figure.get_label().startswith("a title: a table of colours")
    assert figure.get_label().endswith(
        "The right label has a probability of 0.80 on average and of 0.90 at most (b); "
        "the most probable wrong one is b for a, 0.20."
    )
    axis = figure.axes[0]
    shown = np.ma.filled(axis.images[0].get_array(), np.nan)
    assert shown == pytest.approx(probabilities[order][:, order], nan_ok=True)
    for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["c", "a", "b"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("read as", "written for")


def test_all_labels_of_a_confusion_are_readable_on_a_phone(tmp_path):
    figures.style()
    names = [f"{japanese} {english}" for english, japanese, _ in emplifai.EMOTIONS]
    figure = emplifai_figures.confusion_figure(
        np.eye(len(names)), names, np.arange(len(names)), "a model, empty calibration, n = 28"
    )
    figures.save(figure, tmp_path / "confusion.svg")
    assert page_measures.smallest_letters(tmp_path / "confusion.svg") >= page_measures.READABLE


def test_changes_are_arrows_and_ratings_points_with_intervals():
    printed = {}
    for k, model in enumerate(emplifai_figures.PUBLISHED):
        printed[model] = dict.fromkeys(RUBRICS, str(2 + k / 4))
        printed[f"sft-{model}"] = dict.fromkeys(RUBRICS, str(3 + k / 4))
    paper = pd.DataFrame(printed).T
    rows = [
        ("emplifai.table4", "emplifai-base", "fluency", "all", 2.0),
        ("emplifai.table4", "emplifai-base", "fluency", "where the form is kept", 4.0),
        ("emplifai.table4", "data", "fluency", "all", 3.0),
        ("emplifai.table4", "data", "security", "all", 3.5),
    ]
    figure = emplifai_figures.change_figure(records(rows), paper, RUBRICS, 12)
    assert figure.get_label().endswith(
        "6 of 6 lead up, the longest by 1.00 (llm-jp, fluency). Right, ours, n = 12: points with "
        "95 % intervals for each system. supporters (base): fluency 2.00 [1.88, 2.12]. data: "
        "highest security 3.50 [3.38, 3.62]; lowest fluency 3.00 [2.88, 3.12]."
    )
    left, right = figure.axes
    arrows = [(arrow.xyann[0], arrow.xy[0]) for arrow in left.texts]
    assert arrows == [(2 + k / 4, 3 + k / 4) for k in (0, 0, 1, 1, 2, 2)]
    named = [text.get_text() for text in left.get_legend().get_texts()]
    assert named == list(emplifai_figures.PUBLISHED)
    points = [(float(p.get_xdata()[0]), p.get_marker()) for p in right.lines[1::2]]
    assert points == [(2.0, "o"), (3.0, "D"), (3.5, "D")] and right.get_title() == "ours, n = 12"
    assert [text.get_text() for text in right.get_legend().get_texts()] == [
        "supporters (base)",
        "data",
    ]
    heights = [round(float(p.get_ydata()[0])) for p in right.lines[1::2]]
    assert heights == [0, 0, 1]


def test_every_turn_is_a_point_in_the_line_of_its_speaker():
    rows = [("朝", "patient 1", 20), ("朝", "supporter 1", 30), ("夜", "patient 1", 25)]
    rows += [("朝", "dialogue", 50)]
    lengths = pd.DataFrame(rows, columns=["situation", "speaker", "characters"])
    figure = emplifai_figures.lengths_figure(lengths)
    assert figure.get_label().endswith(
        "3 turns of 20 to 30 characters. Medians: patient 1 22; supporter 1 30."
    )
    [axis] = figure.axes
    points = [line.get_offsets()[:, 0].tolist() for line in axis.collections]
    assert points == [[20, 25], [30]] and axis.get_xlabel() == "characters of a turn"


def test_judge_and_people_have_a_point_a_rubric_and_a_shape_a_model():
    pairs = pd.DataFrame(
        [(model, k + 1, k + 2) for model in "abcd" for k in (0, 1)],
        columns=["model", "judge", "human"],
    )
    figure = emplifai_figures.ratings_figure(pairs)
    assert "8 points, one a rubric and model (a, b, c, d)" in figure.get_label()
    assert "by the judge across, from 1.00 to 2.00" in figure.get_label()
    assert "8 points lie above the dotted diagonal" in figure.get_label()
    [axis] = figure.axes
    *models, diagonal = axis.lines
    assert [line.get_marker() for line in models] == ["o", "s", "^", "D"]
    assert models[0].get_xdata().tolist() == [1, 2] and models[0].get_ydata().tolist() == [2, 3]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [1, 5]
