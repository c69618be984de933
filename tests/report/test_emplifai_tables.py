"""Tables of EmplifAI's chapters, against the rubrics, the data and small kept files."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from emo_utils.claims import ledger
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


def test_a_screening_has_a_column_for_each_other_version():
    records = pd.DataFrame(
        [
            record("emplifai.screening", f"asked for {asked}", "planted_above", other)
            for asked, other in (("harm", "sound"), ("harm", "missed"), ("missed", "harm"))
        ]
    )
    table = emplifai_tables.screening(records)
    assert list(table) == ["harm", "missed", "sound"]
    assert table.notna().sum(axis=1).to_dict() == {"asked for harm": 2, "asked for missed": 1}


def test_the_highest_probabilities_are_to_be_read_first():
    row = emplifai.load("subtle")[0]
    dialogues = pd.DataFrame(
        {
            "system": ["a", "b"],
            "situation": ["of a user", row["situation"]],
            "turns": [list("abcd"), list("efgh")],
        }
    )
    yes = pd.DataFrame({"state": [0, 1, 0], "question": ["harm", "harm", "missed"]})
    yes["probability"] = [0.2, 0.7512, 0.5]
    table = emplifai_tables.to_read_first(yes, dialogues, "subtle", count=2)
    assert table["asked for"].tolist() == ["harm", "missed"]
    assert table["probability of yes"].tolist() == [0.75, 0.5]
    assert table.system.tolist() == ["b", "a"]
    assert table.supporter.tolist() == ["f ／ h", "b ／ d"]
    assert table.iloc[:, -1].tolist() == [row["gloss"], ""]


def test_two_judges_levels_stand_side_by_side():
    both = pd.DataFrame({"metric": ["fluency"], "expected": [1.26], "expected_second": [4.0]})
    english = rating_kit.RUBRICS["fluency"]["english"]
    assert emplifai_tables.two_judges(both) == f"{english}: 1.3 and 4.0"


def test_the_kept_judging_shows_every_table_that_has_records():
    path = kept_runs.REFERENCE / "emplifai_judge.json"
    kept = kept_runs.kept(path)
    pages = [page.data for page in emplifai_tables.full_judging(path)]
    names = ["Table 4, ", "Differences, ", "Where the form is kept, ", "With length controlled, "]
    names += ["Table 7, ", "Two judges, ", "The paper", "Screening, "]
    assert len(pages) == len(names)
    for name, page in zip(names, pages, strict=True):
        assert f"profile</span> {name}" in page
    r = kept[(kept.table == "emplifai.table4") & (kept.group == "all")].iloc[0]
    assert f"<td>{r.value:.2f} [{r.ci_low:.2f}, {r.ci_high:.2f}]</td>" in pages[0]
    assert "n = 20 planted scenes" in pages[-1] and f"Asked: {r.scorer}." in pages[-1]
    cells = pages[-1].count("<td>0.") + pages[-1].count("<td>1.")
    assert cells == (kept.table == "emplifai.screening").sum()


def test_the_kept_judging_in_words():
    """Two rubrics, half a level and a quarter apart; one of two intervals holds one half."""
    kept = "where the form is kept"
    levels = {("emplifai-sft", "a"): 3.0, ("data", "a"): 3.5}
    levels |= {("emplifai-sft", "b"): 2.0, ("data", "b"): 1.75}
    records = pd.DataFrame(
        [record("emplifai.table4", *named, kept, value=v) for named, v in levels.items()]
        + [record("emplifai.table4", "data", "a", value=5.0)]
        + [record("emplifai.screening", "asked for harm", "x", value=v) for v in (0.7, 0.8)]
    )
    assert emplifai_tables.full_judging_in_words(records).splitlines() == [
        "Where the form is kept, the tuned model's dialogues and the data's are rated "
        "0.50 levels apart at most, over 2 rubrics.",
        "Screening: 1 of 2 intervals hold one half, which is guessing.",
    ]


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


def test_the_dialogues_on_which_two_judges_differ_most_come_first():
    """Mean distances over two rubrics: 1.5, 0.5 and 1.5 again."""
    both = pd.DataFrame(
        [
            {"id": id_, "system": system, "metric": metric, "expected": 3.0, "expected_second": e}
            for id_, system, levels in (("p", "a", (1, 2)), ("p", "b", (3, 4)), ("q", "a", (4, 5)))
            for metric, e in zip(("fluency", "security"), levels, strict=True)
        ]
    )
    assert emplifai_tables.furthest_apart(both, 2) == [("p", "a"), ("q", "a")]
    texts = {("p", "a"): "<one>", ("q", "a"): "two"}
    run = SimpleNamespace(profile="smoke")
    shown = emplifai_tables.disputed(both, texts, ["", "in English"], "judge", run)
    first, second = (page.data for page in shown)
    assert "&lt;one&gt;" in first and "3.0 and 1.0" in first and "in English" not in first
    assert "in English by judge, unchecked" in second and "3.0 and 5.0" in second
    assert emplifai_tables.disputed(both, {}, [], "judge", run) == []


def test_published_lengths_and_their_readings():
    """Table 7 prints 131.86 characters and 11.55 words of crowd workers."""
    printed = ledger.published()
    table = emplifai_tables.published_lengths(printed)
    characters, words, quotient = table.loc["crowdworker", ["characters", "words"]].tolist() + [
        table.loc["crowdworker", "characters a word"]
    ]
    assert quotient == round(float(characters) / float(words), 1)
    ours = pd.DataFrame(
        {"system": ["a", "a", "b"], "characters": [10, 20, 40], "words": [5, 5, 10]}
    )
    said = emplifai_tables.characters_a_word(printed, ours)
    assert (
        said.endswith("; here, by Sudachi, 3.5") and f"published {table.iloc[:, -1].min()}" in said
    )
    readings = emplifai_tables.length_readings(printed)
    assert readings["printed examples"].dtype == int and len(readings) == 3
    closest = emplifai_tables.closest_reading(printed, ours)
    assert closest.startswith("Read as characters of a dialogue, ")
    assert closest.endswith("Characters of a dialogue here: a 15, b 40")


def test_other_readings_of_a_rating_stand_in_their_order():
    records = pd.DataFrame(
        [
            record("emplifai.table4", "b", "fluency", "most probable level"),
            record("emplifai.table4", "b", "fluency"),
            record("emplifai.table4", "a", "fluency", "length controlled"),
            record("emplifai.table4", "a", "fluency", "where the form is kept"),
            record("emplifai.table4", "b", "fluency", "where the form is kept"),
        ]
    )
    assert list(emplifai_tables.other_readings(records).index) == [
        "a, where the form is kept",
        "b, where the form is kept",
        "b, most probable level",
        "a, length controlled",
    ]


def test_an_empty_table_is_said_in_words(capsys, kept):
    run = kept_runs.kept_source(kept[0])
    filled = emplifai_tables.show_or_say(pd.DataFrame({"a": [1]}), run, "A table.", "nothing")
    assert "A table." in filled.data and not capsys.readouterr().out
    none = pd.DataFrame([record("emplifai.judges", "a", "mad")]).iloc[:0]
    table = emplifai_tables.by_system_and_group(none)
    assert emplifai_tables.show_or_say(table, run, "A table.", "nothing") is None
    assert emplifai_tables.show_or_say(emplifai_tables.screening(none), run, "", "none") is None
    assert capsys.readouterr().out == "nothing\nnone\n"
