"""Tables and figures of chapter 11, from a few records made here."""

import json
import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from emo_utils.claims import gates
from emo_utils.report import kept_runs, result_tables, validity_figures, validity_tables


def record(table, system, metric, value, group, scorer, n=40, unscored=0):
    return {
        "table": f"validity.{table}",
        "system": system,
        "metric": metric,
        "value": value,
        "ci_low": value - 0.125,
        "ci_high": value + 0.125,
        "n": n,
        "unscored": unscored,
        "group": group,
        "scorer": scorer,
        "interval": "items",
        "signature": "how",
    }


def told_apart(system, value, group, scorer, n, wrong):
    """An AUC, and how many wrong statements it rests on."""
    return [
        record("claims", system, "auc", value, group, scorer, n),
        record("claims", system, "wrong", wrong, group, scorer, n),
    ]


RECORDS = [
    record("emotion", "mean", "auc", 0.75, "reassurance", "encoder"),
    record("emotion", "words (floor)", "auc", 0.5, "reassurance", "counts", n=60, unscored=2),
    record("emotion", "mean", "auc", 0.625, "caring", "encoder"),
    record("calibration", "yes or no", "brier", 0.25, "caring", "chat"),
    record("calibration", "yes or no", "observed", 0.75, "caring, score 0.900", "chat"),
    record("calibration", "yes or no", "observed", 0.25, "caring, score 0.100", "chat"),
    record("factual", "details added", "pearson", 0.25, "precision", "rules"),
    record("factual", "facts kept", "pearson", 0.5, "recall", "small"),
    record("factual", "facts kept", "weighted kappa", 0.375, "recall", "small"),
    *told_apart("details added", 0.5, "all", "rules", 50, wrong=30),
    *told_apart("details added", 0.75, "number", "rules", 30, wrong=9),
    *told_apart("taught checker", 0.875, "all", "tiny", 50, wrong=30),
    *told_apart("supported, yes or no", 0.625, "number", "chat", 9, wrong=4),
    record("claims", "details added", "alarm", 0.25, "right", "rules", 20),
    record("planted", "nothing", "added", 0.125, "found", "rules"),
    record("planted", "a drug", "kept", 0.5, "found", "small", n=30),
    record("controls", "said twice", "contrast", -0.125, "shift", "encoder"),
    record("controls", "said twice", "bleu1", 12.5, "shift", "counts"),
    record("controls", "the doctor's", "contrast", 0.25, "shift", "encoder"),
    record("judge", "both orders averaged", "kappa", 0.25, "llmbar", "judge", unscored=3),
]


@pytest.fixture
def kept(tmp_path):
    about = {
        "run": "11",
        "git_commit": "c" * 40,
        "notebook": "notebooks/11_judge_validity.ipynb",
        "code_sha256": "0",
        "dirty": False,
        "data_sha256": {},
        "models": {},
    }
    about |= {"device": "d", "seconds": 1.0, "profile": "embedded"}
    about |= {"started": "2030-01-02T03:04:05+00:00"}
    path = tmp_path / "validity.json"
    path.write_text(json.dumps({"records": RECORDS, "provenance": about}))
    return pd.DataFrame(RECORDS), kept_runs.kept_source(path)


def rows_of(table) -> list[list[str]]:
    """The cells of a table's rows, headings of rows first."""
    body = table.data.partition("<tbody>")[2]
    rows = re.findall(r"<tr.*?>(.*?)</tr>", body, re.DOTALL)
    return [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def test_agreement_has_a_column_a_label_in_the_order_of_the_records(kept):
    table = validity_tables.agreement(*kept)
    assert rows_of(table) == [
        ["encoder", "mean", "0.75 [0.62, 0.88]", "0.62 [0.50, 0.75]"],
        ["counts", "words (floor)", "0.50 [0.38, 0.62]", ""],
    ]
    assert "auc with 95 % intervals, n = 40 to 60 texts, 2 unscored" in table.data


def test_brier_scores_have_three_digits(kept):
    table = validity_tables.calibration(*kept)
    assert rows_of(table) == [["chat", "yes or no", "0.250 [0.125, 0.375]"]]


def test_recall_comes_before_precision(kept):
    assert [row[:3] for row in rows_of(validity_tables.counts_of_facts(*kept))] == [
        ["recall", "small", "facts kept"],
        ["precision", "rules", "details added"],
    ]
    assert rows_of(validity_tables.counts_of_facts(*kept))[1][4:] == ["0.25 [0.12, 0.38]", ""]


def test_statements_say_how_many_they_rest_on(kept):
    assert rows_of(validity_tables.statements(*kept)) == [
        ["all (30 wrong)", "0.50 [0.38, 0.62], n = 50", "0.88 [0.75, 1.00], n = 50", ""],
        ["number (9 wrong)", "0.75 [0.62, 0.88]", "", "0.62 (n = 9), 4 wrong"],
    ]
    assert validity_tables.alarms(kept[0]) == [
        "a detail that the source lacks: in 0.25 [0.12, 0.38] of the right statements, n = 20"
    ]


def test_planted_mistakes_controls_and_the_judge(kept):
    assert rows_of(validity_tables.planted(*kept)) == [
        ["nothing", "0.12 [0.00, 0.25]", "", "", "", ""],
        ["a drug", "", "", "", "0.50 [0.38, 0.62]", ""],
    ]
    assert rows_of(validity_tables.controls(*kept)) == [
        ["said twice", "-0.125 [-0.250, +0.000]", "+12.5 [+12.4, +12.6]"],
        ["the doctor's", "+0.250 [+0.125, +0.375]", "is the reference"],
    ]
    [row] = rows_of(validity_tables.judge(*kept))
    assert row == ["both orders averaged", "kappa", "0.25 [0.12, 0.38]", "40", "3"]


@pytest.mark.parametrize(
    "name",
    ["agreement", "calibration", "counts_of_facts", "statements", "planted", "controls", "judge"],
)
def test_what_was_not_measured_is_said(kept, name):
    shown = getattr(validity_tables, name)(kept[0].iloc[:0], kept[1]).data
    assert re.fullmatch(r"<p>no [a-z ]+ among these records</p>", shown)


def test_figures_stand_where_the_numbers_are(kept):
    figure = validity_figures.agreement(kept[0], "encoder", ("reassurance", "feelings", "caring"))
    first, second = figure.axes
    assert (
        "reassurance, n from 40 to 60: highest encoder: mean 0.75 [0.62, 0.88]; lowest"
        in figure.get_label()
    )
    assert (first.get_title(), second.get_title()) == ("reassurance", "caring")
    points = [line for line in first.lines if line.get_marker() == "o"]
    assert [(p.get_xdata()[0], p.get_ydata()[0], p.get_color()) for p in points] == [
        (0.75, 0, validity_figures.CONTRAST),
        (0.5, 1, validity_figures.COUNTS),
    ]
    figure = validity_figures.calibration(kept[0], "encoder")
    assert figure.get_label().endswith("chat, caring: 0.25 at a score of 0.10, 0.75 at 0.90.")
    [axis] = figure.axes
    assert axis.lines[0].get_xdata().tolist() == [0.1, 0.9]
    assert axis.lines[0].get_ydata().tolist() == [0.25, 0.75]
    assert axis.lines[0].get_label() == "chat, caring"
    figure = validity_figures.statements(kept[0])
    assert "2 kinds of mistakes" in figure.get_label()
    assert "checker, taught: all 0.88 [0.75, 1.00]." in figure.get_label()
    [axis] = figure.axes
    rules, chat, checker, _ = axis.lines
    assert rules.get_xdata().tolist() == [0.5, 0.75] and checker.get_xdata().tolist() == [0.875]
    assert chat.get_ydata().tolist() == [1.0] and rules.get_ydata().tolist() == [-0.22, 0.78]
    plt.close("all")


def test_nothing_is_drawn_of_nothing(kept):
    none = kept[0].iloc[:0]
    assert validity_figures.agreement(none, "encoder", ("caring",)) is None
    assert validity_figures.calibration(none, "encoder") is None
    assert validity_figures.statements(none) is None


def test_agreement_with_people_is_one_line_an_instrument_and_label(kept):
    records, source = kept
    by_contrast = record("emotion", "mean, one wording", "auc", 0.5, "caring", "encoder")
    records = pd.concat([records, pd.DataFrame([by_contrast])])
    table = validity_tables.with_people(records, source)
    assert rows_of(table) == [
        ["mean (encoder)", "replies marked as reassuring", "auc", "0.75 [0.62, 0.88]", ".5", "40"],
        ["mean (encoder)", "comments marked as caring", "auc", "0.62 [0.50, 0.75]", ".5", "40"],
        [
            *("facts kept (small)", "people's count of facts that are there"),
            *("pearson", "0.50 [0.38, 0.62]", "0", "40"),
        ],
        [
            *("details added (rules)", "people's count of facts right"),
            *("pearson", "0.25 [0.12, 0.38]", "0", "40"),
        ],
        [
            *("details added (rules)", "right statements against wrong ones"),
            *("auc", "0.50 [0.38, 0.62]", ".5", "50"),
        ],
    ]
    nothing = validity_tables.with_people(records[:0], source).data
    assert nothing == "<p>no agreement with people among these records</p>"


GATES = [
    ("05_emotion_scoring", "emodoctor.table1", "said twice", "mean", 0.01, 0.03),
    ("05_emotion_scoring", "emodoctor.table1", "said twice", "max", 0.06, 0.08),
    ("07_preference_ablation", "emodoctor.figure2.emotion", "right in both orders", "win", 0.7, 1),
]


def test_the_gates_of_all_chapters_stand_in_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr(result_tables, "results_dir", lambda profile: tmp_path)
    about = {"git_commit": "c" * 40, "dirty": False, "data_sha256": {}, "models": {}}
    about |= {"device": "d", "seconds": 1.0}
    for run in {run for run, *_ in GATES}:
        content = {"records": [], "provenance": about | {"run": run}}
        (tmp_path / f"{run}.json").write_text(json.dumps(content))
    columns = ["run", "group", "system", "metric", "ci_low", "ci_high"]
    records = pd.DataFrame(GATES, columns=columns).assign(table="gates", interval="items", n=20)
    records["value"] = (records.ci_low + records.ci_high) / 2
    table = validity_tables.all_gates(records, "smoke")
    says = gates.RULES["right in both orders"].says
    assert rows_of(table) == [
        [
            *("5", "emodoctor.table1", gates.RULES["said twice"].says),
            *("+0.02 to +0.07", "20", "failed: max; passed: mean"),
        ],
        ["7", "emodoctor.figure2.emotion", says, "0.85", "20", "open: win"],
    ]
    assert "The gates of this profile: 1 passed, 1 open, 1 failed." in table.data
    assert table.data.count("<details class=") == 2  # where each run came from
    assert len(rows_of(validity_tables.every_gate(records, "smoke"))) == 3
    for shown in (validity_tables.all_gates, validity_tables.every_gate):
        none = shown(records[:0], "smoke").data
        assert none == "<p>no run of the smoke profile has written gates yet</p>"
