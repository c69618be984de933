"""The same steps again, on one core, without the processor's units for matrices (AMX),
and without any for bf16: which numbers move, and how far.

    .venv/bin/python benchmarks/determinism.py [--profile embedded]
        [--runs 02_sft.er-sft 09_emplifai_prediction] [--keep]

Each setting makes the runs (and what they need) in a copy of the project of its own. A difference
is given as it is, and as a share of half the width of the number's 95 % interval: far under 1, it
says nothing that chance does not.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import clock
import smoke_book

from emo_utils.experiment import provenance  # noqa: F401  imported now, as the sources may change while this runs

SETTINGS = {
    "again": ({}, None),
    "one core": ({}, 1),
    "without AMX": (
        {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "MKL_ENABLE_INSTRUCTIONS": "AVX512"},
        None,
    ),
    "without bf16 units": (
        {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "MKL_ENABLE_INSTRUCTIONS": "AVX512"},
        None,
    ),
}
NAMES = ("table", "system", "metric", "group", "scorer")


def made(
    folder: Path, profile: str, runs: list[str], environment: dict[str, str], cores: int | None
) -> dict[str, list[dict]]:
    """Records of the runs, by run, after `emo make` in a fresh copy."""
    copy = smoke_book.copied(folder / "project", folder / "cache")
    environment = copy.environment | environment
    if profile != "smoke":
        environment.pop("EMO_CACHE")  # real weights are not fetched anew
    confine = (
        None
        if cores is None
        else lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "emo", "make", *runs, "--profile", profile],
        cwd=copy.folder,
        env=environment,
        preexec_fn=confine,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout[-3000:])
    print(f"  {time.monotonic() - started:.0f} s", flush=True)
    return {
        run: json.loads(
            (copy.folder / "results" / profile / f"{run}.json").read_text(encoding="utf-8")
        )["records"]
        for run in runs
    }


def compared(first: list[dict], other: list[dict]) -> dict:
    """How many numbers two runs share, how many differ, and the largest difference."""
    known = {tuple(r[name] for name in NAMES): r for r in first}
    pairs = [(known[key], r) for r in other if (key := tuple(r[name] for name in NAMES)) in known]
    moved = [
        (abs(a["value"] - b["value"]), (a["ci_high"] - a["ci_low"]) / 2, a)
        for a, b in pairs
        if a["value"] != b["value"] and not (math.isnan(a["value"]) and math.isnan(b["value"]))
    ]
    shares = sorted(
        (
            (difference / half if half else math.inf, f"{a['metric']} of {a['system']}")
            for difference, half, a in moved
            if half
        ),
        reverse=True,
    )
    return {
        "numbers": len(pairs),
        "only in one": len(first) + len(other) - 2 * len(pairs),
        "moved": len(moved),
        "largest share of half an interval": shares[0][0] if shares else 0.0,
        "which": shares[0][1] if shares else "",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=("smoke", "embedded"), default="embedded")
    parser.add_argument("--runs", nargs="+", default=["02_sft.er-sft", "09_emplifai_prediction"])
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument(
        "--keep", action="store_true", help="put the table into book/reference/speed.json"
    )
    options = parser.parse_args()
    table = []
    with tempfile.TemporaryDirectory() as temporary:
        print("first", flush=True)
        first = made(Path(temporary) / "first", options.profile, options.runs, {}, None)
        for name in options.settings:
            if name == "without AMX" and "AMX" not in provenance.device():
                print("this processor has no AMX to leave out")
                continue
            print(name, flush=True)
            found = made(
                Path(temporary) / name.replace(" ", "_"),
                options.profile,
                options.runs,
                *SETTINGS[name],
            )
            for run in options.runs:
                table.append(
                    {"run": run, "profile": options.profile, "setting": name}
                    | compared(first[run], found[run])
                )
                print(f"  {run}: {table[-1]}", flush=True)
            if options.keep:
                clock.keep("determinism", table)


if __name__ == "__main__":
    main()
