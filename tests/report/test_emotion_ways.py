"""The kept table of ways to score emotion, as chapter 11 shows it."""

import json

import pytest
from bs4 import BeautifulSoup

from emo_utils.report import emotion_ways


def row(way: str, on: str, measure: str, value: float) -> dict:
    ends = {"ci_low": value - 0.1, "ci_high": value + 0.1}
    return {"way": way, "on": on, "measure": measure, "n": 40, "value": value} | ends


@pytest.fixture
def kept(tmp_path, monkeypatch):
    table = [
        row("contrast", "EPITOME", "auc", 0.75),
        row("contrast", "EPITOME", "auc above the contrast", 0.0),
        row("learnt <b>", "EPITOME", "auc", 0.8),
        row("contrast", "overt", "warm answer above padding alone", -0.5),
        row("contrast", "overt", "said twice above once", 0.0),
        row("contrast", "subtle", "warm answer above padding alone", 0.3),
    ]
    about = {"measured": "2026-11-30", "commit": "c" * 40, "device": "a machine", "dirty": False}
    path = tmp_path / "ways.json"
    path.write_text(json.dumps({"about": about, "table": table}))
    monkeypatch.setattr(emotion_ways, "KEPT", path)


def cells(shown) -> list[list[str]]:
    page = BeautifulSoup(shown.data, "html.parser")
    return [[cell.get_text() for cell in line.find_all(["th", "td"])] for line in page("tr")]


def test_ways_stand_in_their_order_with_what_people_say_of_them(kept):
    shown = emotion_ways.against_people()
    assert cells(shown) == [
        ["way", "EPITOME"],
        ["contrast", "0.75 [0.65, 0.85]"],
        ["learnt <b>", "0.80 [0.70, 0.90]"],
    ]
    assert "EPITOME, 40 texts" in shown.data and "Made 2026-11-30, commit cccccccccc" in shown.data
    assert "<b>" not in shown.data


def test_an_arm_shows_its_own_differences_with_their_sign(kept):
    shown = emotion_ways.on_our_texts("overt")
    assert cells(shown) == [["way", "padding alone"], ["contrast", "-0.50 [-0.60, -0.40]"]]
    assert "n = 40 questions" in shown.data


def test_without_a_kept_table_the_page_says_what_makes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(emotion_ways, "KEPT", tmp_path / "none.json")
    for shown in (emotion_ways.against_people(), emotion_ways.on_our_texts("overt")):
        assert "benchmarks/emotion.py --keep makes it" in shown.data
