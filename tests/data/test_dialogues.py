"""Rows of another rewriter, from a folder that a user gave, and texts of the data as systems."""

import json

import pandas as pd
import pytest

from emo_utils.data import dialogues
from emo_utils.data.files import DataError


def folder_with(tmp_path, *rows):
    (tmp_path / "askdocs_half").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "askdocs_half" / "askdocs_half.jsonl").write_text(lines)
    return str(tmp_path)


def test_another_rewriters_rows_are_read_as_they_stand(tmp_path):
    rows = [
        {"id": f"a{k}", "question": "Is it bad?", "doctor": "Wait.", "rewrite": "Please wait!"}
        for k in range(3)
    ]
    assert dialogues.rewritten_elsewhere(folder_with(tmp_path, *rows)) == rows


def test_a_folder_without_them_and_a_row_without_a_rewrite_are_named(tmp_path):
    with pytest.raises(DataError, match="parameter 'trial_data': askdocs_half is not in that"):
        dialogues.rewritten_elsewhere(str(tmp_path))
    folder = folder_with(tmp_path, {"id": "a1", "doctor": "Wait.", "rewrite": " "})
    with pytest.raises(DataError, match="row 1: field 'rewrite' is missing or empty"):
        dialogues.rewritten_elsewhere(folder)


def answers_to(*ids):
    asked = {"emotion": "fear", "system": "base", "question": "Why?", "answer": "So."}
    return pd.DataFrame([asked | {"id": i, "tokens": 3, "complete": True} for i in ids])


def test_the_texts_of_the_data_answer_as_systems():
    """To another question: the answer of the row that follows, of the first one after the last."""
    rows = dialogues.load("test", 3)
    ids = [rows[2]["id"], rows[0]["id"]]
    found = dialogues.reference_answers(answers_to(*ids, ids[0]), rows)
    texts = found.set_index(["system", "id"]).answer
    assert found.system.unique().tolist() == list(dialogues.REFERENCES) and len(found) == 6
    assert texts["doctor", ids[0]] == rows[2]["answer"]
    assert texts["reference", ids[0]] == rows[2]["soothing_response"]
    assert texts["another", ids[0]] == rows[0]["soothing_response"]
    assert texts["another", ids[1]] == rows[1]["soothing_response"]
    assert found.complete.all() and set(found.question) == {"Why?"}


def test_a_question_of_another_arm_and_a_single_row_are_named():
    rows = dialogues.load("test", 2)
    with pytest.raises(DataError, match="1 questions that the test set does not have.*x-1.*arm"):
        dialogues.reference_answers(answers_to(rows[0]["id"], "x-1"), rows)
    with pytest.raises(DataError, match="no answer to another question"):
        dialogues.reference_answers(answers_to(rows[0]["id"]), rows[:1])
