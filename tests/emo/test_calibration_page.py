"""The page of intervals and verdicts: figures and table of what two benchmarks kept."""

import json

import pytest

from emo.site import calibration, layout, theme

ABOUT = {"device": "a machine", "commit": "c" * 40, "dirty": False, "measured": "2026-11-30"}
WORLD = {"books": 500, "claims": 32, "worst claim": "er-warms"}
BOOKS = [
    WORLD
    | {"world": "nothing differs", "n": 20, "wrong": 0.02, "its wrong": 0.04}
    | {"books with a wrong one": 0.4, "after Holm": 0.03},
    WORLD
    | {"world": "trainings differ, methods do not", "n": 65, "seeds": 1, "wrong": 0.3}
    | {"its wrong": 0.5, "books with a wrong one": 1.0, "after Holm": 0.9},
    WORLD
    | {"world": "a known difference", "n": 65, "difference": 0.02, "wrong": 0.0, "its wrong": 0.0}
    | {"books with a wrong one": 0.0, "after Holm": 0.0, "supported": 0.1}
    | {"supported after Holm": 0.05, "computed": 0.11},
]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The two benchmarks' records in a folder of their own, which the page goes to."""
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    coverage = [
        {"what": what, "data": data, "seeds": seeds, "n": n, "method": method, "coverage": 0.9}
        for _, what, data, seeds, used in calibration.PANELS
        for n in (10, 65)
        for method in dict.fromkeys((used, "percentile bootstrap"))
    ]
    for name, table, more in (
        ("COVERAGE", coverage, {"repeats": 4000}),
        ("VERDICTS", BOOKS, {"books": 500, "spread": 0.04}),
    ):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"about": ABOUT | more, "table": table}))
        monkeypatch.setattr(calibration, name, path)
    return tmp_path


def test_the_page_has_both_figures_and_says_where_its_numbers_are_from(kept):
    calibration.write_calibration()
    for name in ("coverage.svg", "verdicts.svg"):
        assert (kept / name).stat().st_size > 5000
    for name, finding in (
        ("coverage", "mean, normal scores, Student t: 90.0% at n = 10, 90.0% at n = 65."),
        ("verdicts", "30.0% of all claims, in the world: trainings differ, methods do not, one"),
        ("verdicts", "A difference of 0.02 is supported in 10.0% of books"),
    ):
        assert finding in theme.written_into(kept / f"{name}.svg")[0]
    text = (kept / "calibration.md").read_text()
    assert "made 2026-11-30, commit cccccccccc, 500 a row" in text and "4,000 samples" in text


def test_the_table_says_how_often_verdicts_were_wrong_where_no_method_differs(kept):
    table = calibration.without_difference(calibration.read(calibration.VERDICTS)[0])
    assert table.index.tolist() == [
        "nothing differs",
        "trainings differ, methods do not, one checkpoint",
    ]
    assert table.iloc[0].tolist() == [20, "2.0%", "4.0% (er-warms)", "40.0%", "3.0%"]


def test_without_a_kept_record_the_page_says_so(kept, monkeypatch):
    monkeypatch.setattr(calibration, "VERDICTS", kept / "none.json")
    calibration.write_calibration()
    assert (kept / "calibration.md").read_text() == "Not measured yet.\n"


def test_what_the_kept_record_says_is_what_the_page_says():
    """The sentences of `book/intervals_and_verdicts.md` against the record in the repository."""
    verdicts, _ = calibration.read(calibration.VERDICTS)
    nothing = verdicts[verdicts.world == "nothing differs"]
    assert (verdicts.books >= 100).all()
    assert nothing.wrong.between(0.01, 0.03).all() and (nothing["after Holm"] <= 0.05).all()
    trainings = verdicts[verdicts.world.str.startswith("trainings")].set_index("seeds")
    assert trainings.wrong[1] > 0.1 > 0.05 >= trainings.wrong[3]
    planted = verdicts[verdicts.world == "a known difference"]
    assert (planted.supported - planted.computed).abs().max() < 0.07
