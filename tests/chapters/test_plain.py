"""Chapter 5.1: test questions without their feeling; writers and scorer follow rules."""

import json

import pandas as pd
import pytest
from played import RECORDED, as_a_step, home_in, play, records_of

from emo_utils.claims import ledger
from emo_utils.data import dialogues
from emo_utils.experiment import results
from emo_utils.generation import answering
from emo_utils.models import embeddings, loading
from emo_utils.project import EmoError
from emo_utils.scoring import emotion

QUESTIONS = 12
DEFAULT = "base prompt er-sft"
GIVEN = {"base_model": "tiny-llama", "embedding_model": "tiny-llama", "test_rows": 0}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """er-sft answers with one to three exclamation marks, in turn, what starts from it with one
    more, and others with none; to questions with their feeling everybody answers with four. The
    score counts them; the warm answers have five.
    """
    home_in(tmp_path, monkeypatch)
    rows = dialogues.load("test", 0)[:QUESTIONS]
    folder = tmp_path / "results" / "smoke" / "answers"
    folder.mkdir(parents=True)
    for system in results.SYSTEMS:
        pd.DataFrame(
            [
                {"id": row["id"], "emotion": row["emotion"], "system": system, "question": "q"}
                | {"answer": "!!!!", "tokens": 1, "complete": True}
                for row in rows
            ]
        ).to_parquet(folder / f"{system}.parquet", index=False)
        checkpoint = tmp_path / "checkpoints" / "smoke" / system
        checkpoint.mkdir(parents=True)
        about = {"base_model": "tiny-llama", "starts_from": []}
        (checkpoint / "companion.json").write_text(json.dumps(about))
    monkeypatch.setattr(
        loading, "each", lambda name, dtype, chains: ((key, key, "") for key in chains)
    )

    def written(model, tokenizer, asked, task, system, **how):
        warm = 2 if system.startswith("er-eqsr") else system == "er-sft"
        return pd.DataFrame(
            [
                {"id": row["id"], "emotion": row["emotion"], "system": system}
                | {"question": row["question"], "tokens": 1, "complete": True}
                | {"answer": "!" * (k % 3 + warm) if warm else ""}
                for k, row in enumerate(asked)
            ]
        )

    monkeypatch.setattr(answering, "answer_questions", written)
    monkeypatch.setattr(embeddings, "load", lambda *_: None)
    warm = {row["soothing_response"] for row in dialogues.load("test", 0)}

    def scores(_, texts):
        marks = [0.5 if text in warm else text.count("!") / 10 for text in texts]
        names = [*emotion.EMOTIONS, "mean", "max"]
        return pd.DataFrame({name: marks for name in names})

    monkeypatch.setattr(emotion, "scores_by_contrast", scores)
    return tmp_path


def test_the_claim_on_plain_questions_is_measured(home):
    played = play("05_plain_questions", systems=DEFAULT, **GIVEN)
    records = records_of(played)
    gained = records.loc["emodoctor.plain.differences", "er-sft less base", "max", "all"]
    assert (gained.value, gained.n) == (pytest.approx(0.2), QUESTIONS)
    assert records.loc["emodoctor.plain", "prompt", "mean", "all"].value == 0
    found = ledger.ledger(played.records).set_index("id").ours
    assert found["er-warms-plain"] == "supported" and found["er-warms"] == "not measured"
    assert set(played.wide["mean"]) >= {"doctor", "reference", "another", "said twice"}


def test_all_nine_are_asked_and_the_claim_stays_what_it_was(home, monkeypatch):
    as_a_step(monkeypatch, "05_plain_questions")
    played = play("05_plain_questions", until=RECORDED, systems=" ".join(results.SYSTEMS), **GIVEN)
    records = records_of(played)
    gained = records.loc["emodoctor.plain.differences"].xs("mean", level="metric").value
    by_pair = gained.droplevel("group")
    assert len(by_pair) == 7 * 2 + 3  # each tuned one to two untuned ones; each method's pair
    assert by_pair["er-eqsr-dpo less eqsr-dpo"] == pytest.approx(0.3)
    assert by_pair["eqsr-kto less prompt"] == 0
    change = records.loc["emodoctor.plain.less_emotional"].value.droplevel(["metric", "group"])
    assert change["base"] == pytest.approx(-0.4) and change["er-sft"] == pytest.approx(-0.2)
    assert set(change.index) == set(results.SYSTEMS)
    kept = pd.read_parquet(home / "results" / "smoke" / "answers" / "plain-questions.parquet")
    assert tuple(kept.system.unique()) == results.SYSTEMS
    assert len(kept) == 9 * QUESTIONS and not kept.duplicated(["id", "system"]).any()
    items = results.read_items("smoke", "05_plain_questions", results.SYSTEMS)
    assert set(items.table) == {"emodoctor.plain", "emodoctor.plain.emotional"}
    claim = records.loc["emodoctor.claims"].reset_index()[["value", "n", "p"]]
    monkeypatch.delenv("EMO_STEP")
    three = records_of(play("05_plain_questions", until=RECORDED, systems=DEFAULT, **GIVEN))
    assert claim.equals(three.loc["emodoctor.claims"].reset_index()[["value", "n", "p"]])


def test_another_start_than_the_systems_is_refused(home):
    with pytest.raises(EmoError, match="er-sft .smoke profile. starts from tiny-llama.*give tiny"):
        play("05_plain_questions", base_model="SmolLM2-135M-Instruct", test_rows=2)
    with pytest.raises(EmoError, match="no system 'eqsr-dop'; did you mean 'eqsr-dpo'"):
        play("05_plain_questions", systems="base eqsr-dop")
