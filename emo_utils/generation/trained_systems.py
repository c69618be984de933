"""The trained systems of a profile: their checkpoints, the model that each starts from, and their
answers to questions of any test.
"""

import json
from pathlib import Path

import pandas as pd

from emo_utils.data import dialogues
from emo_utils.experiment import parameters, runs
from emo_utils.generation import answering, prompts
from emo_utils.models import loading
from emo_utils.project import EmoError, checkpoints_dir

UNTUNED = ("base", "ebd-base")


def checkpoint(system: str, profile: str) -> Path:
    """Folder of a trained system; a missing one raises EmoError with the command that makes it."""
    path = checkpoints_dir(profile) / system
    if not path.is_dir():
        raise EmoError(
            f"the checkpoint of {system} ({profile} profile) is missing; "
            f"make it with: {runs.make_command(system, profile)}"
        )
    return path


def start_of(system: str, profile: str) -> str:
    """Registered name of the model that a trained system starts from."""
    about = checkpoint(system, profile) / "companion.json"
    return json.loads(about.read_text(encoding="utf-8"))["base_model"]


def of_chapter_3(run, count: int, arm: str) -> tuple[list[dict], pd.DataFrame, dict]:
    """EmoDoctor's test as chapter 3 asked it: the first `count` rows that were answered, the
    answers of `base` and `eqsr-dpo` to them, and the sampling (max_new_tokens, temperature).
    """
    chosen = {"system": "eqsr-dpo", "profile": run.profile}
    values = parameters.resolve("03_dpo", chosen, "03_dpo.eqsr-dpo")
    written = run.answers(("base", "eqsr-dpo"))
    answered = set(written.id)
    rows = [row for row in dialogues.load("test", arm=arm) if row["id"] in answered][:count]
    sampling = {name: values[name] for name in ("max_new_tokens", "temperature")}
    return rows, written[written.id.isin([row["id"] for row in rows])], sampling


def answers(
    system: str,
    rows: list[dict],
    task: str,
    *,
    profile: str,
    base_model: str,
    dtype: str,
    **sampling,
) -> pd.DataFrame:
    """Answers of a system, trained or untuned, to questions of whatever test, at most 64 at once.

    rows: id and question each. task: file of prompt_texts with the system's instructions. sampling:
    max_new_tokens, temperature and seed. Columns as `answering.answer_questions`.
    """
    chain = [] if system in UNTUNED else [checkpoint(system, profile)]
    model, tokenizer = loading.load(base_model, dtype, chain)
    return answering.answer_questions(
        model,
        tokenizer,
        rows,
        prompts.text(task),
        system,
        batch_size=min(len(rows), 64),
        **sampling,
    )


def plain_answers(
    rows: list[dict], *, profile: str, base_model: str, dtype: str, **sampling
) -> pd.DataFrame:
    """Answers of the untuned model, without and with the instruction to comfort, and of `er-sft` to
    test questions without their feeling (EmoDoctor, Section 4.4).

    Raises EmoError where `er-sft` was trained from another model: a difference would be one of
    models.
    """
    if (start := start_of("er-sft", profile)) != base_model:
        raise EmoError(
            f"er-sft ({profile} profile) starts from {start}, and parameter 'base_model' is "
            f"{base_model}: give {start}"
        )
    how = {"profile": profile, "base_model": base_model, "dtype": dtype} | sampling
    plain = dialogues.asked_plainly(rows)
    return pd.concat(
        [
            answers("base", plain, "task", **how),
            answers("base", plain, "comfort", **how).assign(system="prompt"),
            answers("er-sft", plain, "task", **how),
        ],
        ignore_index=True,
    )
