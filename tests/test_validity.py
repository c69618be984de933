"""Chapter 11: agreement with human labels, on small files made here, against sums by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from played import home_in, play

from emo_utils import report
from emo_utils.project import EmoError

SMALL = {"rows": 5, "pairs": 4}


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    monkeypatch.delenv("EMO_TRIAL_DATA", raising=False)
    return home_in(tmp_path, monkeypatch)


@pytest.fixture
def trial(tmp_path):
    """Files in the shapes of the two public sets, with sentences of our own."""
    folder = tmp_path / "trial"
    (folder / "esconv_dev").mkdir(parents=True)
    marks = ["Affirmation and Reassurance", "Question", "Providing Suggestions"]
    lines = [f"1.0 0 0 I cannot sleep. EOS 0.0 1 1 [{marks[k % 3]}] Reply number {k} says {'that you will manage ' * (k % 3)}and ends.\n" for k in range(30)]
    (folder / "esconv_dev" / "devWithStrategy_short.tsv").write_text("".join(lines))
    (folder / "llmbar_natural").mkdir()
    pairs = [{"input": f"Name {k} fruits.", "output_1": "Apple. " * k, "output_2": "I like trains." * (k + 1), "label": 1 + k % 2} for k in range(1, 5)]
    (folder / "llmbar_natural" / "dataset.json").write_text(json.dumps(pairs))
    return folder


def records_of(names) -> pd.DataFrame:
    return pd.DataFrame([r.model_dump() for r in names.run.records])


def test_without_labels_the_kept_records_are_shown(home, monkeypatch):
    kept = pd.DataFrame([{"table": "validity.emotion", "system": "mean", "metric": "auc", "value": 0.7, "ci_low": 0.6, "ci_high": 0.8, "n": 9, "unscored": 0, "group": "esconv", "scorer": "s", "seed": 1,
                          "signature": "x", "interval": "items"}])
    path = home / "validity.json"
    about = {"run": "11", "git_commit": "c" * 40, "dirty": False, "data_sha256": {}, "models": {}, "device": "d", "seconds": 1.0, "profile": "embedded"}
    path.write_text(json.dumps({"records": kept.to_dict("records"), "provenance": about}))
    monkeypatch.setattr(report, "VALIDITY", path)
    monkeypatch.setattr(report.data, "used", lambda p: p)
    names = play("11_judge_validity", **SMALL)
    assert not names.run.records and names.records.value.tolist() == [0.7]
    assert report.agreement("validity.emotion", "mean", "s") == ("Agreement with people (chapter 11): this scorer tells replies that people marked as reassuring from others with AUC 0.70 [0.60, 0.80], "
                                                                 "n = 9, where .5 is chance")
    assert "was not measured" in report.agreement("validity.emotion", "mean", "another")


def test_every_form_floor_control_and_order_has_a_record(home, trial):
    names = play("11_judge_validity", trial_data=str(trial), **SMALL)
    records = records_of(names)
    assert records.groupby("table").system.apply(set).to_dict() == {
        "validity.emotion": {*names.FORMS, "mean", "max", "words (floor)", "kind words (floor)"},
        "validity.controls": set(names.CONTROLS),
        "validity.judge": {"first output shown first", "first output shown second", "both orders averaged", "same choice in both orders"}}
    assert names.replies.label.tolist().count(1) == names.replies.label.tolist().count(0) == 5
    # The floor is countable: words of a reply against its mark, pair by pair.
    words = [len(text.split()) for text in names.replies.text]
    wins = [(a > b) + (a == b) / 2 for a, m in zip(words, names.replies.label) if m for b, o in zip(words, names.replies.label) if not o]
    floor = records[(records.system == "words (floor)")].iloc[0]
    assert floor.value == pytest.approx(sum(wins) / 25) and floor.n == 10 and floor.metric == "auc"
    twice = records[records.system == "said twice"].iloc[0]
    first = [names.test[0]["soothing_response"]]
    assert twice.n == 5 and names.scored([first[0] + " " + first[0]], names.reader)["mean"][0] != names.scored(first, names.reader)["mean"][0]


def test_orders_are_averaged_in_log_odds(home, trial):
    names = play("11_judge_validity", trial_data=str(trial), until="def add_judge", **SMALL)
    table = pd.DataFrame({"ahead": [0.9, 0.6, 0.2], "behind": [0.2, 0.1, 0.4], "human": [True, True, False]})
    # Log-odds: 2.197 - 1.386 > 0, right; 0.405 - 2.197 < 0, wrong; both below 0, right.
    assert math.log(9) + math.log(0.25) > 0 > math.log(1.5) + math.log(1 / 9)
    names.run.records.clear()
    names.add_judge(table, "s")
    found = {r.system: r.value for r in names.run.records}
    assert found == pytest.approx({"first output shown first": 1.0, "first output shown second": 1 / 3, "both orders averaged": 2 / 3, "same choice in both orders": 1 / 3})


def test_a_file_of_ones_own_is_scored_by_rank_correlation(home, tmp_path):
    rows = pd.DataFrame({"text": [f"Word {'and word ' * k}end." for k in range(6)], "label": [1, 2, 2.5, 3, 4, 7]})
    rows.to_csv(tmp_path / "own.csv", index=False)
    records = records_of(play("11_judge_validity", labelled=str(tmp_path / "own.csv"), **SMALL))
    own = records[records.group == "own"].set_index("system")
    assert set(own.metric) == {"spearman"} and own.value["words (floor)"] == pytest.approx(1.0) and own.n["words (floor)"] == 6
    rows.rename(columns={"label": "score"}).to_json(tmp_path / "wrong.jsonl", orient="records", lines=True)
    with pytest.raises(EmoError, match="wrong.jsonl needs columns text and label"):
        play("11_judge_validity", labelled=str(tmp_path / "wrong.jsonl"), **SMALL)


def test_auc_by_hand(home):
    names = play("11_judge_validity", until="def agreement", **SMALL)
    score, label = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1, 0, 0, 1])
    assert names.auc(score, label) == pytest.approx(3.5 / 4)
    assert names.agreement(score, label) == names.auc(score, label)


def test_a_folder_that_is_not_there_is_named(home):
    with pytest.raises(EmoError, match="parameter 'trial_data' is '/nowhere', and there is no such folder"):
        play("11_judge_validity", trial_data="/nowhere", **SMALL)
