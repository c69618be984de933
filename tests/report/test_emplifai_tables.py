"""Tables of EmplifAI's chapters, against the rubrics, the data and small kept files."""

import json

import numpy as np
import pandas as pd
import pytest

from emo_utils.data import emplifai
from emo_utils.people import rating_kit
from emo_utils.report import emplifai_tables, kept_runs


def test_every_rubric_has_five_levels_with_their_english():
    table = emplifai_tables.rubrics()
    assert len(table) == 7 and list(table) == ["rubric", "question", *rating_kit.LEVELS]
    first = rating_kit.RUBRICS["comprehensibility"]
    row = table[table.rubric.str.startswith(first["japanese"])].iloc[0]
    assert row.rubric == f"{first['japanese']} ({first['english']})"
    assert row[5] == f"{first['levels'][4]} ({first['gloss'][4]})"


def test_a_turn_has_its_length_and_a_dialogue_its_columns():
    fields = {"metric": "characters", "ci_low": 20.5, "ci_high": 25.5, "n": 12, "unscored": 0}
    records = pd.DataFrame(
        [
            fields | {"group": "patient 1", "value": 23.0, "interval": "items"},
            fields | {"group": "no situation", "metric": "findings", "interval": "none"},
        ]
    )
    assert emplifai_tables.turn_lengths(records).to_dict("records") == [
        {"turn": "patient 1", "characters": "23.0 [20.5, 25.5]", "n": 12}
    ]
    columns = emplifai_tables.in_columns({"situation": "朝", "turns": ["a", "b", "c", "d"]})
    assert list(columns.values()) == ["朝", "a", "b", "c", "d", ""]
    assert list(columns)[1:3] == ["患者 patient 1", "支援者 supporter 1"]


def test_raters_are_shown_with_their_interval():
    agreed = pd.DataFrame(
        [["warmth", 0.5, 0.25, 1.0, 12, 3], ["tone", np.nan, np.nan, np.nan, 0, 3]],
        columns=["metric", "value", "low", "high", "n", "raters"],
    )
    table = emplifai_tables.raters(agreed)
    assert table.iloc[0].tolist() == ["warmth", "0.50 [0.25, 1.00]", 12, 3]
    assert emplifai_tables.raters(agreed.iloc[:0]).empty


@pytest.fixture
def kept(tmp_path):
    """Two kept runs of two pairs, one of one system and one of two."""
    paths = []
    for run in (("tuned", "untuned"), ("seen",)):
        records = [
            {"system": system, "metric": metric, "value": 0.5, "ci_low": 0.25, "ci_high": 1.0}
            | {"n": 28, "unscored": 0, "interval": "items"}
            for system in run
            for metric in ("likeness", "keeps_form")
        ]
        parameters = {"train_rows": 168, "epochs": 3.0, "base_model": "small"}
        about = {"profile": "embedded", "parameters": parameters, "git_commit": "0" * 40}
        about |= {"started": "2030-01-02T03:04:05+00:00", "dirty": False}
        about |= {
            "notebook": "notebooks/09_emplifai_judge.ipynb",
            "code_sha256": "0",
            "dirty": False,
            "data_sha256": {},
            "models": {},
        }
        about |= {"run": "09", "device": "a machine", "seconds": 1.0}
        dialogues = [
            {"emotion": "joy", "situation": place}
            | {system: f"{system} {place}" for system in run}
            | {"data": f"data {place}"}
            for place in ("here", "there")
        ]
        paths.append(tmp_path / f"{run[0]}.json")
        content = {"records": records, "provenance": about, "dialogues": dialogues}
        paths[-1].write_text(json.dumps(content), encoding="utf-8")
    return paths


def test_dialogues_of_kept_runs_stand_side_by_side(kept):
    assert emplifai_tables.kept_dialogues(kept) == [
        {
            "emotion": "joy",
            "situation": place,
            "tuned": f"tuned {place}",
            "untuned": f"untuned {place}",
            "data": f"data {place}",
            "seen": f"seen {place}",
        }
        for place in ("here", "there")
    ]
    assert emplifai_tables.kept_dialogues([]) == []


def test_a_full_run_says_its_settings(kept):
    page = emplifai_tables.full_run("tuned", kept[0]).data
    assert "tuned, full run: 168 rows, 3 passes, small, n = 28 pairs. 95 % interval" in page
    assert page.count("<td>0.500 [0.250, 1.000]</td>") == 4
    assert page.index("keeps_form") < page.index("likeness")
    assert page.index("<th>tuned</th>") < page.index("<th>untuned</th>")


def test_a_dialogue_has_the_english_of_its_own_lines(monkeypatch, tmp_path):
    english = emplifai_tables.glosses()
    for row in (emplifai.load(arm)[3] for arm in ("overt", "subtle")):
        text = emplifai.as_lines(row["turns"])
        assert emplifai_tables.with_gloss(text, english) == f"{text}\n\n[{row['gloss']}]"
    assert emplifai_tables.with_gloss("患者: a", english) == "患者: a"
    monkeypatch.setattr(emplifai_tables, "GLOSSES", tmp_path / "none.json")
    assert len(emplifai_tables.glosses()) == 2 * len(emplifai.load())


def test_every_dialogue_of_the_kept_runs_has_its_english():
    paths = [kept_runs.REFERENCE / f"emplifai_{name}.json" for name in ("sft", "sft_seen")]
    english = emplifai_tables.glosses()
    shown = emplifai_tables.kept_dialogues(paths)
    texts = [
        text
        for of_pair in shown
        for name, text in of_pair.items()
        if name not in ("emotion", "situation")
    ]
    assert len(shown) == 5 and len(texts) == 20
    assert all(emplifai_tables.with_gloss(text, english) != text for text in texts)


def record(table, system, metric, group="all", value=0.5, scorer="judge", n=28, **more):
    ends = {"ci_low": value - 0.25, "ci_high": value + 0.25, "unscored": 0, "interval": "items"}
    named = {"table": table, "system": system, "metric": metric, "group": group}
    return named | {"value": value, "scorer": scorer, "n": n} | ends | more


def test_label_scores_stand_in_the_order_of_the_paper_with_their_floors():
    records = pd.DataFrame(
        [
            record("emplifai.table2", "model", "cosine", "empty"),
            record("emplifai.table2", "model", "exact", "empty", value=0.25),
            record("emplifai.table2", "floor", "cosine", "random label"),
            record("emplifai.table2", "floor", "macro_f1", "random label", interval="none"),
            record("other", "model", "top3", "empty"),
        ]
    )
    table = emplifai_tables.label_scores(records)
    assert list(table) == ["exact", "macro_f1", "cosine"]
    assert list(table.index) == ["model, empty", "floor, random label"]
    assert table.loc["model, empty", "exact"] == "0.25 [0.00, 0.50]"
    assert table.loc["floor, random label", "macro_f1"] == "0.50"
    assert pd.isna(table.loc["floor, random label", "exact"])


def test_one_group_of_a_table_has_a_row_a_system():
    records = pd.DataFrame(
        [
            record("emplifai.table4", "b", "fluency"),
            record("emplifai.table4", "a", "fluency"),
            record("emplifai.table4", "b", "fluency", "where the form is kept", value=0.75),
            record("emplifai.table7", "b", "words"),
        ]
    )
    table = emplifai_tables.of_group(records, "emplifai.table4")
    assert list(table.index) == ["b", "a"] and list(table) == ["fluency"]
    kept = emplifai_tables.of_group(records, "emplifai.table4", "where the form is kept")
    assert kept.to_dict() == {"fluency": {"b": "0.75 [0.50, 1.00]"}}


def test_how_similar_two_labels_are_is_said_of_each_score():
    table = np.array([[1.0, 0.25, 0.5], [0.25, 1.0, 0.75], [0.5, 0.75, 1.0]])
    between = {"cosine": table, "bertscore_f1": table}
    words = emplifai_tables.similarity_in_words(between, ["a", "b", "c"])
    assert words.splitlines()[0] == (
        "cosine: two different labels have 0.50 on average, 0.75 in one pair of twenty, "
        "0.75 at most"
    )
    assert words.splitlines()[-1] == "BERTScore tells all labels apart"
    same = np.where(table == 0.75, 1.0, table)
    words = emplifai_tables.similarity_in_words({"bertscore_f1": same}, ["a", "b", "c"])
    assert words.splitlines()[-1] == "the same to this BERTScore: 1 of 3 pairs, such as c/b"


def test_three_dialogues_are_shown_from_best_to_worst_read():
    """Rows whose true label, the first, stands first, second and last."""
    scores = np.zeros((3, 28))
    scores[:, 0] = 5.0
    scores[1, 1] = scores[2, 1:] = 9.0
    rows = [{"gloss": "summary"}, {}, {}]
    columns = emplifai_tables.read_dialogues(scores, np.zeros(3, dtype=int), list("abc"), rows)
    english, japanese, _ = emplifai.EMOTIONS[0]
    label = f"{japanese} ({english})"
    best, middle, worst = columns
    assert best[f"ranked best: {label}"] == "a" and best["in English"] == "summary"
    assert best["read as"].startswith(f"{label}, ")
    assert middle[f"in the middle: {label}"] == "b" and middle["in English"] == ""
    assert middle["read as"].endswith("the true label is number 2 of 28")
    assert worst["read as"].endswith("the true label is number 28 of 28")


def test_the_full_run_of_the_prediction_says_its_numbers(kept):
    content = json.loads(kept[0].read_text(encoding="utf-8"))
    fields = {"table": "emplifai.table2", "system": "model", "metric": "exact", "value": 0.5}
    fields |= {"ci_low": 0.25, "ci_high": 1.0, "unscored": 0, "interval": "items"}
    rows = [fields | {"group": "as it is", "n": 112}, fields | {"group": "written", "n": 28}]
    kept[0].write_text(json.dumps(content | {"records": rows}), encoding="utf-8")
    page = emplifai_tables.full_prediction(kept[0]).data
    assert "n = 112 (rows &#x27;written&#x27;: 28)" in page
    assert "model, as it is" in page and page.count("<td>0.50 [0.25, 1.00]</td>") == 2


def test_an_empty_table_is_said_in_words(capsys, kept):
    run = kept_runs.kept_source(kept[0])
    filled = emplifai_tables.show_or_say(pd.DataFrame({"a": [1]}), run, "A table.", "nothing")
    assert "A table." in filled.data and not capsys.readouterr().out
    none = pd.DataFrame([record("emplifai.judges", "a", "mad")]).iloc[:0]
    table = emplifai_tables.by_system_and_group(none)
    assert emplifai_tables.show_or_say(table, run, "A table.", "nothing") is None
    assert capsys.readouterr().out == "nothing\n"


def test_the_kept_fine_tunings_are_found_by_system(monkeypatch, tmp_path):
    assert list(emplifai_tables.full_runs()) == ["emplifai-sft", "emplifai-sft-seen"]
    assert emplifai_tables.full_runs()["emplifai-sft-seen"].name == "emplifai_sft_seen.json"
    monkeypatch.setattr(kept_runs, "REFERENCE", tmp_path)
    assert emplifai_tables.full_runs() == {}
    assert emplifai_tables.kept_path("emplifai-sft") == tmp_path / "emplifai_sft.json"


def test_dialogues_are_shown_with_what_was_asked_for(kept):
    first, second = (page.data for page in emplifai_tables.shown_dialogues(kept))
    assert f"{emplifai.JAPANESE['joy']} (joy)\nhere" in first
    assert all(text in first for text in ("tuned here", "untuned here", "seen here", "data here"))
    assert "tuned there" in second
    assert emplifai_tables.shown_dialogues([]) == []
