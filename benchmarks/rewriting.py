"""How fast and how lean the rewriter is, against a local server that a process of its own runs.

    .venv/bin/python benchmarks/rewriting.py rate
        requests a second at 200 ms latency, 64 at a time, beside two plain ways
    .venv/bin/python benchmarks/rewriting.py scale
        110,000 rows planned, run, stopped, resumed; memory peak

Nothing leaves this machine. The ideal rate is what the server's latency allows:
requests at a time / latency.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import llm_server

from emo_utils import rewrite, sources

LATENCY, AT_ONCE = 0.2, 64


def write_rows(path: Path, count: int) -> sources.Source:
    with open(path, "w", encoding="utf-8") as handle:
        for i in range(count):
            handle.write(
                json.dumps(
                    {
                        "question": (
                            f"I am {18 + i % 70} years old and for {i % 20 + 2} days "
                            f"my knee hurts on stairs, worse after {i % 9 + 1} km; "
                            f"I took ibuprofen 400 mg (case {i}). What now?"
                        ),
                        "answer": (
                            "Probably patellofemoral pain. Rest, "
                            f"quadriceps exercises for {i % 7 + 4} weeks, "
                            f"ibuprofen 400 mg with food; come back if it locks or swells ({i})."
                        ),
                    }
                )
                + "\n"
            )
    return sources.Source(str(path))


def tasks_of(source: sources.Source, count: int, seed: int = 0):
    chosen = sources.select(source, count, 0, seed)
    return lambda: chosen.tasks(source)


async def gathered(address: str, tasks: list) -> None:
    """Everything at once: each request is a task from the start, a semaphore holds it back."""
    settings, gate = rewrite.Settings("m", address), asyncio.Semaphore(AT_ONCE)
    async with rewrite.client(address) as api:

        async def one(task):
            async with gate:
                answer = await api.chat.completions.create(
                    **rewrite.request(task, None, 1, settings)
                )
                return rewrite.judge_reply(task, answer.choices[0].message.content)

        await asyncio.gather(*(one(task) for task in tasks))


def rate(count: int) -> None:
    ideal = AT_ONCE / LATENCY
    with tempfile.TemporaryDirectory() as folder, llm_server.running(latency=LATENCY) as address:
        folder = Path(folder)
        source = write_rows(folder / "rows.jsonl", count)
        tasks = tasks_of(source, count)
        settings = rewrite.Settings("m", address, concurrency=AT_ONCE)
        for name, rows in (("warm-up", 200), ("this package", count)):
            report = rewrite.run(
                tasks_of(source, rows, seed=1 if name == "warm-up" else 0),
                settings,
                rewrite.Store(folder / f"{name}.sqlite"),
            )
            found = report.asked / report.seconds
            print(
                (
                    f"{name}: {report.asked} requests in {report.seconds:.1f} s, "
                    f"{found:.0f} a second, {found / ideal:.1%} of the ideal {ideal:.0f}"
                ),
                flush=True,
            )
        started = time.monotonic()
        asyncio.run(gathered(address, list(tasks())))
        found = count / (time.monotonic() - started)
        print(
            (
                "asyncio.gather over everything, nothing kept on the way: "
                f"{found:.0f} a second, {found / ideal:.1%}"
            ),
            flush=True,
        )
        api = rewrite.openai.OpenAI(base_url=address, api_key="local")
        started = time.monotonic()
        for task, _ in zip(tasks(), range(50), strict=False):
            api.chat.completions.create(**rewrite.request(task, None, 1, settings))
        found = 50 / (time.monotonic() - started)
        print(f"a plain loop: {found:.1f} a second, {found / ideal:.1%} (50 requests)", flush=True)


def scale(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, llm_server.running() as address:
        folder = Path(folder)
        source = write_rows(folder / "rows.jsonl", count)
        settings = rewrite.Settings("m", address, concurrency=AT_ONCE)
        started = time.monotonic()
        tasks, store = tasks_of(source, count), rewrite.Store(folder / "replies.sqlite")
        print(f"plan: {rewrite.plan(tasks(), settings, store)}; {time.monotonic() - started:.0f} s")
        half = tasks_of(source, count // 2)
        report = rewrite.run(half, settings, store)
        print(
            f"first half: {rewrite.summary(report)}; {report.asked / report.seconds:.0f} a second",
            flush=True,
        )
        report = rewrite.run(tasks, settings, rewrite.Store(folder / "replies.sqlite"))
        print(f"resumed: {rewrite.summary(report)}")
        print(f"exported: {rewrite.export(tasks(), settings, store, folder / 'out')}")
        print(
            "memory peak of the process: "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["rate", "scale"])
    parser.add_argument(
        "--count", type=int, default=0, help="rows (default: 5000 for rate, 110000 for scale)"
    )
    options = parser.parse_args()
    rate(options.count or 5000) if options.what == "rate" else scale(options.count or 110_000)
