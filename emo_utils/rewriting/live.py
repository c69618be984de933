"""Rewriting dialogues with any OpenAI-compatible endpoint (EmoDoctor, Section 3.1).

Each reply is committed to a store before the next step, so that nothing is paid for twice; a reply
that fails a gate is asked for again with the reason, then set aside, never dropped.
"""

import asyncio
import gc
import json
import math
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import openai
from tqdm import tqdm

from emo_utils.models import chat_replies, chat_requests
from emo_utils.project import EmoError, alone, api_key, first_line, is_local
from emo_utils.rewriting import costs, outcomes, requests, sources
from emo_utils.rewriting.requests import Settings
from emo_utils.rewriting.sources import Task
from emo_utils.rewriting.store import Reply, Store

PASSES = 4  # times that a run comes back to rows for which the endpoint failed
# Seconds between the first requests: those sent together come back together and wait for each other
# ever after.
RAMP = 0.003
BREAKER = 25  # rows in a row that fail at the endpoint before the run stops
PAUSES = 20  # times that a request waits because the server asks for it
CUT = 3  # first replies of a run that may all end where the tokens do before the run stops
PASSING = (
    openai.APIConnectionError,
    openai.ConflictError,
    openai.InternalServerError,
    openai.RateLimitError,
)


def client(address: str = "", retries: int = 6) -> openai.AsyncOpenAI:
    """A client for an endpoint; the key comes from OPENAI_API_KEY only
    (a local server needs none).
    """
    # aiohttp carries more requests a second than the default transport.
    return openai.AsyncOpenAI(
        base_url=address or None,
        api_key=api_key(address, is_local(address)),
        max_retries=retries,
        http_client=openai.DefaultAioHttpClient(),
    )


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
    again: bool = True  # whether the same run may go better where it failed


def run(
    tasks: Callable[[], Iterable[Task]],
    settings: Settings,
    store: Store,
    *,
    limit: float | None = None,
    prices: Path = costs.PRICES,
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
    planned = costs.plan(tasks(), settings, store, prices)
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
        self.one_at_a_time, self.first_alone = asyncio.Lock(), asyncio.Lock()
        self.tried, self.cut_in_a_row, self.resume = False, 0, 0.0
        self.wording = chat_requests.Wording()
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
        # second. A kernel of the book stays frozen afterwards: it was before (`emo.warm`).
        was_frozen = gc.get_freeze_count() > 0
        gc.freeze()
        try:
            for _ in range(PASSES):
                asked, self.report.counts["failed"] = self.report.asked, 0
                await self.one_pass(tasks())
                if self.stop or not self.report.counts["failed"] or self.report.asked == asked:
                    break
        finally:
            if not was_frozen:
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
        for part in sources.chunks(tasks, 64):
            if self.stop:
                break
            named = {
                name: task
                for task in part
                if (name := requests.key(task, self.settings)) not in fed
            }
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
        return costs.dollars(tuple(self.report.tokens), self.planned.rate)

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
            body = requests.request(task, before, attempt, self.settings) | {
                "model": self.served_as
            }
            try:
                reply, tokens = await self.in_turn(body)
                await asyncio.sleep(0)  # the next request goes out before this reply is looked at
            except EmoError as error:
                self.stop = str(error)
                return
            except chat_requests.REFUSALS as error:
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
                text, reason = reply.text, await self.judged(task, reply)
                final = outcomes.is_final(reply, reason, attempt, self.settings)
                self.count_cut(reply, reason)
            self.failures_in_a_row = 0
            before = Reply(attempt, text, reason, final, *tokens)
            self.store.add(name, before)
            self.report.asked += 1
            self.report.tokens = [a + b for a, b in zip(self.report.tokens, tokens, strict=True)]
            if reason:
                self.report.reasons[outcomes.kind_of(reason)] += 1
            if final:
                self.report.counts[outcomes.outcome_of(reason, attempt)] += 1
                return

    async def judged(self, task: Task, reply: chat_replies.ChatReply) -> str:
        judge = partial(outcomes.reason_against, task, reply, self.settings)
        async with self.one_at_a_time:
            if self.emotion_gate and task.emotion:  # a model: beside the event loop
                return await asyncio.to_thread(judge, self.emotion_gate)
            # One reply in a turn of the event loop: what has come in or is due to go out is seen to
            # in between.
            await asyncio.sleep(0)
            return judge()

    def count_cut(self, reply: chat_replies.ChatReply, reason: str) -> None:
        """Stop where each reply so far ended with its tokens: more of them would be paid for and
        set aside.
        """
        if not (reply.cut and reason):
            self.cut_in_a_row = -math.inf
        self.cut_in_a_row += 1
        if self.cut_in_a_row >= CUT:
            self.stop = (
                f"the first {CUT} replies cannot be used: {reason}; raise --max-tokens "
                "(a model that thinks before it answers needs several thousand) and start again"
            )

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
            if isinstance(error, openai.OpenAIError | TimeoutError | chat_replies.NoReply)
            else "its answer is no chat completion (a sign-in page? an address without /v1?), "
        )
        self.report.failure = (
            f"{odd}{type(error).__name__}: {first_line(cause) or first_line(error)}"
        )
        self.report.again = not isinstance(error, chat_requests.REFUSALS)
        self.failures_in_a_row += 1
        if self.failures_in_a_row >= max(BREAKER, self.settings.concurrency):
            self.stop = (
                f"the endpoint failed for {self.failures_in_a_row} rows in a row, "
                f"last with {self.report.failure}; {self.report.asked} replies of this run "
                "are kept: see to the endpoint and start again"
            )

    async def in_turn(self, body: dict) -> tuple[chat_replies.ChatReply, tuple[int, int]]:
        """A reply to a request. The first ones go out one by one, until one is answered: what is
        wrong with key, account, settings or tokens is then known after one answer, not after as
        many as go out at a time.
        """
        async with self.first_alone:
            if self.stop:
                raise EmoError(self.stop)
            if not self.tried:
                try:
                    reply, tokens = await self.sent(body)
                except BaseException:
                    self.tried = True
                    raise
                self.tried = not reply.cut
                return reply, tokens
        return await self.sent(body)

    async def sent(self, body: dict) -> tuple[chat_replies.ChatReply, tuple[int, int]]:
        """The same at once, in words that the service takes and when it wants to be asked."""
        learnt: set[str] = set()
        for _ in range(PAUSES):
            await asyncio.sleep(max(self.resume - time.monotonic(), 0))
            worded = self.wording.of(body)
            try:
                async with self.slots, asyncio.timeout(self.settings.deadline):
                    reply = await self.ask(worded)
            except chat_requests.REFUSALS as error:
                if not self.wording.learn(error, worded, learnt):
                    raise
            except openai.APIStatusError as error:
                if chat_replies.quota_used_up(error):
                    place, kept = self.settings.endpoint or "OpenAI", "the replies so far are kept"
                    raise EmoError(chat_replies.quota_message(place, error, kept)) from None
                if (seconds := chat_replies.asked_to_wait(error)) is None:
                    raise
                self.resume, refused = time.monotonic() + seconds, error
            else:
                self.wording.taken(learnt)
                return reply
        raise refused

    async def ask(self, body: dict) -> tuple[chat_replies.ChatReply, tuple[int, int]]:
        """One reply, asked for again where the connection or the server fails."""
        for tries in range(self.api.max_retries + 1):
            try:
                # The typed `chat.completions.create` walks through request and answer field by
                # field: half of this process's time at 300 a second.
                answer = await self.api.post(
                    "/chat/completions",
                    cast_to=dict,
                    body=body,
                    # Its own repetitions do not wait as long as a server asks for.
                    options={"timeout": self.settings.timeout, "max_retries": 0},
                )
                break
            except PASSING as error:
                if (
                    tries == self.api.max_retries
                    or chat_replies.quota_used_up(error)
                    or isinstance(error, openai.APIStatusError)
                    and "retry-after" in error.response.headers
                ):
                    raise
                await asyncio.sleep(min(0.5 * 2**tries, 8.0) * random.uniform(0.75, 1.0))
        reply = chat_replies.read(answer)
        if usage := answer.get("usage"):
            return reply, (usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
        return reply, (
            int(sum(len(m["content"]) for m in body["messages"]) / costs.CHARACTERS_A_TOKEN),
            int(len(reply.text) / costs.CHARACTERS_A_TOKEN),
        )  # a limit has to hold here, too


# What comes out


def export(tasks: Iterable[Task], settings: Settings, store: Store, folder: Path) -> dict[str, int]:
    """Write `er.jsonl`, `eqsr.jsonl` (kept rewrites, in the order of the source) and
    `set_aside.jsonl`; returns their rows.

    The two are in the form of `data/dialogues`, with the row's number in the source and the arm
    that the instructions make. Each file appears whole or not at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(("er", "eqsr", "set_aside"), 0)
    partial = {name: folder / f".{name}.jsonl.{os.getpid()}.tmp" for name in counts}
    handles = {name: open(path, "w", encoding="utf-8") for name, path in partial.items()}
    try:
        for part in sources.chunks(tasks):
            names = [requests.key(task, settings) for task in part]
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
                        row
                        | outcomes.parse(reply.text, requests.SCHEMAS[task.name]).model_dump()
                        | {"arm": requests.ARM},
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
            f"; {'run the same command again' if report.again else 'change what is refused'} "
            f"for those that failed (last: {report.failure or 'no reply in the batch'})"
            if report.counts["failed"]
            else ""
        )
    )
