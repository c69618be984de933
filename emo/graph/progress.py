"""What a person sees while steps are made: a line for each, with what it does, how long it took and
takes; what Snakemake, kernels and libraries write goes to files.
"""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from emo.graph import steps, times
from emo_utils.experiment import results
from emo_utils.models import registry
from emo_utils.project import ROOT, relative, results_dir

DESCRIPTOR = "EMO_EVENTS"  # the environment variable with the number of the file to write to
ENDING = 10  # seconds that Snakemake has to end its steps when somebody stops it
QUOTED = 15  # lines of a log that are shown where a step failed without a word of ours
ERASE_LINE, UP, ERASE_BELOW = "\x1b[K", "\x1b[{}A", "\x1b[J"


def logs_dir(profile: str) -> Path:
    """Where a file lies for each step, and `make.log`, which is Snakemake's."""
    return results_dir(profile) / "logs"


def spoken(seconds: float) -> str:
    """A time in words: `8 s`, `1 min 52 s`, `2 h 05 min`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def roughly(seconds: float) -> str:
    """A time that is a guess: whole minutes from two on."""
    return f"{round(seconds / 60)} min" if 120 <= seconds < 3600 else spoken(seconds)


def cause(log: Path) -> list[str]:
    """The lines of a step's log that say why it failed: those from its last error of ours on, else
    its last ones.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    of_ours = [number for number, line in enumerate(lines) if line.startswith("emo: ")]
    return lines[of_ours[-1] :] if of_ours else lines[-QUOTED:]


@dataclass
class Job:
    """A job of Snakemake's that runs: its name for people, what it does and has done it, the run
    (empty for weights), the result of that run before, and when it began.
    """

    name: str
    about: str
    done: str
    key: str
    log: Path
    result: Path | None
    began: float
    before: float = field(init=False)

    def __post_init__(self):
        self.before = self.written()

    def written(self) -> float:
        """When the run's result was written; 0 where there is none."""
        return self.result.stat().st_mtime if self.result and self.result.is_file() else 0


class Progress:
    """Lines about the events of a call of Snakemake. In a terminal what runs stands below them and
    moves; elsewhere a line says when a step begins.
    """

    def __init__(self, profile: str, runs: set[str], cores: int = 0, stream=None, clock=time.time):
        """runs: those that are due. cores: of this machine; 0 where the steps run on others, whose
        number nobody knows, so that no total is told.
        """
        self.profile, self.cores, self.clock = profile, cores, clock
        self.stream = sys.stdout if stream is None else stream
        self.moves = self.stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.last = times.last(profile)
        self.cached = {name for name in registry.REGISTRY if registry.is_cached(name)}
        self.due, self.running, self.failed = set(runs), {}, []
        self.count = self.finished = self.drawn = 0
        self.began = clock()

    def take(self, event: dict) -> None:
        """Show an event (`events.event`)."""
        kind, job = event["event"], event.get("job")
        if kind == "planned":
            self._plan(event["rules"])
        elif kind == "started" and (started := self._job(event)):
            self.running[job] = started
            if not self.moves:
                self._say(f"  {started.name}: {started.about}{self._before(started)}{self._left()}")
        elif kind == "finished" and job in self.running:
            self._finish(self.running.pop(job))
        elif kind == "failed" and job in self.running:
            self._fail(self.running.pop(job))
        self.draw()

    def _plan(self, rules: dict[str, int]) -> None:
        """rules: how many jobs of each rule Snakemake is going to run, with their `total`."""
        fetched = {name for name in self.cached if f"weights_{name}" in rules}
        self.count = rules.get("total", 0) - len(fetched)
        named = {name.removeprefix("run_") for name in rules if name.startswith("run_")}
        self.due = named | {run for run in self.due if "@" in run}
        if times.PAGES in rules:
            self.due.add(times.PAGES)
        self.schedule = times.Schedule(self.due, self.profile, self.cores or 1)

    def _job(self, event: dict) -> Job | None:
        """The job that an event names; None for one that only marks weights that are there."""
        rule, log = event["rule"], event["log"]
        log = ROOT / log[0] if log else logs_dir(self.profile) / "make.log"
        if rule == times.PAGES:
            about, result = "the pages of the book, by Jupyter Book", None
            return Job("pages", about, "built", times.PAGES, log, result, self.clock())
        if rule.startswith("weights_"):
            name = rule.removeprefix("weights_")
            if name in self.cached:
                return None
            about = f"{registry.entry(name).size_mb} MB of weights to download"
            return Job(name, about, "fetched", "", log, None, self.clock())
        wildcards = event["wildcards"]
        run = "{run}@{given}".format(**wildcards) if wildcards else rule.removeprefix("run_")
        path = results.result_path(run, self.profile)
        return Job(run, steps.step(run).about, "done", run, log, path, self.clock())

    def _finish(self, job: Job) -> None:
        self.finished += 1
        self.due.discard(job.key)
        took = self.clock() - job.began
        made = job.result is None or job.written() != job.before
        if not made:
            return self._numbered(f"{job.name}: unchanged")
        before = f", last time {spoken(self.last[job.key])}" if job.key in self.last else ""
        if job.key:
            times.remember(job.key, self.profile, took)
        self._numbered(f"{job.name}: {job.done} in {spoken(took)}{before}; {job.about}")

    def _fail(self, job: Job) -> None:
        self.failed.append(job.name)
        self._numbered(f"{job.name}: FAILED after {spoken(self.clock() - job.began)}; {job.about}")
        for line in cause(job.log):
            self._say(f"  {line}")
        self._say(f"  all that it wrote: {relative(job.log)}")

    def _numbered(self, text: str) -> None:
        digits = len(str(self.count))
        self._say(f"[{self.finished:>{digits}}/{self.count}] {text}")

    def _say(self, line: str) -> None:
        self.erase()
        print(line, file=self.stream, flush=True)

    def _before(self, job: Job) -> str:
        return f", about {roughly(self.last[job.key])}" if job.key in self.last else ""

    def left(self) -> float | None:
        """Seconds until all is done, by the last times; None where one is not known."""
        running = {job.key: self.clock() - job.began for job in self.running.values() if job.key}
        if not self.cores or not self.due or not self.due <= self.last.keys():
            return None
        left = {run: max(self.last[run] - running.get(run, 0), 0) for run in self.due}
        return self.schedule.seconds(left, [run for run in running if run in self.due])

    def _left(self) -> str:
        left = self.left()
        return f"; all done in about {roughly(left)}" if left else ""

    def draw(self) -> None:
        """In a terminal: what runs now, for how long, and how long all takes."""
        if not self.moves or not self.running:
            return self.erase()
        lines = [
            f"  ... {job.name}: {job.about}, {spoken(self.clock() - job.began)}"
            + (f" of {spoken(self.last[job.key])}" if job.key in self.last else "")
            for job in self.running.values()
        ]
        if left := self._left():
            lines.append(f"  ...{left.removeprefix(';')}")
        width = shutil.get_terminal_size().columns - 1
        self.erase()
        for line in lines:
            self.stream.write(f"{line[:width]}{ERASE_LINE}\n")
        self.stream.flush()
        self.drawn = len(lines)

    def erase(self) -> None:
        """Take away what `draw` drew."""
        if self.drawn:
            self.stream.write(f"{UP.format(self.drawn)}\r{ERASE_BELOW}")
            self.stream.flush()
            self.drawn = 0


def follow(command: list[str], environment: dict, progress: Progress, log: Path | None) -> int:
    """Call Snakemake (`cluster.command`), show its progress and give its exit status.

    log: the file for its own text; None leaves that on the terminal.
    """
    reading, writing = os.pipe()
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    told = open(log, "w") if log else None
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment | {DESCRIPTOR: str(writing)},
        pass_fds=[writing],
        stdout=told,
        stderr=told,
    )
    os.close(writing)
    try:
        begun = b""  # of a line
        while True:
            if select.select([reading], [], [], 1)[0]:
                if not (part := os.read(reading, 1 << 16)):
                    break
                *lines, begun = (begun + part).split(b"\n")
                for line in lines:
                    progress.take(json.loads(line))
            progress.draw()
        status = process.wait()
    except KeyboardInterrupt:
        progress.erase()
        try:
            process.wait(ENDING)  # it was told as well, and ends its steps first
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    finally:
        os.close(reading)
        if told:
            told.close()
    progress.erase()
    if status and log and not progress.failed:  # it is Snakemake itself that failed
        print(*log.read_text(errors="replace").splitlines()[-QUOTED:], sep="\n")
    return status
