"""Checks of the rows before a training: what would be cut, dropped or learnt wrongly."""

from __future__ import annotations

import json

import pandas as pd

from emo_utils.project import EmoError


def check_lengths(
    rows: list[dict], tokenizer, max_length: int, limit: float = 0.05
) -> pd.DataFrame:
    """Token counts of the rows' completions, and how many rows `max_length` would cut or drop.

    Returns one row a completion field with columns rows, tokens_mean, tokens_max, too_long.
    Raises EmoError when more than the share `limit` is too long: TRL would cut their ends without a
    word. It raises also for a single question that leaves no token for its answer: TRL drops such a
    row.
    """
    check_questions(rows, tokenizer, max_length)
    counts: dict[str, list[int]] = {}
    for row in rows:
        for field in ("completion", "chosen", "rejected"):
            if field in row:
                ids = tokenizer.apply_chat_template(
                    row["prompt"] + row[field], tokenize=True, return_dict=True
                )["input_ids"]
                counts.setdefault(field, []).append(len(ids))
    table = pd.DataFrame(
        [
            {
                "field": f,
                "rows": len(n),
                "tokens_mean": round(sum(n) / len(n)),
                "tokens_max": max(n),
                "too_long": sum(k > max_length for k in n),
            }
            for f, n in counts.items()
        ]
    )
    share = table.too_long.sum() / table.rows.sum()
    if share > limit:
        raise EmoError(
            f"{share:.0%} of the sequences exceed max_length={max_length} tokens "
            f"(longest {table.tokens_max.max()}); raise max_length or shorten the rows"
        )
    return table


def questions_too_long(rows: list[dict], tokenizer, max_length: int) -> dict[int, int]:
    """Rows whose prompt alone fills `max_length`: their place in the list, and its tokens."""
    counts: dict[str, int] = {}
    found = {}
    for place, row in enumerate(rows):
        asked = json.dumps(row["prompt"])  # a question stands in several rows of KTO
        if asked not in counts:
            counts[asked] = len(
                tokenizer.apply_chat_template(
                    row["prompt"], add_generation_prompt=True, tokenize=True, return_dict=True
                )["input_ids"]
            )
        if counts[asked] >= max_length:
            found[place] = counts[asked]
    return found


def check_questions(
    rows: list[dict], tokenizer, max_length: int, names: list[str] | None = None
) -> None:
    """Raise EmoError that names the rows whose prompt alone fills `max_length`.

    names: what each row is called, where that is known; else the beginning of its question is said.
    """
    if not (found := questions_too_long(rows, tokenizer, max_length)):
        return
    said = {}
    for place, tokens in found.items():
        begins = " ".join(rows[place]["prompt"][-1]["content"].split())[:60]
        said[begins] = f"{names[place] if names else f'the row that asks {begins!r}'} ({tokens})"
    raise EmoError(
        f"max_length is {max_length} tokens, and a question alone has as many: none is left for "
        f"its answer: {'; '.join(list(said.values())[:5])}"
        + (f"; and {len(said) - 5} more" if len(said) > 5 else "")
        + f"; set -p max_length above {max(found.values())} with room for the answers, "
        "shorten these questions or leave the rows out"
    )


def check_tokens(row: dict, tokenizer) -> None:
    """Say how a row becomes tokens, and raise EmoError where the model would learn something else
    than its answer and where to stop.
    """

    def ids(messages, **options):
        return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)[
            "input_ids"
        ]

    prompt, whole = (
        ids(row["prompt"], add_generation_prompt=True),
        ids(row["prompt"] + (row.get("completion") or row["chosen"])),
    )
    wrong = ""
    if whole[: len(prompt)] != prompt:
        wrong = "its prompt is not how prompt and answer begin"
    elif whole[0] == whole[1] == tokenizer.bos_token_id:
        wrong = "it writes the first token twice"
    elif tokenizer.eos_token_id not in whole[len(prompt) :]:
        wrong = "it does not end the answer, so that no model would learn to"
    if wrong:
        raise EmoError(
            f"the chat template of {tokenizer.name_or_path or 'this tokenizer'} "
            f"cannot be trained on: {wrong}"
        )
    print(
        f"first row: {len(prompt)} tokens of prompt, "
        f"which ends in {tokenizer.decode(prompt[-4:])!r}; "
        f"a loss on the {len(whole) - len(prompt)} of its answer, {tokenizer.eos_token} included"
    )


def check_labels(
    labels: list[bool],
    batch_size: int,
    desirable_weight: float,
    undesirable_weight: float,
    limit: float = 0.95,
) -> None:
    """Say how the labels of KTO's answers lie in the batches, and raise EmoError where less than
    the share `limit` of these has both, or where the last has one answer: KTO estimates its KL term
    from the answers beside each other in a batch.

    labels: True for a desirable answer, in the order of training; batch_size: of one process.
    """
    batches = [labels[i : i + batch_size] for i in range(0, len(labels), batch_size)]
    both = sum(len(set(batch)) == 2 for batch in batches) / len(batches)
    desirable, undesirable = sum(labels), len(labels) - sum(labels)
    print(
        f"{desirable} desirable, {undesirable} undesirable; "
        f"both labels in {both:.0%} of {len(batches)} batches; last batch of {len(batches[-1])}"
    )
    if both < limit or len(batches[-1]) < 2:
        raise EmoError(
            f"both labels stand in {both:.0%} of the batches (at least {limit:.0%} must have them) "
            f"and the last batch has {len(batches[-1])} (at least 2): choose other train_rows, or "
            "a batch_size and processes that divide it"
        )
    ratio = desirable_weight * desirable / (undesirable_weight * undesirable)
    print(f"weighted ratio of the labels: {ratio:.2f}, recommended 1 to 1.33")
