"""Controls: what they change, and that the scores are those of chapters 5 and 6."""

import numpy as np
import pytest

from emo_utils.experiment import parameters, runs
from emo_utils.scoring import controls, emotion, instruments, overlap_scores

ROWS = [
    {"answer": "Rest and drink.", "soothing_response": "You are well. Rest and drink."},
    {"answer": "Go home.", "soothing_response": "I am here. Go home, sleep for 10 hours."},
]


@pytest.fixture(scope="module")
def scorers(tiny):
    return instruments.load("tiny-llama", "tiny-llama", "tiny-llama", "float32")


def test_facts_are_taken_out():
    row = {
        "answer": "Take ibuprofen 400 mg with breakfast and drink plenty of water.",
        "soothing_response": (
            "You must be worried. Take ibuprofen 400 mg. "
            "Drink plenty of water after breakfast. I am here."
        ),
    }
    assert controls.without_facts(row) == "You must be worried. I am here."


def test_a_mean_over_sentences_does_not_pay_for_repetition(scorers):
    texts = ["You are well. Go home.", "You are well. Go home. You are well. Go home."]
    once, twice = controls.every_score(texts, ["You are well."] * 2, scorers).contrast
    assert once == pytest.approx(twice, abs=1e-6)
    assert once == emotion.scores_by_contrast(scorers.encoder, texts[:1])["mean"][0]


def test_a_text_without_a_word_has_no_score(scorers):
    empty = controls.every_score(["", "Go home"], ["Rest and drink.", "Go home and rest."], scorers)
    assert empty.iloc[0].isna().all() and empty.iloc[1].notna().all()


def test_shifts_are_recorded_for_every_score(scorers):
    values = parameters.resolve("11_judge_validity", {"profile": "smoke"})
    run = runs.Run("11_judge_validity", values, {})
    changes = {
        "said twice": lambda row, other: f"{row['soothing_response']} {row['soothing_response']}",
        "another patient's answer": lambda row, other: other["soothing_response"],
        "the doctor's plain answer": lambda row, other: row["answer"],
        "nothing": lambda row, other: "" if row is ROWS[0] else row["soothing_response"],
    }
    controls.add_shifts(run, ROWS, changes, scorers)
    found = {(r.system, r.metric): r for r in run.records}
    metrics = ["contrast", "decision", "rougeL", "kept", "bleu1", "similarity"]
    assert [m for name, m in found if name == "said twice"] == metrics
    assert [m for name, m in found if name.startswith("the doctor")] == metrics[:2]
    doctor, ours = ([row[k] for row in ROWS] for k in ("answer", "soothing_response"))
    rouge = {
        name: overlap_scores.rouge_items(texts, doctor)["rougeL"]
        for name, texts in {
            "as it was": ours,
            "said twice": [f"{text} {text}" for text in ours],
            "another patient's answer": ours[::-1],
        }.items()
    }
    for name in ("said twice", "another patient's answer"):
        expected = np.mean(rouge[name] - rouge["as it was"])
        assert found[name, "rougeL"].value == pytest.approx(expected) and expected
    assert f"(mean {rouge['as it was'].mean():.3f})" in found["said twice", "rougeL"].signature
    gone = found["nothing", "rougeL"]
    assert (gone.value, gone.n, gone.unscored) == (0.0, 1, 1)
