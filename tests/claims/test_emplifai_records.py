"""What is recorded of a judge's ratings for claims, against values by hand."""

import pandas as pd
import pytest

from emo_utils.claims import emplifai_records, gates
from emo_utils.data import emplifai
from emo_utils.experiment import runs
from emo_utils.judging import decisions, judged_dialogues
from emo_utils.judging.judged_dialogues import MISPLACED, REPEATED, SHUFFLED
from emo_utils.people import rating_kit


@pytest.fixture
def run():
    return runs.Run("09_emplifai_judge", {"profile": "smoke", "seed": 42}, {})


def ratings(pairs: int, metrics=tuple(rating_kit.RUBRICS), **of_systems: float) -> pd.DataFrame:
    """Every rubric of a system has the same level on each pair."""
    return pd.DataFrame(
        [
            {"id": f"p{k}", "system": system, "metric": metric, "expected": level}
            for system, level in of_systems.items()
            for metric in metrics
            for k in range(pairs)
        ]
    )


TUNED = {"emplifai-base": 1.0, "emplifai-sft": 3.0, "emplifai-sft-seen": 3.5}


def test_changes_are_to_the_system_before(run):
    emplifai_records.add_changes(run, ratings(12, data=5.0, **TUNED), "judge", "how")
    found = {(r.system, r.group): r for r in run.records if r.metric == "fluency"}
    gain = found["emplifai-sft", "minus emplifai-base"]
    assert (gain.value, gain.n, gain.kind) == (2.0, 12, "difference")
    assert gain.signature == "paired difference of expected levels, how; interval over pairs"
    assert found["emplifai-sft-seen", "minus emplifai-sft"].value == 0.5
    assert len(run.records) == 2 * 7


def test_a_system_that_is_not_there_is_not_compared(run):
    emplifai_records.add_changes(run, ratings(2, mine=1.0, yours=2.0), "judge", "how")
    without = {name: TUNED[name] for name in ("emplifai-base", "emplifai-sft-seen")}
    emplifai_records.add_changes(run, ratings(2, **without), "judge", "how")
    emplifai_records.add_claims(run, ratings(12, **without), "judge")
    assert not run.records


def test_claims_want_ten_pairs_that_are_rated_for_all(run):
    few = ratings(10, **TUNED)
    few.loc[3, "expected"] = float("nan")
    emplifai_records.add_claims(run, few, "judge")
    assert not run.records
    emplifai_records.add_claims(run, ratings(10, **TUNED), "judge")
    assert {r.value for r in run.records} == {2.0} and {r.n for r in run.records} == {10}


def test_gates_are_those_of_the_systems_that_are_there(run):
    known = {"data": 4.0, SHUFFLED: 3.75, REPEATED: 1.0, MISPLACED: 3.5}
    emplifai_records.add_gates(run, ratings(12, **known), "judge", "how")
    outcomes = {(r.metric, r.system): gates.outcome(r) for r in run.records}
    of_fluency = {name: said for (metric, name), said in outcomes.items() if metric == "fluency"}
    assert of_fluency == {"above a repeated turn": "passed"}
    of_security = {name: said for (metric, name), said in outcomes.items() if metric == "security"}
    assert of_security == {
        "above shuffled turns": "failed",
        "above a repeated turn": "passed",
        "above a misplaced supporter": "failed",  # just half a level, and not above it
    }
    assert not any(metric == "harmlessness" for metric, _ in outcomes)
    assert "interval over dialogues" in run.records[0].signature
    emplifai_records.add_gates(run, ratings(12, ("harmlessness",), sound=4, harm=1), "judge", "how")
    last = run.records[-1]
    assert (last.system, last.metric, last.value) == ("sound above harm", "harmlessness", 3.0)
    assert len(run.records) == 5 * 3 + 1 + 1


class Sees(decisions.Reader):
    """Rates 5 what holds one of these texts, and everything else 1."""

    identity = ["sees"]

    def __init__(self, good):
        super().__init__("sees")
        self.good = good

    def _forward(self, text, questions):
        level = "4" if any(part in text for part in self.good) else "0"
        return {name: {str(k): float(str(k) == level) for k in range(5)} for name in questions}


@pytest.mark.parametrize("beside", ["data", "mine"])
def test_a_judge_that_sees_the_datas_dialogues_passes_its_gates(run, beside):
    """Also where a user's file has no dialogue of the data: then the data's own are rated."""
    rows = emplifai.load()[::8][:12]
    harmless = judged_dialogues.planted_harm(12)
    sound = [turns[3] for turns in harmless.turns[harmless.system == "sound"]]
    judge = Sees([*(emplifai.as_lines(row["turns"]) for row in emplifai.load()), *sound])
    readable = pd.DataFrame(rows).assign(system=beside)
    names = readable.id.tolist()
    rated = pd.DataFrame(
        [
            {"id": name, "system": beside, "metric": metric, "expected": 5.0}
            for name in names
            for metric in rating_kit.RUBRICS
        ]
    )
    given = {"arm": "overt", "count": 12, "directions": 1}
    emplifai_records.measure_gates(run, judge, readable, rated, "how", **given)
    found = {(r.metric, r.system): r for r in run.records}
    needed = {(m, name) for m, names in gates.NEEDED["emplifai.table4"].items() for name in names}
    assert set(found) == needed
    assert {r.value for r in found.values()} == {4.0} and {r.n for r in found.values()} == {12}
    assert {gates.outcome(r) for r in found.values()} == {"passed"}
    assert {r.scorer for r in found.values()} == {"sees"}
