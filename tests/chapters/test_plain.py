"""Chapter 5.1: test questions without their feeling; writers and scorer follow rules."""

import json

import pandas as pd
import pytest
from played import home_in, play, records_of

from emo_utils.claims import ledger
from emo_utils.data import dialogues
from emo_utils.generation import trained_systems
from emo_utils.models import embeddings
from emo_utils.project import EmoError
from emo_utils.scoring import emotion

QUESTIONS = 12


@pytest.fixture
def home(tmp_path, monkeypatch):
    """er-sft answers with as many exclamation marks as the question's number and one more; the
    score counts them; the warm answers have fifty.
    """
    home_in(tmp_path, monkeypatch)
    rows = dialogues.load("test", 0)[:QUESTIONS]
    folder = tmp_path / "results" / "smoke" / "answers"
    folder.mkdir(parents=True)
    for system in ("base", "prompt", "er-sft"):
        pd.DataFrame(
            [
                {"id": row["id"], "emotion": row["emotion"], "system": system, "question": "q"}
                | {"answer": "a", "tokens": 1, "complete": True}
                for row in rows
            ]
        ).to_parquet(folder / f"{system}.parquet", index=False)
    checkpoint = tmp_path / "checkpoints" / "smoke" / "er-sft"
    checkpoint.mkdir(parents=True)
    (checkpoint / "companion.json").write_text(json.dumps({"base_model": "tiny-llama"}))
    monkeypatch.setattr(trained_systems, "checkpoints_dir", lambda profile: checkpoint.parent)
    said = []

    def written(system, asked, task, **how):
        said.append((system, task, [row.get("emotional_question") for row in asked]))
        warm = 1 if system == "er-sft" else 0
        return pd.DataFrame(
            [
                {"id": row["id"], "emotion": row["emotion"], "system": system}
                | {"question": row["question"], "answer": "!" * (warm * (k % 3 + 1))}
                | {"tokens": 1, "complete": True}
                for k, row in enumerate(asked)
            ]
        )

    monkeypatch.setattr(trained_systems, "answers", written)
    monkeypatch.setattr(embeddings, "load", lambda *_: None)
    warm = {row["soothing_response"] for row in dialogues.load("test", 0)}

    def scores(_, texts):
        marks = [0.5 if text in warm else text.count("!") / 10 for text in texts]
        names = [*emotion.EMOTIONS, "mean", "max"]
        return pd.DataFrame({name: marks for name in names})

    monkeypatch.setattr(emotion, "scores_by_contrast", scores)
    return said


def test_the_claim_on_plain_questions_is_measured(home):
    given = {"base_model": "tiny-llama", "embedding_model": "tiny-llama", "test_rows": 0}
    played = play("05_plain_questions", **given)
    assert [(system, task) for system, task, _ in home] == [
        ("base", "task"),
        ("base", "comfort"),
        ("er-sft", "task"),
    ]
    assert all(question is None for *_, asked in home for question in asked)
    records = records_of(played)
    gained = records.loc["emodoctor.plain.differences", "er-sft less base", "max", "all"]
    assert (gained.value, gained.n) == (pytest.approx(0.2), QUESTIONS)
    assert records.loc["emodoctor.plain", "prompt", "mean", "all"].value == 0
    found = ledger.ledger(played.records).set_index("id").ours
    assert found["er-warms-plain"] == "supported" and found["er-warms"] == "not measured"
    assert set(played.wide["mean"]) >= {"doctor", "reference", "another", "said twice"}


def test_another_start_than_er_sft_s_is_refused(home):
    with pytest.raises(EmoError, match="er-sft .smoke profile. starts from tiny-llama.*give tiny"):
        play("05_plain_questions", base_model="SmolLM2-135M-Instruct", test_rows=2)
