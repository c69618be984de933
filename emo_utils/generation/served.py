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
from emo_utils.models import chat_replies, chat_requests
from emo_utils.project import (
    ROOT,
    EmoError,
    api_key,
    first_line,
    service_address,
    sha256_json,
    write_parquet,
)

FOLDER = ROOT / "results" / "adhoc" / "answers"
AGAIN = 2.0  # seconds until a server that gave no reply is asked once more
TRIES = 3  # failures of one question, while others are answered, before it counts as unanswered
CUT = 3  # first replies that may all end before an answer, for want of tokens, before a run stops
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)  # of a reply that is read
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

    endpoint: its address, ending in /v1 (empty: that of OPENAI_BASE_URL, or OpenAI's own). model:
    its name of the model. prompt: file of prompt_texts that says the task. wait: seconds for which
    a server may give no reply at all, restarts included, before the run ends.
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

    def __post_init__(self):
        object.__setattr__(self, "endpoint", service_address(self.endpoint))


def write(name: str, settings: Settings, rows: list[dict], folder: Path = FOLDER) -> Path:
    """Ask for what the store lacks, and write all answers as `NAME.parquet` with the columns of
    `answering.answer_questions`; returns its path.

    Each answer is committed when it comes, so that whatever is killed, on either side, nothing that
    was answered is asked again. A question without an answer (refused, or the model only thought)
    has an empty one and is named; it is not kept, so that the next call asks it again. Raises
    EmoError where the server refuses all, and when it gave no reply to anything for `wait` seconds;
    the same call goes on from there.
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
    found, unanswered = {}, {}
    for identifier, key in keys.items():
        # Older versions kept empty answers, and what a model thought, as answers.
        answer = store.get(key)
        if answer and (text := chat_replies.final_text(answer[0])[0]):
            found[identifier] = [text, *answer[1:]]
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
                    identifier, answer = futures[future], future.result()
                    if isinstance(answer, str):
                        unanswered[identifier] = answer
                    else:
                        found[identifier] = answer
                        store.put(keys[identifier], answer)
                    bar.update()
            except BaseException:
                asking.stopped.set()
                pool.shutdown(cancel_futures=True)
                for (
                    future,
                    identifier,
                ) in futures.items():  # what came in meanwhile was paid for as well
                    if future.done() and not future.cancelled() and not future.exception():
                        if not isinstance(future.result(), str):
                            store.put(keys[identifier], future.result())
                raise
    if not found:
        raise EmoError(
            f"{settings.endpoint or 'OpenAI'} answered none of {len(rows)} questions; "
            f"the first: {next(iter(unanswered.values()))}"
        )
    frame = pd.DataFrame(
        [
            {
                "id": row["id"],
                "emotion": row.get("emotion", ""),
                "system": name,
                "question": bodies[row["id"]]["messages"][-1]["content"],
            }
            | dict(
                zip(
                    ("answer", "tokens", "complete"),
                    found.get(row["id"], ["", 0, False]),
                    strict=True,
                )
            )
            for row in rows
        ]
    )
    path = folder / f"{name}.parquet"
    write_parquet(path, frame)
    for row in rows:
        if row["id"] in unanswered:
            print(f"unanswered: {row['id']}: {unanswered[row['id']]}")
    if unanswered:
        print(
            f"{len(unanswered)} of {len(rows)} questions have no answer of {name} and count as "
            "unscored; the same run again asks these, and no other"
        )
    return path


class _Asking:
    """One client for all threads, and when the server last replied."""

    def __init__(self, settings: Settings):
        key = api_key(settings.endpoint, local=bool(settings.endpoint))
        self.settings, self.stopped, self.replied = settings, threading.Event(), time.monotonic()
        self.answered, self.resume, self.cut_in_a_row = False, 0.0, 0
        self.failure = EmoError("stopped")
        self.first_alone, self.wording = threading.Lock(), chat_requests.Wording()
        self.api = openai.OpenAI(
            base_url=settings.endpoint or None, api_key=key, max_retries=0, timeout=settings.timeout
        )

    def answer(self, body: dict) -> list | str:
        """Text, number of tokens, whether the model ended by itself; or why this question has no
        answer, where others have. Waits while the server is away.

        The first question goes alone: what is wrong with the settings or the account is known then.
        """
        with self.first_alone:
            if not self.answered and not self.stopped.is_set():
                try:
                    return self._answer(body)
                except EmoError as error:
                    self.failure = error  # of all
                    self.stopped.set()
                    raise
        return self._answer(body)

    def _answer(self, body: dict) -> list | str:
        place, failures = self.settings.endpoint or "OpenAI", 0
        while not self.stopped.wait(max(self.resume - time.monotonic(), 0)):
            try:
                reply, tokens = self._ask(body)
            except PASSING as error:
                if chat_replies.quota_used_up(error):
                    raise EmoError(
                        chat_replies.quota_message(place, error, "what was answered is kept")
                    ) from None
                if (seconds := chat_replies.asked_to_wait(error)) is not None:
                    self.resume = time.monotonic() + seconds
                    continue
                failures += 1
                if failures >= TRIES and isinstance(error, openai.InternalServerError):
                    if self._answers_anything(body):
                        return first_line(error)
                    failures = 0
                if time.monotonic() - self.replied > self.settings.wait:
                    raise EmoError(
                        f"{place} gave no reply for {self.settings.wait:.0f} seconds "
                        f"({type(error).__name__}: {first_line(error)}); "
                        "what was answered is kept, and the same command goes on from there"
                    ) from None
                self.stopped.wait(AGAIN)
            except chat_requests.REFUSALS as error:
                if self._answers_anything(body):
                    return first_line(error)
                raise self._refused(error) from None
            except openai.OpenAIError as error:
                if chat_replies.quota_used_up(error):
                    raise EmoError(
                        chat_replies.quota_message(place, error, "what was answered is kept")
                    ) from None
                raise self._refused(error) from None
            except MALFORMED as error:
                failures += 1
                if failures < TRIES:
                    self.stopped.wait(AGAIN)
                elif self._answers_anything(body):
                    return first_line(error)
                else:
                    raise EmoError(
                        f"{place} did not answer in the form of chat completions "
                        f"({type(error).__name__}: {first_line(error)})"
                    ) from None
            else:
                self.replied = time.monotonic()
                if not reply.fault:
                    self.answered = True
                    return [reply.text, tokens, reply.finished]
                why = reply.fault
                if reply.cut:
                    why += f" (--max-new-tokens is {self.settings.max_new_tokens})"
                self._count_cut(reply.cut, why)
                return why
        raise self.failure

    def _ask(self, body: dict) -> tuple[chat_replies.ChatReply, int]:
        answer = self.wording.send(
            body, lambda sent: self.api.post("/chat/completions", cast_to=dict, body=sent)
        )
        reply = chat_replies.read(answer)
        return reply, (answer.get("usage") or {}).get("completion_tokens") or -1

    def _answers_anything(self, body: dict) -> bool:
        """Whether the server answers others, or at least a plain word in the same settings: then
        what it refuses is a question's fault.
        """
        if not self.answered:
            hello = body | {"messages": [{"role": "user", "content": "Hello."}]}
            try:
                self.answered = not self._ask(hello)[0].fault
            except (openai.OpenAIError, *MALFORMED):
                return False
        return self.answered

    def _refused(self, error: openai.OpenAIError) -> EmoError:
        return EmoError(
            f"{self.settings.endpoint or 'OpenAI'} refuses ({type(error).__name__}: "
            f"{first_line(error)}); what was answered is kept"
        )

    def _count_cut(self, cut: bool, why: str) -> None:
        """Stop where nothing was answered and the first replies ended with their tokens."""
        self.cut_in_a_row += cut
        if not self.answered and self.cut_in_a_row >= CUT:
            raise EmoError(
                f"the first {CUT} replies hold no answer: {why}; raise --max-new-tokens "
                "(a model that thinks before it answers needs several thousand)"
            )
