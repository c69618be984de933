"""What weights in 4 bits cost: how much less likely good answers become, and how far the
predictions move.
"""

import pandas as pd
import torch

from emo_utils.data import training_rows


def answer_logits(
    model, tokenizer, messages: list[dict], answer: str, ended: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits from which each token of an answer to a prompt is predicted, shape (tokens,
    vocabulary), in fp32, and the answer's token ids, shape (tokens,); ended: with the end behind
    them.
    """
    prompt = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True
    )["input_ids"]
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    ids += [tokenizer.eos_token_id] if ended else []
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + ids], device=model.device)).logits
    before_each = logits[0, len(prompt) - 1 : -1].float()
    return before_each, torch.tensor(ids, device=model.device)


def warm_answers(rows: list[dict], system_prompt: str) -> list[tuple[list[dict], str]]:
    """What `cost` reads of dialogues: the question as chat messages, and its warm answer.

    rows: with question and soothing_response.
    """
    return [
        (training_rows.messages(system_prompt, row["question"]), row["soothing_response"])
        for row in rows
    ]


def cost(plain, small, tokenizer, answered: list[tuple[list[dict], str]]) -> pd.DataFrame:
    """What the weights in 4 bits (`small`) lose against the same ones unquantized (`plain`) on
    answers that both read: one row an answer, means over its tokens.

    answered: prompts as chat messages, each with its answer. Columns nats_plain, nats_nf4 (how
    unlikely the answer is), nats_more (their difference), kl (KL(plain || 4 bits) of the next
    token, exact over the vocabulary), all in nats a token.
    """
    rows = []
    for messages, answer in answered:
        (before, ids), (after, _) = (
            answer_logits(model, tokenizer, messages, answer) for model in (plain, small)
        )
        before, after = before.log_softmax(-1), after.log_softmax(-1)
        nats = [-each.gather(1, ids[:, None]).mean().item() for each in (before, after)]
        rows.append(
            {
                "nats_plain": nats[0],
                "nats_nf4": nats[1],
                "nats_more": nats[1] - nats[0],
                "kl": (before.exp() * (before - after)).sum(1).mean().item(),
            }
        )
    return pd.DataFrame(rows, columns=["nats_plain", "nats_nf4", "nats_more", "kl"])


def add_records(run, costs: pd.DataFrame, system: str, weights: str, dtype: str) -> None:
    """Record the means of `cost` over the answers that were read (table `ebd.quantization`).

    weights: their registered name; dtype: the number format of the unquantized ones.
    """
    for metric in costs:
        run.add_mean(
            costs[metric],
            table="ebd.quantization",
            system=system,
            metric=metric,
            kind="difference" if metric == "nats_more" else "mean",
            scorer="log-probabilities",
            signature=f"{weights}, untuned, {dtype} against NF4 with products in bf16; "
            "mean over preferred answers of test questions, per token",
            unit="them",
        )
