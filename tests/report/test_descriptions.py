"""What figures say of themselves: sentences from their records, and the way into the SVG."""

from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from emo_utils.data import published_numbers
from emo_utils.report import descriptions, figures

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def records(*rows, n=60):
    frame = pd.DataFrame(rows, columns=["system", "value"])
    return frame.assign(
        ci_low=frame.value - 0.125, ci_high=frame.value + 0.125, n=n, interval="items"
    )


def test_the_description_of_a_figure_is_in_what_a_notebook_shows():
    figures.style()
    figure, axes = plt.subplots(1, 2)
    axes[0].set(title="left", xlabel="words", ylabel="share\nof texts")
    axes[1].set(title="right", xlabel="words")
    quoted = 'a text said "<b>&amp;"\x00\x1b[0m and\nstopped'
    descriptions.describe(figure, "Two panels.", "", quoted)
    shown, _ = InteractiveShell.instance().display_formatter.format(figure)
    root = ElementTree.fromstring(shown["image/svg+xml"])
    assert root.findtext(f"{SVG}title") == 'Two panels. a text said "<b>&amp;" [0m and stopped'
    words = [element.text for element in root.iter() if element.tag.endswith("}li")]
    assert words == ["left", "words", "share of texts", "right"]
    assert shown["image/svg+xml"] == figures.as_svg(figure)  # no date makes it another file


def test_a_figure_that_says_nothing_has_no_title(tmp_path):
    figure, _ = plt.subplots()
    figures.save(figure, tmp_path / "a" / "figure.svg")
    assert ElementTree.parse(tmp_path / "a" / "figure.svg").find(f"{SVG}title") is None


def test_a_value_has_its_interval_where_there_is_one():
    [row] = records(("base", 0.5)).itertuples()
    [few] = records(("base", 0.5), n=9).itertuples()
    [single] = records(("base", 0.5)).assign(interval="none").itertuples()
    assert descriptions.told(row) == "0.50 [0.38, 0.62]"
    assert descriptions.told(row, digits=1) == "0.5 [0.4, 0.6]"
    assert descriptions.told(few) == descriptions.told(single) == "0.50"


@pytest.mark.parametrize(
    "rows, said",
    [
        ([], "no value"),
        ([("a", 0.5)], "A 0.50 [0.38, 0.62]"),
        ([("a", float("nan")), ("b", 0.5)], "B 0.50 [0.38, 0.62]"),
        ([("a", 0.5), ("b", 0.5)], "all 2 at 0.50"),
        (
            [("a", 0.5), ("b", 0.25), ("c", 0.75)],
            "highest C 0.75 [0.62, 0.88]; lowest B 0.25 [0.12, 0.38]",
        ),
    ],
)
def test_the_highest_and_the_lowest_are_named(rows, said):
    assert descriptions.extremes(records(*rows), str.upper) == said


@pytest.mark.parametrize(
    "values, n, said",
    [
        ([0.5], 60, ""),
        ([0.5, 0.75], 9, ""),
        ([0.25, 0.75, 0.375], 60, "its interval lies above all others"),
        ([0.25, 0.75, 0.5], 60, "its interval overlaps with 1 of 2 others"),
        ([0.75, 0.75, 0.75], 60, "its interval overlaps with 2 of 2 others"),
    ],
)
def test_it_is_said_how_many_intervals_overlap_with_the_highest(values, n, said):
    assert descriptions.overlaps(records(*zip("abc", values), n=n)) == said


def test_counts_are_one_number_or_two():
    assert descriptions.counted(records(("a", 1), ("b", 2))) == "n = 60"
    assert descriptions.counted(records(("a", 1), ("b", 2), n=[60, 58])) == "n from 58 to 60"
    assert descriptions.counted(records()) == "no record"


@pytest.mark.parametrize(
    "rows, n, title",
    [
        (
            [("a", 0.5), ("b", 0.75)],
            60,
            "mean: B is highest, 0.75 [0.62, 0.88], n = 60;\n"
            "its interval overlaps with 1 of 1 others",
        ),
        (
            [("a", 0.5), ("b", 0.75)],
            5,
            "mean: B is highest, 0.75, n = 5;\ntoo few to tell systems apart",
        ),
        ([("a", 0.5), ("b", 0.5)], 60, "mean: all 2 at 0.50, n = 60"),
    ],
)
def test_a_title_says_who_is_highest_and_how_far_apart(rows, n, title):
    assert descriptions.headline(records(*rows, n=n), "mean", str.upper) == title


def test_published_values_stand_beside_ours_under_what_ours_say():
    rows = [("base", 0.25), ("eqsr-dpo", 0.75), ("er-sft", 0.375), ("reference", 0.875)]
    frame = records(*rows).assign(table="emodoctor.table1", metric="mean", group="all")
    figure = figures.intervals_figure(frame, "emodoctor.table1", ("mean",), "a profile")
    [part] = figure.subfigs
    assert part.get_suptitle() == (
        "mean: EQ+SR (dpo) is highest, 0.75 [0.62, 0.88], n = 60;\n"
        "its interval lies above all others"
    )
    paper = published_numbers.emodoctor("emodoctor.table1")["mean"]
    left, right = figure.axes
    assert [line.get_xdata()[0] for line in left.lines] == [
        paper[name] for name in ("base", "er-sft", "eqsr-dpo")
    ]
    assert [line.get_xdata()[0] for line in right.lines[1::2]] == [0.25, 0.375, 0.75, 0.875]
    said = figure.get_label()
    assert f"mean, published: highest EQ+SR (dpo) {paper.max():g}, lowest base " in said
    assert said.endswith(
        "mean, ours, n = 60: highest EQ+SR (dpo) 0.75 [0.62, 0.88]; lowest base 0.25 [0.12, 0.38] "
        "(of the highest, its interval lies above all others); texts of the data: the warm answer "
        "(reference) 0.88 [0.75, 1.00]."
    )


def test_a_training_is_told_by_where_its_lines_begin_and_end():
    log = pd.DataFrame({"loss": [2.0] * 5 + [9.0] * 10 + [1.0] * 5})
    said = figures.training_figure(log).get_label()
    assert said.startswith("Lines over 20 optimizer steps; thin: each step")
    assert said.endswith("Training loss – from 2.00 to 1.00.")


@pytest.mark.parametrize("columns", [1, 2])
def test_text_is_eight_pixels_high_on_a_phone(columns):
    figures.style()
    figure, _ = plt.subplots(1, columns, figsize=(figures.WIDTH, 3), layout="constrained")
    width = float(ElementTree.fromstring(figures.as_svg(figure)).get("width").removesuffix("pt"))
    assert plt.rcParams["font.size"] * 358 / width >= 8  # the column of a page 390 pixels wide
