"""Kills the making of a book at random moments, goes on each time,
and compares what comes out with an undisturbed one.

Run: python tests/soak_book.py [--kills 20] [--in-a-row 5] [--profile smoke]
[--runs 03_dpo.eqsr-dpo ...] [--seed 1] [--keep]

A kill is SIGKILL, to the command with everything it started or to one notebook's kernel alone, by
turns of a die. After each some kills in a row the book is finished and its records are held against
those of a book that nobody disturbed; then everything but the weights is thrown away, and the next
begins. It exits with 1 where a record differs or something is left lying about. The tests use the
same functions with two kills.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import smoke_book


def command(copy: smoke_book.Copy, profile: str, runs: list[str]) -> subprocess.Popen:
    what = ["make", *runs] if runs else ["book"]
    return subprocess.Popen(
        [copy.python, "-m", "emo", *what, "--profile", profile],
        cwd=copy.folder,
        env=copy.environment,
        stdin=subprocess.DEVNULL,
        stdout=open(copy.folder / "soak.log", "a"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def below(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_kernel(process: psutil.Process) -> bool:
    """Whether it is a kernel that was started as such, or one that was forked."""
    try:
        return any("ipykernel_launcher" in part for part in process.cmdline()) or is_forked(process)
    except psutil.Error:
        return False


def is_forked(process: psutil.Process) -> bool:
    """Whether `emo.warm` forked it: its command line is that of its parent."""
    try:
        parent = process.parent()
        line = process.cmdline()
        return "emo.warm" in line and parent.cmdline() == line
    except (psutil.Error, AttributeError):  # AttributeError: its parent has ended
        return False


def kill(process: subprocess.Popen, kernel_alone: bool, die: random.Random) -> str:
    """What was killed: everything at once, or one kernel (where none runs: everything)."""
    every = below(process)
    kernels = [each for each in every if is_kernel(each)]
    chosen = (
        [die.choice(kernels)] if kernel_alone and kernels else [*every, psutil.Process(process.pid)]
    )
    for each in chosen:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            pass
    return "a kernel" if kernel_alone and kernels else "everything"


def records(copy: smoke_book.Copy, profile: str) -> dict[str, list]:
    """Every record of every run; a file that cannot be read whole stops here."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))["records"]
        for path in sorted((copy.folder / "results" / profile).glob("*.json"))
    }


def differences(found: dict[str, list], wanted: dict[str, list]) -> list[str]:
    """A line for each run that is not the same: how many of its records differ, and the first of
    them.
    """
    told = []
    for run in sorted(found.keys() | wanted.keys()):
        mine, theirs = (
            {json.dumps(record, sort_keys=True) for record in each.get(run, [])}
            for each in (found, wanted)
        )
        if mine != theirs:
            told += [
                f"{run}: {len(mine - theirs)} of {len(mine)} records differ, such as",
                *(f"    {sorted(part)[0]}" for part in (mine - theirs, theirs - mine) if part),
            ]
    return told


def left_over(copy: smoke_book.Copy, profile: str) -> list[str]:
    """What is lying about of the book that nobody finished."""
    found = [
        p for name in ("results", "checkpoints") for p in (copy.folder / name / profile).rglob("*")
    ]
    return [
        str(p.relative_to(copy.folder))
        for p in found
        if any(word in p.name for word in ("unfinished", ".tmp", ".saving"))
    ]


def end_running(copy: smoke_book.Copy) -> list[str]:
    """Processes of a copy that still run though its commands have ended; they are ended here."""
    time.sleep(2)  # what ends by itself has done so
    found = []
    for each in psutil.process_iter():
        try:
            if each.environ().get("PYTHONPATH") == str(copy.folder):
                found.append(" ".join(each.cmdline())[-100:])
                each.kill()
        except psutil.Error:
            pass
    return found


def finish(copy: smoke_book.Copy, profile: str, runs: list[str]) -> float:
    started = time.monotonic()
    done = command(copy, profile, runs).wait()
    assert done == 0, (copy.folder / "soak.log").read_text()[-3000:]
    return time.monotonic() - started


def clear(copy: smoke_book.Copy) -> None:
    for name in (
        "results",
        "checkpoints",
        "_build",
        "book/notebooks",
        "book/generated",
        ".snakemake",
    ):
        shutil.rmtree(copy.folder / name, ignore_errors=True)


def disturbed(
    copy: smoke_book.Copy,
    profile: str,
    runs: list[str],
    kills: int,
    whole: float,
    die: random.Random,
) -> list[str]:
    """Start, kill, start again ..., then let it end; what was killed and when."""
    told = []
    while len(told) < kills:
        process, after = command(copy, profile, runs), die.uniform(0.5, whole / max(kills / 2, 1))
        time_over = time.monotonic() + after
        while process.poll() is None and time.monotonic() < time_over:
            time.sleep(0.05)
        if process.poll() is not None:
            assert process.returncode == 0, (copy.folder / "soak.log").read_text()[-3000:]
            told.append(f"ended before the kill at {after:.0f} s")
            break
        told.append(f"{kill(process, die.random() < 0.5, die)} after {after:.1f} s")
        started = time.monotonic()
        # Where a kernel is gone, the command has to notice, and ends once the other running steps
        # have.
        process.wait(900)
        for each in below(process):
            each.kill()
        if "kernel" in told[-1]:
            told[-1] += (
                f" (the command ended with {process.returncode} "
                f"in {time.monotonic() - started:.1f} s)"
            )
            assert process.returncode not in (0, 70), told[-1]
    finish(copy, profile, runs)
    return told


def keep(table: list[dict], what: str, profile: str) -> None:
    sys.path.insert(0, str(smoke_book.ROOT / "benchmarks"))
    import clock

    path = smoke_book.ROOT / "book" / "reference" / "speed.json"
    kept = (
        json.loads(path.read_text(encoding="utf-8")).get("kills", {"table": []})["table"]
        if path.is_file()
        else []
    )
    clock.keep(
        "kills", [row for row in kept if (row["profile"], row["made"]) != (profile, what)] + table
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--in-a-row", type=int, default=5, help="kills before a book is finished and compared"
    )
    parser.add_argument("--profile", choices=("smoke", "embedded"), default="smoke")
    parser.add_argument("--runs", nargs="+", default=[], help="runs in place of the whole book")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep",
        action="store_true",
        help=(
            "put the table into book/reference/speed.json, "
            "beside what was kept of other profiles and runs"
        ),
    )
    options = parser.parse_args()
    die, table, what = random.Random(options.seed), [], " ".join(options.runs) or "the whole book"
    done, failed = 0, False
    with tempfile.TemporaryDirectory() as folder:
        copy = smoke_book.copied(Path(folder) / "project", Path(folder) / "cache")
        if options.profile == "smoke":  # the first book makes its weights
            finish(copy, options.profile, options.runs)
            clear(copy)
        else:
            copy.environment.pop(
                "EMO_CACHE"
            )  # real weights are not fetched anew: emo fetch has done so
        whole = finish(copy, options.profile, options.runs)
        wanted = records(copy, options.profile)
        print(
            f"undisturbed: {whole:.0f} s, "
            f"{sum(map(len, wanted.values()))} records of {len(wanted)} runs",
            flush=True,
        )
        while done < options.kills:
            clear(copy)
            told = disturbed(
                copy,
                options.profile,
                options.runs,
                min(options.in_a_row, options.kills - done),
                whole,
                die,
            )
            done += len([line for line in told if not line.startswith("ended")])
            differ, left = (
                differences(records(copy, options.profile), wanted),
                left_over(copy, options.profile) + end_running(copy),
            )
            print(
                "\n".join(f"  {line}" for line in told),
                f"  -> records {'DIFFER' if differ else 'the same'}, "
                f"left over: {', '.join(left) or 'nothing'}; {done} kills so far",
                *differ,
                sep="\n",
                flush=True,
            )
            failed = failed or bool(differ or left)
            table += [
                {
                    "profile": options.profile,
                    "made": what,
                    "book": len({row["book"] for row in table}) + 1,
                    "killed": line,
                    "records afterwards": "DIFFER" if differ else "the same",
                    "left over": len(left),
                }
                for line in told
            ]
            if options.keep:
                keep(table, what, options.profile)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
