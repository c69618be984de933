"""What chapter 9 records of a file of dialogues, against counts by hand."""

import pytest

from emo_utils.data import emplifai, emplifai_counts
from emo_utils.experiment import runs
from emo_utils.stats import intervals


def dialogue(number: int, situation: str, emotion: str = "joy", turn: str = "") -> dict:
    turns = [f"{who}{number}{turn}" for who in ("ああ", "いい", "うう", "ええ")]
    return {"id": f"d{number}", "emotion": emotion, "situation": situation, "turns": turns}


@pytest.fixture
def run():
    return runs.Run("09_emplifai", {"profile": "smoke", "seed": 42}, {})


def test_every_emotion_has_its_situations_and_dialogues(run):
    rows = [dialogue(1, "朝"), dialogue(2, "朝"), dialogue(3, "夜"), dialogue(4, "昼", "fear")]
    emplifai_counts.add_balance(run, emplifai.balance(rows), len(rows), "a file")
    counts = {(r.group, r.metric): r.value for r in run.records}
    assert len(counts) == 2 * 28 and sum(counts.values()) == 4 + 3
    assert counts["emotion=joy", "situations"] == 2 and counts["emotion=joy", "dialogues"] == 3
    assert counts["emotion=fear", "dialogues"] == 1
    first = run.records[0]
    assert (first.kind, first.interval, first.n) == ("count", "none", 4)
    assert (first.table, first.signature) == ("emplifai.table1", "rows of a file")


def test_a_row_counts_once_for_each_of_its_problems(run):
    rows = [dialogue(1, ""), dialogue(2, ""), dialogue(3, "夜", "no emotion")]
    emplifai_counts.add_findings(run, emplifai.findings(rows), len(rows))
    assert {r.group: r.value for r in run.records} == {"no situation": 2, "wrong label": 1}
    assert {(r.table, r.n) for r in run.records} == {("emplifai.data", 3)}


def test_lengths_are_means_whose_intervals_are_over_situations(run):
    """Twelve situations, the dialogues of one beside each other; one row had no four turns."""
    rows = [dialogue(n, f"場面{n % 12}", turn="お" * (n % 5)) for n in range(10, 34)]
    lengths = emplifai.turn_lengths(rows)
    emplifai_counts.add_turn_lengths(run, lengths, len(rows) + 1)
    records = {r.group: r for r in run.records}
    assert list(records) == ["patient 1", "supporter 1", "patient 2", "supporter 2", "dialogue"]
    first = records["patient 1"]
    characters = [4 + n % 5 for n in range(10, 34)]  # two of the word, two digits, the rest
    assert first.value == pytest.approx(sum(characters) / 24)
    assert (first.n, first.unscored) == (24, 1)
    assert records["dialogue"].value == pytest.approx(4 * first.value)
    part = lengths[lengths.speaker == "patient 1"]
    expected = intervals.mean_interval(part.characters, part.situation)
    assert (first.value, first.ci_low, first.ci_high) == expected
