"""Kills `transformers serve` in the middle of 500 requests, starts it again,
and counts what was lost and what was asked twice.

Run: python tests/serve_trial.py [--requests 500] [--kills 2] [--kinds answers judge rewrite].
The model is SmolLM2-135M-Instruct, whose replies mean nothing here. Between client and server
stands a relay that notes each request and whether its reply came through whole.
"""

import argparse
import collections
import contextlib
import hashlib
import http.client
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import soak_rewrite

from emo_utils.data import dialogues
from emo_utils.generation import served
from emo_utils.judging import remote
from emo_utils.models import fetching, serving
from emo_utils.project import EmoError
from emo_utils.rewriting import live, requests, sources
from emo_utils.rewriting.store import Store

QUESTION = {
    "warm": {
        "type": "noul",
        "instructions": "Is this text kind?",
        "criteria": {"true": "it is", "false": "it is not"},
    }
}


class Relay:
    """Hands requests on to a server that may go away, and counts the replies that came through,
    by request.
    """

    def __init__(self, port: int):
        self.delivered, self.cut, lock, relay = collections.Counter(), 0, threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    there = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
                    there.request("POST", self.path, body, {"Content-Type": "application/json"})
                    reply = there.getresponse()
                    content = reply.read()
                except (OSError, http.client.HTTPException):
                    with lock:
                        relay.cut += 1
                    self.close_connection = True  # as a server that dies: no reply
                    return
                if reply.status == 200:
                    with lock:
                        relay.delivered[hashlib.sha256(body).hexdigest()] += 1
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1"


class Served:
    """`transformers serve` on a fixed port, which can be killed and started again."""

    def __init__(self, folder: Path, log: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [
            str(Path(sys.executable).with_name("transformers")),
            "serve",
            str(folder),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dtype",
            "bfloat16",
        ]
        self.log = log

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            stdout=open(self.log, "a"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        serving._wait(f"http://127.0.0.1:{self.port}/health", self.process, self.log, 300)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def rows(count: int) -> list[dict]:
    shipped = dialogues.load("test")
    return [
        shipped[i % len(shipped)]
        | {
            "id": f"r{i}",
            "emotional_question": f"({i}) {shipped[i % len(shipped)]['question'][:60]}",
        }
        for i in range(count)
    ]


def ask(kind: str, count: int, model: str, address: str, folder: Path) -> int:
    """Everything of a kind that is missing; returns how many are there.

    Raises EmoError as a user would meet it.
    """
    if kind == "answers":
        path = served.write(
            "trial",
            served.Settings(model, address, max_new_tokens=8, concurrency=8, wait=120),
            rows(count),
            folder,
        )
        return len(pd.read_parquet(path))
    if kind == "judge":
        judge = remote.reader(model, "", folder / "decisions.sqlite", address)
        return len(
            judge.decide([row["emotional_question"] for row in rows(count)], QUESTION).query(
                "option == 'true' and probability == probability"
            )
        )
    source = soak_rewrite.consultations(folder / "rows.jsonl", count)
    settings, store = (
        requests.Settings(model, address, max_tokens=12, attempts=1, concurrency=8),
        Store(folder / "replies.sqlite"),
    )
    tasks = soak_rewrite.tasks_of(source, count)
    live.run(lambda: tasks, settings, store)
    return sum(
        reply.final
        for part in sources.chunks([requests.key(task, settings) for task in tasks])
        for reply in store.last(part).values()
    )


def trial(kind: str, count: int, kills: int, seed: int, folder: Path, weights: Path) -> None:
    server = Served(weights, folder / "server.log")
    server.start()
    relay = Relay(server.port)
    places, ended, started, calls, told = (
        sorted(random.Random(seed).sample(range(count // 10, count * 9 // 10), kills)),
        threading.Event(),
        time.monotonic(),
        0,
        [],
    )

    def killer() -> None:
        for place in places:
            while relay.delivered.total() < place and not ended.is_set():
                time.sleep(0.01)
            if not ended.is_set():
                server.kill()
                time.sleep(3)
                server.start()

    thread = threading.Thread(target=killer)
    thread.start()
    there = 0
    while there < count:
        calls += 1
        with contextlib.suppress(EmoError) if calls < 20 else contextlib.nullcontext():
            try:
                there = ask(kind, count, str(weights), relay.address, folder)
            except EmoError as error:
                told.append(str(error))
                raise
    ended.set()
    thread.join()
    server.kill()
    twice = {key: n for key, n in relay.delivered.items() if n > 1}
    print(
        f"{kind}: {there} of {count} there, "
        f"{relay.delivered.total()} replies delivered for {len(relay.delivered)} requests, "
        f"{len(twice)} asked again after a reply; "
        f"server killed at {', '.join(map(str, places))} replies, "
        f"{relay.cut} requests cut off; "
        f"the command was called {calls} times, {time.monotonic() - started:.0f} s",
        flush=True,
    )
    print("".join(f"  {line}\n" for line in told), end="", flush=True)
    assert there == count == len(relay.delivered) and not twice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=("answers", "judge", "rewrite"),
        default=["answers", "judge", "rewrite"],
    )
    options = parser.parse_args()
    weights = fetching.fetch("SmolLM2-135M-Instruct")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            trial(kind, options.requests, options.kills, options.seed, Path(folder), weights)


if __name__ == "__main__":
    main()
