"""The chapter on the two arms, with a scorer and a judge that count exclamation marks, against
counts and AUCs of other programs; and the loader of an arm."""

import json

import numpy as np
import pandas as pd
import pytest
from played import home_in, play, records_of
from sklearn.metrics import roc_auc_score

from emo_utils.data import dialogues, files
from emo_utils.judging import decisions, remote
from emo_utils.models import embeddings
from emo_utils.project import EmoError
from emo_utils.scoring import emotion


def score(_, texts):
    return pd.DataFrame({"mean": [(text.count("!") + 1) / (len(text) + 1) for text in texts]})


class Judge(decisions.Reader):
    """Gives the highest level a tenth for each exclamation mark, and the lowest the rest;
    nothing to a text that says so.
    """

    identity, signature = ["marks"], "marks"

    def _forward(self, text, questions):
        highest = text.count("!") / 10
        levels = dict.fromkeys("012") if "unread" in text else {"0": 1 - highest, "2": highest}
        return {name: {"1": 0.0} | levels for name in questions}


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = home_in(tmp_path, monkeypatch)
    dialogues = folder / "data" / "dialogues"
    for path in (dialogues / "test.jsonl", dialogues / "overt" / "test.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()][:20]
        for k, row in enumerate(rows):
            row["answer"] = f"Take rest, {k}. Drink enough."
            row["soothing_response"] = f"Take rest, {k}! Drink enough."
            if path.parent.name == "overt" and k % 2:
                row["soothing_response"] = f"You are not alone, {k}! Drink enough."
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(embeddings, "load", lambda *_: None)
    monkeypatch.setattr(emotion, "scores_by_contrast", score)
    monkeypatch.setattr(remote, "reader", lambda name, *_: Judge(name))
    return folder


def test_shares_scores_and_aucs_are_those_of_other_programs(home):
    names = play("01_two_arms", test_rows=20)
    found = records_of(names)
    phrases = found.loc["arms.phrases"].reset_index("group", drop=True)
    everything = [dialogues.load(name, arm="overt") for name in ("er", "eqsr", "test")]
    assert phrases.loc["overt", "warm answers"].n == sum(map(len, everything))
    warm = [
        row.get("soothing_response") or row["empathetic_response"]
        for rows in everything
        for row in rows
    ]
    listed = [
        line for line in dialogues.COMFORT_PHRASES.read_text().splitlines() if line[:1] not in "#"
    ]
    said = [any(phrase in text.lower() for phrase in listed) for text in warm]
    assert phrases.loc["overt", "warm answers"].value == pytest.approx(np.mean(said))
    assert phrases.loc["subtle", "doctors' answers"].value == 0
    scored = found.loc["arms.emotion"].reset_index("group", drop=True)
    rows = dialogues.load("test", 20, arm="overt")
    plain = score(None, [row["answer"] for row in rows])["mean"]
    warm = score(None, [row["soothing_response"] for row in rows])["mean"]
    assert scored.loc["overt", "mean"].value == pytest.approx(warm.mean())
    labels = [1] * 20 + [0] * 20
    auc = roc_auc_score(labels, pd.concat([warm, plain]))
    assert scored.loc["overt", "auc"].value == pytest.approx(auc)
    low, value, high = scored.loc["overt", "auc"][["ci_low", "value", "ci_high"]]
    assert low <= value <= high
    assert scored.loc["doctor twice", "mean"].value < scored.loc["doctor", "mean"].value
    assert ("doctor", "auc") not in scored.index and set(scored.n) == {20}
    # Each second overt answer loses its first sentence.
    cut = names.texts["overt, phrases cut"]
    assert [text.startswith("Take") for text in cut] == [True, False] * 10
    assert all(text.endswith("Drink enough.") for text in cut)
    items = pd.read_parquet(names.run.folder / f"{names.run.name}.items.parquet")
    assert items.groupby(["table", "system"]).size().to_dict() == {
        ("arms.emotion", kind): 20 for kind in names.texts
    } | {("arms.judge", kind): 20 for kind in ("doctor", "subtle", "overt")}


def test_a_judge_reads_the_first_questions_and_what_it_left_unread_is_counted(home):
    place = home / "data" / "dialogues" / "overt" / "test.jsonl"
    rows = [json.loads(line) for line in place.read_text().splitlines()]
    rows[1]["answer"] = "Rest! unread"
    rows[2]["answer"] = "Rest! Drink!"
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = (
        records_of(play("01_two_arms", test_rows=20, judge_rows=12))
        .loc["arms.judge"]
        .droplevel("group")
    )
    assert found.loc["doctor", "mean"][["value", "n", "unscored"]].tolist() == [0.2 / 11, 11, 1]
    assert found.loc["overt", "mean"].value == pytest.approx(0.1)
    # Of the eleven pairs' answers one doctor's has more marks than any warm one, the others none.
    auc = found.loc["overt", "auc"]
    assert (auc.value, auc.n, auc.unscored) == (pytest.approx(10 / 11), 11, 1)
    assert auc.ci_low < auc.value < auc.ci_high == 1
    assert found.loc["overt"].scorer.unique().tolist() == ["tiny-llama"]


def test_no_judge_is_loaded_where_none_is_named(home, monkeypatch):
    monkeypatch.setattr(remote, "reader", None)
    assert "arms.judge" not in records_of(play("01_two_arms", judge_model="")).index


def test_another_rewriters_rows_stand_beside_them(home, tmp_path):
    folder = tmp_path / "trial" / "askdocs_half"
    folder.mkdir(parents=True)
    rows = [
        {"id": f"a{k}", "doctor": "Wait.", "rewrite": "Please wait! " * (k % 2 + 1)}
        for k in range(6)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "askdocs_half.jsonl").write_text(lines)
    found = records_of(play("01_two_arms", test_rows=5, trial_data=str(folder.parent)))
    scored = found.loc["arms.emotion"].reset_index("group", drop=True)
    assert scored.loc["real doctor, rewritten", "auc"].n == 6
    assert scored.loc["real doctor", "mean"].value == pytest.approx(1 / 6)


def test_a_folder_without_those_rows_is_named(home, tmp_path):
    with pytest.raises(
        EmoError, match="parameter 'trial_data': askdocs_half is not in that folder"
    ):
        play("01_two_arms", test_rows=5, trial_data=str(tmp_path))


def test_an_arm_that_is_not_there_is_refused():
    with pytest.raises(
        files.DataError, match="no arm 'loud' of data/dialogues; there are: subtle, overt"
    ):
        dialogues.load("test", arm="loud")
    assert (
        dialogues.load("test", 5, arm="overt")[0]["question"]
        == dialogues.load("test", 5)[0]["question"]
    )
