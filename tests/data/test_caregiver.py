"""Pairs of a user's file, pairs as the trainings name them, and the texts that stand beside a
system's answers.
"""

import json

import pytest

from emo_utils.data import caregiver, training_rows
from emo_utils.project import EmoError

PAIR = {"prompt": "Can he go out?", "chosen": "Oh dear. Take 5 walks.", "rejected": "Five walks."}


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_users_pairs_are_read_from_any_table(tmp_path, suffix):
    import pandas as pd

    table, path = pd.DataFrame([PAIR, PAIR | {"prompt": "May she?"}]), tmp_path / f"pairs.{suffix}"
    table = table.assign(mine=7)  # a column that nobody asked for is left out
    {
        "jsonl": lambda: table.to_json(path, orient="records", lines=True),
        "csv": lambda: table.to_csv(path, index=False),
        "parquet": lambda: table.to_parquet(path),
    }[suffix]()
    assert caregiver.pairs_of(path) == [
        PAIR | {"id": "row-1"},
        PAIR | {"prompt": "May she?", "id": "row-2"},
    ]


def test_pairs_to_train_on_are_the_given_ones_or_those_of_the_arm(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(PAIR) + "\n", encoding="utf-8")
    assert caregiver.training_pairs(path, "subtle") == (
        [PAIR | {"id": "row-1"}],
        "the file mine.jsonl",
    )
    pairs, source = caregiver.training_pairs(None, "subtle")
    assert (pairs, source) == (
        caregiver.load("train", "subtle"),
        "data/caregiver, arm subtle",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "pairs.csv",
            "prompt,chosen\na,b\n",
            r"pairs.csv has the columns prompt, chosen and lacks rejected",
        ),
        (
            "pairs.csv",
            "prompt,chosen,rejected\na,b,c\na,,c\n",
            r"pairs.csv, row 2: prompt, chosen and rejected must be texts",
        ),
        (
            "pairs.csv",
            "prompt,chosen,rejected\na,b,c\na,Wait.,wait. \n",
            r"pairs.csv, row 2: chosen and rejected are one text",
        ),
        (
            "pairs.csv",
            "prompt,chosen,rejected\na,b<|im_end|>,c\n",
            r"pairs.csv, row 1: field 'chosen' holds '<\|im_end\|>'",
        ),
        (
            "pairs.jsonl",
            '{"prompt": "a", "chosen": "b", "rejected": 5}\n',
            r"pairs.jsonl, row 1: prompt, chosen and rejected must be texts",
        ),
        ("pairs.txt", "a", r"pairs.txt: a table is a"),
    ],
)
def test_pairs_that_cannot_be_used_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(EmoError, match=message):
        caregiver.pairs_of(tmp_path / name)


def test_a_pair_is_trained_on_as_it_stands_in_the_data():
    [row] = training_rows.dpo_rows([caregiver.as_dialogue(PAIR | {"id": "x"})], "Be kind.")
    assert [message["content"] for message in row["prompt"]] == ["Be kind.", PAIR["prompt"]]
    assert row["chosen"] == [{"role": "assistant", "content": PAIR["chosen"]}]
    assert row["rejected"] == [{"role": "assistant", "content": PAIR["rejected"]}]


def test_baselines_are_the_rejected_answer_and_that_of_the_next_question():
    pairs = [
        {"id": str(k), "prompt": "?", "chosen": f"yes {k}", "rejected": f"no {k}"} for k in range(3)
    ]
    rows = caregiver.baseline_answers(pairs)
    assert [(row["id"], row["answer"]) for row in rows if row["system"] == caregiver.REJECTED] == [
        ("0", "no 0"),
        ("1", "no 1"),
        ("2", "no 2"),
    ]
    assert [row["answer"] for row in rows if row["system"] == caregiver.ELSEWHERE] == [
        "yes 1",
        "yes 2",
        "yes 0",
    ]
    assert len(rows) == 6 and all(json.dumps(row) and row["complete"] for row in rows)


def test_the_preferred_answers_are_a_system():
    pairs = [{"id": "x", "prompt": "?", "chosen": "yes", "rejected": "no"}]
    [row] = caregiver.preferred_answers(pairs)
    assert row == {"id": "x", "system": caregiver.PREFERRED, "answer": "yes", "complete": True}


def test_voices_stand_behind_the_question_as_it_is_asked_twice():
    pairs = {pair["id"]: pair for pair in caregiver.load("test")}
    rows = caregiver.in_voices(pairs, 2)
    assert len({row["id"] for row in rows}) == len(rows) == 2 * 8
    assert [(row["voice"], row["of"]) for row in rows[:4]] == [
        ("original", "care-test-01"),
        ("original", "care-test-02"),
        ("original again", "care-test-01"),
        ("original again", "care-test-02"),
    ]
    for row in rows[:4]:
        assert row["question"] == pairs[row["of"]]["prompt"]
    lines = caregiver.VOICES.read_text(encoding="utf-8").splitlines()
    spoken = {line["id"]: line for line in map(json.loads, lines)}
    for row in rows[4:]:
        line = spoken[row["id"]]
        assert (row["question"], row["voice"], row["of"]) == (
            line["prompt"],
            line["voice"],
            line["question"],
        )
        assert row["of"] in {"care-test-01", "care-test-02"} and row["voice"] != "original"
    assert caregiver.in_voices(pairs, 0) == []
