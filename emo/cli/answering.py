"""Answers: of the trained systems to one question, of a served model to the test questions."""

import shlex
import textwrap
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from emo.cli.options import (
    Concurrency,
    Endpoint,
    Seed,
    Temperature,
    app,
    between,
    check_server,
    print_lines,
)
from emo_utils.data import arms, dialogues
from emo_utils.experiment import parameters
from emo_utils.models import loading, registry
from emo_utils.models.precision import choose_precision
from emo_utils.project import PROFILE_NAMES, UNITS, EmoError, checkpoints_dir, relative


@app.command
def ask(
    question: str,
    /,
    *,
    systems: Annotated[
        list[str],
        Parameter(
            consume_multiple=True,
            help="such as base eqsr-dpo (default: all nine)",
            show_default=False,
        ),
    ] = (),
    max_new_tokens: Annotated[
        int | None,
        Parameter(
            help="longest answer in tokens (default: 260, of the edition as its profile has)"
        ),
    ] = None,
    temperature: Annotated[float, Parameter(help="sampling temperature (0: greedy)")] = 0.0,
    edition: Annotated[
        bool,
        Parameter(
            help="ask the systems of the edition, which are trained here once; says which "
            "trainings are missing and how long they take",
            show_default=False,
        ),
    ] = False,
    train: Annotated[
        bool,
        Parameter(
            help="with --edition: train what is missing first; stopped, the same command goes on",
            show_default=False,
        ),
    ] = False,
    profile: Annotated[
        Literal[PROFILE_NAMES] | None,
        Parameter(
            help="scale of the run (default: embedded, or with --edition the unit that the book "
            "shows)"
        ),
    ] = None,
) -> int:
    """Let the trained systems answer a question of yours. Research models of a paper: never advice.

    :param question: in quotes, written as a patient would
    """
    from emo_utils.experiment import results
    from emo_utils.generation import answering, prompts

    unknown = [name for name in systems if name not in results.SYSTEMS]
    if unknown:
        raise EmoError(
            f"there is no system '{unknown[0]}'{parameters.nearest(unknown[0], results.SYSTEMS)}; "
            f"there are: {', '.join(results.SYSTEMS)}"
        )
    longest = 260 if max_new_tokens is None else max_new_tokens
    if not question.strip() or longest < 1 or temperature < 0:
        raise EmoError(
            "give a question in quotes, "
            "--max-new-tokens of at least 1 and a --temperature of at least 0"
        )
    if train and not edition:
        raise EmoError("--train goes with --edition; of the book's systems: make book, or emo make")
    profile = _unit(profile) if edition else profile or "embedded"
    settings = parameters.resolve("02_sft", {"profile": profile})
    if edition and max_new_tokens is None:
        longest = settings["max_new_tokens"]
    chains = {} if edition else _chains(systems or results.SYSTEMS, profile)
    print(
        "These are small research models. They invent facts fluently; "
        "nothing they say is medical advice.",
        flush=True,
    )
    if edition:
        chains = _chains_of_edition(systems, profile, settings["base_model"], train)
    dtype = choose_precision(settings["precision"]).dtype
    # The base model is read once for all systems.
    for name, model, tokenizer in loading.each(settings["base_model"], dtype, chains):
        task = prompts.text("comfort" if name == "prompt" else "task")
        answers = answering.answer_questions(
            model,
            tokenizer,
            [{"id": "asked", "question": question}],
            task,
            name,
            max_new_tokens=longest,
            temperature=temperature,
            batch_size=1,
            seed=settings["seed"],
            engine=settings["engine"],
        )
        print(
            f"\n{name}{'' if answers.complete[0] else ' (cut off)'}\n"
            f"{textwrap.fill(answers.answer[0], 110, initial_indent='  ', subsequent_indent='  ')}",
            flush=True,
        )
    return 0


def _chains(systems, profile: str) -> dict[str, list[Path]]:
    """The checkpoints of each system, in order of application; none for the untuned model."""
    from emo_utils.experiment import results, runs

    return {
        name: [] if name in results.UNTUNED else runs.checkpoints_of(name, profile)
        for name in systems
    }


def _unit(profile: str | None) -> str:
    """The unit whose systems are asked: the one that is named, else the one that the book shows."""
    from emo import edition

    if profile and profile not in UNITS:
        raise EmoError(
            f"the {profile} profile is no unit of the edition; units: {', '.join(UNITS)}"
        )
    if profile:
        return profile
    if shown := edition.shown():
        return shown.name
    raise EmoError(
        f"no unit of the edition can be read ({edition.states()[UNITS[-1]]}); "
        f"name one to train it: --edition --profile {UNITS[-1]}"
    )


def _chains_of_edition(
    systems: tuple[str, ...] | list[str], profile: str, base: str, train: bool
) -> dict[str, list[Path]]:
    """The checkpoints of a unit's systems, where none is named of those that are there; with
    `train` what is missing is trained first.

    Raises EmoError where one that is named, or every trained one, is missing; what trainings they
    need and how long those take is printed before.
    """
    from emo import edition, planning
    from emo.cli.books import make  # not above: commands are listed in the order of their files
    from emo_utils.experiment import results

    chains, missing = {}, []
    for name in systems or results.SYSTEMS:
        try:
            chains |= _chains([name], profile)
        except EmoError:
            missing.append(name)
    place = relative(checkpoints_dir(profile))
    others = " and ".join(name for name in UNITS if name != profile)
    said = [f"{profile}: {base}, adapters in {place} (--profile has {others} as well)"]
    unit = edition.states().get(profile)
    if isinstance(unit, edition.Unit):
        said.append(
            f"the kept numbers are of adapters trained at commit {', '.join(unit.commits)}; other "
            "code, data or another processor give other adapters"
        )
    print_lines("edition", said)
    if not missing:
        return chains
    needed = planning.needed_for(missing, profile)
    each = planning.each_in_words(needed, profile)
    made_by = f"{', '.join(missing)}; made by {len(needed)} trainings"
    print_lines("missing", [made_by, *(f"{run:<20} {words}" for run, words in each.items())])
    print_lines("time", planning.time_lines(needed, profile))
    print_lines("memory", [planning.memory_line(profile)])
    if not registry.is_cached(base):
        print_lines("download", [f"{registry.entry(base).size_mb} MB of weights ({base})"])
    if train:
        print("  stop it at any time: the same command goes on where it was", flush=True)
        make(*missing, profile=profile)
        return _chains(systems or results.SYSTEMS, profile)
    remedy = (
        "the same command with --train trains them and then asks, and "
        f"emo make {' '.join(missing)} --profile {profile} only trains"
    )
    if systems or not any(chains.values()):
        raise EmoError(
            f"{', '.join(missing)} of the unit {profile} {'is' if len(missing) == 1 else 'are'} "
            f"not trained here; {remedy}; base and prompt need no training: --systems base prompt"
        )
    print_lines("asked", [f"{', '.join(chains)}; {remedy}"])
    return chains


@app.command(name="answers")
def write_answers(
    name: str,
    /,
    *,
    model: Annotated[str, Parameter(help="the server's name of the model")],
    endpoint: Endpoint = "",
    prompt: Annotated[
        Literal["task", "comfort"],
        Parameter(
            help="instruction: the plain one, "
            "or the one of the system `prompt` that asks for comfort"
        ),
    ] = "task",
    rows: Annotated[
        int, between(0, 10**9), Parameter(help="questions, balanced over emotions (0: all)")
    ] = 0,
    arm: Annotated[
        Literal[tuple(arms.ARMS)],
        Parameter(
            help="questions of the rows with comfort in so many words, or without its phrases"
        ),
    ] = "overt",
    max_new_tokens: Annotated[
        int, between(1, 2**20), Parameter(help="longest answer in tokens")
    ] = 260,
    temperature: Temperature = 0.0,
    seed: Annotated[Seed, Parameter(help="seed of the sampling, where the server takes one")] = 42,
    concurrency: Concurrency = 16,
    wait: Annotated[
        float, between(0, 10**6), Parameter(help="seconds for which a server may be away")
    ] = 600.0,
) -> int:
    """Let a model behind an OpenAI-compatible server answer the book's test questions; chapters 5
    and 6 score it beside the nine (parameter extra).

    :param name: what to call the system, such as eqsr-dpo-8b
    """
    import pandas as pd  # half a second

    from emo_utils.experiment import extra
    from emo_utils.generation import served

    check_server(model, endpoint)
    if name in extra.TAKEN:
        raise EmoError(
            f"'{name}' is the name of a row that the tables have already; "
            "give your system a name of its own"
        )
    settings = served.Settings(
        model, endpoint, prompt, max_new_tokens, temperature, seed, concurrency, wait=wait
    )
    path = served.write(name, settings, dialogues.load("test", rows, arm=arm))
    shown = shlex.quote(relative(path))
    print(f"{relative(path)}; score it with: emo run 05_emotion_scoring -p extra {shown}")
    return int((pd.read_parquet(path).answer == "").any())
