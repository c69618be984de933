"""Answers: of the trained systems to one question, of a served model to the test questions."""

import shlex
import textwrap
from typing import Annotated, Literal

from cyclopts import Parameter

from emo.cli.options import (
    Concurrency,
    Endpoint,
    Profile,
    Seed,
    Temperature,
    app,
    between,
    check_server,
)
from emo_utils.data import arms, dialogues
from emo_utils.experiment import parameters
from emo_utils.models import loading
from emo_utils.models.precision import choose_precision
from emo_utils.project import EmoError, relative


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
    max_new_tokens: Annotated[int, Parameter(help="longest answer in tokens")] = 260,
    temperature: Annotated[float, Parameter(help="sampling temperature (0: greedy)")] = 0.0,
    profile: Profile = "embedded",
) -> int:
    """Let the trained systems answer a question of yours. Research models of a paper: never advice.

    :param question: in quotes, written as a patient would
    """
    from emo_utils.experiment import results, runs
    from emo_utils.generation import answering, prompts

    unknown = [name for name in systems if name not in results.SYSTEMS]
    if unknown:
        raise EmoError(
            f"there is no system '{unknown[0]}'{parameters.nearest(unknown[0], results.SYSTEMS)}; "
            f"there are: {', '.join(results.SYSTEMS)}"
        )
    if not question.strip() or max_new_tokens < 1 or temperature < 0:
        raise EmoError(
            "give a question in quotes, "
            "--max-new-tokens of at least 1 and a --temperature of at least 0"
        )
    settings = parameters.resolve("02_sft", {"profile": profile})
    chains = {
        name: [] if name in results.UNTUNED else runs.checkpoints_of(name, profile)
        for name in systems or results.SYSTEMS
    }
    print(
        "These are small research models. They invent facts fluently; "
        "nothing they say is medical advice.",
        flush=True,
    )
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
            max_new_tokens=max_new_tokens,
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
