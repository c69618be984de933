"""What is recorded of the scores of answers to caregivers, against values by hand."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from emo_utils.claims import caregiver_records, gates
from emo_utils.claims.caregiver_records import Measure
from emo_utils.data.caregiver import ELSEWHERE, PREFERRED, REJECTED
from emo_utils.experiment import runs

MEASURES = {
    metric: Measure(table, "who", f"how {metric}")
    for table, metrics in (*caregiver_records.CLAIMED.items(), ("ebd.factual", ["entailment"]))
    for metric in metrics
}
SIGNS = 2 / 2**12  # the permutation test's p-value where all of twelve questions gain


@pytest.fixture
def run():
    return runs.Run("10_ebd_scores", {"profile": "smoke", "seed": 42}, {})


def by_name(run):
    return {(r.table, r.system, r.metric, r.group): r for r in run.records}


def scores(questions: int, **of_systems: float) -> pd.DataFrame:
    """Every measure of a system has the same value on each question."""
    names = {"base": "ebd-base", "dpo": "ebd-dpo", "preferred": PREFERRED}
    names |= {"rejected": REJECTED, "elsewhere": ELSEWHERE}
    return pd.DataFrame(
        [
            {"id": str(k), "system": names[system]} | dict.fromkeys(MEASURES, value)
            for system, value in of_systems.items()
            for k in range(questions)
        ]
    )


def test_means_are_over_the_answers_of_a_system(run):
    frame = scores(2, base=1.0, dpo=3.0)
    frame.loc[0, "cosine"] = math.nan
    caregiver_records.add_means(run, frame, MEASURES)
    found = by_name(run)
    base = found["ebd.semantic", "ebd-base", "cosine", "all"]
    assert (base.value, base.n, base.unscored, base.scorer) == (1.0, 1, 1, "who")
    assert base.signature == "how cosine"
    assert found["ebd.human", "ebd-dpo", "grade", "all"].value == 3.0
    assert len(found) == 2 * len(MEASURES)


def test_changes_are_tuned_minus_untuned_with_holms_correction(run):
    frame = scores(12, base=1.0, dpo=3.0)
    frame.loc[frame.system == "ebd-dpo", "grade"] = 1.0
    caregiver_records.add_changes(run, frame, MEASURES, "ebd-dpo", "ebd-base")
    found = by_name(run)
    gain = found["ebd.factual.differences", "ebd-dpo", "correctness", "minus ebd-base"]
    assert (gain.value, gain.kind, gain.p) == (2.0, "difference", SIGNS)
    assert gain.p_adjusted == pytest.approx(len(MEASURES) * SIGNS)  # the smallest p-value of all
    none = found["ebd.human.differences", "ebd-dpo", "grade", "minus ebd-base"]
    assert (none.value, none.p_adjusted) == (0.0, 1.0)


def test_one_question_is_no_change(run):
    caregiver_records.add_changes(
        run, scores(1, base=1.0, dpo=3.0), MEASURES, "ebd-dpo", "ebd-base"
    )
    assert not run.records


def test_what_one_measure_lacks_takes_no_question_from_other_tables(run):
    frame = scores(12, base=1.0, dpo=3.0, rejected=9.0)
    frame.loc[0, "grade"] = math.nan
    caregiver_records.add_claims(run, frame, MEASURES, ("ebd-dpo", "ebd-base"))
    n = {r.system.partition("/")[0]: r.n for r in run.records}
    assert n == {"ebd.semantic": 12, "ebd.factual": 12, "ebd.human": 11}
    assert {r.scorer for r in run.records} == {"who"}
    frame.loc[:2, "correctness"] = math.nan  # nine questions are too few for a claim
    fewer = runs.Run("10_ebd_scores", {"profile": "smoke", "seed": 42}, {})
    caregiver_records.add_claims(fewer, frame, MEASURES, ("ebd-dpo", "ebd-base"))
    assert {r.system.partition("/")[0] for r in fewer.records} == {"ebd.semantic", "ebd.human"}


def test_checks_count_questions_and_ties_half(run):
    frame = scores(4, rejected=2.0, elsewhere=1.0)
    elsewhere = frame.system == ELSEWHERE
    frame.loc[elsewhere, "correctness"] = [1.0, 2.0, 3.0, math.nan]
    caregiver_records.add_checks(run, frame, MEASURES)
    found = by_name(run)
    share = found["ebd.check", REJECTED, "correctness", f"above {ELSEWHERE}"]
    assert (share.value, share.n, share.unscored) == (0.5, 3, 1)
    assert found["ebd.check", ELSEWHERE, "empathy", f"above {REJECTED}"].value == 0.0
    assert len(found) == 4


def test_gates_hold_references_against_each_other(run):
    frame = scores(12, preferred=4.0, rejected=3.0, elsewhere=3.75)
    caregiver_records.add_gates(run, frame, MEASURES)
    outcomes = {(r.group, r.metric, r.system): gates.outcome(r) for r in run.records}
    assert outcomes == {
        ("ebd.semantic", "cosine", "same advice above another's"): "failed",  # -0.75
        ("ebd.factual", "correctness", "reference above another's"): "failed",  # 0.25 of 0.5
        ("ebd.factual", "correctness", "same advice above another's"): "failed",
        ("ebd.human", "empathy", "reference above another's"): "failed",
        ("ebd.human", "empathy", "reference warmer"): "passed",
        ("ebd.human", "politeness", "reference more polite"): "passed",
        ("ebd.human", "grade", "reference simpler"): "failed",
    }
    of_cosine = run.records[0]
    assert (of_cosine.table, of_cosine.value, of_cosine.n) == ("gates", -0.75, 12)
    assert "must lie above 0; how cosine" in of_cosine.signature


def test_every_measure_says_who_scores_and_how():
    judge = SimpleNamespace(name="judge", signature="one pass")
    measures = caregiver_records.described("encoder", judge, "BARE; ")
    assert list(measures) == [
        *("cosine", "correctness", "entailment", "contradiction"),
        *("empathy", "politeness", "grade", "words"),
    ]
    assert measures["cosine"].how == "cosine with the preferred answer by encoder"
    assert measures["empathy"].how == "BARE; one pass; expected level from 1 to 5"
    entailment = measures["entailment"]
    assert (entailment.table, entailment.scorer) == ("ebd.factual", "judge")
    assert entailment.how == "one pass; probability that the reference entails the answer"
    more = caregiver_records.described("encoder", judge, embedding_service="ada")
    assert list(more)[:2] == ["cosine", "cosine_service"]
    assert more["cosine_service"].how == "cosine with the preferred answer by ada of a service"
    assert more["politeness"].how == "one pass; expected level from 1 to 5"
    for table, metrics in caregiver_records.CLAIMED.items():
        assert {measures[metric].table for metric in metrics} == {table}
