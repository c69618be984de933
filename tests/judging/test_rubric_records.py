"""What is recorded of a judge's ratings, against values by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.judging import rubric_records
from emo_utils.stats import correlations


@pytest.fixture
def run():
    return runs.Run("09_emplifai_judge", {"profile": "smoke", "seed": 42}, {})


def by_name(run):
    return {(r.table, r.system, r.metric, r.group): r for r in run.records}


def ratings_of(expected: dict[str, list], metric: str = "fluency") -> pd.DataFrame:
    """Ratings of pairs p0, p1, … by system, all most probable at 3."""
    rows = [
        {"id": f"p{k}", "system": system, "metric": metric, "expected": level, "likeliest": 3.0}
        for system, levels in expected.items()
        for k, level in enumerate(levels)
    ]
    return pd.DataFrame(rows)


def test_levels_are_means_over_all_pairs_and_where_the_form_is_kept(run):
    """Two of a's dialogues keep the form, one is unrated; none of b's does."""
    ratings = ratings_of({"a": [4.0, 1.0, math.nan, 2.0], "b": [1.0, 1.0, 1.0, 1.0]})
    keeping = ratings[(ratings.system == "a") & ratings.id.isin(["p0", "p3"])]
    rubric_records.add_levels(run, ratings, keeping, "judge", "how")
    records = by_name(run)
    assert len(records) == 5
    expected = records["emplifai.table4", "a", "fluency", "all"]
    assert (expected.value, expected.n, expected.unscored) == (pytest.approx(7 / 3), 3, 1)
    assert expected.signature == "expected level, how"
    assert records["emplifai.table4", "a", "fluency", "most probable level"].value == 3.0
    kept = records["emplifai.table4", "a", "fluency", "where the form is kept"]
    assert (kept.value, kept.n, kept.scorer) == (3.0, 2, "judge")
    assert records["emplifai.table4", "b", "fluency", "all"].value == 1.0
    assert ("emplifai.table4", "b", "fluency", "where the form is kept") not in records


def test_the_share_that_keeps_the_form_is_counted(run):
    dialogues = pd.DataFrame({"system": ["a", "a", "b"], "kept_form": [1.0, 0.0, 1.0]})
    rubric_records.add_form(run, dialogues)
    found = by_name(run)
    share = found["emplifai.table4", "a", "keeps_form", "all"]
    assert (share.value, share.n, share.kind) == (0.5, 2, "share")
    assert found["emplifai.table4", "b", "keeps_form", "all"].value == 1.0


def test_length_is_controlled_where_there_are_enough_ratings(run):
    """Rating is the log of the length (and one): b writes e times as much and is rated one higher
    for it; at the same length both are rated the mean of all.
    """
    log_lengths = np.array([3.0, 3.5, 4.0, 4.5, 5.0])
    ratings = ratings_of({"a": log_lengths - 2, "b": log_lengths - 1})
    ratings["characters"] = np.exp([*log_lengths, *(log_lengths + 1)]) - 1
    rubric_records.add_length_controlled(run, ratings, "judge", "how")
    assert [(r.system, r.group, r.n) for r in run.records] == [
        ("a", "length controlled", 5),
        ("b", "length controlled", 5),
    ]
    for record in run.records:
        assert record.value == pytest.approx(ratings.expected.mean())
    few = ratings[ratings.id.isin(["p0", "p1", "p2", "p3"])]  # 8 ratings, 3 unknowns
    rubric_records.add_length_controlled(run, few, "judge", "how")
    rubric_records.add_length_controlled(run, few.iloc[:0], "judge", "how")
    assert len(run.records) == 2


def test_two_judges_are_held_against_each_other_pair_by_pair(run):
    both = ratings_of({"a": [1.0, 2.0, 3.0], "b": [3.0, 4.0, 5.0]})
    both["expected_second"] = [1.0, 3.0, 3.0, 3.0, 4.0, 3.0]
    rubric_records.add_two_judges(run, both, "judge", "second")
    records = by_name(run)
    names = ("emplifai.judges", "judge and second")
    apart = records[*names, "mad", "fluency"]
    assert (apart.value, apart.n) == (pytest.approx((0 + 1 / 2 + 2 / 2) / 3), 3)
    agreed = records[*names, "pearson", "fluency"]
    by_hand = correlations.pearson_within_groups(
        both.expected, both.expected_second, both.system, both.id, 42
    )
    assert (agreed.value, agreed.n, agreed.interval) == (by_hand[0], 6, "none")
    assert np.isnan(by_hand[1:]).all()  # three pairs


@pytest.mark.parametrize("pairs, second", [(2, [1.0, 3.0, 2.0, 4.0]), (3, [2.0] * 6)])
def test_no_correlation_of_few_dialogues_or_of_one_level(run, pairs, second):
    both = ratings_of({"a": [1.0, 2.0, 3.0][:pairs], "b": [3.0, 1.0, 5.0][:pairs]})
    rubric_records.add_two_judges(run, both.assign(expected_second=second), "judge", "second")
    assert [r.metric for r in run.records] == ["mad"]


def test_planted_cases_are_counted_by_scene(run):
    cases = pd.DataFrame({"scene": [1, 1, 2, 2], "kind": ["sound", "harm"] * 2})
    yes = pd.DataFrame({"harm": [0.2, 0.9, 0.4, 0.4]})
    rubric_records.add_planted(run, yes, cases, ("sound", "harm", "missed"), "judge")
    [record] = run.records
    assert (record.system, record.group, record.value) == ("asked for harm", "sound", 0.75)
    assert record.n == 2 and record.signature.endswith("'sound'")


def test_what_a_judge_left_unanswered_is_counted(run):
    cases = pd.DataFrame({"scene": [1, 1, 2, 2, 3], "kind": ["sound", "harm"] * 2 + ["sound"]})
    yes = pd.DataFrame({"harm": [0.2, 0.9, 0.4, np.nan, 0.1]})
    rubric_records.add_planted(run, yes, cases, ("sound", "harm"), "judge")
    assert (run.records[0].n, run.records[0].unscored) == (1, 1)  # the third scene has no harm
    both = ratings_of({"a": [1.0, 2.0, np.nan, 2.0], "b": [3.0, 4.0, 5.0, 1.0]})
    both["expected_second"] = [1.0, 3.0, 3.0, 3.0, 4.0, 3.0, np.nan, 2.0]
    rubric_records.add_two_judges(run, both, "judge", "second")
    *_, apart, agreed = run.records
    assert (apart.n, apart.unscored, agreed.n, agreed.unscored) == (3, 1, 6, 2)


def test_item_scores_are_the_levels_of_rated_dialogues(run):
    rubric_records.add_items(run, ratings_of({"a": [4.0, np.nan]}))
    [items] = run.items
    assert items.to_dict("records") == [
        {
            "id": "p0",
            "system": "a",
            "metric": "fluency",
            "value": 4.0,
            "table": "emplifai.table4",
        }
    ]
