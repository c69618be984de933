"""Scores of facts against people's counts, and counts against counts, by numpy and by hand."""

import re

import numpy as np
import pandas as pd
import pytest

from emo_utils.people import against_counts
from emo_utils.scoring.facts_of_summaries import SUPPORTED

# Two talks with a pair of equal summaries each;
# the third says the same as the first, of another patient.
ROWS = [
    (1, "Pain, at night.", 1.0, 0.2),
    (1, "pain at  night", 0.5, 0.2),
    (1, "No pain.", 0.0, 0.9),
    (2, "Well.", 0.25, 0.6),
    (2, "Well", 0.75, 0.4),
    (3, "Pain at night", 0.1, 0.8),
]
TABLE = pd.DataFrame(ROWS, columns=["talk", "text", "precision", "recall"])


def test_scores_follow_counts_as_numpy_says():
    scores = {
        ("precision", "rules", "details added"): pd.Series([-1.0, 0, -3, 0, -1, 0]),
        ("recall", "counts", "share of the reference's words"): pd.Series(
            [0.1, 0.3, 0.8, np.nan, 0.5, 0.7]
        ),
        ("precision", "who", SUPPORTED): pd.Series([0.9, 0.5, 0.1, 0.4]),
    }
    rows = list(against_counts.following(TABLE, scores, 42, suffix=" (s)", reader="signed"))
    found = {(row["system"], row["metric"]): row for row in rows}
    assert [metric for system, metric in found if system.startswith("details")] == [
        "pearson",
        "spearman",
    ]
    assert len(found) == 2 + 3 + 3  # kappa for shares
    details = found["details added (s)", "pearson"]
    assert details["value"] == pytest.approx(
        np.corrcoef([-1, 0, -3, 0, -1, 0], TABLE.precision)[0, 1]
    )
    assert (details["n"], details["unscored"], details["group"]) == (6, 0, "precision")
    assert np.isnan([details["ci_low"], details["ci_high"]]).all()  # three talks
    assert details["signature"] == "bootstrap over talks with their summaries"
    share = found["share of the reference's words (s)", "pearson"]
    assert (share["n"], share["unscored"], share["group"]) == (5, 1, "recall")
    part = found[f"{SUPPORTED} (s)", "weighted kappa"]
    assert (part["n"], part["unscored"], part["scorer"]) == (4, 0, "who")
    assert part["signature"].endswith("; signed")


def test_counts_without_three_values_have_no_correlation():
    alike = TABLE.assign(precision=[1, 0, 1, 0, 1, 1])
    scores = {("precision", "rules", "x"): pd.Series(np.arange(6.0))}
    assert not list(against_counts.following(alike, scores, 42))


def test_counts_of_equal_summaries_are_held_against_each_other():
    rows = list(against_counts.counted_again(TABLE, 42))
    every = pd.DataFrame(rows).set_index(["metric", "group"])
    found = every.loc["pearson"]
    assert (
        set(found.system) == {"the same summary, counted again (n pairs)"}
        and set(found.scorer) == {"people"}
        and set(found.n) == {2}
    )
    assert found.value["precision"] == pytest.approx(
        np.corrcoef([1, 0.5, 0.25, 0.75], [0.5, 1, 0.75, 0.25])[0, 1]
    )
    assert found.value["recall"] == pytest.approx(
        np.corrcoef([0.2, 0.2, 0.6, 0.4], [0.2, 0.2, 0.4, 0.6])[0, 1]
    )
    assert (
        every.value["equal counts", "recall"] == 0.5
        and every.value["equal counts", "precision"] == 0.0
    )
    # Of two talks one alone is drawn in half of the draws: two values of precision, too few.
    drawn = int(re.search(r"(\d+) of 1000 draws", found.signature["precision"])[1])
    assert (
        440 < drawn < 560
        and "2 in 2 talks, 2 of which have a count below 1" in found.signature["precision"]
        and found[["ci_low", "ci_high"]].isna().all(axis=None)
    )


def test_counts_of_ten_talks_have_an_interval():
    many = pd.concat([TABLE.assign(talk=TABLE.talk + 3 * k) for k in range(4)], ignore_index=True)
    score = many.precision + np.tile([0.3, -0.2, 0.1, 0.0, -0.4, 0.2], 4)
    rows = list(against_counts.following(many, {("precision", "rules", "x"): score}, 42))
    assert len(rows) == 2
    for row in rows:
        assert row["ci_low"] < row["value"] < row["ci_high"]


def test_what_was_counted_once_says_nothing():
    assert not list(against_counts.counted_again(TABLE.drop(index=[1, 4]), 42))


def test_each_summary_is_taken_once_with_the_mean_of_its_counts():
    once, scores = against_counts.each_once(
        TABLE,
        {
            ("precision", "rules", "x"): pd.Series(np.arange(6)),
            ("recall", "rules", "x"): pd.Series(np.arange(6)),
            ("precision", "s", SUPPORTED): pd.Series(np.arange(6)),
        },
    )
    assert (
        once.precision.tolist() == [0.75, 0.0, 0.5, 0.1]
        and list(scores) == [("precision", "rules", "x")]
        and scores["precision", "rules", "x"].tolist() == [0, 2, 3, 5]
    )
    assert scores["precision", "rules", "x"].index.equals(once.index)
