"""A checker of statements that was taught: adapters on a small chat model that make it say *yes*
after a source and a right statement about it, *no* after a wrong one (chapter 11).

The loss is that of a logistic regression: binary cross-entropy of the logit of *yes* less that of
*no*, mean over the statements about a source.
"""

import json
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from emo_utils.judging.decisions import last_hidden, option_scores
from emo_utils.models import embeddings

MARK = "\ue000"  # stands for a statement while the template is laid round it
RANK, RATE, TOGETHER = 16, 2e-4, 2  # of the adapters; learning rate; sources a step


def prompts(tokenizer, source: str, statements: list[str]) -> list[list[int]]:
    """Tokens of one prompt a statement; the source comes first, so that all share it."""
    shown = tokenizer.apply_chat_template(
        [{"role": "user", "content": f"{source}\n\nNote:{MARK}"}],
        tokenize=False,
        add_generation_prompt=True,
    )
    head, tail = (
        tokenizer(part, add_special_tokens=False)["input_ids"] for part in shown.rsplit(MARK, 1)
    )
    # The space belongs to the statement's first word, as in the tokens of the whole prompt.
    return [
        head + tokenizer(f" {statement}", add_special_tokens=False)["input_ids"] + tail
        for statement in statements
    ]


def _fits(model, tokens: list[list[int]]) -> bool:
    return max(map(len, tokens)) <= model.config.max_position_embeddings


def leanings(model, tokenizer, source: str, statements: list[str]) -> torch.Tensor:
    """For each statement about a source the logit of *yes* less that of *no*, shape (statements,);
    missing for all where one exceeds the model's positions. Gradients pass.
    """
    options = [tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("yes", "no")]
    tokens = prompts(tokenizer, source, statements)
    if not _fits(model, tokens):
        return torch.full((len(statements),), float("nan"))
    in_bf16 = model.get_input_embeddings().weight.dtype == torch.bfloat16
    with torch.autocast(model.device.type, torch.bfloat16, enabled=in_bf16):
        hidden = last_hidden(model, tokens)
    scores = option_scores(model, hidden, options)
    return scores[:, 0] - scores[:, 1]


@torch.inference_mode()
def answers(model, tokenizer, pairs: list[tuple[str, list[str]]]) -> list[list[float]]:
    """Probability of *yes* for each statement of each (source, statements); an empty list for
    none.
    """
    return [
        torch.sigmoid(leanings(model, tokenizer, source, statements)).tolist() if statements else []
        for source, statements in tqdm(pairs, desc="checking", leave=False)
    ]


def with_another_source(groups: list[tuple]) -> list[tuple[str, list[str]]]:
    """The statements of each (source, statements, ...) with the source before it in its place: what
    a checker still says right of them it has not read there.
    """
    return [(groups[k - 1][0], group[1]) for k, group in enumerate(groups)]


def minus_doubts(model, tokenizer, sources: list[str], texts: list[str]) -> np.ndarray:
    """Minus the number of sentences of each text that the checker doubts after its source: the sum
    of its *no*, shape (texts,).
    """
    pairs = list(zip(sources, map(embeddings.sentences, texts), strict=True))
    found = answers(model, tokenizer, pairs)
    return np.array([-np.sum(1 - np.array(yes)) for yes in found])


def teach(
    model,
    tokenizer,
    groups: list[tuple[str, list[str], list[int]]],
    passes: int,
    seed: int,
    rate: float = RATE,
):
    """Put adapters into the model and train them; returns the adapters and the loss of each source
    in turn, `passes` times as many as there are.

    groups: (source, statements, 1 or 0 for each). Sources that are too long for the model are left
    out, and said to be. A step is of `TOGETHER` sources, or of what is left at a pass's end.
    """
    fits = [group for group in groups if _fits(model, prompts(tokenizer, *group[:2]))]
    if len(fits) < len(groups):
        print(
            f"{len(groups) - len(fits)} of {len(groups)} sources are too long for the model "
            "and teach nothing"
        )
    adapters, weights, optimizer, schedule = _set_up(
        model, seed, rate, steps=passes * -(-len(fits) // TOGETHER)
    )
    losses = []
    for place, last, (source, statements, labels) in _in_turn(fits, passes, seed):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            leanings(model, tokenizer, source, statements),
            torch.tensor(labels, dtype=torch.float32, device=model.device),
        )
        (loss / TOGETHER).backward()
        losses.append(loss.item())
        if last or place % TOGETHER == TOGETHER - 1:
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return adapters, losses


def _set_up(model, seed: int, rate: float, steps: int):
    """The adapters, their weights, and what changes these: AdamW with a cosine schedule."""
    from peft import get_peft_model  # seconds to import, which a checker that is read need not take
    from transformers import get_cosine_schedule_with_warmup

    from emo_utils.training import recipe

    torch.manual_seed(seed)
    adapters = get_peft_model(model, recipe.lora(RANK))
    weights = [p for p in adapters.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate)
    return (
        adapters,
        weights,
        optimizer,
        get_cosine_schedule_with_warmup(optimizer, steps // 20, steps),
    )


def _in_turn(groups: list, passes: int, seed: int):
    """Yield (its place, whether it is the last of its pass, group), each pass in an order of its
    own.
    """
    order = np.random.default_rng(seed)
    for place in tqdm(range(passes * len(groups)), desc="teaching", unit="source", leave=False):
        if place % len(groups) == 0:
            queue = order.permutation(len(groups)).tolist()
        group = groups[queue.pop()]
        yield place, not queue, group


def save(adapters, folder: Path, base_model: str, run: str) -> None:
    """Keep a taught checker as `loading.load` reads it: a checkpoint of the registered model."""
    adapters.save_pretrained(folder)
    about = {"base_model": base_model, "starts_from": [], "run": run}
    (folder / "companion.json").write_text(json.dumps(about))
