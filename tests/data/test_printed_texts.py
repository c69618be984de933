"""Answers that a paper prints, as a reader types them in: the file's form and its faults."""

import json

import pytest

from emo_utils.data import printed_texts
from emo_utils.data.files import DataError
from emo_utils.project import EmoError

ROWS = [
    {"id": "1", "case": "a", "system": "sft", "answer": "That is hard. Drink water.", "blue": []},
    {"id": "2", "case": "a", "system": "dpo", "answer": "You are not alone. Rest well."},
]


def written(folder, rows):
    path = folder / printed_texts.ANSWERS.file
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_colours_that_are_not_at_hand_are_none_and_not_empty(tmp_path):
    rows = printed_texts.answers(written(tmp_path, ROWS))
    assert [row["blue"] for row in rows] == [[], None] and rows[0]["red"] is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"system": "rlhf"}, "row 2: field 'system' is 'rlhf'; the file needs one JSON object"),
        ({"system": "sft"}, "row 2: a second answer of sft in case a"),
        ({"blue": ["Sleep."]}, "row 2: field 'blue': 'Sleep.' does not stand in the answer"),
        ({"red": "Rest well."}, "row 2: field 'red' is no list of texts; the file needs one"),
        ({"answer": ""}, "(?s)row 2: field 'answer' is missing .*the file needs one JSON object"),
    ],
)
def test_a_fault_is_named_with_row_field_and_form(tmp_path, change, said):
    with pytest.raises(DataError, match=said):
        printed_texts.answers(written(tmp_path, [ROWS[0], ROWS[1] | change]))


def test_the_folder_is_the_one_given_or_of_the_environment_for_runs_by_hand(tmp_path, monkeypatch):
    path = written(tmp_path, ROWS)
    monkeypatch.delenv("EMO_TRIAL_DATA", raising=False)
    assert printed_texts.path_in(printed_texts.ANSWERS, "", book=False) is None
    assert printed_texts.path_in(printed_texts.ANSWERS, str(tmp_path), book=True) == path
    monkeypatch.setenv("EMO_TRIAL_DATA", str(tmp_path))
    assert printed_texts.path_in(printed_texts.ANSWERS, "", book=False) == path
    assert printed_texts.path_in(printed_texts.ANSWERS, "", book=True) is None
    monkeypatch.setenv("EMO_TRIAL_DATA", str(tmp_path / "emodoctor_table3"))
    assert (
        printed_texts.path_in(printed_texts.ANSWERS, "", book=False) is None
    )  # other sets lie there


def test_a_given_folder_without_the_file_is_told_what_belongs_there(tmp_path):
    said = "holds no emodoctor_table3/answers.jsonl: one JSON object an answer with id, case"
    with pytest.raises(EmoError, match=said):
        printed_texts.path_in(printed_texts.ANSWERS, str(tmp_path), book=False)


DIALOGUE = {
    "id": "1",
    "emotion": "fear",
    "situation": "病院の廊下。",
    "turns": ["怖いです。", "そうですか。", "はい。", "一緒に行きましょう。"],
    "ratings": {"security": [5, 1.5]},
}


def dialogue_file(folder, row):
    path = folder / printed_texts.DIALOGUES.file
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return path


def test_both_ratings_of_a_dialogue_are_read(tmp_path):
    (row,) = printed_texts.dialogues(dialogue_file(tmp_path, DIALOGUE), ("security",))
    assert row["ratings"] == {"security": (5.0, 1.5)} and row["turns"] == DIALOGUE["turns"]
    assert printed_texts.path_in(printed_texts.DIALOGUES, str(tmp_path), book=True).is_file()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"turns": ["a", "b"]},
            "(?s)'turns' is not a list of four.*the file needs one JSON object a d",
        ),
        ({"emotion": "dread"}, "(?s)row 1: emotion 'dread' is none of .*the file needs one JSON"),
        ({"ratings": {}}, "row 1: field 'ratings' is missing or empty; the file needs one JSON"),
        ({"ratings": {"warmth": [5, 1]}}, "there is no rubric 'warmth'; it is security"),
        ({"ratings": {"security": [5]}}, r"security is \[5\]; it is \[the judge's, people's\]"),
        ({"ratings": {"security": [5, 7]}}, r"security is \[5, 7\]"),
        ({"ratings": {"security": [True, 2]}}, r"security is \[True, 2\]"),
    ],
)
def test_a_fault_of_a_dialogue_is_named(tmp_path, change, said):
    with pytest.raises(DataError, match=said):
        printed_texts.dialogues(dialogue_file(tmp_path, DIALOGUE | change), ("security",))
