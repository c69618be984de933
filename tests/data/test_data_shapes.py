"""The shapes that the trainers read, and what unusable data says
(the shipped rows themselves: test_data.py).
"""

import json
from collections import Counter

import pytest

from emo_utils.data import dialogues, files, training_rows
from emo_utils.data.files import DataError
from emo_utils.experiment import provenance


def pairs(n: int) -> list[dict]:
    return [
        {
            "id": f"p{i}",
            "emotion": dialogues.EMOTIONS[i % 5],
            "question": f"plain {i}",
            "answer": f"cold {i}",
            "emotional_question": f"felt {i}",
            "soothing_response": f"warm {i}",
        }
        for i in range(n)
    ]


# SFT and DPO


def test_sft_rows_answer_the_emotional_question_with_the_soothing_response():
    assert training_rows.sft_rows(pairs(1), "be a doctor") == [
        {
            "prompt": [
                {"role": "system", "content": "be a doctor"},
                {"role": "user", "content": "felt 0"},
            ],
            "completion": [{"role": "assistant", "content": "warm 0"}],
        }
    ]


def test_sft_rows_of_er_answer_the_plain_question_with_the_empathetic_response():
    row = {
        "id": "e",
        "topic": "t",
        "question": "plain",
        "answer": "cold",
        "empathetic_response": "kind",
    }
    assert training_rows.sft_rows([row], "s")[0]["prompt"][1]["content"] == "plain"
    assert training_rows.sft_rows([row], "s")[0]["completion"] == [
        {"role": "assistant", "content": "kind"}
    ]


def test_dpo_rows_choose_the_soothing_response_and_reject_the_doctors_own():
    rows = training_rows.dpo_rows(pairs(3), "s")
    assert [
        (r["prompt"][1]["content"], r["chosen"][0]["content"], r["rejected"][0]["content"])
        for r in rows
    ] == [
        ("felt 0", "warm 0", "cold 0"),
        ("felt 1", "warm 1", "cold 1"),
        ("felt 2", "warm 2", "cold 2"),
    ]
    assert {m["role"] for r in rows for m in r["chosen"] + r["rejected"]} == {"assistant"}


# KTO: expectations are read off the texts ("warm 3" belongs to "felt 3"),
# not computed as the code does


def kto(n: int, batch_size: int, seed: int = 42) -> list[dict]:
    return training_rows.kto_rows(pairs(n), "s", seed, batch_size)


@pytest.mark.parametrize("seed", [0, 1, 42])
@pytest.mark.parametrize(
    "n, batch_size",
    [
        (3, 2),
        (4, 2),
        (5, 4),
        (6, 3),
        (7, 4),
        (10, 4),
        (13, 8),
        (16, 16),
        (30, 4),
        (30, 7),
        (30, 64),
        (101, 8),
    ],
)
def test_kto_rows_alternate_and_keep_equal_questions_apart(n, batch_size, seed):
    rows = kto(n, batch_size, seed)
    assert [r["label"] for r in rows] == [True, False] * n
    questions = [r["prompt"][1]["content"] for r in rows]
    for start in range(0, len(rows), batch_size):
        batch = questions[start : start + batch_size]
        assert len(batch) > 1
        for place, question in enumerate(batch):
            assert question != batch[(place + 1) % len(batch)], (start, place)


@pytest.mark.parametrize("n, batch_size", [(5, 4), (30, 4), (30, 7)])
def test_kto_rows_hold_each_answer_once_with_its_own_question_and_label(n, batch_size):
    rows = kto(n, batch_size)
    found = Counter(
        (r["prompt"][1]["content"], r["completion"][0]["content"], r["label"]) for r in rows
    )
    assert found == Counter(
        [(f"felt {i}", f"warm {i}", True) for i in range(n)]
        + [(f"felt {i}", f"cold {i}", False) for i in range(n)]
    )
    assert all(r["prompt"][0] == {"role": "system", "content": "s"} for r in rows)


def test_kto_rows_have_one_order_a_seed():
    assert kto(30, 4, 7) == kto(30, 4, 7)
    assert kto(30, 4, 7) != kto(30, 4, 8)
    assert [r["prompt"][1]["content"] for r in kto(30, 4)][::2] != [
        f"felt {i}" for i in range(30)
    ]  # shuffled at all


@pytest.mark.parametrize("n, batch_size", [(1, 2), (1, 4), (2, 4), (5, 1), (13, 5), (6, 11)])
def test_kto_rows_that_cannot_be_kept_apart_are_refused(n, batch_size):
    """One or two pairs in a batch, a batch of 1, a last batch of 1
    (26 = 5 x 5 + 1; 12 = 11 + 1).
    """
    with pytest.raises(DataError, match=f"{n} pairs are too few.*batches of {batch_size}"):
        kto(n, batch_size)


def test_kto_rows_of_the_shipped_data_fit_every_batch_size_in_use():
    rows = dialogues.load("eqsr", arm="subtle")
    for batch_size in (2, 4, 8, 16):
        assert len(training_rows.kto_rows(rows, "s", 42, batch_size)) == 2 * len(rows)


# balanced


def test_balanced_takes_the_emotions_in_turn_and_keeps_the_files_order():
    rows = [
        {"id": i, "emotion": e} for i, e in enumerate(["fear"] * 4 + ["anxiety"] * 3 + ["distrust"])
    ]
    assert [r["id"] for r in files.balanced(rows, 3)] == [0, 4, 7]
    assert [r["id"] for r in files.balanced(rows, 5)] == [0, 4, 7, 1, 5]
    assert [r["id"] for r in files.balanced(rows, 8)] == [0, 4, 7, 1, 5, 2, 6, 3]


def test_balanced_without_emotions_takes_the_first_rows():
    assert files.balanced([{"id": i} for i in range(5)], 3) == [{"id": 0}, {"id": 1}, {"id": 2}]


@pytest.mark.parametrize("count", [0, -1, 4])
def test_balanced_refuses_a_count_that_is_not_there(count):
    with pytest.raises(DataError, match=f"{count} rows were asked for and there are 3"):
        files.balanced(pairs(3), count)


# Unusable files


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A function that makes the set `er` a file of these bytes."""
    monkeypatch.setattr(provenance, "FILES_READ", {})

    def write(content: bytes) -> None:
        (tmp_path / "rows.jsonl").write_bytes(content)
        monkeypatch.setattr(dialogues, "FILES", {"er": tmp_path / "rows.jsonl"})

    return write


GOOD = json.dumps(
    {
        "id": "1",
        "topic": "t",
        "specialty": "s",
        "question": "q",
        "answer": "a",
        "empathetic_response": "e",
    }
).encode()


def test_a_good_file_loads_with_or_without_a_last_line_break(file):
    for ending in (b"", b"\n"):
        file(GOOD + ending)
        assert dialogues.load("er", arm="subtle") == [json.loads(GOOD)]


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", r"rows\.jsonl is empty"),
        (b"\n\n", r"rows\.jsonl is empty"),
        (GOOD + b"\n[1]\n", r"rows\.jsonl, row 2: not a JSON object.*fields id, topic"),
        (GOOD + b'\n"text"', r"rows\.jsonl, row 2: not a JSON object"),
        (GOOD + b"\n\n" + GOOD, r"rows\.jsonl, row 2: not JSON"),
        (GOOD + b"\n\xff\xfe", rf"rows\.jsonl: not UTF-8 at byte {len(GOOD) + 1}"),
        (
            GOOD.replace(b'"e"', b'"caf\xe9"'),
            r"rows\.jsonl: not UTF-8 at byte \d+; save it as UTF-8",
        ),
        (GOOD + b"\n" + GOOD, r"rows\.jsonl, row \d+: field 'id' is that of row"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(file, content, says):
    file(content)
    with pytest.raises(DataError, match=says):
        dialogues.load("er", arm="subtle")


def test_an_unknown_set_is_refused_with_those_that_there_are():
    with pytest.raises(DataError, match="no data set 'train'; there are: er, eqsr, test"):
        dialogues.load("train", arm="subtle")
