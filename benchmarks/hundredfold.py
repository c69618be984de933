"""Every step of the book on its data made 10 and 100 times as long: time, memory, disk, and what
grows faster than its data.

    .venv/bin/python benchmarks/hundredfold.py [--factors 1 10 100] [--passes 1 1 .1] [--limit 900]
        [--memory 16] [--keep]

Rows are repeated under new ids, and every text of a copy says which copy it is, so that nothing
is saved because it was seen before. Steps run in the smoke profile, whose tiny model costs next
to nothing, without its limits on rows: what is left is what this project's own code takes. Each
step runs alone on one core. A step that takes more than `--limit` seconds or `--memory` GB is
stopped, and its larger sizes are left out. Training makes `--passes` passes over its rows: a step
of the optimizer sees as many rows at every size, so less than a pass leaves out nothing but time;
reading, checking and writing see every row.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import clock
import smoke_book

# Imported now, as the sources may change while this runs for hours.
from emo.graph import steps
from emo_utils.experiment import parameters  # noqa: F401
from emo_utils.project import REFERENCE

REPEATED = (
    "data/dialogues/er_train.jsonl",
    "data/dialogues/eqsr_train.jsonl",
    "data/dialogues/test.jsonl",
    "data/dialogues/overt/er_train.jsonl",
    "data/dialogues/overt/eqsr_train.jsonl",
    "data/dialogues/overt/test.jsonl",
    "data/caregiver/overt/train.jsonl",
    "data/caregiver/overt/test.jsonl",
    "data/caregiver/voices.jsonl",
    "data/emplifai_ja/overt/dialogues.jsonl",
    "data/emplifai_ja/screening.jsonl",
)
KEPT_FIELDS = {"emotion", "topic", "specialty", "voice", "part", "from", "kind"}  # names, not texts
ALL = ("test_rows", "train_rows", "rows")  # 0: every row there is
SAMPLED = (
    "generate_rows",
    "pairs",
    "judged_pairs",
    "screen_rows",
    "slip_rows",
    "voice_rows",
    "movement_rows",
)


def repeat(path: Path, factor: int) -> None:
    """The rows of a file and factor - 1 copies of each, marked in ids and texts."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def copied(row: dict, k: int) -> dict:
        def marked(name, value):
            if isinstance(value, list):
                return [marked(name, each) for each in value]
            if not isinstance(value, str) or name in KEPT_FIELDS:
                return value
            return f"{value}.copy{k}" if name == "id" or value in ids else f"{value} ({k})"

        return {name: marked(name, value) for name, value in row.items()}

    ids = {row["id"] for row in rows} | (
        {row["question"] for row in rows} if path.name == "voices.jsonl" else set()
    )
    made = rows + [copied(row, k) for k in range(1, factor) for row in rows]
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8"
    )


def unlimited(copy: smoke_book.Copy, factor: int, passes: float) -> None:
    """The smoke profile with all rows, and where it takes a sample of answers or pairs,
    as many times more.
    """
    path = copy.folder / "profiles" / "smoke.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["all"]["epochs"] = passes
    for notebook in dict.fromkeys(step.notebook for step in steps.STEPS):
        known, values = parameters.declared(notebook), profile["values"].setdefault(notebook, {})
        for name in SAMPLED:
            if name in known and known[name].type == "int":
                value = values.get(name, profile["all"].get(name, known[name].default)) * factor
                values[name] = (
                    value
                    if known[name].interval is None
                    else int(min(value, known[name].interval[2]))
                )  # no more than the chapter takes
        for name in ALL:
            if name in known:  # some chapters have no word for all
                lowest, highest = (
                    (0, 0) if known[name].interval is None else known[name].interval[1:3]
                )
                values[name] = 0 if lowest <= 0 else int(highest)
    tuned = profile["values"][
        "09_emplifai_finetuning"
    ]  # the one step that must be told how many there are: those of its pairs are held out
    tuned["train_rows"] = (
        len(
            (copy.folder / "data/emplifai_ja/dialogues.jsonl")
            .read_text(encoding="utf-8")
            .splitlines()
        )
        - 2 * tuned["pairs"]
    )
    path.write_text(yaml.safe_dump(profile, sort_keys=False))


def size_mb(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def memory_gb(pid: int) -> float:
    """Memory in use by a process and all that it started."""
    process, total = psutil.Process(pid), 0
    for each in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_info().rss
    return total / 1e9


def call(copy: smoke_book.Copy, limit: float, memory: float, *command: str) -> tuple[bool, float]:
    """Whether `emo ...` ended well within limit (seconds) and memory (GB), and its seconds."""
    started, log = time.monotonic(), copy.folder / "step.log"
    with open(log, "w") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "emo", *command],
            cwd=copy.folder,
            env=copy.environment | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while process.poll() is None:
        if time.monotonic() - started > limit or memory_gb(process.pid) > memory:
            children = psutil.Process(process.pid).children(
                recursive=True
            )  # the kernel is in a session of its own
            for each in [*children, process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait()
            print(f"  {' '.join(command)} was stopped", flush=True)
            return False, time.monotonic() - started
        time.sleep(0.2)
    if process.returncode:
        print(f"  {' '.join(command)} failed:\n{log.read_text()[-1500:]}", flush=True)
    return process.returncode == 0, time.monotonic() - started


def with_earlier(table: list[dict]) -> list[dict]:
    """The rows, and those kept before of other steps and sizes, in the order of the steps."""
    path = REFERENCE / "speed.json"
    kept = (
        json.loads(path.read_text(encoding="utf-8")).get("hundredfold", {"table": []})["table"]
        if path.is_file()
        else []
    )
    found = {(row["step"], row["factor"]): row for row in kept + table}
    order = [step.run for step in steps.STEPS]
    return sorted(found.values(), key=lambda row: (row["factor"], order.index(row["step"])))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument(
        "--passes",
        type=float,
        nargs="+",
        default=[1, 1, 0.1],
        help="passes over the rows that training makes, for each factor (default: 1 1 .1)",
    )
    parser.add_argument(
        "--limit", type=float, default=900, help="seconds for a step (default: 900)"
    )
    parser.add_argument(
        "--memory", type=float, default=16, help="GB of memory for a step (default: 16)"
    )
    parser.add_argument(
        "--runs", nargs="+", default=[step.run for step in steps.STEPS], help="steps (default: all)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="put the table into book/reference/speed.json"
    )
    options = parser.parse_args()
    if len(options.passes) < len(options.factors):
        parser.error("--passes needs a number for each of --factors")
    table, too_slow = [], set()
    with tempfile.TemporaryDirectory() as temporary:
        for factor, passes in zip(options.factors, options.passes):
            copy = smoke_book.copied(Path(temporary) / f"x{factor}", Path(temporary) / "cache")
            for name in REPEATED:
                repeat(copy.folder / name, factor)
            unlimited(copy, factor, passes)
            for run in options.runs:
                step = steps.step(run)
                if run in too_slow or too_slow & set(step.needs):
                    too_slow.add(run)
                    continue
                before = size_mb(copy.folder / "results") + size_mb(copy.folder / "checkpoints")
                done, seconds = call(
                    copy, options.limit, options.memory, "step", run, "--profile", "smoke"
                )
                row = {
                    "step": run,
                    "factor": factor,
                    "passes": passes if "epochs" in parameters.declared(step.notebook) else None,
                    "done": done,
                    "seconds": seconds,
                    "memory_mb": None,
                    "disk_mb": size_mb(copy.folder / "results")
                    + size_mb(copy.folder / "checkpoints")
                    - before,
                }
                if done:
                    about = json.loads(
                        (copy.folder / "results" / "smoke" / f"{run}.json").read_text()
                    )["provenance"]
                    row |= {"seconds": about["seconds"], "memory_mb": about["peak_memory_mb"]}
                else:
                    too_slow.add(run)
                table.append(row)
                if options.keep:  # after each step: the larger sizes take hours
                    clock.keep("hundredfold", with_earlier(table))
                print(
                    f"x{factor:<4} {run:40} {'' if done else 'NOT DONE '}{row['seconds']:7.1f} s "
                    f"{row['memory_mb'] or 0:6.0f} MB {row['disk_mb']:7.1f} MB on disk",
                    flush=True,
                )
            shutil.rmtree(copy.folder)


if __name__ == "__main__":
    main()
