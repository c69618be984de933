"""Cells and grids of records, and the line under a table, as a reader should see them."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from emo_utils.project import ROOT
from emo_utils.report import cases, figures, result_tables


def record(system="s", metric="m", value=0.5, low=0.25, high=0.75, n=20, unscored=0, **more):
    return {
        "system": system,
        "metric": metric,
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": n,
        "unscored": unscored,
        "interval": "items",
    } | more


@pytest.mark.parametrize(
    "change, options, text",
    [
        ({}, {}, "0.50 [0.25, 0.75]"),
        ({}, {"digits": 1, "sign": "+"}, "+0.5 [+0.2, +0.8]"),
        ({"interval": "none"}, {}, "0.50"),
        ({"n": 1}, {}, "0.50 (n = 1)"),
        ({"n": 9}, {}, "0.50 (n = 9)"),
        ({"n": 10}, {}, "0.50 [0.25, 0.75]"),
        ({"unscored": 3}, {}, "0.50 [0.25, 0.75] (n = 20, 3 unscored)"),
        ({"n": 1, "unscored": 3}, {}, "0.50 (n = 1, 3 unscored)"),
    ],
)
def test_a_cell_shows_what_its_record_knows(change, options, text):
    [row] = pd.DataFrame([record(**change)]).itertuples()
    assert result_tables.cell(row, **options) == text


def test_a_grid_keeps_the_order_of_its_records():
    records = pd.DataFrame(
        [
            record("warm", "score"),
            record("warm", "auc", n=18),
            record("doctor", "score", 0.125, 0.0, 0.25),
        ]
    )
    grid = result_tables.grid(records)
    assert list(grid.index) == ["warm", "doctor"] and list(grid.columns) == ["score", "auc"]
    assert grid.loc["warm", "score"] == "0.50 [0.25, 0.75]" and pd.isna(grid.loc["doctor", "auc"])
    turned = result_tables.grid(records, "metric", "system", digits=3)
    assert turned.loc["score", "doctor"] == "0.125 [0.000, 0.250]"
    counted = result_tables.grid(records, counts=True)
    assert counted.n.to_dict() == {"warm": 20, "doctor": 20} and counted.columns[0] == "n"
    assert counted.drop(columns="n").equals(grid)


@pytest.mark.parametrize(
    "files, line",
    [
        (["overt/test.jsonl"], " · arm overt"),
        (["test.jsonl"], " · arm subtle"),
        (["overt/test.jsonl", "er_train.jsonl"], " · arm subtle and overt"),
        (["nobodys.jsonl", "explicit_comfort.txt"], ""),
    ],
)
def test_the_line_under_a_table_says_which_arm_its_run_read(tmp_path, files, line):
    """Of the shipped files that have another arm; a kept run's are named as its own run's."""
    about = {"run": "01_x", "git_commit": "c" * 40, "dirty": False, "models": {}}
    about |= {"device": "cpu", "seconds": 1.0}
    about["data_sha256"] = {f"data/dialogues/{name}": "0" * 64 for name in files}
    (tmp_path / "r.json").write_text(json.dumps({"provenance": about}))
    run = SimpleNamespace(profile="smoke", folder=tmp_path, name="r")
    page = result_tables.show(pd.DataFrame({"a": [1]}), run, "Caption.").data
    assert f"<summary>01_x{line} · commit cccccccccc · " in page


def test_two_amounts_of_dollars_are_shown_as_they_are(monkeypatch):
    """JupyterLab looks for formulas in HTML, but not where an element says mathjax_ignore."""
    text = "It is $5 here and $6 there."
    monkeypatch.setattr(result_tables, "provenance_line", lambda run: f"<p>{text}</p>")
    run = SimpleNamespace(profile="smoke")
    boxes = [
        result_tables.show(pd.DataFrame({"a $": [text]}), run, text),
        result_tables.side_by_side_texts({text: text}, run),
        cases.marked_texts({text: [(text, True, False)]}, run),
    ]
    for box in boxes:
        found = BeautifulSoup(box.data, "html.parser").find_all(string=lambda piece: "$" in piece)
        assert len(found) >= 2
        assert all(piece.find_parent(class_="mathjax_ignore") for piece in found)


def test_a_column_of_sentences_keeps_its_width(monkeypatch):
    """Its place in the table is a class of it, and each class has a rule: behind the index."""
    monkeypatch.setattr(result_tables, "provenance_line", lambda run: "")
    frame = pd.DataFrame({"a": ["x"], "b": ["a sentence of more than forty characters is here"]})
    run = SimpleNamespace(profile="smoke")
    styles = (ROOT / "book/_static/companion.css").read_text(encoding="utf-8")
    for index, place in ((False, 2), (True, 3)):
        table = BeautifulSoup(result_tables.show(frame, run, "", index=index).data, "html.parser")
        assert f"companion-wide-{place}" in table.table["class"]
        cell = table.select_one(f"tbody tr > :nth-child({place})")
        assert cell.get_text().startswith("a sentence")
        assert f"table.companion-wide-{place} :is(td, th):nth-child({place})" in styles
    short = result_tables.show(frame[["a"]], run, "").data
    assert "companion-claims" not in short and "companion-wide" not in short


@pytest.fixture
def without_line(monkeypatch):
    """The line of provenance needs a finished run and is left out."""
    monkeypatch.setattr(result_tables, "provenance_line", lambda run: "")


def test_a_table_names_systems_as_figures_do_and_code_finds_them_by_the_names_of_records(
    without_line,
):
    run = SimpleNamespace(profile="smoke")
    grid = result_tables.grid(pd.DataFrame([record("er-eqsr-dpo"), record("prompt")]))
    assert grid.loc["er-eqsr-dpo", "m"] and list(grid.index) == ["er-eqsr-dpo", "prompt"]
    caption = "Training of eqsr-sft. Run 03_dpo.eqsr-dpo@init=er-sft, code `er-sft`."
    page = result_tables.show(grid, run, caption, behind=("eqsr-kto",)).data
    assert "Training of EQ+SR (sft). Run 03_dpo.eqsr-dpo@init=er-sft, code `er-sft`." in page
    assert '<a href="../items.html#system=eqsr-kto">EQ+SR (kto)</a>' in page
    rows = [row.th.get_text() for row in BeautifulSoup(page, "html.parser").select("tbody tr")]
    assert rows == ["ER, then EQ+SR (dpo)", "+ prompt"]


def test_names_are_shown_in_heads_cells_and_texts_but_words_only_where_they_are_systems():
    frame = pd.DataFrame(
        {
            "prompt": ["base", "er-sft over eqsr-sft"],  # a column of texts
            "minus": ["prompt", "doctor"],
            "n": [1.5, float("nan")],
        },
        index=pd.MultiIndex.from_tuples(
            [("prompt", "prompt"), ("er-sft, all", "x")], names=["system", "rule"]
        ),
    )
    shown = result_tables.with_names(frame)
    assert list(shown.columns) == ["prompt", "minus", "n"]
    assert shown.n.tolist()[0] == 1.5 and shown.n.isna().tolist() == [False, True]
    assert shown["prompt"].tolist() == ["base", "ER (sft) over EQ+SR (sft)"]
    assert shown["minus"].tolist() == ["+ prompt", "the doctor's answer"]
    assert shown.index.tolist() == [("+ prompt", "prompt"), ("ER (sft), all", "x")]
    assert shown.index.names == ["system", "rule"] and frame.minus.iloc[0] == "prompt"
    heads = result_tables.with_names(frame[["n"]].T)
    assert heads.columns.tolist() == shown.index.tolist()


def test_each_name_of_a_record_that_is_no_word_is_found_in_a_text():
    for system, name in figures.LABELS.items():
        assert figures.in_words(f"of {system}.") == f"of {name if '-' in system else system}."
    for text in ("03_dpo.eqsr-dpo", "eqsr-dpo@beta=0.1", "a/eqsr-dpo/b", "eqsr-dpo.parquet"):
        assert figures.in_words(text) == text


def test_a_badge_says_whether_its_numbers_are_of_this_machine(without_line, tmp_path):
    frame = pd.DataFrame({"a": [1]})
    kept = SimpleNamespace(profile="embedded", kept="2026-01-02, commit 0123456789")
    for run, words, marks in (
        (SimpleNamespace(profile="smoke"), "smoke profile", ["smoke"]),
        (kept, f"kept: embedded profile, {kept.kept}", ["embedded", "kept"]),
    ):
        for page in (
            result_tables.show(frame, run, "Caption.").data,
            result_tables.side_by_side_texts({"a": "b"}, run).data,
            cases.marked_texts({"a": [("b", True, False)]}, run).data,
        ):
            badge = BeautifulSoup(page, "html.parser").span
            assert badge.get_text() == words
            assert badge["class"] == ["companion-badge", *(f"companion-{m}" for m in marks)]
    (tmp_path / "r.json").write_text(json.dumps({"provenance": {"kept": kept.kept}}))
    page = result_tables.show_of_runs(frame, "embedded", ["r"], "Caption.", tmp_path).data
    assert f">kept: embedded profile, {kept.kept}<" in page
