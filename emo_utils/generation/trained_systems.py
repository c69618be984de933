"""The trained systems of a profile: their checkpoints, the model that each starts from, and their
answers to questions of any test.
"""

import json
from pathlib import Path

import pandas as pd

from emo_utils.data import dialogues
from emo_utils.experiment import parameters, results, runs
from emo_utils.generation import answering, prompts
from emo_utils.models import loading
from emo_utils.project import EmoError

UNTUNED = (*results.UNTUNED, "ebd-base")
MOST = 64  # questions at once


def chain(system: str, profile: str) -> list[Path]:
    """The checkpoints that make up a system, in order of application, none of an untuned one; a
    missing one raises EmoError with the command that makes it.
    """
    return [] if system in UNTUNED else runs.checkpoints_of(system, profile)


def start_of(system: str, profile: str) -> str:
    """Registered name of the model that a trained system starts from."""
    about = chain(system, profile)[-1] / "companion.json"
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
    """Answers of a system, trained or untuned, to questions of whatever test.

    rows: id and question each. task: file of prompt_texts with the system's instructions. sampling:
    max_new_tokens, temperature, seed and engine. Columns as `answering.answer_questions`.
    """
    model, tokenizer = loading.load(base_model, dtype, chain(system, profile))
    return answering.answer_questions(
        model,
        tokenizer,
        rows,
        prompts.text(task),
        system,
        batch_size=min(len(rows), MOST),
        **sampling,
    )


def plain_answers(
    rows: list[dict],
    systems: tuple[str, ...],
    *,
    profile: str,
    base_model: str,
    dtype: str,
    **sampling,
) -> pd.DataFrame:
    """Answers of some of the nine systems to test questions without their feeling (EmoDoctor,
    Section 4.4), each with the instruction under which it answered them with it. The base model is
    loaded once, and adapters are put on it in turn.

    systems: of `results.SYSTEMS`. Otherwise as `answers`. Raises EmoError where the checkpoint of
    one is missing, and where one was trained from another model: a difference would be one of
    models.
    """
    chains = {name: chain(name, profile) for name in systems}
    for name in (name for name, folders in chains.items() if folders):
        if (start := start_of(name, profile)) != base_model:
            raise EmoError(
                f"{name} ({profile} profile) starts from {start}, and parameter 'base_model' is "
                f"{base_model}: give {start}"
            )
    plain = dialogues.asked_plainly(rows)
    return pd.concat(
        [
            answering.answer_questions(
                model,
                tokenizer,
                plain,
                prompts.text("comfort" if name == "prompt" else "task"),
                name,
                batch_size=min(len(plain), MOST),
                **sampling,
            )
            for name, model, tokenizer in loading.each(base_model, dtype, chains)
        ],
        ignore_index=True,
    )
