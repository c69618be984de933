"""What figures say of themselves: sentences from their records, and the way into the SVG."""

from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

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
