"""Tables of chapter 5, from records written by hand."""

import pandas as pd

from emo_utils.report import emotion_tables

COLUMNS = ["table", "system", "metric", "group", "value", "ci_low", "ci_high", "n", "p"]


def records_of(*rows, table: str) -> pd.DataFrame:
    frame = pd.DataFrame([(table, *row) for row in rows], columns=COLUMNS)
    few = frame.n < 10
    return frame.assign(p_adjusted=frame.p * 2, interval=few.map({True: "none", False: "items"}))


def test_a_pair_has_its_difference_its_tests_and_what_would_have_been_found():
    records = records_of(
        ("eqsr-dpo", "mean", "minus base", 0.25, 0.125, 0.375, 20, 0.0104),
        ("eqsr-dpo", "detectable", "minus base", 0.1804, 0.1804, 0.1804, 20, None),
        ("prompt", "mean", "minus base", -0.25, -0.25, -0.25, 4, None),
        table="emodoctor.table1.differences",
    )
    first, few = emotion_tables.differences(records).to_dict("records")
    assert first == {
        "system": "eqsr-dpo",
        "minus": "base",
        "difference": "+0.250 [+0.125, +0.375]",
        "n": 20,
        "p": 0.01,
        "p_holm": 0.021,
        "detectable": 0.18,
    }
    assert (few["system"], few["difference"]) == ("prompt", "-0.250 (n = 4)")
    assert pd.isna(few["p"]) and pd.isna(few["p_holm"]) and pd.isna(few["detectable"])


def test_scores_by_emotion_stand_with_their_smallest_number_of_questions():
    records = records_of(
        ("base", "mean", "emotion=fear", 0.254, 0.2, 0.3, 12, None),
        ("base", "mean", "emotion=distrust", 0.5, 0.4, 0.6, 11, None),
        ("base", "mean", "all", 0.3, 0.2, 0.4, 60, None),
        table="emodoctor.table1",
    )
    table, fewest = emotion_tables.by_emotion(records)
    assert table.loc["base"].to_dict() == {"distrust": 0.5, "fear": 0.25} and fewest == 11
