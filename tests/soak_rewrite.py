"""Kills a rewriting run at random points, resumes it each time,
and compares what comes out with an undisturbed run.

Run: python tests/soak_rewrite.py [--rows 1000] [--kills 20] [--seed 1]. The server misbehaves
meanwhile (llm_server.py).
The tests use the same functions with fewer rows and kills.
"""

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import llm_server

from emo_utils.rewriting import live, requests, sources
from emo_utils.rewriting.store import Reply, Store

FILES = ("er.jsonl", "eqsr.jsonl", "set_aside.jsonl")
HANG = 0.8  # seconds for which the server hangs; longer than the timeout below


def consultations(path: Path, count: int, tag: str = "") -> sources.Source:
    """A file of made-up consultations with numbers, units and a drug; no two are equal,
    and other tags give others.
    """
    with open(path, "w", encoding="utf-8") as handle:
        for i in range(count):
            question = (
                f"I am {20 + i % 60} and for {i % 9 + 2} days my left knee {tag}{i} hurts "
                "when I climb stairs after taking ibuprofen 400 mg; what should I do now?"
            )
            answer = (
                f"Probably patellofemoral pain {tag}{i}. Rest, quadriceps exercises for "
                f"{i % 7 + 4} weeks, ibuprofen 400 mg with food; come back if it locks or swells."
            )
            handle.write(json.dumps({"id": f"p{i}", "question": question, "answer": answer}) + "\n")
    return sources.Source(str(path))


def settings(address: str, concurrency: int = 8) -> requests.Settings:
    return requests.Settings("m", address, concurrency=concurrency, timeout=0.5, deadline=2.5)


def name(task: sources.Task) -> str:
    """What the server's log calls a row."""
    return hashlib.sha256(requests.messages(task)[0]["content"].encode()).hexdigest()


def tasks_of(source: sources.Source, rows: int) -> list[sources.Task]:
    """`rows` rewrites, three of five as ER."""
    return list(sources.select(source, rows * 3 // 5, rows - rows * 3 // 5, seed=1).tasks(source))


def child(source: Path, rows: int, store: Path, out: Path, address: str, concurrency: int) -> None:
    """What a killed process runs: everything that is missing, then the export."""
    tasks, asked, kept = (
        tasks_of(sources.Source(str(source)), rows),
        settings(address, concurrency),
        Store(store),
    )
    while live.run(lambda: tasks, asked, kept).counts["failed"]:
        pass
    live.export(tasks, asked, kept, out)


def start(
    source: Path, rows: int, store: Path, out: Path, address: str, concurrency: int = 8
) -> subprocess.Popen:
    return subprocess.Popen(
        [
            sys.executable,
            __file__,
            "--child",
            *map(str, (source, rows, store, out, address, concurrency)),
        ]
    )


def log_lines(log: Path) -> list[tuple[str, int]]:
    """(row, number of messages) of each request that the server answered;
    a line that is being written is left out.
    """
    lines = (line.split() for line in log.read_text().split("\n")[:-1]) if log.exists() else ()
    return [(row, int(count)) for row, count in lines]


def exported(folder: Path) -> dict[str, bytes]:
    return {file: (folder / file).read_bytes() for file in FILES}


def committed(store: Path, tasks: list[sources.Task], address: str) -> dict[str, Reply]:
    """The latest reply of each row in a store,
    under the name that the server's log gives the row.
    """
    names, opened = (
        {requests.key(task, settings(address)): name(task) for task in tasks},
        Store(store),
    )
    found = {
        names[key]: reply
        for part in sources.chunks(names)
        for key, reply in opened.last(part).items()
    }
    opened.connection.close()
    return found


def soak(folder: Path, rows: int, kills: int, seed: int, latency: float = 0.03) -> dict:
    """Kill a run `kills` times and resume it; returns figures.

    `asked_again`: requests for what was committed when a process was killed.
    """
    source, store, out = folder / "rows.jsonl", folder / "killed.sqlite", folder / "killed"
    tasks, draw, log = (
        tasks_of(consultations(source, rows), rows),
        random.Random(seed),
        folder / "log",
    )
    known, killed = [], 0
    with (
        llm_server.running(latency, faulty=True, hang=HANG) as other,
        llm_server.running(latency, faulty=True, hang=HANG, log=log) as address,
    ):
        undisturbed = start(
            source, rows, folder / "undisturbed.sqlite", folder / "undisturbed", other
        )  # meanwhile, with a server of its own
        for kill in range(kills):
            answered = len(log_lines(log))
            share = max(rows - answered, 0) / (kills - kill + 1)
            target = answered + round(draw.uniform(0, 1.5) * share)
            process = start(source, rows, store, out, address)
            while len(log_lines(log)) < target and process.poll() is None:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 2 * latency))  # at no particular moment of a request
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            time.sleep(
                4 * latency
            )  # what the dead process asked for is in the log before the next one starts
            known.append((len(log_lines(log)), committed(store, tasks, address)))
        if start(source, rows, store, out, address).wait() or undisturbed.wait():
            raise SystemExit("the resumed or the undisturbed run failed")
        replies = committed(store, tasks, address)
    lines = log_lines(log)
    again = {
        place
        for mark, before in known
        for place in range(mark, len(lines))
        if lines[place][0] in before and (before[lines[place][0]].final or lines[place][1] == 1)
    }
    return {
        "rows": rows,
        "kills": killed,
        "committed_at_kills": [len(before) for _, before in known],
        "complete": sum(reply.final for reply in replies.values()),
        "answered": len(lines),
        "committed": sum(reply.attempt for reply in replies.values()),
        "asked_again": len(again),
        "equal": exported(folder / "undisturbed") == exported(out),
        "exported": {file: content.count(b"\n") for file, content in exported(out).items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        source, rows, store, out, address, concurrency = options.child
        child(Path(source), int(rows), Path(store), Path(out), address, int(concurrency))
        return
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), options.rows, options.kills, options.seed)
    for label, value in found.items():
        print(f"{label:<20} {value}")
    print(f"{'seconds':<20} {time.monotonic() - started:.0f}")
    if found["asked_again"] or not found["equal"] or found["complete"] != options.rows:
        raise SystemExit("rows were lost, changed or asked for again")


if __name__ == "__main__":
    main()
