"""Answers that a paper prints, as a reader types them in: the file's form and its faults."""

import json

import pytest

from emo_utils.data import printed_answers
from emo_utils.data.files import DataError
from emo_utils.project import EmoError

ROWS = [
    {"id": "1", "case": "a", "system": "sft", "answer": "That is hard. Drink water.", "blue": []},
    {"id": "2", "case": "a", "system": "dpo", "answer": "You are not alone. Rest well."},
]


def written(folder, rows):
    path = folder / printed_answers.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_colours_that_are_not_at_hand_are_none_and_not_empty(tmp_path):
    rows = printed_answers.load(written(tmp_path, ROWS))
    assert [row["blue"] for row in rows] == [[], None] and rows[0]["red"] is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"system": "rlhf"}, "row 2: field 'system' is 'rlhf'; the file needs one JSON object"),
        ({"system": "sft"}, "row 2: a second answer of sft in case a"),
        ({"blue": ["Sleep."]}, "row 2: field 'blue': 'Sleep.' does not stand in the answer"),
        ({"red": "Rest well."}, "row 2: field 'red' is no list of texts; the file needs one"),
        ({"answer": ""}, "row 2"),
    ],
)
def test_a_fault_is_named_with_row_field_and_form(tmp_path, change, said):
    with pytest.raises(DataError, match=said):
        printed_answers.load(written(tmp_path, [ROWS[0], ROWS[1] | change]))


def test_the_folder_is_the_one_given_or_of_the_environment_for_runs_by_hand(tmp_path, monkeypatch):
    path = written(tmp_path, ROWS)
    monkeypatch.delenv("EMO_TRIAL_DATA", raising=False)
    assert printed_answers.path_in("", book=False) is None
    assert printed_answers.path_in(str(tmp_path), book=True) == path
    monkeypatch.setenv("EMO_TRIAL_DATA", str(tmp_path))
    assert printed_answers.path_in("", book=False) == path
    assert printed_answers.path_in("", book=True) is None
    monkeypatch.setenv("EMO_TRIAL_DATA", str(tmp_path / "emodoctor_table3"))
    assert printed_answers.path_in("", book=False) is None  # other sets lie there


def test_a_given_folder_without_the_file_is_told_what_belongs_there(tmp_path):
    said = "holds no emodoctor_table3/answers.jsonl: one JSON object an answer with id, case"
    with pytest.raises(EmoError, match=said):
        printed_answers.path_in(str(tmp_path), book=False)
