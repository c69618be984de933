# The steps of the book as a graph. What a step depends on is declared in emo/graph/steps.py; this file
# gives it to Snakemake: one rule a run, one a model, and the book at the end.
import shlex
import sys

from emo.graph import cluster, due, progress, steps
from emo_utils.models import registry
from emo_utils.project import relative

PROFILE = config.get("profile", "embedded")
STAMPS = relative(due.stamps_dir(PROFILE))
EMO = f"{shlex.quote(sys.executable)} -m emo"  # the folder of the project may have any name
STEPS = steps.steps(PROFILE)
# What a step writes goes to a file of its own, and with --show-logs to the terminal as well.
LOGS = relative(progress.logs_dir(PROFILE))
LOGGED = "2>&1 | tee {log:q}" if config.get("show_logs") else "> {log:q} 2>&1"


def fetched(step):
    """Weights that are fetched before a step; what is built here, its kernel builds."""
    return [name for name in steps.step_models(step, PROFILE) if not registry.entry(name).built]


WEIGHTS = sorted({name for step in STEPS for name in fetched(step)})


rule book:
    input:
        [f"{STAMPS}/{step.run}.done" for step in STEPS],
    log:
        f"{LOGS}/pages.log",
    threads: 1
    localrule: True
    shell:
        "{EMO} pages --profile {PROFILE} " + LOGGED


for weights in WEIGHTS:

    rule:
        name:
            f"weights_{weights}"
        output:
            touch(f"{STAMPS}/weights.{weights}-{registry.folder(weights).name[-12:]}"),
        log:
            f"{LOGS}/weights.{weights}.log",
        params:
            weights=weights,
        threads: 1
        # On a cluster as well: its nodes often reach no network.
        localrule: True
        priority: 10_000
        resources:
            mem_mb=min(1000 + 4 * registry.entry(weights).size_mb, 4700),
        shell:
            "OMP_NUM_THREADS=1 {EMO} fetch {params.weights} --profile {PROFILE} " + LOGGED


for step in STEPS:

    rule:
        name:
            f"run_{step.run}"
        input:
            f"{STAMPS}/{step.run}.fingerprint",
            [f"{STAMPS}/{name}.done" for name in step.needs],
            ancient([f"{STAMPS}/weights.{name}-{registry.folder(name).name[-12:]}" for name in fetched(step)]),
        output:
            f"{STAMPS}/{step.run}.done",
        log:
            f"{LOGS}/{step.run}.log",
        params:
            run=step.run,
        threads: cluster.threads(step, PROFILE)
        # Two runs at a time: what the rest waits for longest goes first, so that none is left to end alone.
        priority: due.longest_chain(step, STEPS)
        resources:
            **cluster.resources(step, PROFILE),
        shell:
            "{EMO} step {params.run} --profile {PROFILE} " + LOGGED


def asked(wildcards, name):
    return cluster.resources(steps.step(wildcards.run), PROFILE).get(name, 0)


rule variant:
    input:
        lambda w: f"{STAMPS}/{w.run}@{w.given}.fingerprint",
        lambda w: [f"{STAMPS}/{name}.done" for name in steps.needs(steps.step(f"{w.run}@{w.given}"), PROFILE)],
        lambda w: ancient([f"{STAMPS}/weights.{name}-{registry.folder(name).name[-12:]}" for name in fetched(steps.step(w.run))]),
    output:
        STAMPS + "/{run}@{given}.done",
    log:
        LOGS + "/{run}@{given}.log",
    threads: lambda w: cluster.threads(steps.step(w.run), PROFILE)
    resources:
        mem_mb=lambda w: asked(w, "mem_mb"),
        gpu=lambda w: asked(w, "gpu"),
        runtime=lambda w: asked(w, "runtime") or 240,
    shell:
        "{EMO} step '{wildcards.run}@{wildcards.given}' --profile {PROFILE} " + LOGGED
