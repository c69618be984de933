"""The book and its steps: plan, make, sweep, why."""

import os
import subprocess
import sys
import time
from typing import Annotated

from cyclopts import Parameter

from emo.cli.options import (
    ALL_CORES,
    Cluster,
    Cores,
    Given,
    Profile,
    ShowLogs,
    app,
    print_lines,
)
from emo.cli.runs import KEEP_MEMORY, by_hand, execute
from emo.graph import cluster as clusters
from emo.graph import due, fingerprints, progress, steps, sweeps, times
from emo.site import built
from emo.site.built import KEPT
from emo_utils.experiment import bill, parameters, provenance, results
from emo_utils.models import fetching, memory, registry
from emo_utils.project import (
    REFERENCE,
    ROOT,
    EmoError,
    cache_dir,
    keeping,
    relative,
    write_atomic,
)


@app.command
def book(
    *,
    profile: Profile = "embedded",
    cores: Cores = ALL_CORES,
    cluster: Cluster = None,
    show_logs: ShowLogs = False,
) -> int:
    """Make every step that is not up to date, then the book."""
    stale = any(due.why(s.run, profile) for s in steps.steps(profile))
    if built.is_current(profile) and not stale:
        page = relative(built.HTML / "index.html")
        print(f"everything is up to date ({profile} profile): {page}")
        return 0
    plan(profile=profile, cores=cores)
    if stale and profile == KEPT and not (built.HTML / "index.html").is_file():
        _pages_to_read()
    _snakemake([], profile, cores, cluster, show_logs)
    print(f"the book: {relative(built.HTML / 'index.html')}")
    return 0


def _pages_to_read() -> None:
    """Build the pages that need no run before the runs begin, for whoever stops them or waits; in a
    process of its own, whose memory the runs then have. What goes wrong there stops no run.
    """
    print("  pages    first those that need no run, about two minutes", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "emo", "read"], cwd=ROOT, capture_output=True, text=True
    )
    said = done.stderr if done.returncode else done.stdout
    print(f"  pages    {said.strip().partition(chr(10))[0]}", flush=True)


@app.command
def plan(
    notebook: str = "",
    /,
    *,
    given: Given = (),
    profile: Profile = "embedded",
    cores: Cores = ALL_CORES,
) -> int:
    """Say what `emo book` would do: steps, downloads, time, memory, disk; or, with a notebook and
    parameters of it, what weights that run loads and what memory it takes on this machine.

    :param notebook: such as 03_dpo; its profile is a parameter: -p profile paper
    """
    if notebook:
        return _plan_run(parameters.notebook_path(notebook).stem, given)
    about, all_steps = parameters.load_profile(profile), steps.steps(profile)
    to_run = [s.run for s in all_steps if due.why(s.run, profile)]
    weights = dict.fromkeys(name for s in all_steps for name in steps.step_models(s, profile))
    downloads = {
        name: registry.entry(name).size_mb for name in weights if not registry.is_cached(name)
    }
    print(f"profile {profile}: {about['about']}")
    print(
        f"  steps    {len(to_run)} of {len(all_steps)} to run"
        + (f": {', '.join(to_run)}" if 0 < len(to_run) < 5 else "")
    )
    print(
        f"  download {sum(downloads.values())} MB of weights"
        + (f" ({', '.join(downloads)})" if downloads else " (all in the cache)")
    )
    for name, run in _unregistered(profile).items():
        print(
            f"  note     {run} asks for '{name}', "
            f"which is not in the registry{parameters.nearest(name, registry.REGISTRY)} "
            "(only an endpoint may have other names)"
        )
    if to_run and about["minutes"]:
        time_needed = _time_needed(profile, cores, about["minutes"])
        print(
            f"  needs    {time_needed}, {about['memory_gb']} GB of memory "
            f"(this machine has {memory.of_machine() / 1e9:.0f}), {cores} cores in use"
        )
    elif to_run:
        _print_known(to_run, profile)
    print(f"  cache    {cache_dir()}")
    print("  stop it at any time: the same command goes on where it was", flush=True)
    return 0


def _print_known(runs: list[str], profile: str) -> None:
    """What is known of the time, memory and disk of a profile that was not measured as a whole."""
    from emo import planning

    print_lines("time", planning.time_lines(runs, profile))
    print_lines("memory", [planning.memory_line(profile)])
    print_lines("disk", [planning.disk_line(runs, profile)])


def _time_needed(profile: str, cores: int, minutes: int) -> str:
    """What the book takes from here on: by the last runs on this machine, else what its profile
    says of the whole.
    """
    last, runs = times.last(profile), due.to_make([], profile) | {times.PAGES}
    if runs <= last.keys():
        left = times.Schedule(runs, profile, cores).seconds({run: last[run] for run in runs})
        return f"about {progress.roughly(left)} by the last runs on this machine"
    return f"about {minutes} minutes for everything on 2 cores"


def _plan_run(notebook: str, given: list[tuple[str, str]]) -> int:
    from emo import planning
    from emo_utils.models.precision import choose_precision

    values = parameters.resolve(notebook, dict(given))
    models = dict.fromkeys(
        value
        for name, value in values.items()
        if name.endswith("_model") and value in registry.REGISTRY
    )
    print(f"run of {notebook}, profile {values['profile']}")
    for name in models:
        if registry.is_cached(name):
            print(f"  weights  {name}: {memory.numbers(registry.folder(name)) / 1e6:,.0f} million")
        else:
            print(
                f"  weights  {name}: {registry.entry(name).size_mb} MB to download; "
                f"its memory is known then (emo fetch {name})"
            )
    base = values.get("base_model")
    if notebook in bill.OBJECTIVES and registry.is_cached(base):
        precision = choose_precision(values["precision"])
        print(f"  {precision.reason}")
        print(f"  {memory.need(notebook, values, memory.sizes(base), precision.dtype)}")
        if peaks := planning.kept_peaks(notebook, base):
            print(f"  {peaks}")
    return 0


def _unregistered(profile: str) -> dict[str, str]:
    """Models that a profile names and the registry does not have, with a run that asks for each."""
    return {
        value: s.run
        for s in steps.steps(profile)
        for key, value in steps.values(s, profile).items()
        if key.endswith("_model") and value not in ("", "scripted-stub", *registry.REGISTRY)
    }


@app.command
def make(
    *names: str,
    profile: Profile = "embedded",
    cores: Cores = ALL_CORES,
    cluster: Cluster = None,
    show_logs: ShowLogs = False,
) -> int:
    """Make some of the book's runs, with what they need.

    :param names: such as 03_dpo.eqsr-dpo, or a system such as eqsr-dpo
    """
    if not names:
        raise EmoError("say which runs: emo make 03_dpo.eqsr-dpo, or a system such as eqsr-dpo")
    wanted = [steps.making(name).run for name in names]
    _snakemake(wanted, profile, cores, cluster, show_logs)
    return 0


@app.command
def sweep(
    name: str,
    /,
    *,
    seeds: Annotated[
        list[int],
        Parameter(
            consume_multiple=True, help="training seeds in place of the file's", show_default=False
        ),
    ] = (),
    keep: Annotated[
        bool,
        Parameter(
            help="put the records into book/reference, from which the book shows them",
            show_default=False,
        ),
    ] = False,
    profile: Profile = "embedded",
    cores: Cores = ALL_CORES,
    cluster: Cluster = None,
    show_logs: ShowLogs = False,
) -> int:
    """Train the variants of a sweep (sweeps/*.yaml) and compare them; stop and resume at will.

    :param name: such as beta
    """
    if keep and profile == "smoke":
        raise EmoError(
            "numbers of the smoke profile mean nothing and are not kept in the book; "
            "leave out --keep, or choose another profile"
        )
    if keep:
        provenance.refuse_changed_tree(provenance.git_state(), "--keep")
    content = sweeps.sweep(name, tuple(seeds))
    variants, notebook = content["variants"], content.get("notebook", "12_sweeps")
    to_train = [run for run in variants if due.why(run, profile)]
    print(
        f"sweep {name} ({profile} profile): {len(variants)} variants, {len(to_train)} to train",
        flush=True,
    )
    _snakemake(list(variants), profile, cores, cluster, show_logs)
    for variant in variants if keep else ():
        about = results.variant_provenance(profile, variant)
        provenance.refuse_changed_tree(about, f"{variant}, made before, is not kept")
    given = [("profile", profile), ("sweep", name)]
    if seeds:
        given.append(("seeds", " ".join(map(str, seeds))))
    result = by_hand(notebook, given)
    if keep:
        kept_name = name if "notebook" in content else f"sweep_{name}"
        target = REFERENCE / f"{kept_name}.json"
        with keeping(target):
            write_atomic(target, result.with_suffix(".json").read_text(encoding="utf-8"))
        print(f"kept in {relative(target)}")
    return 0


@app.command(name="step")
def make_step(run: str, /, *, profile: Profile = "embedded") -> int:
    """Make one run of the book now if it is not up to date (what the graph calls).

    It is skipped when its fingerprint is the one of its results, whatever the files' times say.
    """
    step = steps.step(run)
    reasons = due.why(step.run, profile)
    started = time.monotonic()
    if reasons:
        print(f"  {step.run}: {'; '.join(reasons[:3])}", flush=True)
        os.environ |= fingerprints.environment(step.run, profile) | {
            "OMP_NUM_THREADS": str(clusters.threads(step, profile)),
            "HF_HUB_OFFLINE": _offline(profile),
        }
        values = steps.values(step, profile)
        execute(
            step.notebook,
            due.executed_path(step.run, profile),
            {name: values[name] for name in (*dict(step.fixed), "profile")},
            progress_bar=False,
        )
        print(f"  {step.run}: done in {time.monotonic() - started:.0f} s", flush=True)
    else:
        print(f"  {step.run}: unchanged", flush=True)
    stamp = due.stamps_dir(profile) / f"{step.run}.done"
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(results.result_digest(step.run, profile))
    return 0


@app.command
def why(*, profile: Profile = "embedded") -> int:
    """Say why each run of the book is, or is not, up to date."""
    for s in steps.steps(profile):
        print(f"{s.run:<28} {'; '.join(due.why(s.run, profile)) or 'up to date'}")
    return 0


@app.command
def fetch(*names: str, profile: Profile = "embedded") -> int:
    """Fetch weights into the cache.

    :param names: registered names (default: all that the profile needs)
    """
    needed = (n for s in steps.steps(profile) for n in steps.step_models(s, profile))
    for name in names or dict.fromkeys(needed):
        fetching.fetch(name)
    return 0


@app.command
def pages(*, profile: Profile = "embedded") -> int:
    """Build the book from the results that are there."""
    from emo.site import build

    build.build(profile)
    print(f"the book: {relative(built.HTML / 'index.html')}")
    return 0


@app.command
def read() -> int:
    """Build the book to read without running anything: the chapters' words, the papers' own
    numbers, and the records that the repository keeps. Needs no model and no torch.
    """
    from emo.site import build, kept_book

    page, profile = relative(built.HTML / "index.html"), kept_book.PROFILE
    if built.is_current(profile):
        print(f"the book with the numbers of this machine is there: {page}")
        return 0
    build.build(profile, kept=True)
    print(f"the book, with kept numbers: {page}")
    return 0


@app.command
def check_pages() -> int:
    """Say how large the built book is, and which of its links lead nowhere; ends with 1 where one
    does, or where it is too large to be published.
    """
    from emo.site import links

    if not (built.HTML / "index.html").is_file():
        raise EmoError("there is no book yet; make it with: make book")
    lost, size = links.broken(built.HTML), links.megabytes(built.HTML)
    print(
        f"{relative(built.HTML)}: {size:.0f} MB of at most {links.LARGEST_MB}, "
        f"{len(lost)} links lead nowhere"
    )
    for line in lost:
        print(f"  {line}")
    return 1 if lost or size > links.LARGEST_MB else 0


def _stamp(run: str, profile: str) -> str:
    """The file that tells Snakemake that a run is made."""
    return relative(due.stamps_dir(profile) / f"{run}.done")


def _offline(profile: str) -> str:
    """The value of HF_HUB_OFFLINE for a profile's steps: only the papers' scale may ask the hub."""
    return "0" if profile == "paper" else "1"


def _snakemake(runs: list[str], profile: str, cores: int, cluster, show_logs: bool) -> None:
    """Make runs and what they need, here or on a cluster; without runs the whole book."""
    targets = [_stamp(run, profile) for run in runs] or [times.PAGES]
    command = clusters.command(profile, cores, cluster, targets, show_logs)
    due.prepare(profile, tuple(run for run in runs if "@" in run))
    to_make = due.to_make(runs, profile)
    if runs and not to_make:
        print("everything is up to date")
        return
    environment = os.environ | KEEP_MEMORY | {"PYTHONWARNINGS": "ignore"}
    log = None if show_logs else progress.logs_dir(profile) / "make.log"
    if log:
        print(f"  logs     {relative(log.parent)} has what each step writes", flush=True)
    shown = progress.Progress(profile, to_make, 0 if cluster else cores)
    # A process that forks kernels imports for all of them: for one it would only take longer.
    if cluster or len(to_make) < 2:
        status = progress.follow(command, environment, shown, log)
    else:
        from emo import warm

        with warm.kernels(environment | {"HF_HUB_OFFLINE": _offline(profile)}) as place:
            status = progress.follow(command, environment | place, shown, log)
    if status:
        raise EmoError(
            "not everything could be made; the cause stands above, next to the name of its step. "
            "The same command goes on from there"
        )
