"""Answers of models that stand beside the tuned one (chapter 10.1): untuned ones in this process,
and a service's.
"""

import re
from pathlib import Path

import pandas as pd

from emo_utils.generation import answering, prompts, served
from emo_utils.models import loading

TASK = "caregiver_task"  # the prompt text that says what is asked


def of_models(
    names: tuple[str, ...],
    questions: list[dict],
    dtype: str,
    loaded: dict[str, tuple] | None = None,
    **settings,
) -> list[pd.DataFrame]:
    """One table of answers for each registered model, named after it; empty and repeated names are
    passed over.

    questions: rows of id and question. loaded: models with their tokenizers that are in memory
    already, by name, so that no weights are loaded twice. settings: max_new_tokens, temperature and
    seed, as `answering.answer_questions` has them.
    """
    found = []
    for name in filter(None, dict.fromkeys(names)):
        model, tokenizer = (loaded or {}).get(name) or loading.load(name, dtype)
        found.append(
            answering.answer_questions(
                model,
                tokenizer,
                questions,
                prompts.text(TASK),
                name,
                batch_size=min(len(questions), 32),
                **settings,
            )
        )
    return found


def of_service(
    name: str, endpoint: str, questions: list[dict], folder: Path, **settings
) -> list[pd.DataFrame]:
    """The answers of a service's model, as a list of one table; none without a name. The store in
    `folder` keeps them, so that nothing is paid for twice.

    endpoint: its address, ending in /v1 (empty: OpenAI). Raises EmoError where the service fails.
    """
    if not name:
        return []
    service = served.Settings(name, endpoint, prompt=TASK, wait=60, **settings)
    path = served.write(re.sub(r"[^\w.+-]+", "_", name), service, questions, folder)
    return [pd.read_parquet(path).assign(system=name)]
