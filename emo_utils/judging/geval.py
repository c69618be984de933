"""G-Eval (Liu et al., 2023): instructions with steps, a number from 1 to 5, and its expectation
over the probabilities of the five numbers, by a judge in this process or behind a chat service.
"""

import numpy as np
import pandas as pd
import torch

from emo_utils.generation import prompts
from emo_utils.judging import decisions, remote
from emo_utils.judging.decisions import Reader
from emo_utils.project import EmoError, sha256_bytes, sha256_json

NUMBERS = "12345"


def possible(judge: Reader) -> bool:
    """Whether a judge can be asked for a number: other servers answer typed decisions only."""
    return isinstance(judge, (decisions.Judge, remote.Chat))


def prompt(question: str, reference: str, answer: str, levels: list[str]) -> str:
    """The instructions with the three texts, between marks that are drawn from them.

    levels: what each number means, the lowest first.
    """
    return prompts.text(
        "geval_correctness",
        mark="#" + sha256_bytes((question + reference + answer).encode())[:8],
        levels="\n".join(f"{k}: {text}" for k, text in enumerate(levels, start=1)),
        question=question,
        reference=reference,
        answer=answer,
    )


def scores(judge: Reader, rows: pd.DataFrame, levels: list[str]) -> pd.DataFrame:
    """G-Eval of each row's answer (columns question, reference, answer), with the rows' index.

    Columns `value`: the expected number. `bare`: the likeliest number alone, or the one that was
    written. `mass`: the probability that any of the five came next. Where a service gives no
    log-probabilities, `value` is the bare number and `mass` is missing; where it wrote no number,
    so is `bare`. Raises EmoError where a service fails, as for typed decisions.
    """
    score = _by_service if isinstance(judge, remote.Chat) else _in_process
    found = [
        score(judge, prompt(row.question, row.reference, row.answer, levels))
        for row in rows.itertuples()
    ]
    return pd.DataFrame(found, columns=["value", "bare", "mass"], index=rows.index, dtype=float)


def _in_process(judge: decisions.Judge, text: str) -> tuple[float, float, float]:
    """From one pass of the judge, in fp32 over the whole vocabulary."""
    tokenizer, model = judge.tokenizer, judge.model
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )["input_ids"]
    numbers = [tokenizer(k, add_special_tokens=False)["input_ids"][-1] for k in NUMBERS]
    if len(set(numbers)) < len(NUMBERS):
        raise EmoError(f"{judge.name} has no tokens of their own for the numbers 1 to 5")
    with torch.inference_mode():
        hidden = decisions.last_hidden(model, [ids])[0]
        vocabulary = model.get_output_embeddings().weight.shape[0]
        logits = decisions.option_scores(
            model, hidden, torch.arange(vocabulary, device=hidden.device)
        )
    chances = logits.softmax(-1)[numbers].cpu().numpy()
    expected = float(chances @ np.arange(1, 6) / chances.sum())
    return expected, float(1 + chances.argmax()), float(chances.sum())


def _by_service(judge: remote.Chat, text: str) -> tuple[float, float, float]:
    """From the first token of a chat service's reply, which the judge's store keeps; a text that
    it refuses, or to which it writes nothing, has no number and is asked about again.
    """
    key = sha256_json([*judge.identity, "G-Eval", text])
    if (kept := judge.store and judge.store.get(key)) is None:
        kept = _first_token(judge.reply(text))
        if judge.store and any(kept):
            judge.store.put(key, kept)
    written, chances = kept
    bare = remote.number_said(written, [])
    number = float(bare) if bare in set(NUMBERS) else float("nan")
    if not chances:
        return number, number, float("nan")
    mass = sum(chances.values())
    return sum(int(k) * p for k, p in chances.items()) / mass, number, mass


def _first_token(reply: remote.Reply | None) -> list:
    """What the service wrote, and the probabilities of the numbers among the first token's
    likeliest ones; none where it gives no log-probabilities.
    """
    if reply is None:
        return ["", {}]
    numbers = {token: p for token, p in reply.likeliest.items() if token in set(NUMBERS)}
    return [reply.written, numbers]
