"""Rewriting dialogues with any OpenAI-compatible endpoint (EmoDoctor, Section 3.1).

ER: an empathetic answer. EQ+SR: the question with an emotion, and an answer that soothes it. Each
reply is committed to a store before the next step, so that nothing is paid for twice; a reply that
fails a gate is asked for again with the reason, then set aside, never dropped. Where rows come from
is in `sources`, the gates in `gates`.
"""

import asyncio
import gc
import itertools
import json
import math
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import openai
import yaml
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tqdm import tqdm

from emo_utils import gates, prompts
from emo_utils.project import PROFILES, EmoError, alone, first_line, sha256_bytes, storable
from emo_utils.sources import Task

PRICES = PROFILES / "prices.yaml"
CHARACTERS_A_TOKEN = 4.0  # rule of thumb for English; only for the estimate before the first call
OUTPUT_OVER_INPUT = 1.6  # words of our rewrites over words of what is rewritten
PASSES = 4  # times that a run comes back to rows for which the endpoint failed
# Seconds between the first requests: those sent together come back together and wait for each other
# ever after.
RAMP = 0.003
BREAKER = 25  # rows in a row that fail at the endpoint before the run stops


class EmpatheticAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    empathetic_response: str = Field(min_length=1)


class SoothedDialogue(BaseModel):
    model_config = ConfigDict(extra="forbid")
    emotional_question: str = Field(min_length=1)
    soothing_response: str = Field(min_length=1)


SCHEMAS = {"er": EmpatheticAnswer, "eqsr": SoothedDialogue}
FORMATS = {
    name: {
        "type": "json_schema",
        "json_schema": {"name": name, "schema": schema.model_json_schema(), "strict": True},
    }
    for name, schema in SCHEMAS.items()
}


@dataclass(frozen=True)
class Settings:
    """How an endpoint is asked.

    endpoint: its address, or `local` for a server on this machine whose port changes (then give
    `run` a client). attempts: replies paid for at most for one row. timeout: seconds without a byte
    before a request is sent again; deadline: seconds after which a row is left for later, with all
    repetitions.
    """

    model: str
    endpoint: str = ""
    temperature: float = 0.3
    seed: int = 42
    max_tokens: int = 700
    attempts: int = 3
    concurrency: int = 16
    timeout: float = 60.0
    deadline: float = 240.0
    structured: bool = True  # ask for the schema (servers that do not know it ignore it)

    def __post_init__(self):
        if min(self.attempts, self.concurrency) < 1:
            raise EmoError(
                f"attempts ({self.attempts}) and concurrency ({self.concurrency}) are 1 or more"
            )


def client(address: str = "", retries: int = 6) -> openai.AsyncOpenAI:
    """A client for an endpoint; the key comes from OPENAI_API_KEY only
    (a local server needs none).
    """
    local = address.startswith(("http://127.0.0.1", "http://localhost"))
    key = os.environ.get("OPENAI_API_KEY", "").strip() or ("local" if local else "")
    if not key:
        raise EmoError(
            "no key for the endpoint: set the environment variable OPENAI_API_KEY "
            "(keys are never parameters: papermill would write them into the notebook)"
        )
    # aiohttp carries more requests a second than the default transport.
    return openai.AsyncOpenAI(
        base_url=address or None,
        api_key=key,
        max_retries=retries,
        http_client=openai.DefaultAioHttpClient(),
    )


def instruction(task: Task) -> str:
    """The instruction of a task, from `prompt_texts/`."""
    return prompts.text("eqsr", emotion=task.emotion) if task.emotion else prompts.text("er")


def messages(task: Task) -> list[dict]:
    """The messages of a first attempt."""
    form = json.dumps(dict.fromkeys(SCHEMAS[task.name].model_fields, "..."))
    content = (
        f"{instruction(task)}\n\nPatient's question:\n{task.row.question}\n\n"
        f"Doctor's reply:\n{task.row.answer}\n\n"
        f"Give one JSON object and nothing else, of the form {form}"
    )
    return [{"role": "user", "content": content}]


def parse(text: str, schema: type[BaseModel]) -> BaseModel:
    """The object in a reply, with or without a code fence around it.

    Raises ValidationError when it does not fit.
    """
    start, end = text.find("{"), text.rfind("}")
    return schema.model_validate_json(text[start : end + 1] if 0 <= start < end else text)


def key(task: Task, settings: Settings) -> str:
    """What a row's replies are stored under: a hash of endpoint, model, parameters, prompt and
    input.
    """
    asked = [
        settings.endpoint,
        settings.model,
        settings.temperature,
        settings.seed,
        settings.max_tokens,
        settings.structured,
        messages(task),
    ]
    return sha256_bytes(json.dumps(asked, ensure_ascii=False).encode("utf-8"))


def judge_reply(
    task: Task, text: str, emotion_gate: Callable[[str, str, str], str] | None = None
) -> tuple[dict, str]:
    """The fields of a reply and the reason against them: empty when the reply can be kept."""
    try:
        found = parse(text, SCHEMAS[task.name]).model_dump()
    except ValidationError as error:
        if gates.refusal(text):
            return {}, "the reply declines the task"
        complaint = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'reply'}: {e['msg']}" for e in error.errors()
        )
        return {}, f"not the asked-for JSON object ({complaint[:160]})"
    for name, value in found.items():
        if reason := gates.check(
            name, getattr(task.row, gates.REWRITES[name]), value, instruction(task)
        ):
            return found, reason
    reason = (
        emotion_gate(task.row.question, found["emotional_question"], task.emotion)
        if emotion_gate and task.emotion
        else ""
    )
    return found, reason


# The store


@dataclass(frozen=True)
class Reply:
    """A committed reply.

    reason: why it was not kept, or empty; final: nothing more is asked for this row.
    """

    attempt: int
    text: str
    reason: str
    final: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Store:
    """Replies of endpoints in an SQLite file to which rows are only added.

    Any process may read; one at a time fills it (`lock`).
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.lock = path, FileLock(path.with_suffix(".lock"))
        try:
            self.connection = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
            for left in range(
                200, -1, -1
            ):  # the change to WAL does not wait for another process, as all else does
                try:
                    self.connection.execute("PRAGMA journal_mode=WAL")
                    break
                except sqlite3.OperationalError as error:
                    if not left or "locked" not in str(error):
                        raise
                    time.sleep(0.05)
            self.connection.execute("PRAGMA synchronous=NORMAL")
            self.connection.execute(
                "CREATE TABLE IF NOT EXISTS replies "
                "(key TEXT, attempt INTEGER, text TEXT, reason TEXT, final INTEGER, "
                "prompt_tokens INTEGER, completion_tokens INTEGER, at REAL, "
                "PRIMARY KEY (key, attempt))"
            )
            self.last([""])  # a table of another program has other columns
            if (found := self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(" ".join(found.split()))
        except sqlite3.DatabaseError as error:
            raise EmoError(
                f"{path.name} is no store of replies ({error}); move it away to start anew, "
                "its replies are lost to this program then"
            ) from None

    def add(self, name: str, reply: Reply) -> None:
        """Commit one reply."""
        self.connection.execute(
            "INSERT OR IGNORE INTO replies VALUES (?,?,?,?,?,?,?,?)",
            (
                name,
                reply.attempt,
                reply.text,
                reply.reason,
                reply.final,
                reply.prompt_tokens,
                reply.completion_tokens,
                time.time(),
            ),
        )

    def last(self, names: list[str]) -> dict[str, Reply]:
        """The latest reply under each of these keys, where there is one."""
        marks = ",".join("?" * len(names))
        rows = self.connection.execute(
            "SELECT key, attempt, text, reason, final, prompt_tokens, completion_tokens "
            f"FROM replies WHERE key IN ({marks}) ORDER BY attempt",
            names,
        )
        return {row[0]: Reply(*row[1:4], bool(row[4]), *row[5:]) for row in rows}

    def spent(self) -> tuple[int, int]:
        """Tokens read and written by all committed replies."""
        return tuple(
            n or 0
            for n in self.connection.execute(
                "SELECT SUM(prompt_tokens), SUM(completion_tokens) FROM replies"
            ).fetchone()
        )


# What it will cost


def price(model: str, endpoint: str, path: Path = PRICES) -> tuple[float, float] | None:
    """US dollars for a million tokens read and written; 0 on this machine,
    None for a model without a known price.
    """
    if endpoint == "local" or endpoint.startswith(("http://127.0.0.1", "http://localhost")):
        return 0.0, 0.0
    try:
        found = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(model)
        if found and not all(0 <= float(found[way]) < math.inf for way in ("input", "output")):
            raise ValueError(
                f"a price is a number from 0 on, not {found['input']} and {found['output']}"
            )
        return (float(found["input"]), float(found["output"])) if found else None
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise EmoError(
            f"{path.name} is no table of prices ({first_line(error)}); "
            f"a line of it is: {model}: {{input: DOLLARS, output: DOLLARS}}"
        ) from None


def dollars(tokens: tuple[float, float], rate: tuple[float, float] | None) -> float | None:
    return None if rate is None else (tokens[0] * rate[0] + tokens[1] * rate[1]) / 1e6


@dataclass
class Plan:
    """What a run would ask for, before it asks: rewrites, those already in the store,
    tokens and dollars estimated.
    """

    rewrites: int = 0
    done: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    rate: tuple[float, float] | None = None

    @property
    def cost(self) -> float | None:
        return dollars((self.tokens_in, self.tokens_out), self.rate)

    def __str__(self) -> str:
        cost = (
            "cost unknown (no price for this model)"
            if self.cost is None
            else f"about {self.cost:.2f} US dollars"
        )
        return (
            f"{self.rewrites} rewrites, {self.done} of them in the store; "
            f"{self.tokens_in / 1e6:.2f} M tokens to read, "
            f"{self.tokens_out / 1e6:.2f} M to write (estimated), {cost}"
        )


def plan(tasks: Iterable[Task], settings: Settings, store: Store, prices: Path = PRICES) -> Plan:
    """Count what is to be asked.

    Tokens are estimated from characters; what is in the store costs nothing.
    """
    found = Plan(rate=price(settings.model, settings.endpoint, prices))
    for part in chunks(tasks):
        known = store.last([key(task, settings) for task in part])
        for task in part:
            found.rewrites += 1
            if (reply := known.get(key(task, settings))) and reply.final:
                found.done += 1
                continue
            found.tokens_in += len(messages(task)[0]["content"]) / CHARACTERS_A_TOKEN
            found.tokens_out += (
                OUTPUT_OVER_INPUT
                * len(task.row.answer + (task.row.question if task.emotion else ""))
                / CHARACTERS_A_TOKEN
            )
    return found


def chunks(items: Iterable, size: int = 256) -> Iterator[list]:
    rest = iter(items)
    while part := list(itertools.islice(rest, size)):
        yield part


# The run


@dataclass
class Report:
    """What a run did.

    counts: rows by outcome (see `outcome_of`), and `failed` where the endpoint gave no reply;
    reasons: replies turned down.
    """

    counts: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    tokens: list[int] = field(default_factory=lambda: [0, 0])
    asked: int = 0
    seconds: float = 0.0
    failure: str = ""  # why the endpoint gave no reply, the last time


def run(
    tasks: Callable[[], Iterable[Task]],
    settings: Settings,
    store: Store,
    *,
    limit: float | None = None,
    prices: Path = PRICES,
    emotion_gate: Callable[[str, str, str], str] | None = None,
    api: openai.AsyncOpenAI | None = None,
    served_as: str = "",
    desc: str = "rewriting",
) -> Report:
    """Make every rewrite that is not in the store yet. tasks: gives the tasks anew at each call.

    api, served_as: a client and the model's name there, where they differ from `settings` (a server
    that this process started).

    limit: US dollars that this run may cost, estimated before and counted during it. Raises
    EmoError when the limit does not suffice, when the endpoint refuses key or model, and when it
    fails for many rows in a row; committed replies stay, and the same call goes on from there.
    Where another process fills the store, this one waits until that has ended.
    """
    with alone(
        store.lock,
        f"another process is filling {store.path.name}, and nothing is to be asked for twice",
    ):
        return _run(tasks, settings, store, limit, prices, emotion_gate, api, served_as, desc)


def _run(tasks, settings, store, limit, prices, emotion_gate, api, served_as, desc) -> Report:
    planned = plan(tasks(), settings, store, prices)
    if limit is not None and planned.cost is None:
        raise EmoError(
            f"there is a limit of {limit} US dollars and no price for '{settings.model}'; "
            f"add it to {prices.name} or take the limit away"
        )
    if limit is not None and planned.cost > limit:
        raise EmoError(
            f"{planned}: more than the limit of {limit} US dollars; "
            "ask for fewer rows or raise the limit"
        )
    run_ = _Run(
        settings,
        store,
        api or client(settings.endpoint),
        served_as or settings.model,
        limit,
        planned,
        emotion_gate,
        desc,
    )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run_.everything(tasks))
    with ThreadPoolExecutor(
        1
    ) as other:  # inside a notebook, whose own event loop is running already
        try:
            return other.submit(asyncio.run, run_.everything(tasks)).result()
        except KeyboardInterrupt:
            run_.stop = "stopped"  # the other thread ends with what is under way
            raise


class _Run:
    def __init__(self, settings, store, api, served_as, limit, planned, emotion_gate, desc):
        (
            self.settings,
            self.store,
            self.api,
            self.served_as,
            self.limit,
            self.planned,
            self.emotion_gate,
        ) = settings, store, api, served_as, limit, planned, emotion_gate
        self.report, self.failures_in_a_row, self.stop = Report(), 0, ""
        self.one_at_a_time = asyncio.Lock()
        self.bar = tqdm(
            total=planned.rewrites - planned.done,
            desc=desc,
            unit="row",
            leave=False,
            mininterval=0.5,
        )

    async def everything(self, tasks) -> Report:
        started = time.monotonic()
        # A collection that walks through every imported library stops all requests for a tenth of a
        # second.
        gc.freeze()
        try:
            for _ in range(PASSES):
                asked, self.report.counts["failed"] = self.report.asked, 0
                await self.one_pass(tasks())
                if self.stop or not self.report.counts["failed"] or self.report.asked == asked:
                    break
        finally:
            gc.unfreeze()
            self.report.seconds = time.monotonic() - started
            self.bar.close()
            await self.api.close()
        if self.stop:
            raise EmoError(self.stop)
        return self.report

    async def one_pass(self, tasks: Iterable[Task]) -> None:
        """Ask for what is missing."""
        queue: asyncio.Queue = asyncio.Queue(maxsize=2 * self.settings.concurrency)
        self.slots = asyncio.Semaphore(self.settings.concurrency)
        async with asyncio.TaskGroup() as group:
            # A few more workers than requests at a time: while one checks and stores a reply,
            # another asks.
            workers = [
                group.create_task(self.work(queue, place * RAMP))
                for place in range(
                    self.settings.concurrency + min(self.settings.concurrency // 4, 16)
                )
            ]
            await self.feed(tasks, queue)
            for _ in workers:
                await queue.put(None)

    async def feed(self, tasks: Iterable[Task], queue: asyncio.Queue) -> None:
        fed: set[str] = set()  # equal rows are asked for once
        for part in chunks(tasks, 64):
            if self.stop:
                break
            named = {name: task for task in part if (name := key(task, self.settings)) not in fed}
            fed |= named.keys()
            replies = self.store.last(list(named))
            for name, task in named.items():
                if not (name in replies and replies[name].final):
                    await queue.put((name, task, replies.get(name)))

    async def work(self, queue: asyncio.Queue, delay: float) -> None:
        await asyncio.sleep(delay)
        while (item := await queue.get()) is not None:
            if not self.stop:  # what is under way when a run stops is still waited for and kept
                await self.row(*item)
            self.bar.update()
            self.bar.set_postfix_str(
                f"{self.report.counts['failed']} failed, "
                f"{self.report.counts['set aside'] + self.report.counts['refused']} set aside"
                + ("" if self.cost is None else f", ${self.cost:.2f}"),
                refresh=False,
            )

    @property
    def cost(self) -> float | None:
        return dollars(tuple(self.report.tokens), self.planned.rate)

    async def row(self, name: str, task: Task, before: Reply | None) -> None:
        """Attempts for one row until one is kept or there are no more;
        each reply is committed at once.
        """
        first = before.attempt + 1 if before else 1
        for attempt in range(
            first, max(first, self.settings.attempts) + 1
        ):  # one more also where fewer attempts are asked for than before
            if self.limit and self.cost >= self.limit:
                self.stop = (
                    f"the limit of {self.limit} US dollars is reached after {self.report.asked} "
                    "replies; they are kept, and a higher limit goes on from here"
                )
                return
            body = request(task, before, attempt, self.settings) | {"model": self.served_as}
            try:
                async with self.slots, asyncio.timeout(self.settings.deadline):
                    text, tokens = await self.ask(body)
                await asyncio.sleep(0)  # the next request goes out before this reply is looked at
            except openai.BadRequestError as error:
                if (
                    not self.report.asked and not self.planned.done
                ):  # nothing has worked yet: the settings may be at fault, not the row
                    self.fail(error)
                    return
                text, tokens, reason, final = (
                    "",
                    (0, 0),
                    f"the endpoint refused the request ({first_line(error)})",
                    True,
                )
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                self.stop = (
                    f"the endpoint does not accept the key in OPENAI_API_KEY ({first_line(error)})"
                )
                return
            except openai.NotFoundError as error:
                self.stop = (
                    f"the endpoint does not know the model '{self.settings.model}' "
                    f"or the address is wrong ({first_line(error)})"
                )
                return
            except (
                openai.OpenAIError,
                TimeoutError,
                ValueError,
                AttributeError,
                LookupError,
                TypeError,
            ) as error:
                self.fail(error)
                return
            else:
                reason = await self.judged(task, text)
                final = not reason or attempt >= self.settings.attempts
            self.failures_in_a_row = 0
            before = Reply(attempt, text, reason, final, *tokens)
            self.store.add(name, before)
            self.report.asked += 1
            self.report.tokens = [a + b for a, b in zip(self.report.tokens, tokens, strict=True)]
            if reason:
                self.report.reasons[kind_of(reason)] += 1
            if final:
                self.report.counts[outcome_of(reason, attempt)] += 1
                return

    async def judged(self, task: Task, text: str) -> str:
        async with self.one_at_a_time:
            if self.emotion_gate and task.emotion:  # a model: beside the event loop
                return (await asyncio.to_thread(judge_reply, task, text, self.emotion_gate))[1]
            # One reply in a turn of the event loop: what has come in or is due to go out is seen to
            # in between.
            await asyncio.sleep(0)
            return judge_reply(task, text)[1]

    def fail(self, error: BaseException) -> None:
        """The endpoint gave no reply: the row stays to be asked for;
        too many in a row end the run.
        """
        self.report.counts["failed"] += 1
        cause = error
        # The client calls a refused connection a timeout; what the system said is at the bottom.
        while cause.__cause__:
            cause = cause.__cause__
        odd = (
            ""
            if isinstance(error, openai.OpenAIError | TimeoutError)
            else "its answer is no chat completion (a sign-in page? an address without /v1?), "
        )
        self.report.failure = (
            f"{odd}{type(error).__name__}: {first_line(cause) or first_line(error)}"
        )
        self.failures_in_a_row += 1
        if self.failures_in_a_row >= max(BREAKER, self.settings.concurrency):
            self.stop = (
                f"the endpoint failed for {self.failures_in_a_row} rows in a row, "
                f"last with {self.report.failure}; {self.report.asked} replies of this run "
                "are kept: see to the endpoint and start again"
            )

    async def ask(self, body: dict) -> tuple[str, tuple[int, int]]:
        # The typed `chat.completions.create` walks through request and answer field by field:
        # half of this process's time at 300 a second.
        answer = await self.api.post(
            "/chat/completions", cast_to=dict, body=body, options={"timeout": self.settings.timeout}
        )
        message = answer["choices"][0]["message"]
        text = text_of(message.get("content"), message.get("refusal"))
        if usage := answer.get("usage"):
            return text, (usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
        return text, (
            int(sum(len(m["content"]) for m in body["messages"]) / CHARACTERS_A_TOKEN),
            int(len(text) / CHARACTERS_A_TOKEN),
        )  # a limit has to hold here, too


def request(task: Task, before: Reply | None, attempt: int, settings: Settings) -> dict:
    """The body of a chat request; from the second attempt on with the last reply
    and what was wrong with it.
    """
    asked = messages(task)
    if before:
        asked += [
            {"role": "assistant", "content": before.text or "(nothing)"},
            {
                "role": "user",
                "content": (
                    f"That cannot be used: {before.reason}. "
                    "Give the whole JSON object again, with this mended, and nothing else."
                ),
            },
        ]
    body = {
        "model": settings.model,
        "messages": asked,
        "temperature": settings.temperature,
        "seed": settings.seed + attempt,
        "max_tokens": settings.max_tokens,
    }
    return body | ({"response_format": FORMATS[task.name]} if settings.structured else {})


def text_of(content, refusal) -> str:
    """The text of a reply as it can be stored."""
    text = content or refusal or ""
    if not isinstance(text, str):
        raise TypeError(f"the reply is {type(text).__name__}, not text")
    return storable(text)


def outcome_of(reason: str, attempt: int) -> str:
    """Where a row ends: kept, repaired (kept after another attempt), refused,
    unscored (no emotion could be read), or set aside.
    """
    if reason:
        return {"refusal": "refused", "unscored": "unscored"}.get(kind_of(reason), "set aside")
    return "kept" if attempt == 1 else "repaired"


def kind_of(reason: str) -> str:
    """A reason without what is particular to the row, for counting."""
    for word in (
        "declines",
        "JSON object",
        "not English",
        "words where",
        "repeats the original",
        "repeats the instruction",
        "lacks",
        "does not express",
        "refused the request",
        "unscored",
    ):
        if word in reason:
            return {
                "lacks": "facts lost",
                "words where": "length",
                "JSON object": "not the asked-for JSON object",
                "declines": "refusal",
            }.get(word, word)
    return reason[:60]


# What comes out


def export(tasks: Iterable[Task], settings: Settings, store: Store, folder: Path) -> dict[str, int]:
    """Write `er.jsonl`, `eqsr.jsonl` (kept rewrites, in the order of the source) and
    `set_aside.jsonl`; returns their rows.

    The two are in the form of `data/dialogues`, with the row's number in the source. Each file
    appears whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(("er", "eqsr", "set_aside"), 0)
    partial = {name: folder / f".{name}.jsonl.{os.getpid()}.tmp" for name in counts}
    handles = {name: open(path, "w", encoding="utf-8") for name, path in partial.items()}
    try:
        for part in chunks(tasks):
            names = [key(task, settings) for task in part]
            replies = store.last(names)
            for name, task in zip(names, part, strict=True):
                reply = replies.get(name)
                if reply is None or not reply.final:
                    continue
                row = (
                    {"id": task.row.id, "number": task.row.number}
                    | ({"emotion": task.emotion} if task.emotion else {})
                    | {"question": task.row.question, "answer": task.row.answer}
                )
                if reply.reason:
                    target, row = (
                        "set_aside",
                        row
                        | {
                            "task": task.name,
                            "reason": reply.reason,
                            "attempts": reply.attempt,
                            "reply": reply.text,
                        },
                    )
                else:
                    target, row = (
                        task.name,
                        row | parse(reply.text, SCHEMAS[task.name]).model_dump(),
                    )
                handles[target].write(json.dumps(row, ensure_ascii=False) + "\n")
                counts[target] += 1
    finally:
        for handle in handles.values():
            handle.close()
    for name, path in partial.items():
        os.replace(path, folder / f"{name}.jsonl")
    return counts


def summary(report: Report) -> str:
    """A run in words."""
    counts = (
        ", ".join(
            f"{report.counts[name]} {name}"
            for name in (
                "kept",
                "repaired",
                "refused",
                "unscored",
                "set aside",
                "to ask again",
                "failed",
                "of another run",
            )
            if report.counts[name]
        )
        or "nothing to do"
    )
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons.most_common())
    return (
        f"{report.asked} replies in {report.seconds:.1f} s: {counts}"
        + (f"; turned down: {reasons}" if reasons else "")
        + (
            "; run the same command again for those that failed "
            f"(last: {report.failure or 'no reply in the batch'})"
            if report.counts["failed"]
            else ""
        )
    )
