"""Dialogues that models write for pairs of an emotion and a situation (EmplifAI, Section 5)."""

import pandas as pd

from emo_utils.data import emplifai
from emo_utils.generation import answering, prompts
from emo_utils.training import movement


def request(row: dict) -> list[dict]:
    """What a model is asked, as messages: emotion and situation of a row of `emplifai`, and the
    form of four lines (`prompt_texts/emplifai_write.txt`).
    """
    emotion = emplifai.JAPANESE[row["emotion"]]
    content = prompts.text("emplifai_write", emotion=emotion, situation=row["situation"])
    return [{"role": "user", "content": content}]


def sft_rows(rows: list[dict]) -> list[dict]:
    """Prompt and completion of each row, as a trainer reads them: the `request`, and the dialogue
    in its form of four lines.
    """
    return [
        {
            "prompt": request(row),
            "completion": [{"role": "assistant", "content": emplifai.as_lines(row["turns"])}],
        }
        for row in rows
    ]


def losses(model, tokenizer, rows: list[dict]) -> list[float]:
    """Nats a token of the dialogue of each row, for a model that was asked for it."""
    return [
        movement.answer_loss(model, tokenizer, request(row), emplifai.as_lines(row["turns"]))
        for row in rows
    ]


def write(
    model,
    tokenizer,
    rows: list[dict],
    system: str,
    *,
    max_new_tokens: int,
    temperature: float,
    seed: int,
    batch_size: int = 32,
) -> pd.DataFrame:
    """One dialogue for the emotion and situation of each row, sampled as `answering.complete` does.

    Returns columns answer, tokens, complete (the model ended by itself), id, system, emotion,
    situation, turns ([] where the form was not kept).
    """
    written = answering.complete(
        model,
        tokenizer,
        [request(row) for row in rows],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        batch_size=batch_size,
        seed=seed,
        desc=f"dialogues of {system}",
    )
    table = pd.DataFrame(written, columns=["answer", "tokens", "complete"])
    return table.assign(
        id=[f"{row['emotion']}: {row['situation'][:20]}" for row in rows],
        system=system,
        emotion=[row["emotion"] for row in rows],
        situation=[row["situation"] for row in rows],
        turns=[emplifai.turns_in_form(text) for text in table.answer],
    )
