"""The chapter on the two arms, with a scorer that counts exclamation marks, against counts and AUCs
of other programs; and the loader of an arm."""

import json

import numpy as np
import pandas as pd
import pytest
from played import home_in, play, records_of
from sklearn.metrics import roc_auc_score

from emo_utils.data import dialogues, files
from emo_utils.models import embeddings
from emo_utils.project import EmoError
from emo_utils.scoring import emotion


def score(_, texts):
    return pd.DataFrame({"mean": [(text.count("!") + 1) / (len(text) + 1) for text in texts]})


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
    assert items.groupby("system").size().to_dict() == dict.fromkeys(names.texts, 20)


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
