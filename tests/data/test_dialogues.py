"""Rows of another rewriter, from a folder that a user gave."""

import json

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
