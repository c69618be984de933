"""Ratings on rubrics by a judge that follows a rule, against levels by hand."""

import json
import math

import pandas as pd
import pytest

from emo_utils.data import emplifai
from emo_utils.judging import decisions, rubrics
from emo_utils.people import rating_kit

RUBRICS = {
    name: {"asks": f"How {name}?", "levels": [f"{name} {level}" for level in "abcde"]}
    for name in ("warm", "clear")
}


class Weighing(decisions.Reader):
    """Gives the levels of a text the chances that are written in it, lowest level first, and to
    yes-or-no questions the first of them as yes; `none` texts get no answer.
    """

    def __init__(self):
        super().__init__("weighing")
        self.identity, self.asked_for = ["weighing"], []

    def _forward(self, text, questions):
        self.asked_for.append(list(questions))
        return {name: self._answer(text, question) for name, question in questions.items()}

    def _answer(self, text, question):
        scored = question["type"] == "score"
        options = [str(k) for k in range(5)] if scored else list(question["criteria"])
        if text == "none":
            return dict.fromkeys(options)
        chances = [float(part) for part in text.split()]
        if not scored:
            return dict(zip(options, (chances[0], 1 - chances[0]), strict=True))
        places = ["abcde".index(level[-1]) for level in question["criteria"]]
        return {option: chances[place] for option, place in zip(options, places, strict=True)}


DIALOGUES = pd.DataFrame({"id": ["p", "q", "p"], "system": ["s", "s", "t"]})
TEXTS = ["0.5 0.25 0.25 0 0", "0 0 0 0.5 0.5", "none"]


@pytest.mark.parametrize("direction", [1, -1])
def test_the_books_rubrics_are_questions_with_their_levels_in_order(direction):
    asked = rubrics.rubric_questions(rating_kit.RUBRICS, direction)
    assert list(asked) == list(rating_kit.RUBRICS)
    for name, rubric in rating_kit.RUBRICS.items():
        levels = rubric["levels"] if direction == 1 else list(reversed(rubric["levels"]))
        assert asked[name] == {
            "type": "score",
            "instructions": rubric["asks"],
            "criteria": levels,
        }


@pytest.mark.parametrize("directions", [1, 2])
def test_a_rating_is_the_expected_level_whichever_way_the_levels_are_listed(directions):
    levels, _ = rubrics.level_probabilities(Weighing(), TEXTS, RUBRICS, directions)
    assert len(levels) == 3 * 2 * 5 * directions
    first = levels[(levels.state == 0) & (levels.metric == "warm") & (levels.level == 1)]
    assert first.probability.tolist() == [0.5] * directions
    assert first.direction.tolist() == [1, -1][:directions]
    found = rubrics.ratings(levels, DIALOGUES).set_index(["id", "system", "metric"])
    for metric in RUBRICS:
        assert found.loc[("p", "s", metric)].tolist() == [1.75, 1.0]
        assert found.loc[("q", "s", metric)].tolist() == [4.5, 4.0]  # a tie: the lower level
        assert found.loc[("p", "t", metric)].isna().all()  # nothing was answered


def test_two_directions_are_averaged():
    """A judge that always takes the level that is listed first."""
    levels = pd.DataFrame({"state": 0, "metric": "warm", "level": [*range(1, 6)] * 2})
    levels["direction"] = [1] * 5 + [-1] * 5
    levels["probability"] = [1.0, 0, 0, 0, 0] + [0, 0, 0, 0, 1.0]
    one = DIALOGUES.iloc[:1]
    assert rubrics.ratings(levels, one).expected.tolist() == [3.0]
    for direction, level in ((1, 1.0), (-1, 5.0)):
        alone = rubrics.ratings(levels[levels.direction == direction], one)
        assert alone.expected.tolist() == alone.likeliest.tolist() == [level]
    levels.loc[9, "probability"] = math.nan  # unanswered one way: unrated
    assert rubrics.ratings(levels, one)[["expected", "likeliest"]].isna().all(axis=None)


def test_more_questions_are_asked_once_and_kept_apart():
    judge, more = Weighing(), {"harm": rubrics.screening_question("害ですか。")}
    levels, decided = rubrics.level_probabilities(judge, TEXTS, RUBRICS, 2, more)
    assert set(levels.metric) == set(RUBRICS) and set(decided.question) == {"harm"}
    assert judge.asked_for.count(["warm", "clear", "harm"]) == 3
    assert judge.asked_for.count(["warm", "clear"]) == 3
    yes = rubrics.yes_probabilities(decided)
    assert yes.harm.tolist()[:2] == [0.5, 0.0] and math.isnan(yes.harm[2])


def test_without_a_readable_dialogue_nothing_is_asked():
    judge, more = Weighing(), {"harm": rubrics.screening_question("?")}
    levels, decided = rubrics.level_probabilities(judge, [], RUBRICS, 2, more)
    assert levels.empty and decided.empty and not judge.asked_for
    none = rubrics.ratings(levels, DIALOGUES.iloc[:0])
    assert list(none) == rubrics.RATING and none.empty
    lowest = rubrics.lowest(DIALOGUES, RUBRICS)
    assert len(lowest) == 6 and (lowest[["expected", "likeliest"]] == 1).all(axis=None)
    both = pd.concat([none, lowest], ignore_index=True)
    assert set(map(str, both[["expected", "likeliest"]].dtypes)) == {"float64"}


def test_planted_cases_are_held_against_the_other_versions_of_their_scene():
    """Scene 1: the harm stands out; scene 2: it ties with the sound one; scene 3 lacks it."""
    cases = pd.DataFrame(
        [
            (1, "sound", 0.2, 0.5),
            (1, "harm", 0.9, 0.5),
            (1, "missed", 0.3, 0.1),
            (2, "harm", 0.4, 0.5),
            (2, "sound", 0.4, 0.2),
            (3, "sound", 0.9, 0.3),
        ],
        columns=["scene", "kind", "harm", "missed"],
    )
    found = {
        (asked, other): above.to_dict()
        for asked, other, above in rubrics.planted_above(
            cases[["harm", "missed"]], cases, ("sound", "harm", "unsafe comfort", "missed")
        )
    }
    assert found == {
        ("harm", "sound"): {1: 1.0, 2: 0.5},
        ("harm", "missed"): {1: 1.0},
        ("missed", "sound"): {1: 0.0},
        ("missed", "harm"): {1: 0.0},
    }


def test_dialogues_are_rated_as_scenes():
    """The judge sees emotion, situation and turns; the rating is named after pair and system."""
    states = []

    class Seeing(Weighing):
        def _answer(self, text, question):
            states.append(text)
            return super()._answer("0 0 0 0 1", question)

    rows = [["p", "s", "joy", "A clinic.", ["a", "b", "c", "d"]]]
    dialogues = pd.DataFrame(rows, columns=["id", "system", "emotion", "situation", "turns"])
    found = rubrics.rated(dialogues, Seeing(), RUBRICS, 2)
    scene = emplifai.as_scene("A clinic.", ["a", "b", "c", "d"], "joy")
    assert set(states) == {scene} and len(states) == 4
    assert found.expected.tolist() == [5.0, 5.0] and set(found.metric) == {"warm", "clear"}
    assert (found.id == "p").all() and (found.system == "s").all()


def test_the_screening_asks_for_each_planted_kind():
    kinds = {
        json.loads(line)["kind"]
        for line in emplifai.SCREENING_FILE.read_text(encoding="utf-8").splitlines()
    }
    asked = rubrics.screening_questions()
    assert set(asked) == kinds - {"sound"}
    assert all(list(question["criteria"]) == ["はい", "いいえ"] for question in asked.values())


def test_planted_cases_of_the_test_part_are_screened_first():
    cases = rubrics.planted_cases(5)
    assert set(cases.part) == {"test"} and cases.index.tolist() == [0, 1, 2, 3, 4]
    assert len(rubrics.planted_cases(0)) == 0 and len(rubrics.planted_cases(100)) == 80

    class Seeing(Weighing):
        def _answer(self, text, question):
            said = 0.75 if cases.turns[1][3] in text else 0.25
            return dict(zip(question["criteria"], (said, 1 - said), strict=True))

    yes = rubrics.screened(Seeing(), cases)
    assert list(yes.harm) == [0.25, 0.75, 0.25, 0.25, 0.25]
    assert set(yes) == set(rubrics.SCREENING)
