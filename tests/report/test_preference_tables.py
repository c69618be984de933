"""The tables of a judge's preferences, cell by cell."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from emo_utils.judging.preference import SYSTEMS
from emo_utils.report import preference_tables

COLUMNS = ["table", "system", "metric", "group", "value", "n", "unscored"]


def frame(rows):
    records = pd.DataFrame(rows, columns=COLUMNS)
    return records.assign(
        ci_low=records.value - 0.125,
        ci_high=records.value + 0.125,
        interval="items",
        scorer="judge",
    )


CANARIES = frame(
    [
        ("validity.canaries", "order", "wins", "emotion", 0.5, 14, 0),
        ("validity.canaries", "order", "pull", "emotion", -0.25, 14, 0),
        ("validity.canaries", "none", "wins", "emotion", 0.0, 4, 0),
        ("validity.canaries.screened", "order", "wins", "emotion", 0.25, 3, 1),
    ]
)


def test_win_shares_stand_beside_the_papers_direction():
    shares = [
        (f"emodoctor.figure2.{question}", system, "win_share", "all", k / 8, 19, 0)
        for question in ("emotion", "knowledge")
        for k, system in enumerate(SYSTEMS)
    ]
    others = [
        ("emodoctor.figure2.emotion", SYSTEMS[0], "strength", "all", 0.9, 9, 0),
        ("emodoctor.figure2.emotion.none", "tie (of scored)", "share", "all", 0.5, 9, 0),
        ("emodoctor.figure2.knowledge.none", "tie (of scored)", "share", "all", 0.25, 19, 0),
    ]
    table = preference_tables.win_shares(frame(shares + others))
    assert table.index.tolist() == [*SYSTEMS, "tie (of scored)"]
    assert list(table) == ["published", *preference_tables.PANELS]
    assert table.published.tolist()[:6] == ["without ER"] * 3 + ["with ER: preferred"] * 3
    assert table.published.isna().tolist()[6:] == [True]
    assert table["emodoctor.figure2.emotion"]["eqsr-kto"] == "0.25 [0.12, 0.38]"
    assert table["emodoctor.figure2.knowledge"]["tie (of scored)"] == "0.25 [0.12, 0.38]"


def test_a_pair_has_a_cell_for_each_judge_and_says_what_was_not_scored():
    table = preference_tables.pairs(
        frame(
            [
                ("emodoctor.figure2.pairs.knowledge", "b over a", "win_share", "win", 0.5, 14, 0),
                ("emodoctor.figure2.pairs.knowledge", "b over a", "win_share", "second", 1.0, 3, 1),
                ("emodoctor.figure2.pairs.emotion", "a over c", "win_share", "win", 0.25, 1, 0),
                ("emodoctor.figure2.judges", "contradicts itself", "share", "emotion", 0.5, 4, 0),
            ]
        )
    )
    assert table.index.tolist() == ["b over a", "a over c"]
    assert list(table) == ["emotion, judge", "knowledge, judge", "knowledge, second judge"]
    assert table["knowledge, judge"]["b over a"] == "0.50 [0.38, 0.62]"
    second = table["knowledge, second judge"]["b over a"]
    assert second == "1.00 (n = 3, 1 unscored)"
    assert table["emotion, judge"]["a over c"] == "0.25 (n = 1)"


def test_canaries_with_and_without_the_screen_have_columns_of_their_own():
    table = preference_tables.canaries(CANARIES)
    assert table.index.tolist() == ["order", "none"]
    assert list(table) == ["emotion, pull", "emotion, wins", "emotion, wins after the screen"]
    assert table["emotion, pull"]["order"] == "-0.25 [-0.38, -0.12]"
    assert pd.isna(table["emotion, pull"]["none"])


def test_the_tricks_that_win_are_listed():
    found = preference_tables.winning_tricks(CANARIES)
    assert found == ("order (emotion) 0.50 [0.38, 0.62]; order (emotion) 0.25 (n = 3, 1 unscored)")
    assert preference_tables.winning_tricks(CANARIES[CANARIES.value <= 0]) == "none"
    assert preference_tables.winning_tricks(pd.DataFrame()) == "not measured yet"


@pytest.fixture
def source(tmp_path):
    about = {
        "git_commit": "c" * 40,
        "notebook": "notebooks/07_preference_ablation.ipynb",
        "code_sha256": "0",
        "dirty": False,
        "data_sha256": {},
        "models": {},
    }
    about |= {"run": "kept", "device": "cpu", "seconds": 1}
    (tmp_path / "kept.json").write_text(json.dumps({"provenance": about}))
    return SimpleNamespace(profile="embedded", folder=tmp_path, name="kept")


def test_a_kept_run_shows_what_it_measured(source):
    judges = [("emodoctor.figure2.judges", "takes the longer", "share", "emotion", 0.5, 60, 0)]
    shown = [
        table.data
        for table in preference_tables.of_full_run(pd.concat([CANARIES, frame(judges)]), source)
    ]
    assert ["The judge, n = 60. " in html for html in shown] == [True, False]
    assert "judges, emotion, share" in shown[0] and "one training seed" in shown[0]
    assert "Canaries, n = 14. 95 % interval over test questions. " in shown[1]
    assert "after the screen" not in shown[1] and "was not measured." in shown[1]
