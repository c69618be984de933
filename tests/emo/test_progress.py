"""What the terminal shows while steps are made: lines from the events of Snakemake's jobs, and how
long all takes by what the steps took before.
"""

import io
import json
import os
import subprocess
import sys

import pytest

from emo.graph import progress, steps, times
from emo_utils.experiment import results
from emo_utils.models import registry
from emo_utils.project import ROOT

RUN, OTHER = "09_emplifai", "13_bill"
ABOUT = {run: steps.step(run).about for run in (RUN, OTHER)}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Results in a folder of their own, and a function that gives a Progress whose time stands
    still until it is moved.
    """
    monkeypatch.setenv("EMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TERM", "xterm")
    for module in (results, times, progress):
        monkeypatch.setattr(module, "results_dir", lambda profile: tmp_path / profile)

    def begin(*runs, stream=None, cores=2):
        now = [1000.0]
        made = progress.Progress("smoke", set(runs), cores, stream or io.StringIO(), lambda: now[0])
        made.now = now
        return made

    return begin


def planned(*rules: str) -> dict:
    return {"event": "planned", "rules": dict.fromkeys(rules, 1) | {"total": len(rules)}}


def started(job: int, rule: str, **wildcards: str) -> dict:
    wanted = [] if rule.startswith("weights_") else ["results/smoke/logs/x.log"]
    return {"event": "started", "job": job, "rule": rule, "wildcards": wildcards, "log": wanted}


def make(shown: progress.Progress, job: int, rule: str, seconds: float, **wildcards: str) -> None:
    """Have a job begin, write its result, and end."""
    shown.take(started(job, rule, **wildcards))
    shown.now[0] += seconds
    if (result := shown.running[job].result) is not None:
        result.parent.mkdir(parents=True, exist_ok=True)
        result.write_text("{}")
    shown.take({"event": "finished", "job": job})


def test_a_line_says_when_a_step_begins_and_one_what_it_took(told):
    times.remember(RUN, "smoke", 100)
    times.remember(times.PAGES, "smoke", 30)
    shown = told(RUN)
    shown.take(planned(f"run_{RUN}", "book"))
    make(shown, 0, f"run_{RUN}", 112)
    make(shown, 1, "book", 20)
    assert shown.stream.getvalue().splitlines() == [
        f"  {RUN}: {ABOUT[RUN]}, about 1 min 40 s; all done in about 2 min",
        f"[1/2] {RUN}: done in 1 min 52 s, last time 1 min 40 s; {ABOUT[RUN]}",
        "  pages: the pages of the book, by Jupyter Book, about 30 s; all done in about 30 s",
        "[2/2] pages: built in 20 s, last time 30 s; the pages of the book, by Jupyter Book",
    ]
    assert times.last("smoke") == {RUN: 112, times.PAGES: 20}


def test_a_step_that_never_ran_here_has_no_time_and_a_book_with_one_no_total(told):
    times.remember(RUN, "smoke", 100)
    shown = told(RUN, OTHER)
    shown.take(planned(f"run_{RUN}", f"run_{OTHER}"))
    shown.take(started(0, f"run_{OTHER}"))
    shown.take(started(1, f"run_{RUN}"))
    assert shown.stream.getvalue().splitlines() == [
        f"  {OTHER}: {ABOUT[OTHER]}",
        f"  {RUN}: {ABOUT[RUN]}, about 1 min 40 s",
    ]


def test_on_other_machines_no_total_is_told(told):
    times.remember(RUN, "smoke", 100)
    shown = told(RUN, cores=0)
    shown.take(planned(f"run_{RUN}"))
    shown.take(started(0, f"run_{RUN}"))
    assert shown.stream.getvalue() == f"  {RUN}: {ABOUT[RUN]}, about 1 min 40 s\n"


def test_a_variant_is_named_with_its_values(told):
    variant = "03_dpo.eqsr-dpo@beta=0.3,seed=43"
    shown = told(variant)
    shown.take(planned("variant"))
    make(shown, 0, "variant", 61, run="03_dpo.eqsr-dpo", given="beta=0.3,seed=43")
    about = "DPO on the base model, then answers"
    assert (
        shown.stream.getvalue().splitlines()[-1] == f"[1/1] {variant}: done in 1 min 01 s; {about}"
    )
    assert times.last("smoke") == {variant: 61}


def test_a_step_that_had_nothing_to_do_says_so_and_its_time_is_not_kept(told):
    times.remember(RUN, "smoke", 100)
    path = results.result_path(RUN, "smoke")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    shown = told(RUN)
    shown.take(planned(f"run_{RUN}"))
    shown.take(started(0, f"run_{RUN}"))
    shown.now[0] += 1
    shown.take({"event": "finished", "job": 0})
    assert shown.stream.getvalue().splitlines()[-1] == f"[1/1] {RUN}: unchanged"
    assert times.last("smoke") == {RUN: 100}


def test_weights_have_a_line_where_they_are_downloaded(told, monkeypatch):
    there, wanted = "all-mpnet-base-v2", "SmolLM2-135M-Instruct"
    monkeypatch.setattr(registry, "is_cached", lambda name: name == there)
    shown = told()
    shown.take(planned(f"weights_{there}", f"weights_{wanted}"))
    for job, name in enumerate((there, wanted)):
        shown.take(started(job, f"weights_{name}"))
        shown.now[0] += 8
        shown.take({"event": "finished", "job": job})
    about = f"{registry.entry(wanted).size_mb} MB of weights to download"
    assert shown.stream.getvalue().splitlines() == [
        f"  {wanted}: {about}",
        f"[1/1] {wanted}: fetched in 8 s; {about}",
    ]


@pytest.mark.parametrize(
    ("log", "shown_of_it"),
    [
        ("emo: an old one\nnoise\nemo: what is wrong\n  and where\n", ["what is wrong", "where"]),
        ("".join(f"line {n}\n" for n in range(40)), ["line 25", "line 39"]),
        (None, []),
    ],
)
def test_a_step_that_fails_says_why_and_where_the_rest_stands(told, tmp_path, log, shown_of_it):
    path = tmp_path / "x.log"
    if log:
        path.write_text(log)
    shown = told(RUN)
    shown.take(planned(f"run_{RUN}"))
    shown.take(started(0, f"run_{RUN}") | {"log": [str(path)]})
    shown.now[0] += 7
    shown.take({"event": "failed", "job": 0})
    text = shown.stream.getvalue()
    assert f"[0/1] {RUN}: FAILED after 7 s; {ABOUT[RUN]}\n" in text and shown.failed == [RUN]
    assert all(part in text for part in shown_of_it) and text.endswith("all that it wrote: x.log\n")
    assert "an old one" not in text and "line 24" not in text


def test_in_a_terminal_what_runs_stands_below_the_lines_and_moves(told, monkeypatch):
    monkeypatch.setattr(progress.shutil, "get_terminal_size", lambda: os.terminal_size((40, 20)))
    for run in (RUN, OTHER):
        times.remember(run, "smoke", 20)
    shown = told(RUN, OTHER, stream=Terminal())
    shown.take(planned(f"run_{RUN}", f"run_{OTHER}"))
    shown.take(started(0, f"run_{RUN}"))
    shown.take(started(1, f"run_{OTHER}"))
    shown.now[0] += 5
    shown.draw()
    *_, first, second, total, end = shown.stream.getvalue().split("\n")
    assert first.endswith(f"  ... {RUN}: {ABOUT[RUN]}"[:39] + progress.ERASE_LINE)
    assert f"... {OTHER}: {ABOUT[OTHER]}"[:30] in second and "all done in about 15 s" in total
    assert not end and shown.drawn == 3
    shown.stream.truncate(0)
    results.result_path(RUN, "smoke").parent.mkdir(parents=True)
    results.result_path(RUN, "smoke").write_text("{}")
    shown.take({"event": "finished", "job": 0})
    # The three lines are taken away, and what is done stays above what still runs.
    erased = progress.UP.format(3) + "\r" + progress.ERASE_BELOW
    assert shown.stream.getvalue().lstrip("\0").startswith(f"{erased}[1/2] {RUN}: done in 5 s")
    assert shown.drawn == 2


def test_a_terminal_that_cannot_move_has_plain_lines(told, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    shown = told(RUN, stream=Terminal())
    shown.take(planned(f"run_{RUN}"))
    make(shown, 0, f"run_{RUN}", 3)
    shown.draw()
    assert not set("\r\x1b") & set(shown.stream.getvalue())


def test_times_come_from_the_results_where_the_cache_has_none(told, tmp_path):
    for folder, run, content in (
        ("smoke", RUN, {"provenance": {"seconds": 9}}),
        ("smoke/variants", "03_dpo.eqsr-dpo@beta=0.3", {"provenance": {"seconds": 8}}),
        ("smoke", OTHER, {"records": []}),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f"{run}.json").write_text(json.dumps(content))
    assert times.last("smoke") == {RUN: 9, "03_dpo.eqsr-dpo@beta=0.3": 8}
    times.remember(RUN, "smoke", 12.34)
    times.remember(RUN, "embedded", 1)
    assert times.last("smoke")[RUN] == 12.3
    (tmp_path / "cache" / "times.json").write_text("{")
    assert times.last("smoke")[RUN] == 9


SFT, DPO, FROM_SFT = "02_sft.er-sft", "03_dpo.eqsr-dpo", "03_dpo.er-eqsr-dpo"


@pytest.mark.parametrize(
    ("cores", "memory_gb", "left", "begun", "seconds"),
    [
        (1, 8, {SFT: 10, DPO: 20}, (), 30),
        (2, 8, {SFT: 10, DPO: 20}, (), 20),
        (2, 8, {SFT: 10, FROM_SFT: 20}, (), 30),  # one waits for the other
        (2, 8, {FROM_SFT: 20}, (), 20),  # what it waits for is done
        (2, 8, {SFT: 10, FROM_SFT: 20, DPO: 25}, (), 30),
        (2, 5, {SFT: 10, DPO: 20}, (), 30),  # both do not fit into 5 GB
        (2, 2, {SFT: 10, DPO: 20}, (), 30),  # one alone may take more than there is
        (1, 8, {SFT: 10, DPO: 20}, (DPO,), 30),
        (2, 8, {"09_emplifai_judge": 10, DPO: 20}, (), 30),  # the judge takes both cores
        (2, 8, {SFT: 10, times.PAGES: 5}, (), 15),
        (2, 8, {times.PAGES: 5}, (times.PAGES,), 5),
        (2, 8, {}, (), 0),
    ],
)
def test_a_total_is_that_of_steps_side_by_side(monkeypatch, cores, memory_gb, left, begun, seconds):
    content = times.parameters.load_profile("embedded") | {"memory_gb": memory_gb}
    monkeypatch.setattr(times.parameters, "load_profile", lambda name: content)
    assert times.Schedule(left, "embedded", cores).seconds(left, begun) == seconds


def test_what_snakemake_and_the_steps_write_goes_to_the_log(tmp_path, capfd, told):
    """By a program in the place of Snakemake, which has one job and fails by itself."""
    written = [json.dumps(event) for event in (planned("book"), started(0, "book"))]
    program = (
        "import os, sys\n"
        f"told = int(os.environ['{progress.DESCRIPTOR}'])\n"
        f"os.write(told, {os.linesep.join(written)!r}.encode())\n"
        "os.write(told, b'\\n')\n"
        "print('a table')\n"
        "print('a warning', file=sys.stderr)\n"
        "sys.exit(int(sys.argv[1]))\n"
    )

    def follow(status: int, log) -> tuple[int, str, str]:
        shown = told()
        command = [sys.executable, "-c", program, str(status)]
        status = progress.follow(command, dict(os.environ), shown, log)
        return status, shown.stream.getvalue(), "".join(capfd.readouterr())

    log = tmp_path / "logs" / "make.log"
    status, lines, terminal = follow(0, log)
    assert status == 0 and lines.startswith("  pages: ") and not terminal
    assert sorted(log.read_text().splitlines()) == ["a table", "a warning"]
    assert "a warning" in follow(3, log)[2]  # no job failed: it is Snakemake's own error
    assert "a table" in follow(0, None)[2]


def test_when_somebody_stops_it_what_runs_is_ended_and_no_moving_line_stays(told, monkeypatch):
    began = []

    class Began(subprocess.Popen):
        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            began.append(self)

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.subprocess, "Popen", Began)
    monkeypatch.setattr(progress.select, "select", stopped)
    monkeypatch.setattr(progress, "ENDING", 0.1)
    shown = told(RUN, stream=Terminal())
    shown.take(planned(f"run_{RUN}"))
    shown.take(started(0, f"run_{RUN}"))
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(KeyboardInterrupt):
        progress.follow(command, dict(os.environ), shown, None)
    assert began[0].wait(5) and not shown.drawn


SNAKEFILE = """
rule book:
    input: "a x", "b@c=1"
    shell: "exit 3"
rule variant:
    output: "{run}@{given}"
    log: "{run}@{given}.log"
    shell: "touch {output:q} > {log:q}"
rule:
    name: "run_a"
    output: "a x"
    shell: "echo noise; touch {output:q}"
"""


@pytest.mark.slow
def test_snakemake_says_what_it_plans_begins_ends_and_fails(tmp_path):
    """By its interface for loggers; where an update changes that, this test says so."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    reading, writing = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "emo.graph.events", "--cores", "1", "book"],
        cwd=tmp_path,
        env=os.environ | {progress.DESCRIPTOR: str(writing), "PYTHONPATH": str(ROOT)},
        pass_fds=[writing],
        capture_output=True,
        text=True,
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        first, *rest = map(json.loads, pipe)
    assert done.returncode and "Select jobs to execute" in done.stderr  # as without our logger
    rules = {"run_a": 1, "variant": 1, "book": 1}
    assert first == {"event": "planned", "rules": rules | {"total": 3}}
    begun = {event["rule"]: event for event in rest if event["event"] == "started"}
    assert begun["variant"]["wildcards"] == {"run": "b", "given": "c=1"}
    assert begun["variant"]["log"] == ["b@c=1.log"] and begun["run_a"]["log"] == []
    ends = [(event["event"], event["job"]) for event in rest if event["event"] != "started"]
    assert sorted(ends[:2]) == sorted(
        ("finished", begun[rule]["job"]) for rule in ("variant", "run_a")
    )
    assert ends[2:] == [("failed", begun["book"]["job"])]
