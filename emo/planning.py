"""What the runs of a profile will take before they are made: time, memory and disk, each with what
that is known from.

Times are those of the last runs on this machine, else of the kept unit, else estimates: of
trainings by the seconds of an optimizer step that the profile states, of other runs by a kept run
that did the same work.
"""

import math
import shutil
from dataclasses import dataclass

from emo import drift, edition
from emo.graph import due, steps, times
from emo.graph.progress import roughly
from emo_utils.data import dialogues
from emo_utils.experiment import bill, parameters, results
from emo_utils.models import memory, registry
from emo_utils.project import ROOT, EmoError

# What a run that reads answers does the same work with: how they were made, not how many there are.
_OF_ANSWERS = ("profile", "base_model", "learning_rate", "seed")
# How many systems a training's run lets answer: the untuned model answers in two ways besides.
_ANSWERING = {"02_sft.er-sft": 3}
_RESUMED = 6  # times the adapters: two checkpoints, one of them half written, each with two moments


@dataclass(frozen=True)
class Time:
    """What a run takes in seconds, and what that is known from, in words."""

    seconds: float
    source: str


def times_of(profile: str) -> dict[str, Time]:
    """The time of each run of a profile of which something is known."""
    kept = _kept_books()
    found = {}
    for step in steps.steps(profile):
        if estimate := _estimate(step, profile):
            found[step.run] = estimate
        for name, runs in kept.items():
            if step.run in runs and _is_same_work(step, profile, runs):
                device = runs[step.run]["device"]
                source = f"the same work in what is kept of {name} ({device})"
                found[step.run] = Time(runs[step.run]["seconds"], source)
    if profile in kept:
        found |= {
            run: Time(about["seconds"], f"the kept unit {profile} ({about['device']})")
            for run, about in kept[profile].items()
        }
    return found | {
        run: Time(seconds, "the last runs on this machine")
        for run, seconds in times.last(profile).items()
        if run in {s.run for s in steps.steps(profile)}
    }


def _kept_books() -> dict[str, dict[str, dict]]:
    """The runs of each kept book by its profile, the better to go by last; those that cannot be
    read are left out.
    """
    found = {}
    try:
        found["embedded"] = drift.read(drift.reference("embedded"))
    except EmoError:
        pass
    for name, unit in edition.states().items():
        if isinstance(unit, edition.Unit):
            found[name] = unit.runs
    return found


def _estimate(step: steps.Step, profile: str) -> Time | None:
    """The time of a step whose model trains or answers: by the profile's seconds of an optimizer
    step, and for its answers by chapter 13's formula for two cores. None where the profile states
    no seconds.
    """
    content, values = parameters.load_profile(profile), steps.values(step, profile)
    seconds = content.get("step_seconds") or {}
    if not seconds or values.get("base_model") not in bill.STARTS:
        return None
    if step in steps.TRAININGS and step.notebook in seconds:
        answering = _ANSWERING.get(step.run, 1)
        trained = optimizer_steps(step, profile) * seconds[step.notebook]
        source = f"{content['step_source']}; answers"
    elif step.asks:
        answering, trained = len(results.systems_named(values["systems"])), 0.0
        source = "an estimate of its answers alone"
    else:
        return None
    rate = bill.cpu_speeds()["write"] / (2 * bill.STARTS[values["base_model"]] * 1e9)
    questions = len(dialogues.load("test", values["test_rows"], arm=values["arm"]))
    return Time(
        trained + questions * answering * values["max_new_tokens"] / rate,
        f"{source} of at most {values['max_new_tokens']} tokens at {rate:.0f} a second, "
        "by chapter 13's formula",
    )


def optimizer_steps(step: steps.Step, profile: str) -> int:
    """How many optimizer steps a training of chapters 2 to 4 makes; KTO has two rows a pair."""
    values = steps.values(step, profile)
    name = "er" if values["system"] == "er-sft" else "eqsr"
    rows = len(dialogues.load(name, values["train_rows"], values["rows_file"], values["arm"]))
    rows *= 2 if step.notebook == "04_kto" else 1
    return math.ceil(values["epochs"] * math.ceil(rows / values["batch_size"]))


def _is_same_work(step: steps.Step, profile: str, kept: dict[str, dict]) -> bool:
    """Whether a kept run did the work that a step does in a profile: the same parameters, on as
    many answers.
    """
    before = [step]
    for other in before:  # grows: all that comes before it
        before += [s for s in map(steps.step, steps.needs(other, profile)) if s not in before]
    for other in before:
        if other.run not in kept:
            return False
        mine, theirs = steps.values(other, profile), kept[other.run]["fingerprint"]["parameters"]
        left_out = ("profile",) if other is step else _OF_ANSWERS
        names = {*mine, *theirs}.difference(left_out)
        if any(mine.get(name) != theirs.get(name) for name in names):
            return False
    return True


def time_lines(runs: list[str], profile: str) -> list[str]:
    """What some runs of a profile take one after the other, by source, and of which nothing is
    known.
    """
    known = times_of(profile)
    by_source: dict[str, list[float]] = {}
    for run in runs:
        if run in known:
            by_source.setdefault(known[run].source, []).append(known[run].seconds)
    missing = [run for run in runs if run not in known]
    trained = [step.run for step in steps.TRAININGS if step.run in runs]
    if not by_source or (trained and not known.keys() & set(trained)):
        return ["not measured"]
    total = roughly(sum(map(sum, by_source.values())))
    was = "was" if len(missing) == 1 else "were"
    least = f"at least {total}: {len(missing)} of {len(runs)} runs {was} not measured at this scale"
    lines = [f"{least if missing else f'about {total}'}, counted one after the other"]
    for source, seconds in sorted(by_source.items(), key=lambda item: -sum(item[1])):
        runs_of_it = "1 run" if len(seconds) == 1 else f"{len(seconds)} runs"
        lines.append(f"{roughly(sum(seconds))} for {runs_of_it} by {source}")
    return lines + ([f"not measured: {', '.join(missing)}"] if missing else [])


def each_in_words(runs: list[str], profile: str) -> dict[str, str]:
    """About how long each of some runs takes, by name."""
    known = times_of(profile)
    return {run: roughly(known[run].seconds) if run in known else "not measured" for run in runs}


def memory_line(profile: str) -> str:
    """The memory that a profile asks for, and the most that the runs of the kept unit took. Without
    one, what its trainings take by the formula of `memory.of_run`, and how far that formula was
    from the peaks of a unit that is kept.
    """
    asked = parameters.load_profile(profile)["memory_gb"]
    asked_for = f"{asked} GB are asked for (this machine has {memory.of_machine() / 1e9:.0f})"
    units = {name: it for name, it in edition.states().items() if isinstance(it, edition.Unit)}
    if profile in units:
        unit = units[profile]
        return (
            f"{asked_for}; {len(unit.runs)} runs of the kept unit took at most {unit.memory_gb:.1f}"
        )
    computed = _by_formula(profile)
    if computed is None:
        base = steps.values(steps.TRAININGS[0], profile)["base_model"]
        return f"{asked_for}; more is known once the weights are here (emo fetch {base})"
    said = [f"{asked_for}; the formula of emo plan 03_dpo gives {computed:.1f} in bf16"]
    for name, unit in units.items():
        if theirs := _by_formula(name):
            said.append(
                f"whole runs take more, those of {name} {unit.memory_gb:.1f} for {theirs:.1f}"
            )
    return "; ".join(said)


def kept_peaks(notebook: str, base_model: str) -> str:
    """The memory that whole runs of a chapter with a base model took, of those that are kept: more
    than the formula says, which counts one part of a run at a time. Empty where none is kept.
    """
    peaks = [
        about["peak_memory_mb"] / 1000
        for runs in _kept_books().values()
        for run, about in runs.items()
        if steps.step(run).notebook == notebook
        and about["fingerprint"]["parameters"].get("base_model") == base_model
    ]
    if not peaks:
        return ""
    return f"whole runs of it that are kept took {min(peaks):.1f} to {max(peaks):.1f} GB"


def _by_formula(profile: str) -> float | None:
    """The most that a training of a profile takes by `memory.of_run` in bf16, in GB; None where its
    weights are not here.
    """
    peaks = []
    for step in steps.TRAININGS:
        values = steps.values(step, profile)
        if model := _sizes(values["base_model"]):
            peaks.append(memory.of_run(step.notebook, values, model, "bfloat16") / 1e9)
    return max(peaks, default=None)


def _sizes(model: str) -> memory.Sizes | None:
    """Sizes of a model in the cache; None for one that is not there, or in no registry."""
    return memory.sizes(model) if model in registry.REGISTRY else None


def disk_line(runs: list[str], profile: str) -> str:
    """What the trainings among some runs leave on the disk, and what is free there."""
    free = f"{shutil.disk_usage(ROOT).free / 1e9:.0f} GB are free here"
    trained = [step for step in steps.TRAININGS if step.run in runs]
    if not trained:
        return free
    values = steps.values(trained[0], profile)
    model, rank = _sizes(values["base_model"]), values["lora_rank"]
    if not rank:
        return f"not computed where all weights are trained; {free}"
    if model is None:
        return f"not known before the weights are here (emo fetch {values['base_model']}); {free}"
    adapter = 4 * memory.adapters(model, rank)
    beside = registry.folder(values["base_model"]) / "tokenizer.json"
    one = adapter + (beside.stat().st_size if beside.is_file() else 0)
    needed = len(trained) * one + _RESUMED * adapter
    return (
        f"{needed / 1e9:.1f} GB for {len(trained)} adapters of rank {rank} and what a stopped "
        f"training goes on from, by the layers of {values['base_model']}; {free}"
    )


def needed_for(systems: list[str], profile: str) -> list[str]:
    """The runs that `emo make` makes for some trained systems: theirs, and those before them that
    are not up to date; in the order of the book.
    """
    wanted = {steps.making(name).run for name in systems}
    again = due.to_make(sorted(wanted), profile)
    return [s.run for s in steps.STEPS if s.run in wanted | again]
