"""Which runs must be made, why, and in what order;
what Snakemake looks at instead of the files themselves.
"""

import json
from pathlib import Path

from emo.graph import fingerprints, steps
from emo_utils.experiment import results
from emo_utils.project import ROOT, relative, results_dir, write_atomic


def why(run: str, profile: str) -> list[str]:
    """The reasons for which a run must be made (again), in words;
    empty when its results are up to date.
    """
    path = results.result_path(run, profile)
    if not path.is_file():
        return ["there is no result yet"]
    try:
        about = json.loads(path.read_text(encoding="utf-8"))["provenance"]
        kept = about["fingerprint"]
    except (json.JSONDecodeError, KeyError):
        return ["its result file cannot be read"]
    missing = [
        name
        for name in [*about["outputs"], relative(executed_path(run, profile))]
        if not (ROOT / name).is_file()
    ]
    if missing:
        return [f"{missing[0]} is missing"]
    return differences(kept, fingerprints.fingerprint(run, profile))


def differences(old: dict, new: dict) -> list[str]:
    """What differs between two fingerprints of a run, in words; only parts of the new one."""
    reasons = []
    for part in new:
        if old.get(part) == new[part]:
            continue
        if not isinstance(new[part], dict):
            reasons.append(f"{part} changed")
            continue
        before = old.get(part) or {}
        for name in sorted(set(before) | set(new[part])):
            if before.get(name) != new[part].get(name):
                change = (
                    f" {before.get(name)!r} -> {new[part].get(name)!r}"
                    if part == "parameters"
                    else ""
                )
                reasons.append(f"{part}: {name}{change} changed")
    return reasons


def executed_path(run: str, profile: str) -> Path:
    """Where the executed notebook of a run of the book lies."""
    return results.result_folder(run, profile) / "notebooks" / f"{run}.ipynb"


def stamps_dir(profile: str) -> Path:
    return results_dir(profile) / ".stamps"


def prepare(profile: str, variants: tuple[str, ...] = ()) -> None:
    """Before Snakemake looks at files: write each static fingerprint if it changed,
    and drop stamps of vanished results.

    Snakemake compares times; a fingerprint file gets a new time only when its content is new,
    so that a checkout or a `touch` reruns nothing.
    """
    for s in (*steps.steps(profile), *map(steps.step, variants)):
        path = stamps_dir(profile) / f"{s.run}.fingerprint"
        content = json.dumps(
            fingerprints.static_fingerprint(s.run, profile), indent=1, sort_keys=True
        )
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            write_atomic(path, content)
        stamp = stamps_dir(profile) / f"{s.run}.done"
        if stamp.is_file() and why(s.run, profile):
            stamp.unlink()


def to_make(runs: list[str], profile: str) -> set[str]:
    """Of some runs and what they need (without runs: of the whole book) those that are not up to
    date, and those that read what such a run writes.
    """
    found: dict[str, bool] = {}

    def is_due(run: str) -> bool:
        if run not in found:
            before = [is_due(name) for name in steps.needs(steps.step(run), profile)]
            found[run] = any(before) or bool(why(run, profile))
        return found[run]

    for run in runs or [s.run for s in steps.steps(profile)]:
        is_due(run)
    return {run for run, due in found.items() if due}


def longest_chain(s: steps.Step, all_steps: tuple[steps.Step, ...]) -> int:
    """Seconds from the start of a step to the end of the last that waits for it, of all steps of a
    profile: what has the longest chain before it goes first.
    """
    return s.seconds + max(
        (longest_chain(other, all_steps) for other in all_steps if s.run in other.needs), default=0
    )
