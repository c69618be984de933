"""Cases as they are shown: escaped, marked by more than colour, with the scores of one answer."""

from types import SimpleNamespace

import pandas as pd
import pytest

from emo_utils.project import EmoError
from emo_utils.report import cases, result_tables

RUN = SimpleNamespace(profile="smoke")


def test_marked_answers_are_escaped_and_marked_by_more_than_colour():
    html = cases.marked_texts(
        {
            "SFT": [
                ("<b>You did well.</b>", True, False),
                ("Take rest.", False, True),
                ("It heals, so do not worry.", True, True),
                ("Hm.", False, False),
            ]
        },
        RUN,
    ).data
    assert "<b>" not in html and "&lt;b&gt;You did well." in html
    assert html.count("♡") == 3 and html.count("✚") == 3  # two sentences each, and the legend
    assert 'title="comfort and knowledge"' in html and 'title="neither"' in html


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed, in order; the line of provenance needs a finished run and is left out."""
    shown = []
    monkeypatch.setattr(cases, "display", lambda page: shown.append(page.data))
    monkeypatch.setattr(result_tables, "provenance_line", lambda run: "")
    return shown


def test_a_case_shows_question_answers_and_their_scores(displayed):
    row = {
        "id": "t-1",
        "emotion": "fear",
        "emotional_question": "Is it <bad>?",
        "answer": "It heals.",
    }
    sentences = pd.DataFrame(
        [("base", "Not this.", False, False), ("eqsr-dpo", "Rest.", False, True)],
        columns=["system", "text", "comfort", "knowledge"],
    )
    scores = pd.DataFrame(
        {"warmth (mean)": [0.1234, 0.5], "flags": ["claims", ""]}, index=["eqsr-dpo", "eqsr-kto"]
    )
    cases.show_case(RUN, row, "largest gain", sentences, scores)
    texts, marked, numbers = displayed
    assert "(t-1) largest gain: question, fear" in texts and "Is it &lt;bad&gt;?" in texts
    assert "✚ Rest." in marked and "Not this." not in marked
    assert marked.count("<td>") == 2 and "EQ+SR (kto)" in marked
    assert "<td>0.12</td>" in numbers and "claims" in numbers and "n = 1 each" in numbers


def test_cases_are_chosen_by_rule():
    gain = pd.Series({"a": 0.1, "b": 0.5, "c": 0.3, "d": -0.2})
    emotions = pd.Series({"a": "fear", "b": "fear", "c": "distrust", "d": "fear", "e": "anxiety"})
    assert cases.chosen(gain, emotions) == {
        "median gain": "a",
        "largest gain": "b",
        "largest loss": "d",
        "median of fear": "a",
        "median of distrust": "c",
    }
    with pytest.raises(EmoError, match="chapter 5 scored no question for all systems"):
        cases.chosen(gain[:0], emotions)
