"""The `emo` command: one run, one step, or the whole book."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from emo.graph import cluster, due, fingerprints, steps, sweeps
from emo.site import built
from emo_utils.experiment import parameters, results
from emo_utils.models import fetching, loading, registry
from emo_utils.models.precision import choose_precision
from emo_utils.project import (
    PROFILE_NAMES,
    ROOT,
    EmoError,
    cache_dir,
    first_line,
    relative,
    write_atomic,
)

ADDRESS = r"https?://[^\s/]+|$"  # of an endpoint, or none
# glibc gives large tensors back to the system after each use and has them zeroed anew at the next:
# a sixth of a training step. With these settings a process keeps its memory; other allocators
# ignore them.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "2147483648",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
}


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `emo`; mistakes of the user end in one line, not in a traceback."""
    options = _parser().parse_args(arguments)
    try:
        done = options.do(options)
        return done if isinstance(done, int) else 0
    except EmoError as error:
        print(f"emo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("emo: stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `emo why | head`: who reads has enough
        sys.stdout = None
        return 141
    except Exception as error:
        if options.debug:
            raise
        if isinstance(error, OSError):  # no space, no permission, a folder in the place of a file
            print(
                (
                    f"emo: {error.strerror or error}"
                    f"{f': {error.filename}' if error.filename else ''}; "
                    "what was finished is kept, and the same command goes on once that is mended"
                ),
                file=sys.stderr,
            )
            return 2
        print(
            (
                f"emo: a fault of this program, please report it: {type(error).__name__}: "
                f"{first_line(error)} (emo --debug … shows where)"
            ),
            file=sys.stderr,
        )
        return 70


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emo", description="Run the companion's notebooks, one by one or as a book."
    )
    parser.add_argument(
        "--debug", action="store_true", help="show where a fault of the program lies"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, do, text, *positional):
        sub = commands.add_parser(name, help=text, description=text)
        for argument, options in positional:
            sub.add_argument(argument, **options)
        sub.set_defaults(do=do)
        return sub

    run = command(
        "run",
        run_by_hand,
        "Run one notebook by hand: its results go to results/adhoc and leave the book as it is.",
        ("notebook", {"help": "such as 03_dpo"}),
    )
    run.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        dest="given",
        help="set a parameter; may be repeated",
    )
    run.add_argument(
        "--parameters", action="store_true", help="list the notebook's parameters and end"
    )
    making = command("book", make_book, "Make every step that is not up to date, then the book.")
    planning = command("plan", print_plan, "Say what `emo book` would do.")
    part = command(
        "make",
        make_runs,
        "Make some of the book's runs, with what they need.",
        ("runs", {"nargs": "+", "help": "such as 03_dpo.eqsr-dpo, or a system such as eqsr-dpo"}),
    )
    sweeping = command(
        "sweep",
        run_sweep,
        "Train the variants of a sweep (sweeps/*.yaml) and compare them; stop and resume at will.",
        ("name", {"help": "such as beta"}),
    )
    sweeping.add_argument(
        "--seeds", type=int, nargs="+", default=[], help="training seeds in place of the file's"
    )
    sweeping.add_argument(
        "--keep",
        action="store_true",
        help="put the records into book/reference, from which the book shows them",
    )
    for sub in (making, planning, part, sweeping):
        sub.add_argument(
            "--cores",
            type=int,
            default=os.cpu_count(),
            help="processor cores of this machine to use (default: all)",
        )
        if sub is not planning:
            sub.add_argument(
                "--cluster",
                type=Path,
                default=None,
                metavar="FOLDER",
                help="send the steps to a cluster by this Snakemake profile: profiles/slurm, say",
            )
    command(
        "step",
        do_step,
        "Make one run of the book now if it is not up to date (what the graph calls).",
        ("run", {}),
    )
    command("why", print_why, "Say why each run of the book is, or is not, up to date.")
    command(
        "fetch",
        fetch,
        "Fetch weights into the cache.",
        ("names", {"nargs": "*", "help": "registered names (default: all that the profile needs)"}),
    )
    checking = command(
        "check-rows",
        check_rows,
        "Say whether rows of yours can be trained on, and if not, which row and field is wrong.",
        ("file", {"help": "a JSONL file, one row a line"}),
    )
    checking.add_argument(
        "--as",
        choices=("eqsr", "er"),
        default="eqsr",
        dest="kind",
        help=(
            "eqsr: emotional question and soothing answer, for SFT, DPO and KTO (default); "
            "er: empathetic answer, for the system er-sft"
        ),
    )
    exporting = command(
        "export",
        export_run,
        "Write a training of the book as settings and rows for LLaMA-Factory 0.9.5.",
        ("run", {"help": "such as 03_dpo.eqsr-dpo, or a system such as eqsr-dpo"}),
    )
    exporting.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        dest="given",
        help="set a parameter; may be repeated",
    )
    exporting.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder to write to; what it holds of other runs is kept",
    )
    asking = command(
        "ask",
        ask,
        (
            "Let the trained systems answer a question of yours. "
            "Research models of a paper: never advice."
        ),
        ("question", {"help": "in quotes, written as a patient would"}),
    )
    asking.add_argument(
        "--systems", nargs="+", default=[], help="such as base eqsr-dpo (default: all nine)"
    )
    asking.add_argument(
        "--max-new-tokens", type=int, default=120, help="longest answer in tokens (default: 120)"
    )
    asking.add_argument(
        "--temperature", type=float, default=0.0, help="sampling temperature (default: 0, greedy)"
    )
    answering = command(
        "answers",
        write_answers,
        (
            "Let a model behind an OpenAI-compatible server answer the book's test questions; "
            "chapters 5 to 8 score it beside the nine (parameter extra)."
        ),
        ("name", {"help": "what to call the system, such as eqsr-dpo-8b"}),
    )
    answering.add_argument("--endpoint", default="", help="address ending in /v1 (default: OpenAI)")
    answering.add_argument("--model", required=True, help="the server's name of the model")
    answering.add_argument(
        "--prompt",
        choices=("task", "comfort"),
        default="task",
        help=(
            "instruction: the plain one (default), "
            "or the one of the system `prompt` that asks for comfort"
        ),
    )
    for name, kind, default, text in (
        ("--rows", int, 0, "questions, balanced over emotions (0: all)"),
        ("--max-new-tokens", int, 120, "longest answer in tokens"),
        ("--temperature", float, 0.0, "sampling temperature"),
        ("--seed", int, 42, "seed of the sampling, where the server takes one"),
        ("--concurrency", int, 16, "requests under way at a time"),
        ("--wait", float, 600.0, "seconds for which a server may be away"),
    ):
        answering.add_argument(
            name, type=kind, default=default, help=f"{text} (default: {default})"
        )
    handing = command(
        "rating-sheets",
        make_rating_sheets,
        (
            "Make blinded, randomised forms with which people rate dialogues; "
            "they work offline, in any browser."
        ),
        (
            "dialogues",
            {
                "type": Path,
                "help": (
                    "a .jsonl, .csv or .parquet file: emotion, situation, turns (four texts), "
                    "and id and system where there are several systems"
                ),
            },
        ),
    )
    comparing = command(
        "comparison-sheets",
        make_comparison_sheets,
        (
            "Make blinded, randomised forms with which people compare two systems' answers "
            "to the same questions; they work offline, in any browser."
        ),
        (
            "first",
            {
                "type": Path,
                "help": (
                    "answers of one system: a .jsonl, .csv or .parquet file with id, "
                    "question and answer, such as results/embedded/answers/ebd-base.parquet"
                ),
            },
        ),
        ("second", {"type": Path, "help": "answers of the other system"}),
    )
    for sub, item in ((handing, "dialogue"), (comparing, "question")):
        sub.add_argument(
            "--to",
            type=Path,
            required=True,
            metavar="FOLDER",
            help="folder for the forms and their key, which raters must not see",
        )
        for name, default, text in (
            ("--group-size", 10, f"{item}s on a form"),
            ("--raters", 3, f"people who rate each {item}"),
            ("--seed", 42, "seed of groups, orders and codes"),
        ):
            sub.add_argument(name, type=int, default=default, help=f"{text} (default: {default})")
    reading = command(
        "ratings",
        read_ratings,
        (
            "Check the files that raters returned, and say how far they agree, "
            "with each other and with a judge or other automatic scores."
        ),
        (
            "folder",
            {
                "type": Path,
                "help": (
                    "the folder of `emo rating-sheets` or `emo comparison-sheets`, "
                    "with the returned files in returned/"
                ),
            },
        ),
    )
    reading.add_argument(
        "--judge",
        type=Path,
        default=None,
        metavar="FILE",
        help=(
            "a judge's or other automatic scores: "
            ".jsonl, .csv or .parquet with id, system, metric, value"
        ),
    )
    drifting = command(
        "drift",
        print_drift,
        (
            "Hold the book's records against those that were kept: what moved, how far, and why. "
            "Ends with 1 where a number left its interval "
            "and nothing that it depends on had changed."
        ),
    )
    drifting.add_argument(
        "--against",
        type=Path,
        default=None,
        metavar="FILE",
        help="records kept by --keep (default: book/reference/book_PROFILE.json)",
    )
    drifting.add_argument(
        "--to",
        type=Path,
        default=None,
        metavar="FILE",
        help="write the whole report there, in Markdown",
    )
    drifting.add_argument(
        "--keep",
        action="store_true",
        help="keep the records as they are now, for later comparisons, and end",
    )
    releasing = command(
        "release",
        make_release,
        (
            "Archive the book and the records behind it, with checksums; "
            "all must be up to date and made from a commit."
        ),
    )
    releasing.add_argument(
        "--to",
        type=Path,
        default=ROOT / "dist",
        metavar="FOLDER",
        help="folder to write to (default: dist)",
    )
    command("pages", make_pages, "Build the book from the results that are there.")
    rewriting = command(
        "rewrite",
        rewrite_rows,
        (
            "Rewrite consultations with an OpenAI-compatible endpoint; "
            "the key comes from OPENAI_API_KEY. Stop it at any time: the same command goes on."
        ),
        (
            "source",
            {"help": "a .jsonl, .csv or .parquet file, or owner/name of a data set of the hub"},
        ),
    )
    _rewriting_options(rewriting)
    scaled = "book plan make sweep step why fetch export ask drift release pages".split()
    for name in scaled:
        commands.choices[name].add_argument(
            "--profile",
            choices=PROFILE_NAMES,
            default="embedded",
            help="scale of the run (default: embedded)",
        )
    return parser


def _rewriting_options(parser: argparse.ArgumentParser) -> None:
    for name, kind, default, text in (
        ("--er", int, 0, "rows to rewrite as ER (the paper: 60000)"),
        ("--eqsr", int, 0, "rows to rewrite as EQ+SR, emotions in turn (the paper: 50000)"),
        ("--model", str, "gpt-4o-mini", "the endpoint's name of the model"),
        ("--endpoint", str, "", "address ending in /v1 (default: OpenAI)"),
        ("--out", Path, ROOT / "results" / "rewrites", "folder of the store and the results"),
        ("--limit", float, None, "US dollars that this run may cost"),
        ("--prices", Path, None, "price table (default: profiles/prices.yaml)"),
        ("--concurrency", int, 16, "requests under way at a time"),
        ("--attempts", int, 3, "replies asked for at most for one row"),
        ("--temperature", float, 0.3, "sampling temperature"),
        ("--max-tokens", int, 700, "longest reply in tokens"),
        ("--timeout", float, 60.0, "seconds without a byte before a request is sent again"),
        ("--seed", int, 42, "seed of the choice of rows and of the sampling"),
        ("--revision", str, "", "commit of a hub data set"),
        (
            "--question-field",
            str,
            "",
            "name of the question's field, where it is not found by itself",
        ),
        ("--answer-field", str, "", "name of the answer's field"),
        (
            "--emotion-model",
            str,
            "",
            "registered model that checks the asked-for emotion (default: no check)",
        ),
        ("--read-batch", Path, None, "take the results of a Batch API file into the store"),
    ):
        shown = (
            ""
            if default in ("", None)
            else (
                f" (default: {default.relative_to(ROOT) if isinstance(default, Path) else default})"
            )
        )
        parser.add_argument(name, type=kind, default=default, help=text + shown)
    parser.add_argument(
        "--plan",
        action="store_true",
        help="say what would be asked and what it would cost, and end",
    )
    parser.add_argument(
        "--write-batches",
        action="store_true",
        help="write files for OpenAI's Batch API instead of asking",
    )


def rewrite_rows(options) -> int:
    """`emo rewrite`: choose rows, say what they cost, ask, export, report."""
    from emo_utils.rewriting import batches, costs, live, requests, sources
    from emo_utils.rewriting.store import Store

    source = sources.Source(
        options.source,
        options.revision,
        question_field=options.question_field,
        answer_field=options.answer_field,
    )
    if not options.er and not options.eqsr:
        raise EmoError(
            "say how many rows: --er N for empathetic answers, "
            "--eqsr N for emotional questions with soothing answers"
        )
    chosen = sources.select(source, options.er, options.eqsr, options.seed)
    for name, low, high in (
        ("concurrency", 1, 1024),
        ("attempts", 1, 1000),
        ("max_tokens", 1, 2**20),
        ("temperature", 0, 2),
        ("timeout", 0.001, 86400),
        ("seed", 0, 2**31 - 1),
    ):
        if not low <= getattr(options, name) <= high:
            raise EmoError(
                f"--{name.replace('_', '-')} is {getattr(options, name)}; "
                f"it must be in [{low}, {high}]"
            )
    if not options.model.strip() or not re.match(ADDRESS, options.endpoint):
        raise EmoError(
            f"--model {options.model!r} --endpoint {options.endpoint!r}: "
            "a model has a name, and an endpoint an address such as http://HOST/v1"
        )
    if options.limit is not None and not 0 <= options.limit < float("inf"):
        raise EmoError(f"--limit is {options.limit}; it is an amount of US dollars, 0 or more")
    if options.emotion_model:
        registry.entry(options.emotion_model)
    print(
        f"{options.source}: {chosen.usable} usable rows, {len(chosen.set_aside)} set aside; "
        f"{len(chosen.er)} for ER, {len(chosen.eqsr)} for EQ+SR, {chosen.both} of them for both"
    )
    options.out.mkdir(parents=True, exist_ok=True)
    sources.write_set_aside(chosen.set_aside, options.out / "unusable_rows.jsonl")
    settings = requests.Settings(
        options.model,
        options.endpoint,
        options.temperature,
        options.seed,
        options.max_tokens,
        options.attempts,
        options.concurrency,
        options.timeout,
    )
    store, prices = Store(options.out / "replies.sqlite"), options.prices or costs.PRICES
    tasks = lambda: chosen.tasks(source)  # noqa: E731
    print(costs.plan(tasks(), settings, store, prices))
    gate = None
    if options.emotion_model and not options.plan:
        from emo_utils.judging import decisions
        from emo_utils.rewriting import gates

        gate = gates.emotion_gate(decisions.Judge(options.emotion_model, choose_precision().dtype))
    if options.plan:
        return 0
    if options.write_batches:
        for path in batches.write_batches(tasks(), settings, store, options.out / "batches"):
            print(
                f"send {relative(path)} to the Batch API, then: emo rewrite … --read-batch RESULT"
            )
        return 0
    if options.read_batch:
        done = batches.read_batch(options.read_batch, tasks(), settings, store, gate)
    else:
        done = live.run(
            tasks, settings, store, limit=options.limit, prices=prices, emotion_gate=gate
        )
    counts = live.export(tasks(), settings, store, options.out)
    print(live.summary(done))
    print(
        f"{relative(options.out)}: "
        + ", ".join(f"{name}.jsonl {count} rows" for name, count in counts.items())
    )
    return 1 if done.counts["failed"] else 0


def run_by_hand(options) -> Path | None:
    """`emo run`: check the parameters, execute the notebook with them,
    and say where everything went; returns the executed notebook.
    """
    notebook = parameters.notebook_path(options.notebook).stem
    known = parameters.declared(notebook)
    if options.parameters:
        for p in known.values():
            print(f"  {p.name}: {p.type} = {p.default!r}\n      {p.meaning} ({p.domain()})")
        return None
    # Texts become numbers here; the same checks run again inside the notebook,
    # for papermill's own users.
    given = {
        name: known[name].check(value) if name in known else value for name, value in options.given
    }
    values = parameters.resolve(notebook, given)
    from emo_utils.experiment.runs import adhoc_name

    name = adhoc_name(notebook, values, given)
    target = ROOT / "results" / "adhoc" / f"{name}.ipynb"
    print(f"{notebook} -> {relative(target)}")
    execute(notebook, target, given, progress=True)
    print(f"done: {relative(target)}; records in {relative(target.with_suffix('.json'))}")
    return target


def check_rows(options) -> int:
    """`emo check-rows`: the count of rows and of each emotion, or every row that is wrong."""
    from collections import Counter

    from emo_utils.data import dialogues

    if not options.file:
        raise EmoError("give a file: emo check-rows rows.jsonl")
    rows = dialogues.load(options.kind, file=options.file)
    print(
        f"{len(rows)} rows can be trained on"
        + "".join(
            f", {n} {emotion}"
            for emotion, n in Counter(
                row["emotion"] for row in rows if options.kind == "eqsr"
            ).items()
        )
    )
    print(
        f"train with: emo run {'02_sft -p system er-sft' if options.kind == 'er' else '03_dpo'} "
        f"-p rows_file {options.file} -p train_rows 0"
    )
    return 0


def export_run(options) -> int:
    """`emo export`: the files, and the command that trains with them."""
    from emo import export  # it imports torch and TRL, which takes seconds

    settings, *others = export.write(options.run, options.profile, options.to, dict(options.given))
    print(
        f"wrote {', '.join(path.name for path in (settings, *others))}; "
        f"train with: llamafactory-cli train {settings}"
    )
    return 0


def ask(options) -> int:
    """`emo ask`: one question, the answers of the trained systems below each other;
    the base model is read once.
    """
    from emo_utils.experiment import results, runs
    from emo_utils.generation import answering, prompts

    unknown = [name for name in options.systems if name not in results.SYSTEMS]
    if unknown:
        raise EmoError(
            f"there is no system '{unknown[0]}'{parameters.nearest(unknown[0], results.SYSTEMS)}; "
            f"there are: {', '.join(results.SYSTEMS)}"
        )
    if not options.question.strip() or options.max_new_tokens < 1 or options.temperature < 0:
        raise EmoError(
            "give a question in quotes, "
            "--max-new-tokens of at least 1 and a --temperature of at least 0"
        )
    settings = parameters.resolve("02_sft", {"profile": options.profile})
    chains = {
        name: []
        if name in ("base", "prompt")
        else runs.Run("02_sft", settings | {"init": name}, {}).start_checkpoints()
        for name in options.systems or results.SYSTEMS
    }
    print(
        (
            "These are small research models. They invent facts fluently; "
            "nothing they say is medical advice."
        ),
        flush=True,
    )
    dtype, row = (
        choose_precision(settings["precision"]).dtype,
        {"id": "asked", "question": options.question},
    )
    for name, model, tokenizer in loading.each(settings["base_model"], dtype, chains):
        task = prompts.text("comfort" if name == "prompt" else "task")
        answers = answering.answer_questions(
            model,
            tokenizer,
            [row],
            task,
            name,
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            batch_size=1,
            seed=settings["seed"],
        )
        print(
            f"\n{name}{'' if answers.complete[0] else ' (cut off)'}\n"
            f"{textwrap.fill(answers.answer[0], 110, initial_indent='  ', subsequent_indent='  ')}",
            flush=True,
        )
    return 0


def write_answers(options) -> int:
    """`emo answers`: the answers of a served model, and how to score them."""
    from emo_utils.data import dialogues
    from emo_utils.generation import served

    for name, low, high in (
        ("rows", 0, 10**9),
        ("max_new_tokens", 1, 2**20),
        ("temperature", 0, 2),
        ("concurrency", 1, 1024),
        ("wait", 0, 10**6),
        ("seed", 0, 2**31 - 1),
    ):
        if not low <= getattr(options, name) <= high:
            raise EmoError(
                f"--{name.replace('_', '-')} is {getattr(options, name)}; "
                f"it must be in [{low}, {high}]"
            )
    if not options.model.strip() or not re.match(ADDRESS, options.endpoint):
        raise EmoError(
            f"--model {options.model!r} --endpoint {options.endpoint!r}: "
            "a model has a name, and an endpoint an address such as http://HOST/v1"
        )
    settings = served.Settings(
        options.model,
        options.endpoint,
        options.prompt,
        options.max_new_tokens,
        options.temperature,
        options.seed,
        options.concurrency,
        wait=options.wait,
    )
    path = served.write(options.name, settings, dialogues.load("test", options.rows))
    print(f"{relative(path)}; score it with: emo run 05_emotion_scoring -p extra {relative(path)}")
    return 0


def make_rating_sheets(options) -> int:
    """`emo rating-sheets`: forms, their key, and what to do with both."""
    from emo_utils.data import emplifai
    from emo_utils.people import forms

    # A file of one system's dialogues needs no column for it.
    dialogues = [
        {"system": options.dialogues.stem} | row for row in emplifai.read(options.dialogues)
    ]
    return _handed_out(
        forms.make_sheets(dialogues, options.to, options.group_size, options.raters, options.seed),
        "dialogues",
        options,
    )


def make_comparison_sheets(options) -> int:
    """`emo comparison-sheets`: forms on which two systems' answers stand side by side."""
    from emo_utils.data import files
    from emo_utils.people import forms

    tables = [files.table(path) for path in (options.first, options.second)]
    tables = [
        table if "system" in table else table.assign(system=path.stem)
        for table, path in zip(tables, (options.first, options.second))
    ]
    made = forms.make_comparisons(
        *tables, options.to, options.group_size, options.raters, options.seed
    )
    if left := len(set(tables[0].id.astype(str)) ^ set(tables[1].id.astype(str))):
        print(f"left out: {left} questions that only one of the two answered")
    return _handed_out(made, "questions", options)


def _handed_out(sheets, what: str, options) -> int:
    print(
        f"{len(sheets)} forms in {options.to / 'sheets'}: {sheets.group.nunique()} groups "
        f"of up to {sheets['items'].max()} {what}, each for {options.raters} people."
    )
    print(
        "Give every person one form of a group and a code; put the files that come back into "
        f"{options.to / 'returned'}, keep key.json to yourself, then: emo ratings {options.to}"
    )
    return 0


def read_ratings(options) -> int:
    """`emo ratings`: what came back, and the agreement in it. 1 where a file could not be taken."""
    from emo_utils.data import files
    from emo_utils.people import agreement, rating_kit

    found, left_out, remarks = rating_kit.read_back(options.folder)
    print(
        *(f"left out: {text}" for text in left_out),
        *(f"note: {text}" for text in remarks),
        sep="\n",
    )
    if found.empty:
        raise EmoError(f"no ratings yet: there is no usable file in {options.folder / 'returned'}")
    compared = bool(found.against.any())
    what = "questions" if compared else "dialogues"
    print(
        f"{len(found)} ratings by {found.rater.nunique()} people "
        f"on {len(found[['id', 'system']].drop_duplicates())} {what}\n\n"
        f"Agreement between raters (Krippendorff's alpha, ordinal; 95 % interval over {what})"
    )
    print(agreement.agreement(found).round(2).to_string(index=False, na_rep="none"))
    if compared:
        print(
            f"\nChosen: {found.system.iloc[0]}, against {found.against.iloc[0]} "
            "(value: share of questions, no difference counts half; "
            "left: share of single choices for the left place)"
        )
        print(agreement.choices(found).round(2).to_string(index=False, na_rep="none"))
    if options.judge:
        judged = files.table(options.judge)
        if lacking := {"id", "system", "metric", "value"} - set(judged):
            raise EmoError(
                f"{options.judge.name} lacks the column '{sorted(lacking)[0]}'; "
                "it needs id, system, metric, value"
            )
        agreed = (agreement.against_scores if compared else agreement.against_judge)(found, judged)
        if agreed.empty or compared and not agreed.n.any():
            raise EmoError(
                f"{options.judge.name} scores none of the rated {what}: "
                "are its ids, systems and metrics those of the sheets?"
            )
        print(
            "\n"
            + (
                "How often the score is higher for the answer that people chose (0.5 is chance)"
                if compared
                else "The judge against the mean of the raters"
            )
            + "\n"
            + agreed.round(2).to_string(index=False, na_rep="")
        )
    write_atomic(options.folder / "ratings.csv", found.to_csv(index=False))
    print(f"\nall ratings: {options.folder / 'ratings.csv'}")
    return 1 if left_out else 0


def execute(notebook: str, target: Path, given: dict, progress: bool) -> None:
    """Execute a notebook's source into `target` with papermill;
    a failure names its cause and keeps the notebook beside it.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from emo import warm

    # The kernel that papermill starts inherits these.
    os.environ |= KEEP_MEMORY | {"EMO_CALLED_FROM": os.getcwd()}
    launch = parameters.load_profile(given.get("profile", "embedded")).get("launch")
    if launch and "EMO_LAUNCH" not in os.environ:
        os.environ["EMO_LAUNCH"] = f"--config_file {shlex.quote(str(ROOT / launch))}"
    warm.use()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished.ipynb")
    try:
        papermill.execute_notebook(
            str(parameters.notebook_path(notebook)),
            str(unfinished),
            parameters=given,
            progress_bar=progress,
            kernel_name="python3",
            cwd=str(ROOT / "notebooks"),
        )
    except PapermillExecutionError as error:
        raise EmoError(
            f"{notebook} stopped in cell {error.exec_count}: {error.ename}: {error.evalue} "
            f"(the notebook so far: {relative(unfinished)})"
        ) from None
    except DeadKernelError:
        raise EmoError(
            f"the process of {notebook} was killed, by the system where memory ran out "
            f"(the notebook so far: {relative(unfinished)}); "
            "what was finished is kept, and the same command goes on"
        ) from None
    os.replace(unfinished, target)


def offline(profile: str) -> str:
    """The value of HF_HUB_OFFLINE for a profile's steps: only the papers' scale may ask the hub."""
    return "0" if profile == "paper" else "1"


def do_step(options) -> int:
    """One run of the book: skipped when its fingerprint is the one of its results,
    whatever the files' times say.
    """
    step = steps.step(options.run)
    reasons = due.why(step.run, options.profile)
    stamp = due.stamps_dir(options.profile) / f"{step.run}.done"
    started = time.monotonic()
    if reasons:
        print(f"  {step.run}: {'; '.join(reasons[:3])}", flush=True)
        os.environ |= fingerprints.environment(step.run, options.profile) | {
            "OMP_NUM_THREADS": str(cluster.threads(step, options.profile)),
            "HF_HUB_OFFLINE": offline(options.profile),
        }
        values = steps.values(step, options.profile)
        execute(
            step.notebook,
            due.executed_path(step.run, options.profile),
            {name: values[name] for name in (*dict(step.fixed), "profile")},
            progress=False,
        )
        print(f"  {step.run}: done in {time.monotonic() - started:.0f} s", flush=True)
    else:
        print(f"  {step.run}: unchanged", flush=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(results.result_digest(step.run, options.profile))
    return 0


def print_plan(options) -> int:
    """What a book would take: steps, downloads, time, memory, disk."""
    profile = parameters.load_profile(options.profile)
    to_run = [s.run for s in steps.steps(options.profile) if due.why(s.run, options.profile)]
    weights = dict.fromkeys(
        name for s in steps.steps(options.profile) for name in steps.step_models(s, options.profile)
    )
    downloads = {
        name: registry.entry(name).size_mb for name in weights if not registry.is_cached(name)
    }
    print(f"profile {options.profile}: {profile['about']}")
    print(
        f"  steps    {len(to_run)} of {len(steps.steps(options.profile))} to run"
        + (f": {', '.join(to_run)}" if 0 < len(to_run) < 5 else "")
    )
    print(
        f"  download {sum(downloads.values())} MB of weights"
        + (f" ({', '.join(downloads)})" if downloads else " (all in the cache)")
    )
    named = {
        value: s.run
        for s in steps.steps(options.profile)
        for key, value in steps.values(s, options.profile).items()
        if key.endswith("_model") and value not in ("", "scripted-stub", *registry.REGISTRY)
    }
    for name, run in named.items():
        print(
            f"  note     {run} asks for '{name}', "
            f"which is not in the registry{parameters.nearest(name, registry.REGISTRY)} "
            "(only an endpoint may have other names)"
        )
    if to_run:
        time_needed = (
            f"about {profile['minutes']} minutes for everything on 2 cores"
            if profile["minutes"]
            else "time not measured"
        )
        print(
            f"  needs    {time_needed}, {profile['memory_gb']} GB of memory, "
            f"{options.cores} cores in use"
        )
    print(f"  cache    {cache_dir()}")
    print("  stop it at any time: the same command goes on where it was", flush=True)
    return 0


def make_book(options) -> int:
    """`emo book`: the plan, the graph, the pages."""
    if built.is_current(options.profile) and not any(
        due.why(s.run, options.profile) for s in steps.steps(options.profile)
    ):
        print(
            f"everything is up to date ({options.profile} profile): "
            f"{relative(built.HTML / 'index.html')}"
        )
        return 0
    print_plan(options)
    return _snakemake(options, ["book"])


def make_runs(options) -> int:
    runs = [steps.making(name).run for name in options.runs]
    stamps = [relative(due.stamps_dir(options.profile) / f"{run}.done") for run in runs]
    return _snakemake(options, stamps, tuple(run for run in runs if "@" in run))


def run_sweep(options) -> int:
    """`emo sweep`: the variants through the graph,
    then the notebook that scores and compares them.
    """
    if options.keep and options.profile == "smoke":
        raise EmoError(
            "numbers of the smoke profile mean nothing and are not kept in the book; "
            "leave out --keep, or choose another profile"
        )
    plan = sweeps.sweep(options.name, tuple(options.seeds))
    variants, notebook = plan["variants"], plan.get("notebook", "12_sweeps")
    to_train = [name for name in variants if due.why(name, options.profile)]
    print(
        (
            f"sweep {options.name} ({options.profile} profile): "
            f"{len(variants)} variants, {len(to_train)} to train"
        ),
        flush=True,
    )
    _snakemake(
        options,
        [relative(due.stamps_dir(options.profile) / f"{name}.done") for name in variants],
        tuple(variants),
    )
    given = [("profile", options.profile), ("sweep", options.name)] + (
        [("seeds", " ".join(map(str, options.seeds)))] if options.seeds else []
    )
    result = run_by_hand(argparse.Namespace(notebook=notebook, given=given, parameters=False))
    if options.keep:
        target = (
            ROOT
            / "book"
            / "reference"
            / (f"{options.name}.json" if "notebook" in plan else f"sweep_{options.name}.json")
        )
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(result.with_suffix(".json"), target)
        print(f"kept in {relative(target)}")
    return 0


def _snakemake(options, targets: list[str], variants: tuple[str, ...] = ()) -> int:
    """Run the graph, here or on a cluster."""
    due.prepare(options.profile, variants)
    command = cluster.command(options.profile, options.cores, options.cluster, targets)
    environment = os.environ | KEEP_MEMORY | {"PYTHONWARNINGS": "ignore"}
    if options.cluster:
        done = subprocess.run(command, cwd=ROOT, env=environment)
    else:
        from emo import warm

        with warm.kernels(environment | {"HF_HUB_OFFLINE": offline(options.profile)}) as place:
            done = subprocess.run(command, cwd=ROOT, env=environment | place)
    if done.returncode:
        raise EmoError(
            "not everything could be made; the cause stands above, next to the name of its step. "
            "The same command goes on from there"
        )
    return 0


def print_why(options) -> int:
    for s in steps.steps(options.profile):
        reasons = due.why(s.run, options.profile)
        print(f"{s.run:<28} {'; '.join(reasons) or 'up to date'}")
    return 0


def fetch(options) -> int:
    for name in options.names or dict.fromkeys(
        n for s in steps.steps(options.profile) for n in steps.step_models(s, options.profile)
    ):
        fetching.fetch(name)
    return 0


def print_drift(options) -> int:
    """`emo drift`: 0 when nothing moved, or every number that left its interval has a reason."""
    from emo import drift

    if options.keep:
        print(f"kept in {relative(drift.keep(options.profile))}")
        return 0
    before, now = (
        drift.read(options.against or drift.reference(options.profile)),
        drift.snapshot(options.profile),
    )
    moved, turned = drift.compare(before, now), drift.verdicts(before, now)
    if options.to:
        write_atomic(
            options.to, f"# Drift of the {options.profile} profile\n\n{drift.page(moved, turned)}"
        )
    print(f"{drift.summary(moved)} {drift.said_of(turned)}".replace("**", ""))
    for r in turned.itertuples():
        print(f"  {r.before} -> {r.now}: {r.claim}")
    for r in drift.unexplained(moved).itertuples():
        print(
            f"  {r.run}: {r.table}, {r.system}, {r.metric}, {r.group}: "
            f"{r.before:.4g} [{r.low:.4g}, {r.high:.4g}] -> {r.now:.4g}"
        )
    return 1 if len(drift.unexplained(moved)) else 0


def make_release(options) -> int:
    from emo import release

    for path in release.write(options.profile, options.to):
        print(f"{relative(path)}  {path.stat().st_size / 1e6:.1f} MB")
    return 0


def make_pages(options) -> int:
    sys.path.insert(
        0, str(ROOT / "book")
    )  # how pages are made is no business of the notebooks' package
    from emo.site import build

    build.build(options.profile)
    print(f"the book: {relative(built.HTML / 'index.html')}")
    return 0
