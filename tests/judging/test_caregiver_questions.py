"""What a judge is asked about answers to caregivers, by a judge that follows a rule; and the slips
of the authors' code on the same answers.
"""

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.judging import authors_slips, caregiver_questions, decisions, geval


class RuleJudge(decisions.Reader):
    """Rates what it reads by the number of a's of the answer; calls an answer entailed that is the
    reference; gives nothing to `blind` texts.
    """

    identity = ["rule"]

    def __init__(self):
        decisions.Reader.__init__(self, "rule")

    def _forward(self, text, questions):
        parts = text.split("\n")  # a mark with a name, a text, and so on
        texts = {mark.split()[1]: part for mark, part in zip(parts[::2], parts[1::2], strict=False)}
        return {name: self._answer(texts, asked) for name, asked in questions.items()}

    def _answer(self, texts, asked):
        scored = asked["type"] == "score"
        options = [str(k) for k in range(5)] if scored else list(asked["criteria"])
        if "blind" in texts["answer"]:
            return dict.fromkeys(options)
        if scored:
            chosen = str(texts["answer"].count("a"))
        else:
            same = texts["answer"] == texts["reference"]
            chosen = "entailment" if same else "contradiction"
        return {option: float(option == chosen) for option in options}


ROWS = pd.DataFrame(
    {"question": "q", "reference": ["aa", "b", "aaa"], "answer": ["aa", "aaaa", "blind"]},
    index=[5, 2, 9],
)


def test_facts_are_judged_with_the_reference_and_tone_without():
    judge = RuleJudge()
    states = []
    forward = judge._forward
    judge._forward = lambda text, questions: states.append(text) or forward(text, questions)
    found = caregiver_questions.judged(judge, ROWS)
    assert len(states) == 6 and sum(" reference\n" in text for text in states) == 3
    assert found.scores.index.tolist() == [5, 2, 9] and not found.bare == np.nan
    assert list(found.scores) == [
        "correctness",
        "entailment",
        "contradiction",
        "empathy",
        "politeness",
    ]
    assert found.scores.loc[5].tolist() == [3.0, 1.0, 0.0, 3.0, 3.0]
    assert found.scores.loc[2].tolist() == [5.0, 0.0, 1.0, 5.0, 5.0]
    assert found.scores.loc[9].isna().all()
    assert found.bare and found.relations.loc[2, "contradiction"] == 1.0


def test_every_rating_has_a_question_and_five_levels():
    for question, levels in caregiver_questions.LEVELS.values():
        assert question.endswith("?") and len(set(levels)) == 5
    assert {*caregiver_questions.ABOUT_FACTS, *caregiver_questions.ABOUT_PEOPLE} == {
        "nli",
        "nli, turned",
        *caregiver_questions.LEVELS,
    }


@pytest.fixture
def slips(monkeypatch):
    """G-Eval gives the length of the answer, its bare number is 3."""

    def scores(judge, rows, levels):
        value = rows.answer.str.len().astype(float)
        return pd.DataFrame({"value": value, "bare": 3.0, "mass": value / 4}, index=rows.index)

    monkeypatch.setattr(geval, "scores", scores)
    judged = caregiver_questions.judged(RuleJudge(), ROWS)
    rows = ROWS.join(judged.scores)
    return authors_slips.scores(RuleJudge(), rows, judged.relations)


def test_each_slip_computes_another_score(slips):
    values = {key: values.tolist() for key, values in slips.items()}
    assert values["correctness by G-Eval", "as meant"] == [2.0, 4.0, 5.0]
    assert values["correctness by G-Eval", "exchanged"] == [2.0, 1.0, 3.0]
    assert values["correctness by G-Eval", "the likeliest number alone"] == [3.0, 3.0, 3.0]
    assert values["politeness", "as meant"][:2] == [3.0, 5.0]
    assert values["politeness", "by the correctness metric"][:2] == [3.0, 5.0]
    assert values["entailed", "as meant"][:2] == [1.0, 0.0]
    assert values["entailed", "ENTAILMENT sought in the label"][:2] == [1.0, 1.0]
    assert values["entailed", "exchanged"] == [1.0, 0.0, 0.0]
    for way in ("as meant", "ENTAILMENT sought in the label"):  # unread is not called entailed
        assert np.isnan(values["entailed", way][2])


def test_slips_are_recorded_for_each_system(slips):
    run = runs.Run("10_ebd_scores", {"profile": "smoke", "seed": 42}, {})
    systems = pd.Series(["a", "a", "b"], index=ROWS.index)
    authors_slips.add_records(run, slips, systems, "judge", "how")
    found = {(r.system, r.metric, r.group): r for r in run.records}
    assert found["a", "entailed", "ENTAILMENT sought in the label"].value == 1.0
    assert found["a", "entailed", "as meant"].kind == "share"
    assert found["b", "correctness by G-Eval", "exchanged"].value == 3.0
    assert ("b", "politeness", "as meant") not in found  # unread


def test_a_service_without_probabilities_is_flagged(slips):
    mass = ("probability of a number", "as meant")
    unknown = slips | {mass: slips[mass] * np.nan}
    assert authors_slips.flag(unknown, "http://service/v1") == authors_slips.BARE
    assert authors_slips.flag(slips, "http://service/v1") == authors_slips.flag(unknown, "") == ""


def test_slips_are_measured_where_the_judge_can(slips, monkeypatch, capsys):
    """`slips` has G-Eval follow its rule; this judge gives only 0 and 1."""
    judge = RuleJudge()
    judge.signature = "rule"
    judged = caregiver_questions.judged(judge, ROWS)
    assert caregiver_questions.flag(judged, "http://service/v1") == caregiver_questions.BARE
    assert caregiver_questions.flag(judged, "") == ""
    rows = ROWS.join(judged.scores).assign(system=["a", "a", "b"])
    run = runs.Run("10_ebd_scores", {"profile": "smoke", "seed": 42}, {})
    monkeypatch.setattr(geval, "possible", lambda judge: False)
    assert authors_slips.measure(run, judge, rows, judged.relations, "") == ""
    assert "the slips are not measured" in capsys.readouterr().out
    monkeypatch.setattr(geval, "possible", lambda judge: True)
    assert authors_slips.measure(run, judge, rows.iloc[:0], judged.relations, "") == ""
    assert not run.records and not capsys.readouterr().out
    assert authors_slips.measure(run, judge, rows, judged.relations, "") == ""
    found = {(r.system, r.metric, r.group): r for r in run.records}
    length = found["a", "correctness by G-Eval", "as meant"]
    assert (length.value, length.scorer, length.signature) == (3.0, "rule", "rule")
