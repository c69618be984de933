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


@pytest.fixture(scope="module")
def home(tmp_path_factory, tiny):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("EMO_TRIAL_DATA", raising=False)
        yield home_in(tmp_path_factory.mktemp("home"), patch)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """Files in the shapes of the two public sets, with sentences of our own."""
    folder = tmp_path_factory.mktemp("trial")
    (folder / "esconv_dev").mkdir(parents=True)
    marks = ["Affirmation and Reassurance", "Question", "Providing Suggestions"]
    lines = [f"1.0 0 0 I cannot sleep. EOS 0.0 1 1 [{marks[k % 3]}] Reply number {k} says {'that you will manage ' * (k % 3)}and ends.\n" for k in range(30)]
    (folder / "esconv_dev" / "devWithStrategy_short.tsv").write_text("".join(lines))
    (folder / "llmbar_natural").mkdir()
    pairs = [{"input": f"Name {k} fruits.", "output_1": "Apple. " * k, "output_2": "I like trains." * (k + 1), "label": 1 + k % 2} for k in range(1, 5)]
    (folder / "llmbar_natural" / "dataset.json").write_text(json.dumps(pairs))
    return folder


@pytest.fixture(scope="module")
def played(home, trial):
    """The whole chapter on these files, once."""
    return play("11_judge_validity", trial_data=str(trial), **SMALL)


@pytest.fixture
def blank(played):
    """The same, with no record yet; they are put back afterwards."""
    before = list(played.run.records)
    played.run.records.clear()
    yield played
    played.run.records[:] = before


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


def test_every_form_floor_control_and_order_has_a_record(played):
    names, records = played, records_of(played)
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
    kept = [row["soothing_response"] for row in names.test]
    shift = names.scored([f"{text} {text}" for text in kept], names.reader)["mean"] - names.scored(kept, names.reader)["mean"]
    assert twice.n == 5 and twice.value == pytest.approx(shift.mean()) and twice.value != 0
    interval = names.with_interval(np.array([1.0, 2, 3, 4, 5, 6, 7, 8]), np.array([0, 0, 0, 1, 0, 1, 1, 1]))
    assert interval[0] == 15 / 16 and interval[1] < interval[0] <= interval[2] <= 1


def test_places_are_turned_back_into_outputs(blank):
    """A judge that gives whatever stands first .9: the first output gets .9 ahead and .1 behind, and the two orders never agree."""
    class First:
        name, signature = "first", "stub"

        def decide(self, states, questions, desc):
            assert all(names.RULE in q["better"]["instructions"] and "medical" not in q["better"]["instructions"] for q in questions)
            return pd.DataFrame([{"state": s, "question": "better", "option": f"answer {p}", "probability": (0.9, 0.1)[p - 1]} for s in range(len(states)) for p in (1, 2)])

    names = blank
    table = names.compared(First())
    assert table.ahead.tolist() == [0.9] * 4 and table.behind.tolist() == pytest.approx([0.1] * 4) and table.human.tolist() == [False, True, False, True]
    names.add_judge(table, "s")
    assert {r.system: r.value for r in names.run.records} == {"first output shown first": 0.5, "first output shown second": 0.5, "both orders averaged": 0.5, "same choice in both orders": 0.0}


def test_orders_are_averaged_in_log_odds(blank):
    names = blank
    table = pd.DataFrame({"ahead": [0.9, 0.6, 0.2], "behind": [0.2, 0.1, 0.4], "human": [True, True, False]})
    # Log-odds: 2.197 - 1.386 > 0, right; 0.405 - 2.197 < 0, wrong; both below 0, right.
    assert math.log(9) + math.log(0.25) > 0 > math.log(1.5) + math.log(1 / 9)
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


def test_auc_by_hand(played):
    names = played
    score, label = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1, 0, 0, 1])
    assert names.auc(score, label) == pytest.approx(3.5 / 4)
    assert names.agreement(score, label) == names.auc(score, label)


def test_a_folder_that_is_not_there_is_named(home):
    with pytest.raises(EmoError, match="/nowhere .parameter 'trial_data'.* holds no esconv_dev/"):
        play("11_judge_validity", trial_data="/nowhere", **SMALL)


def test_what_cannot_be_kept_or_read_is_named(home, trial, tmp_path):
    with pytest.raises(EmoError, match="parameter 'keep' needs human labels"):
        play("11_judge_validity", keep=True, **SMALL)
    with pytest.raises(EmoError, match="has 10 replies of a label at least; lower the parameter rows"):
        play("11_judge_validity", trial_data=str(trial), until="replies = esconv", rows=11)
    with pytest.raises(EmoError, match="there is no such file"):
        play("11_judge_validity", labelled="/nowhere.csv", **SMALL)
    (tmp_path / "words.csv").write_text("text,label\nfine,1\nbad,no\n")
    with pytest.raises(EmoError, match="words.csv: row 2 lacks a text or a number"):
        play("11_judge_validity", labelled=str(tmp_path / "words.csv"), **SMALL)
