"""Answers of a model to the test questions: batched by length, seeded, kept once as a table."""

from functools import partial

import pandas as pd
import torch
from tqdm import tqdm
from transformers import MinPLogitsWarper, TemperatureLogitsWarper

from emo_utils.data import training_rows
from emo_utils.models import engines
from emo_utils.project import EmoError


def answer_questions(
    model,
    tokenizer,
    rows: list[dict],
    system_prompt: str,
    system: str,
    *,
    max_new_tokens: int,
    temperature: float,
    seed: int,
    batch_size: int = 64,
    engine: str = "torch",
) -> pd.DataFrame:
    """One answer to each emotional question (to the plain one for rows of ER).

    Returns columns id, emotion, system, question, answer, tokens, complete
    (the model ended by itself).
    temperature 0 decodes greedily; above it, each batch samples with a seed drawn from `seed`.
    Batches hold `batch_size` questions of similar length, padded on the left. engine: one
    of `engines.ENGINES`.
    """
    questions = [row.get("emotional_question") or row["question"] for row in rows]
    written = complete(
        model,
        tokenizer,
        [training_rows.messages(system_prompt, q) for q in questions],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        batch_size=batch_size,
        seed=seed,
        desc=f"answers of {system}",
        engine=engine,
    )
    return pd.DataFrame(
        [
            {
                "id": row["id"],
                "emotion": row.get("emotion", ""),
                "system": system,
                "question": question,
                "answer": text,
                "tokens": tokens,
                "complete": ended,
            }
            for row, question, (text, tokens, ended) in zip(rows, questions, written, strict=True)
        ]
    )


def in_words(answers: pd.DataFrame) -> str:
    """How many answers there are, how long they are and how many ended by themselves; answers: as
    `answer_questions` gives them.
    """
    return (
        f"{len(answers)} answers, {answers.tokens.mean():.0f} tokens on average, "
        f"{answers.complete.mean():.0%} ended by themselves"
    )


def complete(
    model,
    tokenizer,
    conversations: list[list[dict]],
    *,
    max_new_tokens: int,
    temperature: float,
    batch_size: int,
    seed: int,
    desc: str,
    engine: str = "torch",
) -> list[tuple[str, int, bool]]:
    """The model's next message in each conversation, as `answer_questions` samples it: text,
    number of tokens, whether the model ended by itself.
    """
    prompts = [
        tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        for messages in conversations
    ]
    ids = [tokenizer(p, add_special_tokens=False)["input_ids"] for p in prompts]
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit and max(map(len, ids)) + max_new_tokens > limit:
        raise EmoError(
            f"a prompt of {max(map(len, ids))} tokens and {max_new_tokens} new ones "
            f"exceed the model's {limit} positions; lower max_new_tokens"
        )
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    chosen = engines.choose(model, ids, max_new_tokens, batch_size, engine)
    if chosen.reason:
        print(f"answers by {chosen.name} ({chosen.reason})")
    answers: dict[int, tuple[str, int, bool]] = {}
    # The longest first: what they leave free holds the shorter ones, the other way round memory
    # grows with each batch.
    for start in tqdm(range(0, len(order), batch_size)[::-1], desc=desc, leave=False):
        batch = order[start : start + batch_size]
        torch.manual_seed(seed + start)
        written = _generate(
            model, tokenizer, [ids[i] for i in batch], max_new_tokens, temperature, chosen.writer
        )
        answers |= dict(zip(batch, written, strict=True))
    return [answers[i] for i in range(len(ids))]


def _generate(
    model,
    tokenizer,
    batch: list[list[int]],
    max_new_tokens: int,
    temperature: float,
    writer=None,
) -> list[tuple[str, int, bool]]:
    """Text, number of tokens and whether it ended by itself, for each prompt of a batch.

    writer: of `engines.Engine`; None: the model itself.
    """
    if writer is None:
        written = _by_model(model, tokenizer, batch, max_new_tokens, temperature)
    else:
        pick = partial(_pick, temperature)
        written = writer.generate(batch, max_new_tokens, tokenizer.eos_token_id, pick)
    results = []
    for tokens in written:
        complete = tokenizer.eos_token_id in tokens
        kept = tokens[: tokens.index(tokenizer.eos_token_id)] if complete else tokens
        results.append(
            (tokenizer.decode(kept, skip_special_tokens=True).strip(), len(kept), complete)
        )
    return results


MIN_P = 0.05  # tokens less likely than this share of the likeliest one are not drawn


def _by_model(
    model, tokenizer, batch: list[list[int]], max_new_tokens: int, temperature: float
) -> list[list[int]]:
    tokenizer.padding_side = "left"
    inputs = tokenizer.pad({"input_ids": batch}, return_tensors="pt").to(model.device)
    sampling = (
        {"do_sample": True, "temperature": temperature, "min_p": MIN_P, "top_k": 0}
        if temperature
        else {"do_sample": False}
    )
    with torch.inference_mode():
        output = model.generate(
            **inputs,
            max_new_tokens=max_new_tokens,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **sampling,
        )
    return output[:, inputs["input_ids"].shape[1] :].tolist()


def _pick(temperature: float, logits: torch.Tensor) -> torch.Tensor:
    """The next token of each row, as `model.generate` samples it."""
    if not temperature:
        return logits.argmax(-1)
    warmed = TemperatureLogitsWarper(temperature)(None, logits)
    return torch.multinomial(MinPLogitsWarper(MIN_P)(None, warmed).softmax(-1), 1)[:, 0]
