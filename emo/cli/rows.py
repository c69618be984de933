"""Rows: checking a user's, rewriting consultations, exporting a training."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from emo.cli.options import (
    Concurrency,
    Endpoint,
    Given,
    Profile,
    Seed,
    Temperature,
    app,
    between,
    check_server,
)
from emo_utils.models import registry
from emo_utils.models.precision import choose_precision
from emo_utils.project import ROOT, EmoError, relative


@app.command
def check_rows(
    file: str,
    /,
    *,
    kind: Annotated[
        Literal["eqsr", "er"],
        Parameter(
            name="--as",
            help="eqsr: emotional question and soothing answer, for SFT, DPO and KTO; "
            "er: empathetic answer, for the system er-sft",
        ),
    ] = "eqsr",
    given: Given = (),
    profile: Profile = "embedded",
) -> int:
    """Say whether rows of yours can be trained on, and if not, which row and field is wrong.

    :param file: a JSONL file, one row a line
    """
    from emo_utils.data import dialogues, training_rows
    from emo_utils.experiment import parameters
    from emo_utils.generation import prompts
    from emo_utils.models import loading

    if not file:
        raise EmoError("give a file: emo check-rows rows.jsonl")
    rows = dialogues.load(kind, file=file)
    notebook = "02_sft" if kind == "er" else "03_dpo"
    settings = parameters.resolve(notebook, {"profile": profile} | dict(given))
    model, max_length = settings["base_model"], settings["max_length"]
    if registry.is_cached(model):
        from emo_utils.training import row_checks

        row_checks.check_questions(
            training_rows.sft_rows(rows, prompts.text("task")),
            loading.tokenizer_in(registry.folder(model)),
            max_length,
            [f"row {number}, {row['id']!r}" for number, row in enumerate(rows, start=1)],
        )
    emotions = Counter(row["emotion"] for row in rows if kind == "eqsr")
    print(
        f"{len(rows)} rows can be trained on"
        + "".join(f", {count} {emotion}" for emotion, count in emotions.items())
    )
    for number, first in list(dialogues.repeated(rows).items())[:5]:
        print(f"note: row {number} has the texts of row {first}")
    if not registry.is_cached(model):
        print(
            f"note: lengths are checked when the training starts, as {model} is not fetched yet "
            f"(emo fetch {model})"
        )
    print(
        f"train with: emo run {'02_sft -p system er-sft' if kind == 'er' else '03_dpo'} "
        f"-p rows_file {shlex.quote(file)} -p train_rows 0"
    )
    return 0


@app.command
def export(
    run: str,
    /,
    *,
    to: Annotated[Path, Parameter(help="folder to write to; what it holds of other runs is kept")],
    given: Given = (),
    profile: Profile = "embedded",
) -> int:
    """Write a training of the book as settings and rows for LLaMA-Factory 0.9.5.

    :param run: such as 03_dpo.eqsr-dpo, or a system such as eqsr-dpo
    """
    from emo import export as exporting  # it imports torch and TRL, which takes seconds

    settings, *others = exporting.write(run, profile, to, dict(given))
    print(
        f"wrote {', '.join(path.name for path in (settings, *others))}; "
        f"train with: llamafactory-cli train {shlex.quote(str(settings))}"
    )
    return 0


@app.command
def rewrite(
    source: str,
    /,
    *,
    er: Annotated[int, Parameter(help="rows to rewrite as ER (the paper: 60000)")] = 0,
    eqsr: Annotated[
        int, Parameter(help="rows to rewrite as EQ+SR, emotions in turn (the paper: 50000)")
    ] = 0,
    model: Annotated[str, Parameter(help="the endpoint's name of the model")] = "gpt-4o-mini",
    endpoint: Endpoint = "",
    plan: Annotated[
        bool,
        Parameter(
            help="say what would be asked and what it would cost, and end", show_default=False
        ),
    ] = False,
    out: Annotated[
        Path,
        Parameter(
            help="folder of the store and the results (default: results/rewrites)",
            show_default=False,
        ),
    ] = ROOT / "results" / "rewrites",
    limit: Annotated[float | None, Parameter(help="US dollars that this run may cost")] = None,
    prices: Annotated[
        Path | None, Parameter(help="price table (default: profiles/prices.yaml)")
    ] = None,
    concurrency: Concurrency = 16,
    attempts: Annotated[
        int, between(1, 1000), Parameter(help="replies asked for at most for one row")
    ] = 3,
    temperature: Temperature = 0.3,
    max_tokens: Annotated[int, between(1, 2**20), Parameter(help="longest reply in tokens")] = 700,
    timeout: Annotated[
        float,
        between(0.001, 86400),
        Parameter(help="seconds without a byte before a request is sent again"),
    ] = 60.0,
    seed: Annotated[Seed, Parameter(help="seed of the choice of rows and of the sampling")] = 42,
    revision: Annotated[str, Parameter(help="commit of a hub data set", show_default=False)] = "",
    question_field: Annotated[
        str,
        Parameter(
            help="name of the question's field, where it is not found by itself", show_default=False
        ),
    ] = "",
    answer_field: Annotated[
        str, Parameter(help="name of the answer's field", show_default=False)
    ] = "",
    emotion_model: Annotated[
        str,
        Parameter(
            help="registered model that checks the asked-for emotion (default: no check)",
            show_default=False,
        ),
    ] = "",
    write_batches: Annotated[
        bool,
        Parameter(help="write files for OpenAI's Batch API instead of asking", show_default=False),
    ] = False,
    read_batch: Annotated[
        Path | None, Parameter(help="take the results of a Batch API file into the store")
    ] = None,
) -> int:
    """Rewrite consultations with an OpenAI-compatible endpoint; the key comes from OPENAI_API_KEY.
    The instructions make rows of the arm `overt`: comfort is said in so many words. Stop it at any
    time: the same command goes on.

    :param source: a .json, .jsonl, .csv or .parquet file, or owner/name of a data set of the hub
    """
    from emo_utils.rewriting import batches, costs, live, requests, sources
    from emo_utils.rewriting.store import Store

    consultations = sources.Source(
        source, revision, question_field=question_field, answer_field=answer_field
    )
    if not er and not eqsr:
        raise EmoError(
            "say how many rows: --er N for empathetic answers, "
            "--eqsr N for emotional questions with soothing answers"
        )
    chosen = sources.select(consultations, er, eqsr, seed)
    check_server(model, endpoint)
    if limit is not None and not 0 <= limit < float("inf"):
        raise EmoError(f"--limit is {limit}; it is an amount of US dollars, 0 or more")
    if emotion_model:
        registry.entry(emotion_model)
    print(
        f"{source}: {chosen.usable} usable rows, {len(chosen.set_aside)} set aside; "
        f"{len(chosen.er)} for ER, {len(chosen.eqsr)} for EQ+SR, {chosen.both} of them for both; "
        f"the instructions make the arm {requests.ARM}"
    )
    if chosen.set_aside:
        print(f"set aside: {sources.reasons(chosen.set_aside)}")
    out.mkdir(parents=True, exist_ok=True)
    sources.write_set_aside(chosen.set_aside, out / "unusable_rows.jsonl")
    settings = requests.Settings(
        model, endpoint, temperature, seed, max_tokens, attempts, concurrency, timeout
    )
    store, price_table = Store(out / "replies.sqlite"), prices or costs.PRICES
    tasks = lambda: chosen.tasks(consultations)  # noqa: E731
    print(costs.plan(tasks(), settings, store, price_table))
    if plan:
        return 0
    gate = _emotion_gate(emotion_model) if emotion_model else None
    if write_batches:
        for path in batches.write_batches(tasks(), settings, store, out / "batches"):
            print(
                f"send {relative(path)} to the Batch API, then: emo rewrite … --read-batch RESULT"
            )
        return 0
    if read_batch:
        report = batches.read_batch(read_batch, tasks(), settings, store, gate)
    else:
        report = live.run(
            tasks, settings, store, limit=limit, prices=price_table, emotion_gate=gate
        )
    counts = live.export(tasks(), settings, store, out)
    print(live.summary(report))
    print(
        f"{relative(out)}: "
        + ", ".join(f"{name}.jsonl {count} rows" for name, count in counts.items())
        + f"; rewrites of the arm {requests.ARM}"
    )
    return 1 if report.counts["failed"] else 0


def _emotion_gate(model: str):
    """A judge of whether a rewritten question has the emotion that was asked for."""
    from emo_utils.judging import decisions
    from emo_utils.rewriting import gates

    return gates.emotion_gate(decisions.Judge(model, choose_precision().dtype))
