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
        about |= {"dirty": False, "data_sha256": {}, "models": {}}
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
    assert "tuned, full run: 168 rows, 3 passes, small, n = 28 pairs. 95 % bootstrap" in page
    assert page.count("<td>0.500 [0.250, 1.000]</td>") == 4
    assert page.index("keeps_form") < page.index("likeness")
    assert page.index("<th>tuned</th>") < page.index("<th>untuned</th>")


def test_a_dialogue_has_the_english_of_its_own_lines(monkeypatch, tmp_path):
    row = emplifai.load()[3]
    english = emplifai_tables.glosses()
    text = emplifai.as_lines(row["turns"])
    assert emplifai_tables.with_gloss(text, english) == f"{text}\n\n[{row['gloss']}]"
    assert emplifai_tables.with_gloss("患者: a", english) == "患者: a"
    monkeypatch.setattr(emplifai_tables, "GLOSSES", tmp_path / "none.json")
    assert len(emplifai_tables.glosses()) == len(emplifai.load())


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
