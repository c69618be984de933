"""The tables of a judge's preferences, cell by cell."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from emo_utils.judging.preference import SYSTEMS
from emo_utils.report import kept_runs, preference_tables

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
    about |= {"started": "2030-01-02T03:04:05+00:00"}
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


def test_what_a_run_has_not_is_said_in_its_place(source):
    none = CANARIES[:0]
    assert preference_tables.shown_pairs(none, source, "agreed").data == "<p>no pair was judged</p>"
    assert "canary_rows = 0" in preference_tables.shown_canaries(none, source).data
    pair = ("emodoctor.figure2.pairs.emotion", "a over b", "win_share", "win", 0.5, 14, 0)
    judge = ("emodoctor.figure2.judges", "contradicts itself", "share", "emotion", 0.5, 60, 0)
    shown = preference_tables.shown_pairs(frame([pair, judge]), source, "They agree").data
    assert "n = 14 questions" in shown and "contradicts itself (emotion) 0.50 [" in shown
    assert "They agree." in shown
    assert "n = 14 questions" in preference_tables.shown_canaries(CANARIES, source).data


def test_the_runs_that_are_kept_are_shown_or_missed(source, tmp_path, monkeypatch):
    paths = {"PREFERENCE": tmp_path / "full.json", "SCREENED": tmp_path / "screened.json"}
    monkeypatch.setattr(kept_runs, "PREFERENCE", paths["PREFERENCE"])
    monkeypatch.setattr(preference_tables, "SCREENED", paths["SCREENED"])
    monkeypatch.setattr(kept_runs.provenance, "noted", lambda path: path)
    shown = [table.data for table in preference_tables.of_kept_runs()]
    assert shown[0] == "<p>no full run was kept yet</p>" and len(shown) == 3
    assert shown[1].endswith("as they are: not measured yet</p>")
    about = json.loads((tmp_path / "kept.json").read_text())["provenance"]
    content = {"records": CANARIES.to_dict("records")}
    content["provenance"] = about | {"profile": "embedded"}
    paths["SCREENED"].write_text(json.dumps(content))
    shown = [table.data for table in preference_tables.of_kept_runs()]
    assert "Canaries after the screen, n = 3 questions" in shown[1] and len(shown) == 4
    assert "after the screen: order (emotion) 0.50" in shown[-1]


def test_the_words_that_a_judge_reads_grow_with_the_systems():
    """Two answers of three words, and four words around them, in two orders."""
    texts = pd.DataFrame({"a": ["one two three"], "b": ["one two three"]})
    shown = pd.DataFrame({"id": ["q", "q"], "text": ["w " * 10] * 2})
    table = preference_tables.words_read(shown, texts).set_index("systems")
    assert table["a choice among all, 2 orders"].loc[[2, 12]].tolist() == [20, 80]
    assert table["all pairs, both orders"].loc[[2, 3]].tolist() == [20, 60]


def test_win_shares_say_who_judged_and_how_many_questions(source):
    shares = [
        (f"emodoctor.figure2.{question}", system, "win_share", "all", 0.25, 19, 0)
        for question in ("emotion", "knowledge")
        for system in SYSTEMS
    ]
    source.values = {"judge_model": "judge"}
    page = preference_tables.shown_win_shares(frame(shares), source, 19, "how", "They agree").data
    assert "n = 19 questions. 95 % interval" in page and "0.25 [" in page
    assert "Scorer: judge. How: how; share of questions won. They agree." in page
