"""Rows as the three trainers read them: prompts, completions, pairs, labelled answers."""

import random

from emo_utils.data import dialogues, files
from emo_utils.data.files import DataError
from emo_utils.project import given_path


def name_of(file: str) -> str:
    """What a training's rows are called on its page: a user's file by its name alone."""
    return f"the file {given_path(file).name}" if file else "data/dialogues"


def split(
    name: str, train_rows: int = 0, validation_rows: int = 0, file: str = "", arm: str = "overt"
) -> tuple[list[dict], list[dict]]:
    """Rows of a training set to train on (0: all that remain) and rows held out,
    both balanced over emotions.

    The held-out rows are taken from the end of the file and do not depend on train_rows.
    """
    rows = dialogues.load(name, file=file, arm=arm)
    held_out = files.balanced(rows[::-1], validation_rows) if validation_rows else []
    rest = [row for row in rows if row not in held_out]
    return (files.balanced(rest, train_rows) if train_rows else rest), held_out


def messages(system: str, question: str) -> list[dict]:
    """A prompt as chat messages: the task instruction, then the patient's question."""
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def sft_rows(rows: list[dict], system: str) -> list[dict]:
    """Prompt and completion (EmoDoctor 3.2): the ER answer to the plain question,
    or the soothing answer to the emotional one.
    """
    return [
        {
            "prompt": messages(system, row.get("emotional_question", row["question"])),
            "completion": [
                {
                    "role": "assistant",
                    "content": row.get("soothing_response") or row["empathetic_response"],
                }
            ],
        }
        for row in rows
    ]


def dpo_rows(rows: list[dict], system: str) -> list[dict]:
    """Triplets (EmoDoctor 3.3): the soothing response is chosen,
    the doctor's own answer rejected.
    """
    return [
        {
            "prompt": messages(system, row["emotional_question"]),
            "chosen": [{"role": "assistant", "content": row["soothing_response"]}],
            "rejected": [{"role": "assistant", "content": row["answer"]}],
        }
        for row in rows
    ]


def kto_rows(rows: list[dict], system: str, seed: int, batch_size: int) -> list[dict]:
    """Single labelled answers (EmoDoctor 3.4), desirable and undesirable in turn,
    no question beside itself.

    `KTOTrainer` never shuffles and pairs each row of a batch with its neighbour (the last with the
    first), so the order is made here: both halves shuffled with one seed, and the undesirable half
    shifted until no two neighbours of a batch share a question. Raises DataError when there are too
    few rows for that.
    """
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    for shift in range(2, len(rows)):
        places = [
            index
            for place in range(len(order))
            for index in (order[place], order[(place + shift) % len(order)])
        ]
        if _neighbours_differ(places, batch_size):
            return [
                {
                    "prompt": messages(system, rows[i]["emotional_question"]),
                    "label": place % 2 == 0,
                    "completion": [
                        {
                            "role": "assistant",
                            "content": rows[i]["answer" if place % 2 else "soothing_response"],
                        }
                    ],
                }
                for place, i in enumerate(places)
            ]
    raise DataError(
        f"{len(rows)} pairs are too few to keep equal questions apart in batches of {batch_size}; "
        "use more rows or a smaller batch_size"
    )


def _neighbours_differ(places: list[int], batch_size: int) -> bool:
    """Whether no row of a batch stands beside one of the same question,
    the last and the first of a batch included.
    """
    batches = [places[i : i + batch_size] for i in range(0, len(places), batch_size)]
    return all(
        len(batch) > 1 and all(batch[i] != batch[i - 1] for i in range(len(batch)))
        for batch in batches
    )
