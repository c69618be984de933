"""What moved between two makings of the book, and whether it is explained."""

import copy
import json

import page_measures
import pandas as pd
import pytest

from emo import cli, drift
from emo.graph import steps
from emo.site import theme
from emo_utils import project
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import parameters, results
from emo_utils.project import EmoError

TRAINING, SCORING, CASES = "03_dpo.eqsr-dpo", "06_knowledge_scoring", "08_qualitative_cases"


def record(metric: str, value: float, low: float, high: float, **changes) -> dict:
    return {
        "table": "t",
        "system": "eqsr-dpo",
        "metric": metric,
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": 20,
        "unscored": 0,
        "group": "all",
        "scorer": "s",
        "seed": 42,
        "signature": "how",
        "kind": "mean",
        "interval": "items",
        "p": None,
        "p_adjusted": None,
    } | changes


def run(records: list[dict], **upstream: str) -> dict:
    return {
        "records": records,
        "versions": {"torch": "1"},
        "device": "a machine",
        "git_commit": "c" * 40,
        "dirty": False,
        "started": "2030-01-02T03:04:05+00:00",
        "seconds": 1.0,
        "peak_memory_mb": 10,
        "fingerprint": {
            "notebook": "n",
            "parameters": {"beta": 0.1},
            "modules": {"emo_utils/scoring/overlap_scores.py": "m"},
            "data": {"data/dialogues/test.jsonl": "d"},
            "lock": "l",
            "models": {"tiny": "w"},
            "upstream": upstream,
        },
    }


@pytest.fixture
def before():
    return {
        TRAINING: run([record("loss", 1.0, 1.0, 1.0, interval="none")]),
        SCORING: run(
            [record("kept", 0.5, 0.4, 0.8), record("bleu", 0.2, 0.1, 0.3)], **{TRAINING: "first"}
        ),
        CASES: run([record("comfort", 0.3, 0.2, 0.4)], **{SCORING: "first"}),
    }


def moved(before, now):
    return drift.compare(before, now).set_index(["run", "metric"])


def test_nothing_changed(before):
    found = drift.compare(before, copy.deepcopy(before))
    assert (
        set(found.state) == {"same"}
        and drift.summary(found) == "All 4 numbers are the same."
        and not len(drift.unexplained(found))
    )
    assert (
        drift.page(found, drift.verdicts(before, before))
        == "All 4 numbers are the same. No verdict on a claim to compare.\n"
    )


def test_a_move_is_measured_on_the_side_that_it_goes_to(before):
    now = copy.deepcopy(before)
    for row, value in zip(now[SCORING]["records"], (0.6, 0.15)):
        row["value"] = value
    found = moved(before, now)
    assert found.loc[(SCORING, "kept"), "move"] == pytest.approx(0.1 / 0.3) and found.loc[
        (SCORING, "bleu"), "move"
    ] == pytest.approx(-0.5)
    assert set(found.loc[SCORING].state) == {
        "inside"
    } and "2 moved, inside or without an interval, with nothing changed" in drift.summary(
        drift.compare(before, now)
    )


@pytest.mark.parametrize("interval", ["items", "seeds and items", "exact"])
def test_an_interval_of_any_kind_is_one(before, interval):
    before[SCORING]["records"][0]["interval"] = interval
    now = copy.deepcopy(before)
    now[SCORING]["records"][0]["value"] = 0.9
    assert moved(before, now).loc[(SCORING, "kept"), "state"] == "outside"


def test_records_that_were_kept_before_they_had_all_fields_are_read(before, tmp_path):
    older = copy.deepcopy(before)
    for content in older.values():
        for kept in content["records"]:
            del kept["kind"], kept["interval"], kept["p"], kept["p_adjusted"]
    path = tmp_path / "book.json"
    path.write_text(json.dumps({"runs": older}), encoding="utf-8")
    read = drift.read(path)
    for run_name, content in before.items():
        # What kind of number it is nobody kept; the ends say whether there was an interval.
        as_kept = [record | {"kind": "other"} for record in content["records"]]
        assert read[run_name] == content | {"records": as_kept}
    assert set(drift.compare(read, before).state) == {"same"}
    assert not len(drift.verdicts(read, before))


def test_an_unexplained_move_outside_is_a_fault_and_an_explained_one_is_not(before):
    now = copy.deepcopy(before)
    now[SCORING]["records"][1]["value"] = 0.35
    found = drift.compare(before, now)
    assert drift.unexplained(found).metric.tolist() == [
        "bleu"
    ] and "**1 of them moved outside with nothing changed" in drift.summary(found)
    now[SCORING]["fingerprint"]["modules"]["emo_utils/scoring/overlap_scores.py"] = "m2"
    found = drift.compare(before, now)
    assert (
        not len(drift.unexplained(found))
        and found[found.metric == "bleu"].cause.item()
        == "code: emo_utils/scoring/overlap_scores.py"
    )
    assert set(found[found.state == "same"].cause) == {""}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda r: r["fingerprint"].update(notebook="n2"), "code: notebook"),
        (
            lambda r: r["fingerprint"]["data"].update({"data/dialogues/test.jsonl": "d2"}),
            "data: data/dialogues/test.jsonl",
        ),
        (lambda r: r["fingerprint"]["parameters"].update(beta=0.2), "parameters: beta 0.1 -> 0.2"),
        (lambda r: r["fingerprint"]["models"].update(tiny="w2"), "models: tiny"),
        (lambda r: r["fingerprint"].update(lock="l2"), "versions: requirements.lock"),
        (lambda r: r["versions"].update(torch="2"), "versions: torch 1 -> 2"),
        (lambda r: r.update(device="another"), "machine: a machine -> another"),
    ],
)
def test_each_kind_of_cause_has_its_name_and_reaches_what_comes_after(before, change, cause):
    now = copy.deepcopy(before)
    change(now[TRAINING])
    now[SCORING]["fingerprint"]["upstream"][TRAINING] = now[CASES]["fingerprint"]["upstream"][
        SCORING
    ] = "second"
    assert drift.causes(TRAINING, before, now) == [cause]
    assert (
        drift.causes(SCORING, before, now)
        == drift.causes(CASES, before, now)[:1]
        == [f"{cause} (by {TRAINING})"]
    )
    now[CASES]["records"][0]["value"] = 0.9
    assert not len(drift.unexplained(drift.compare(before, now)))


def test_other_upstream_results_alone_explain_nothing(before):
    now = copy.deepcopy(before)
    now[SCORING]["fingerprint"]["upstream"][TRAINING] = (
        "second"  # a training that gave something else, with nothing changed
    )
    now[SCORING]["records"][1]["value"] = 0.9
    assert drift.unexplained(drift.compare(before, now)).metric.tolist() == ["bleu"]


def test_numbers_without_interval_new_ones_and_lost_ones(before):
    now = copy.deepcopy(before)
    now[TRAINING]["records"][0]["value"] = 2.0
    now[CASES]["records"].append(record("new", 0.1, 0.0, 0.2))
    del now[SCORING]["records"][0]
    found = moved(before, now)
    assert found.state.to_dict() == {
        (TRAINING, "loss"): "no interval",
        (SCORING, "kept"): "gone",
        (SCORING, "bleu"): "same",
        (CASES, "comfort"): "same",
        (CASES, "new"): "new",
    }
    assert drift.unexplained(found.reset_index()).metric.tolist() == ["kept"]
    del now[CASES]
    assert set(moved(before, now).loc[CASES].cause) == {"the run is gone"}


def test_an_interval_without_width_is_left_by_any_move(before):
    now = copy.deepcopy(before)
    before[SCORING]["records"][0] |= {"ci_low": 0.5, "ci_high": 0.5}
    now[SCORING]["records"][0]["value"] = 0.51
    found = moved(before, now).loc[(SCORING, "kept")]
    assert found.state == "outside" and found.move == float("inf")


def test_intervals_without_a_common_point_are_counted(before):
    now = copy.deepcopy(before)
    before[SCORING]["device"] = "another"
    now[SCORING]["records"][0] |= {
        "value": 0.9,
        "ci_low": 0.79,
        "ci_high": 1.0,
    }  # 0.5 [0.4, 0.8] before
    now[SCORING]["records"][1] |= {
        "value": 0.9,
        "ci_low": 0.31,
        "ci_high": 1.0,
    }  # 0.2 [0.1, 0.3] before
    found = drift.compare(before, now)
    assert found.set_index("metric").apart.to_dict() == {
        "loss": False,
        "kept": False,
        "bleu": True,
        "comfort": False,
    }
    assert (
        "2 left their interval; of those that left it 1 so far that the intervals before "
        "and now have no point in common."
    ) in drift.summary(found)


@pytest.fixture
def ungated() -> dict[str, dict]:
    """The kept book without its gates, which hold most of its verdicts back."""
    book = drift.read(drift.reference("embedded"))
    for content in book.values():
        content["records"] = [r for r in content["records"] if r["table"] != "gates"]
    return book


def test_verdicts_that_turn_are_named(ungated):
    """A claim of the kept book whose combinations of cells are all turned round."""
    before = ungated
    now = copy.deepcopy(before)
    told = claims_ledger.ledger(
        pd.DataFrame(
            [r | {"run": run} for run, content in before.items() for r in content["records"]]
        )
    )
    assert not len(drift.verdicts(before, now)) and drift.said_of(drift.verdicts(before, now)) == (
        f"None of the {(told.ours != 'not measured').sum()} verdicts "
        "on the papers' claims is another."
    )
    claim = told[told.ours == "contradicted"].iloc[0]
    asked = {comparison.key for comparison, *_ in claim.ours_evidence}
    for content in now.values():
        for record in content["records"]:
            if record["system"] in asked and record["table"] == claims_ledger.TABLE:
                record |= {
                    "value": -record["value"],
                    "ci_low": -record["ci_high"],
                    "ci_high": -record["ci_low"],
                }
    turned = drift.verdicts(before, now)
    row = turned[turned.claim == claim.claim].iloc[0]
    assert row.before == "contradicted" and row.now != "contradicted"
    assert "### Verdicts that turned" in drift.page(drift.compare(before, now), turned)


def test_a_verdict_that_a_gate_holds_back_names_the_gate(ungated):
    before = ungated
    now = copy.deepcopy(before)
    closed = {"system": "planted are found", "group": "emodoctor.table3"}
    now[CASES]["records"] += [
        record(metric, 0.25, 0.1, 0.4, table="gates", **closed)
        for metric in ("comfort_share", "opens_with_comfort")
    ]
    turned = drift.verdicts(before, now)
    assert len(turned) == 2 and set(turned.now) == {"cannot be decided here"}
    assert turned.because.str.contains("failed on .*: the mark is given to 60 %").all()
    back = drift.verdicts(now, before)
    assert set(back.before) == {"cannot be decided here"} and (back.because != "").all()
    assert "the mark is given to 60 %" in drift.page(drift.compare(before, now), turned)


def test_a_long_table_is_shown_in_parts(before):
    now = copy.deepcopy(before)
    for side, value in ((before, 0.5), (now, 0.6)):
        side[SCORING]["records"] = [record(f"m{k}", value, 0.4, 0.8) for k in range(60)]
    text = drift.page(drift.compare(before, now), drift.verdicts(before, now))
    assert (
        text.count("<table data-browse ") == 1
        and "<th data-choose>state</th>" in text
        and text.count("<tr>") > 60
    )


def test_texts_of_records_are_escaped(before, tmp_path):
    now = copy.deepcopy(before)
    for side in (before, now):
        side[SCORING]["records"][0]["system"] = "<script>alert(1)</script>"
    now[SCORING]["records"][0]["value"] = 0.6
    found = drift.compare(before, now)
    assert (
        "<script>" not in (shown := drift.page(found, drift.verdicts(before, now)))
        and "&lt;script&gt;" in shown
    )
    drift.figure(found, tmp_path / "drift.svg")
    assert (tmp_path / "drift.svg").stat().st_size > 2000
    assert page_measures.smallest_letters(tmp_path / "drift.svg") >= page_measures.READABLE
    said = theme.written_into(tmp_path / "drift.svg")[0]
    assert said.startswith(f"{found.move.notna().sum()} numbers of ")
    assert f"Furthest: {SCORING}, " in said


def test_the_command_keeps_compares_and_says_what_is_a_fault(before, tmp_path, monkeypatch, capsys):
    mine = tuple(s for s in steps.STEPS if s.run in before)
    monkeypatch.setattr(steps, "steps", lambda profile: mine)
    monkeypatch.setattr(results, "result_path", lambda name, profile: tmp_path / f"{name}.json")
    monkeypatch.setattr(drift, "reference", lambda profile: tmp_path / "kept" / "book.json")

    def write(runs):
        for name, content in runs.items():
            about = {k: v for k, v in content.items() if k != "records"}
            (tmp_path / f"{name}.json").write_text(
                json.dumps({"records": content["records"], "provenance": about}), encoding="utf-8"
            )

    assert cli.main(["drift"]) == 2 and "no records to compare with" in capsys.readouterr().err
    write({k: v for k, v in before.items() if k != CASES})
    assert (
        cli.main(["drift", "--keep"]) == 2 and f"{CASES} has no result" in capsys.readouterr().err
    )
    write(before)
    monkeypatch.setattr("emo.cli.upkeep.relative", str)
    assert (
        cli.main(["drift", "--keep"]) == 0 and drift.read(tmp_path / "kept" / "book.json") == before
    )
    assert cli.main(["drift"]) == 0 and "All 4 numbers are the same." in capsys.readouterr().out
    now = copy.deepcopy(before)
    now[SCORING]["records"][1]["value"] = 0.35
    write(now)
    assert cli.main(["drift", "--to", str(tmp_path / "report.md")]) == 1
    assert "bleu, all: 0.2 [0.1, 0.3] -> 0.35" in capsys.readouterr().out and "unexplained" in (
        tmp_path / "report.md"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"runs": {"a": {}}}', '{"runs": 3}'])
def test_what_is_no_snapshot_is_named(tmp_path, content):
    (tmp_path / "kept.json").write_text(content, encoding="utf-8")
    with pytest.raises(EmoError, match="kept.json holds no records to compare with"):
        drift.read(tmp_path / "kept.json")


@pytest.mark.parametrize(
    "path",
    sorted((project.ROOT / "book" / "reference").glob("book_*.json")),
    ids=lambda path: path.stem,
)
def test_each_step_of_a_kept_book_took_less_memory_than_its_profile_says(path):
    allowed = parameters.load_profile(path.stem.removeprefix("book_"))["memory_gb"] * 1000
    peaks = {name: kept["peak_memory_mb"] for name, kept in drift.read(path).items()}
    assert len(peaks) > 20 and min(peaks.values()) > 100
    assert not {name: peak for name, peak in peaks.items() if peak > allowed}
