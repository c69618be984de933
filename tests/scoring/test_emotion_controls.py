"""The controls of the emotion score: one text of each kind to each question."""

import pandas as pd

from emo_utils.scoring import emotion_controls


def test_every_control_answers_every_question_with_a_warm_answer():
    answers = pd.DataFrame(
        {
            "id": ["a", "b", "a"],
            "system": ["reference", "reference", "base"],
            "answer": ["You are well. Rest now.", "I am here.", "Hm."],
        }
    )
    found = emotion_controls.control_answers(answers)
    assert found.groupby("system", sort=False).id.apply(list).to_dict() == {
        name: ["a", "b"] for name in emotion_controls.CONTROLS
    }
    texts = found.set_index(["system", "id"]).answer
    assert texts["said twice", "b"] == "I am here. I am here."
    failed = texts["a failed training", "a"]
    assert sorted(failed.split()) == sorted("You are well. Rest now.".split())
    assert failed != "You are well. Rest now."
    assert failed == emotion_controls.shuffled("You are well. Rest now.")
