"""What is recorded of a judge's preferences, against counts by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.judging import preference, preference_records
from emo_utils.stats import intervals

SYSTEMS = preference.SYSTEMS


@pytest.fixture
def run():
    return runs.Run("07_preference_ablation", {"profile": "smoke", "seed": 42}, {})


def by_name(run):
    return {(r.table, r.system, r.metric, r.group): r for r in run.records}


def test_win_shares_count_ties_and_what_was_not_scored(run):
    """Four questions: one won by a, one by b, one tied, one unscored."""
    wins = {"p": (1.0, 0.0), "q": (0.0, 1.0), "r": (0.5, 0.5)}
    picked = pd.DataFrame(
        [
            {"id": i, "question": "emotion", "system": s, "share": 0.25 + w / 2, "win": w}
            for i, won in wins.items()
            for s, w in zip("ab", won, strict=True)
        ]
    )
    ids = pd.Index(["p", "q", "r", "s"])
    preference_records.add_win_shares(run, picked, ids, "judge", "by hand")
    records = by_name(run)
    won = records["emodoctor.figure2.emotion", "a", "win_share", "all"]
    assert (won.value, won.n, won.unscored) == (0.5, 3, 1)
    assert won.signature == "by hand; share of questions won" and won.kind == "mean"  # a tie
    strength = records["emodoctor.figure2.emotion", "b", "strength", "all"]
    assert strength.value == 0.5 and strength.signature == "by hand; mean probability"
    tie = records["emodoctor.figure2.emotion.none", "tie (of scored)", "share", "all"]
    assert (tie.value, tie.n, tie.kind) == (pytest.approx(1 / 3), 3, "share")
    unscored = records["emodoctor.figure2.emotion.none", "unscored (of all)", "share", "all"]
    assert (unscored.value, unscored.n) == (0.25, 4)


def pairs_of(results):
    """Pairs as `preference.duels` gives them: (id, first, second, question, win)."""
    frame = pd.DataFrame(results, columns=["id", "first", "second", "question", "win"])
    return frame.assign(odds=frame.win - 0.5, agreed=True)


def test_each_judge_of_a_pair_has_a_record(run):
    duels = pairs_of([(i, "a", "b", "emotion", w) for i, w in zip("pqr", (1, 0.5, 0), strict=True)])
    duels["second_win"] = [1.0, np.nan, 1.0]
    judges = {"win": ("judge", "first"), "second_win": ("other", "second")}
    preference_records.add_pairs(run, duels, pd.Index([*"pqrs"]), judges)
    records = by_name(run)
    table = "emodoctor.figure2.pairs.emotion"
    first = records[table, "a over b", "win_share", "win"]
    assert (first.value, first.n, first.unscored, first.scorer) == (0.5, 3, 1, "judge")
    second = records[table, "a over b", "win_share", "second"]
    assert (second.value, second.n, second.unscored, second.interval) == (1.0, 2, 2, "none")


def test_a_measure_without_values_has_no_record(run):
    duels = pairs_of([(i, "a", "b", q, 1.0) for i in "pq" for q in ("knowledge", "emotion")])
    measures = {
        "says all": pd.Series([1.0, 0.0, 1.0, 1.0]),
        "says little": np.array([np.nan, 1.0, np.nan, 0.0]),  # as `preference.higher` gives it
    }
    preference_records.add_judge_shares(run, duels, measures, "judge")
    records = {(r.system, r.group): (r.value, r.n) for r in run.records}
    assert records == {
        ("says all", "knowledge"): (1.0, 2),
        ("says all", "emotion"): (0.5, 2),
        ("says little", "emotion"): (0.5, 2),
    }


def test_what_the_judge_never_does_is_over_questions_and_not_pairs(run):
    """Twelve questions with five pairs each, all alike: as much as twelve say, not as sixty."""
    questions = [f"q{k // 5}" for k in range(60)]
    duels = pairs_of([(i, "a", "b", "emotion", 1.0) for i in questions])
    never = pd.Series(np.zeros(60))
    preference_records.add_judge_shares(run, duels, {"contradicts itself": never}, "judge")
    [record] = run.records
    assert (record.value, record.n, record.ci_low) == (0, 60, 0)
    assert record.ci_high == pytest.approx(intervals.share_interval(never, questions)[2])
    assert record.ci_high > 2 * intervals.share_interval(never)[2]


def test_strengths_are_recorded_with_and_without_lengths(run):
    """The judge takes the longer answer: what it takes for strength is length."""
    lengths = pd.DataFrame(
        {s: [100 + (37 * k * i + 11 * k) % 97 for i in range(8)] for k, s in enumerate(SYSTEMS)},
        index=list("pqrstuvw"),
    )
    results = [
        (i, a, b, "emotion", (np.sign(lengths[a][i] - lengths[b][i]) + 1) / 2)
        for i in lengths.index
        for k, a in enumerate(SYSTEMS)
        for b in SYSTEMS[k + 1 :]
    ]
    preference_records.add_strengths(run, pairs_of(results), lengths, "judge")
    table = pd.DataFrame([r.model_dump() for r in run.records])
    assert (table.n == 8).all() and (table.ci_low <= table.value).all()
    strengths = table.pivot(index="system", columns="metric", values="value").loc[list(SYSTEMS)]
    assert strengths.sum().tolist() == pytest.approx([0, 0])
    points = dict.fromkeys(SYSTEMS, 0.0)
    for _, first, second, _, win in results:
        points[first] += win
        points[second] += 1 - win
    ranks = strengths.strength.round(9).rank()
    assert ranks.to_dict() == pd.Series(points).rank().to_dict()
    assert strengths.strength_length_controlled.std() < strengths.strength.std()


def test_canaries_record_wins_and_pull(run):
    duels = pairs_of([(i, f, "right", "emotion", w) for i, f, w in CONTESTS])
    duels["pull"] = [0.0, 0.0, 2.0, np.nan]
    ids = pd.Index(["p", "q", "r"])
    preference_records.add_canaries(run, duels, ids, "judge", screened=True)
    records = by_name(run)
    wins = records["validity.canaries.screened", "order", "wins", "emotion"]
    assert (wins.value, wins.n, wins.unscored, wins.kind) == (0.5, 2, 1, "share")
    pull = records["validity.canaries.screened", "order", "pull", "emotion"]
    assert (pull.value, pull.n, pull.unscored, pull.kind) == (2.0, 1, 2, "difference")
    stays = records["validity.canaries.screened", "none", "pull", "emotion"]
    assert (stays.value, stays.ci_low, stays.ci_high, stays.interval) == (0, 0, 0, "none")
    preference_records.add_canaries(run, duels, ids, "judge", screened=False)
    assert run.records[-1].table == "validity.canaries"


CONTESTS = [("p", "none", 0.0), ("q", "none", 0.0), ("p", "order", 1.0), ("q", "order", 0.0)]


def test_fewer_orders_are_held_against_all(run):
    """Two questions: the first order picks a at both, both orders together b at the second."""
    plan = [("p", ["a", "b"]), ("p", ["b", "a"]), ("q", ["a", "b"]), ("q", ["b", "a"])]
    of_a = [0.9, 0.8, 0.6, 0.1]  # probability of a in each comparison
    rows = []
    for state, ((_, order), p) in enumerate(zip(plan, of_a, strict=True)):
        for place, system in enumerate(order, start=1):
            chance = p if system == "a" else 1 - p
            rows.append((state, "emotion", f"answer {place}", chance, *plan[state]))
    columns = ["state", "question", "option", "probability", "id", "order"]
    preference_records.add_orders(run, pd.DataFrame(rows, columns=columns), "judge")
    [record] = run.records
    assert (record.system, record.group) == ("1 of 2 orders", "emotion")
    assert (record.value, record.n) == (0.5, 2)


def test_two_judges_say_who_they_are_and_what_they_read():
    judge = SimpleNamespace(name="judge", signature="one pass")
    judges = preference_records.described(judge, "no screen", ("encoder", "reader"))
    assert list(judges) == ["win", "second_win"]
    scorer, how = judges["win"]
    assert scorer == "judge" and how.startswith("one pass; no screen; log-odds averaged")
    assert judges["second_win"][0] == "encoder and reader"


def test_item_scores_say_which_panel_they_are_of(run):
    picked = pd.DataFrame({"id": ["p"], "question": ["emotion"], "system": ["a"]})
    preference_records.add_items(run, picked.assign(share=0.75, win=1.0))
    [items] = run.items
    assert set(items.table) == {"emodoctor.figure2.emotion"} and "question" not in items
    assert dict(zip(items.metric, items.value, strict=True)) == {"share": 0.75, "win": 1.0}
