"""Answers of a model behind any OpenAI-compatible server to the book's test questions,
for the scoring chapters (parameters `extra` and `commercial`).
"""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import openai
import pandas as pd
from tqdm import tqdm

from emo_utils.data import training_rows
from emo_utils.experiment.store import Store
from emo_utils.generation import prompts
from emo_utils.project import (
    ROOT,
    EmoError,
    api_key,
    first_line,
    sha256_json,
    storable,
    write_parquet,
)

FOLDER = ROOT / "results" / "adhoc" / "answers"
AGAIN = 2.0  # seconds until a server that gave no reply is asked once more
PASSING = (
    openai.APIConnectionError,
    openai.APITimeoutError,
    openai.InternalServerError,
    openai.RateLimitError,
    openai.ConflictError,
)


@dataclass(frozen=True)
class Settings:
    """How a server is asked.

    endpoint: its address, ending in /v1 (empty: OpenAI). model: its name of the model. prompt: file
    of prompt_texts that says the task. wait: seconds for which a server may give no reply at all,
    restarts included, before the run ends.
    """

    model: str
    endpoint: str = ""
    prompt: str = "task"
    max_new_tokens: int = 260
    temperature: float = 0.0
    seed: int = 42
    concurrency: int = 16
    timeout: float = 120.0
    wait: float = 600.0


def write(name: str, settings: Settings, rows: list[dict], folder: Path = FOLDER) -> Path:
    """Ask for what the store lacks, and write all answers as `NAME.parquet` with the columns of
    `answering.answer_questions`; returns its path.

    Each answer is committed when it comes, so that whatever is killed, on either side, nothing that
    was answered is asked again. Raises EmoError where the server refuses, and when it gave no reply
    to anything for `wait` seconds; the same call goes on from there.
    """
    if not re.fullmatch(r"[\w.+-]+", name):
        raise EmoError(f"the name {name!r} becomes a file's: use letters, digits, . _ + -")
    store = Store(folder / f"{name}.sqlite")
    bodies = {
        row["id"]: {
            "model": settings.model,
            "messages": training_rows.messages(
                prompts.text(settings.prompt), row.get("emotional_question") or row["question"]
            ),
            "temperature": settings.temperature,
            "seed": settings.seed,
            "max_tokens": settings.max_new_tokens,
        }
        for row in rows
    }
    keys = {
        identifier: sha256_json([settings.endpoint, body]) for identifier, body in bodies.items()
    }
    found = {
        identifier: answer
        for identifier, key in keys.items()
        if (answer := store.get(key)) is not None
    }
    missing = [identifier for identifier in bodies if identifier not in found]
    if missing:
        asking = _Asking(settings)
        with (
            ThreadPoolExecutor(settings.concurrency) as pool,
            tqdm(
                total=len(rows),
                initial=len(found),
                desc=f"answers of {name}",
                unit="answer",
                leave=False,
            ) as bar,
        ):
            futures = {
                pool.submit(asking.answer, bodies[identifier]): identifier for identifier in missing
            }
            try:
                for future in as_completed(futures):
                    found[futures[future]] = future.result()
                    store.put(keys[futures[future]], future.result())
                    bar.update()
            except BaseException:
                asking.stopped.set()
                pool.shutdown(cancel_futures=True)
                for (
                    future,
                    identifier,
                ) in futures.items():  # what came in meanwhile was paid for as well
                    if future.done() and not future.cancelled() and not future.exception():
                        store.put(keys[identifier], future.result())
                raise
    frame = pd.DataFrame(
        [
            {
                "id": row["id"],
                "emotion": row.get("emotion", ""),
                "system": name,
                "question": bodies[row["id"]]["messages"][-1]["content"],
            }
            | dict(zip(("answer", "tokens", "complete"), found[row["id"]], strict=True))
            for row in rows
        ]
    )
    path = folder / f"{name}.parquet"
    write_parquet(path, frame)
    return path


class _Asking:
    """One client for all threads, and when the server last replied."""

    def __init__(self, settings: Settings):
        key = api_key(settings.endpoint, local=bool(settings.endpoint))
        self.settings, self.stopped, self.replied = settings, threading.Event(), time.monotonic()
        self.api = openai.OpenAI(
            base_url=settings.endpoint or None, api_key=key, max_retries=0, timeout=settings.timeout
        )

    def answer(self, body: dict) -> list:
        """Text, number of tokens, whether the model ended by itself;
        waits while the server is away.
        """
        place = self.settings.endpoint or "OpenAI"
        while not self.stopped.is_set():
            try:
                reply = self.api.chat.completions.create(**body)
                choice = reply.choices[0]
                self.replied = time.monotonic()
                tokens = reply.usage.completion_tokens if reply.usage else -1
                return [
                    storable(choice.message.content or choice.message.refusal or "").strip(),
                    tokens,
                    choice.finish_reason == "stop",
                ]
            except PASSING as error:
                if time.monotonic() - self.replied > self.settings.wait:
                    raise EmoError(
                        f"{place} gave no reply for {self.settings.wait:.0f} seconds "
                        f"({type(error).__name__}: {first_line(error)}); "
                        "what was answered is kept, and the same command goes on from there"
                    ) from None
                self.stopped.wait(AGAIN)
            except openai.OpenAIError as error:
                raise EmoError(
                    f"{place} refuses ({type(error).__name__}: {first_line(error)}); "
                    "what was answered is kept"
                ) from None
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise EmoError(
                    f"{place} did not answer in the form of chat completions "
                    f"({type(error).__name__}: {first_line(error)})"
                ) from None
        raise EmoError("stopped")
