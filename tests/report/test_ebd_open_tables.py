"""Tables of chapter 10.2 from records written by hand, of this run and of a kept one."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from emo_utils.report import ebd_open_tables, figures, kept_runs, result_tables
from emo_utils.stats.intervals import ENOUGH

BASE, TUNED = figures.LABELS["ebd-base"], figures.LABELS["ebd-dpo"]


def record(table, system="ebd-base", metric="warmth", value=0.5, group="all", **changes):
    return {
        "table": table,
        "system": system,
        "metric": metric,
        "group": group,
        "value": value,
        "ci_low": value - 0.25,
        "ci_high": value + 0.25,
        "n": 12,
        "unscored": 0,
        "interval": "items",
        "seed": 42,
    } | changes


@pytest.fixture
def calls(monkeypatch):
    """What `show` is given, in place of the tables' HTML."""
    shown = []

    def show(frame, origin, caption, **options):
        shown.append(SimpleNamespace(frame=frame, origin=origin, caption=caption, options=options))
        return shown[-1]

    monkeypatch.setattr(result_tables, "show", show)
    return shown


@pytest.fixture
def runs():
    """A run in smoke with few questions, and a full one."""
    few = {"n": 3, "interval": "none"}
    rows = [
        record("ebd.simplicity", **few),
        record("ebd.simplicity", metric="urgent", **few | {"n": 2, "unscored": 1}),
        record("ebd.probes", "length", "accuracy", n=40),
    ]
    groups = [("CARE", 12), ("DOCTOR", 9)]
    full = [record("ebd.simplicity")]
    full += [
        record("ebd.transfer", system, group=group, n=n) for system in "ab" for group, n in groups
    ]
    full += [record("ebd.voices", group=voice) for voice in ("original again", "older")]
    full += [
        record("ebd.caveats", "ebd-base", "kept", 0.25, "numbers", unscored=28),
        record("ebd.caveats", "ebd-dpo", "kept", 0.75, "numbers", unscored=28),
        record("ebd.caveats", "ebd-dpo", "change", 0.5, "numbers", unscored=28),
    ]
    first, second = (SimpleNamespace(profile=name) for name in ("smoke", "embedded"))
    return [
        ebd_open_tables.Shown(pd.DataFrame(rows), first),
        ebd_open_tables.Shown(pd.DataFrame(full), second, full=True),
    ]


def test_each_run_has_a_table_of_its_own(calls, runs):
    own, full = ebd_open_tables.simplicity(runs)
    assert own.frame.loc[BASE].to_dict() == {
        "warmth": "0.50 (n = 3)",
        "urgent": "0.50 (n = 2, 1 unscored)",
    }
    assert full.frame.loc[BASE, "warmth"] == "0.50 [0.25, 0.75]"
    assert (own.origin, full.origin) == (runs[0].origin, runs[1].origin)
    assert own.caption.endswith(f"answers; n = 3. {result_tables.CHECKPOINT}.")
    assert full.caption == "Full run. " + own.caption.replace("n = 3", "n = 12")


def test_a_run_without_such_records_has_no_table(calls, runs):
    assert not ebd_open_tables.transfer(runs[:1]) and not ebd_open_tables.voices(runs[:1])
    assert not ebd_open_tables.caveats(runs[:1]) and not calls
    assert ebd_open_tables.fullest(runs, "ebd.simplicity") is runs[1]
    assert ebd_open_tables.fullest(runs, "ebd.probes") is runs[0]
    assert ebd_open_tables.fullest(runs, "ebd.people") is None
    assert (runs[0].name, runs[1].name) == ("smoke profile", "full run")


def test_a_kind_of_sentence_says_how_many_questions_have_it(calls, runs):
    [table] = ebd_open_tables.caveats(runs)
    assert table.frame["numbers (n = 12)"].to_dict() == {
        BASE: "0.25 [0.00, 0.50]",
        TUNED: "0.75 [0.50, 1.00]",
        "change by training": "0.50 [0.25, 0.75]",
    }
    assert "not corrected for the 3 cells" in table.caption


def test_transfer_and_voices_have_a_row_for_what_was_asked(calls, runs):
    [moved], [voices] = ebd_open_tables.transfer(runs), ebd_open_tables.voices(runs)
    assert list(moved.frame.index) == ["a on CARE", "a on DOCTOR", "b on CARE", "b on DOCTOR"]
    assert f"n = 12 of CARE, n = 9 of DOCTOR; no interval under {ENOUGH}." in moved.caption
    assert list(voices.frame.index) == [f"{BASE}, original again", f"{BASE}, older"]
    assert "n = 12 questions" in voices.caption and "for the 2 cells" in voices.caption


def test_probes_are_this_runs(calls, runs):
    [table] = ebd_open_tables.probes(runs)
    assert table.frame.loc["length", "accuracy"] == "0.50 [0.25, 0.75]"
    assert "n = 40 pairs" in table.caption and table.origin is runs[0].origin
    assert not ebd_open_tables.probes(runs[1:])


def test_people_and_who_they_compared(calls):
    rows = [
        record("ebd.people", "new", metric, 0.5, group, n=n, interval="none", unscored=12 - n)
        for metric in ("plain", "whole")
        for group, n in (("chosen", 12), ("words", 5))
    ]
    choices = pd.DataFrame({"system": "new", "against": "old", "rater": ["a", "b", "a"]})
    shown = [ebd_open_tables.Shown(pd.DataFrame(rows), SimpleNamespace(profile="smoke"))]
    table = ebd_open_tables.people(shown, choices)
    assert table.frame.loc["plain"].to_dict() == {
        "chosen": "0.50",
        "words": "0.50 (n = 5, 7 unscored)",
    }
    assert table.caption.startswith("new against old:") and "n = 12 questions" in table.caption
    assert f"2 raters; no interval under {ENOUGH}." in table.caption


def kept_file(path, records):
    about = {"profile": "embedded", "parameters": {}, "data_sha256": {}}
    about |= {"notebook": "notebooks/10_ebd_open.ipynb", "code_sha256": "0"}
    about |= {"started": "2030-01-02T03:04:05+00:00", "git_commit": "c" * 40, "dirty": False}
    path.write_text(json.dumps({"records": records, "provenance": about}), encoding="utf-8")


def variant(rate, **changes):
    name = f"10_empathy_by_design.ebd-dpo@beta=0.1,learning_rate={rate},lora_rank=8"
    values = {"test_accuracy": 0.9, "gain_per_token": 0.25, "kl_per_token": 0.125, "warmth": 0.5}
    values |= {"cosine": 0.75, "words": 80.0, "repeated": 0.0} | changes
    return [record("ebd.ebd_grid", name, metric, value) for metric, value in values.items()]


@pytest.fixture
def reference(tmp_path, monkeypatch):
    for name in ("KEPT", "AUTHORS"):
        path = tmp_path / getattr(ebd_open_tables, name).name
        monkeypatch.setattr(ebd_open_tables, name, path)
    monkeypatch.setattr(kept_runs, "REFERENCE", tmp_path)
    return tmp_path


def test_a_full_run_stands_behind_where_it_was_kept(reference):
    run = SimpleNamespace(profile="smoke", table=lambda: pd.DataFrame([record("ebd.simplicity")]))
    [own] = ebd_open_tables.shown_runs(run)
    assert own.origin is run and not own.full
    kept_file(ebd_open_tables.KEPT, [record("ebd.simplicity", value=0.75)])
    _, full = ebd_open_tables.shown_runs(run)
    assert full.full and full.records.value.tolist() == [0.75]
    assert (full.origin.profile, full.origin.name) == ("embedded", "ebd_open")


def test_a_sweep_is_this_runs_or_the_kept_one(reference):
    shown = [ebd_open_tables.Shown(pd.DataFrame(variant(0.001)), "this run")]
    records, origin = ebd_open_tables.sweep(shown, "ebd_grid")
    assert origin == "this run" and set(records.learning_rate) == {"0.001"}
    nothing = [ebd_open_tables.Shown(pd.DataFrame([record("ebd.probes")]), "this run")]
    records, origin = ebd_open_tables.sweep(nothing, "ebd_grid")
    assert not len(records) and origin is None
    kept_file(reference / "ebd_grid.json", variant(0.004) + variant(0.002))
    records, origin = ebd_open_tables.sweep(nothing, "ebd_grid")
    assert origin.name == "ebd_grid" and list(records.learning_rate.unique()) == ["0.004", "0.002"]
    assert set(records.beta) == {"0.1"} and len(records) == 14


def test_a_grid_and_where_it_breaks(calls, reference):
    rows = variant(0.001) + variant(0.004, gain_per_token=-0.5, test_accuracy=1.0)
    rows += variant(0.002, gain_per_token=-0.1, test_accuracy=0.8)
    shown = [ebd_open_tables.Shown(pd.DataFrame(rows), "this run")]
    records, origin = ebd_open_tables.sweep(shown, "ebd_grid")
    assert ebd_open_tables.broken_trainings(records) == (
        "2 of 3 trainings made the preferred answers less likely, at learning rates of "
        "0.002, 0.004; each of them orders at least 80% of the test pairs rightly (n = 12)"
    )
    unbroken = records[records.learning_rate == "0.001"]
    assert ebd_open_tables.broken_trainings(unbroken) == (
        "0 of 1 trainings made the preferred answers less likely"
    )
    table = ebd_open_tables.grid(records, origin).frame
    assert table.loc["beta=0.1, learning_rate=0.004, lora_rank=8", "gain_per_token"] == -0.5
    assert "n = 12 test questions for answers, 12 for the first three" in calls[-1].caption


def test_shortcuts_are_means_with_their_range(calls):
    values = {"matched": (1.0, 2.0, 6.0), "cut": (4.0, 4.0, 4.0)}
    rows = [
        record("t", f"{pairs} {k}", metric, value, n=20 if metric == "words" else 10)
        | {"pairs_as": pairs}
        for pairs, several in values.items()
        for k, value in enumerate(several)
        for metric in ("words", "kl_per_token")
    ]
    table = ebd_open_tables.shortcuts(pd.DataFrame(rows), "a run")
    assert table.frame.loc["words"].to_dict() == {
        "matched": "3.00 (1.00 to 6.00)",
        "cut": "4.00 (4.00 to 4.00)",
    }
    assert list(table.frame.index) == ["words", "kl_per_token"]
    assert table.caption.startswith("Mean over 3 training seeds") and "20 test" in table.caption
    assert table.caption.endswith("say of themselves: 10.")


def test_the_authors_pairs_are_shown_once_they_were_kept(calls, reference):
    assert ebd_open_tables.authors() is None
    rows = [record("ebd.pairs", "their pairs", n=999), record("ebd.quantization", "their pairs")]
    kept_file(ebd_open_tables.AUTHORS, rows)
    table = ebd_open_tables.authors()
    assert table.frame.to_dict("records") == [
        {"table": "ebd.pairs", "metric": "warmth", "cell": "0.50 [0.25, 0.75]", "n": 999}
    ]
    assert table.caption.startswith("their pairs:") and table.options == {"index": False}
