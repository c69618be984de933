"""How long steps took when they last ran on this machine, and how long those that are due will take
side by side.
"""

import json

from emo.graph import cluster, due, steps
from emo_utils.experiment import parameters
from emo_utils.project import cache_dir, results_dir, write_atomic

PAGES = "book"  # the target that builds the pages


def last(profile: str) -> dict[str, float]:
    """Seconds that each run, and the pages, last took on this machine: as its cache remembers,
    which outlives `make clean` and other checkouts, else as the results here say.
    """
    told = {}
    folder = results_dir(profile)
    for path in (*folder.glob("*.json"), *folder.glob("variants/*.json")):
        try:
            told[path.stem] = float(json.loads(path.read_text())["provenance"]["seconds"])
        except (ValueError, KeyError, TypeError):  # `due` says so and has it made again
            continue
    return told | _remembered().get(profile, {})


def remember(name: str, profile: str, seconds: float) -> None:
    """Keep what a run, or the pages, took."""
    kept = _remembered()
    kept[profile] = kept.get(profile, {}) | {name: round(seconds, 1)}
    write_atomic(cache_dir() / "times.json", json.dumps(kept, indent=1, sort_keys=True) + "\n")


def _remembered() -> dict[str, dict[str, float]]:
    try:
        return json.loads((cache_dir() / "times.json").read_text())
    except (OSError, ValueError):
        return {}


class Schedule:
    """When steps begin and end on this machine, as Snakemake starts them: what has the longest
    chain behind it first, as many side by side as its cores and the profile's memory and
    accelerators allow, the pages last.
    """

    def __init__(self, runs, profile: str, cores: int):
        """runs: names of steps, and PAGES."""
        content = parameters.load_profile(profile)
        capped = content.get("cap_memory", True)
        self.free = {
            "cores": cores,
            "mem_mb": content["memory_gb"] * 1000 if capped else float("inf"),
            "gpu": content.get("gpus", 1),
        }
        of_runs = {run: steps.step(run) for run in runs if run != PAGES}
        of_profile = steps.steps(profile)
        order = sorted(of_runs, key=lambda run: -due.longest_chain(of_runs[run], of_profile))
        self.needs = {run: set(steps.needs(of_runs[run], profile)) for run in order}
        self.asked = {}
        for run, step in of_runs.items():
            asked = cluster.resources(step, profile) | {"cores": cluster.threads(step, profile)}
            self.asked[run] = {what: min(asked.get(what, 0), self.free[what]) for what in self.free}

    def seconds(self, left: dict[str, float], begun=()) -> float:
        """Seconds until all is done.

        left: what each step that is not done still takes, by name. begun: those that run now.
        """
        waiting = [run for run in self.needs if run in left and run not in begun]
        free, now = dict(self.free), 0.0
        running: dict[str, float] = {}

        def begin(run: str) -> None:
            running[run] = now + left[run]
            for what, amount in self.asked[run].items():
                free[what] -= amount

        for run in begun:
            if run != PAGES:
                begin(run)
        while waiting or running:
            for run in list(waiting):
                behind = self.needs[run] & {*waiting, *running}
                if not behind and all(free[what] >= self.asked[run][what] for what in free):
                    waiting.remove(run)
                    begin(run)
            first = min(running, key=running.get)
            now = running.pop(first)
            for what, amount in self.asked[first].items():
                free[what] += amount
        return now + left.get(PAGES, 0)
