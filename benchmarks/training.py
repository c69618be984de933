"""Training steps of this package beside stock TRL's and LLaMA-Factory 0.9.5's,
in one run on this machine.

    .venv/bin/python benchmarks/training.py
        the comparison: same rows, order, adapters and batch; three ways
    .venv/bin/python benchmarks/training.py --shares
        what each choice of this package saves: everything without it
    .venv/bin/python benchmarks/training.py --growth
        time and memory with more rows and with longer ones
    .venv/bin/python benchmarks/training.py --rows FILE.jsonl
        on rows of a file with `question` and `answer`, such as icliniq's
    .venv/bin/python benchmarks/training.py --model Qwen2.5-Coder-0.5B-Instruct --count 8
        with another base model
    ONEDNN_MAX_CPU_ISA=AVX2 .venv/bin/python benchmarks/training.py
            --ways ours "stock TRL" "stock TRL in fp32"
        as on a processor without bf16 units

Each training is a process of its own; the ways take turns. A rate is tokens of text a second:
prompt and answer of each row as the objective lists it, no padding, however often a way computes
them. Its denominator is the time from the end of one optimizer step to the end of the next,
reference passes included. The first step is left out. The mean losses stand beside each other, in
bf16; benchmarks/llamafactory.py compares them in fp32, step by step. With --keep the table goes to
book/reference/speed.json, from which the book shows it.

Stock TRL is its trainer with its defaults, but gradient checkpointing off, which would cost a third
pass; bf16 is TRL's default. LLaMA-Factory takes the settings that `emo export` writes, with the
whole batch at once.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
ROOT = Path(__file__).resolve().parents[1]
BASE = "SmolLM2-135M-Instruct"
STAGES = ("sft", "dpo", "kto")
WAYS = ("ours", "stock TRL", "LLaMA-Factory", "stock TRL in fp32")
SETTINGS = {"learning_rate": 2e-4, "epochs": 1.0, "seed": 42}
RANK, BETA = 16, 0.1
# Weight products that an objective asks for, for each token of text: a pass forward is 1, one
# backward through frozen weights 1. DPO's reference adds a pass; KTO's, too, and its KL term one
# pass of each model over as much text again.
PASSES = {"sft": 2, "dpo": 3, "kto": 5}
WITHOUT = {
    "nothing": "as it is",
    "packing": "TRL's own padded batches",
    "sharing": "a prompt computed again for each of its answers",
    "bf16 weights": "frozen weights kept in fp32 and rounded in every pass",
    "bf16": "fp32 products",
    "computing again": "all activations kept for the backward pass",
    "kept memory": "memory given back to the system after each use",
}


# One training, in a process of its own


def work(spec: dict, out: Path) -> None:
    """Train as `spec` says, by this package or by stock TRL, and write seconds, losses, memory and
    tokens of text of each step.
    """
    import torch
    from clock import Clock
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.trainer_callback import PrinterCallback
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

    from emo_utils.models import fetching, loading
    from emo_utils.models.precision import choose_precision
    from emo_utils.training import packed, recipe

    disable_progress_bars()
    torch.manual_seed(SETTINGS["seed"])
    make, config = {
        "sft": (SFTTrainer, SFTConfig),
        "dpo": (DPOTrainer, DPOConfig),
        "kto": (KTOTrainer, KTOConfig),
    }[spec["stage"]]
    more = {} if spec["stage"] == "sft" else {"beta": BETA}
    clock = Clock()
    if spec["way"] == "ours":
        left_out = spec.get("without", "nothing")
        precision = choose_precision("fp32" if left_out == "bf16" else "auto")
        held = "float32" if left_out == "bf16 weights" else recipe.held_in(precision, RANK)
        model, tokenizer = loading.load(spec["model"], held)
        shared = recipe.shared(
            Path(spec["folder"]),
            batch_size=spec["batch"],
            device_batch=spec["device_batch"],
            max_length=spec["max_length"],
            precision=precision,
            **SETTINGS,
        )
        _leave_out(left_out, packed)
    else:
        folder = fetching.fetch(spec["model"])
        model, tokenizer = (
            AutoModelForCausalLM.from_pretrained(folder),
            AutoTokenizer.from_pretrained(folder),
        )
        shared = {
            "output_dir": spec["folder"],
            "learning_rate": SETTINGS["learning_rate"],
            "num_train_epochs": 1,
            "per_device_train_batch_size": spec["batch"],
            "lr_scheduler_type": "cosine",
            "warmup_steps": 2,
            "seed": SETTINGS["seed"],
            "max_length": spec["max_length"],
            "use_cpu": not torch.cuda.is_available(),
            "bf16": "fp32" not in spec["way"],
            "gradient_checkpointing": False,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": [],
            "disable_tqdm": True,
        }
    trainer = make(
        model=model,
        args=config(**shared, **more),
        train_dataset=Dataset.from_list(spec["examples"]),
        processing_class=tokenizer,
        peft_config=recipe.lora(RANK),
    )
    trainer.add_callback(clock)
    trainer.remove_callback(PrinterCallback)
    tokens, collate = [], trainer.data_collator

    def counted(features):
        batch = collate(features)
        tokens.append(int(batch["attention_mask"].sum()))
        return batch

    trainer.data_collator = counted
    if spec["way"] == "ours":
        packed.pack(trainer)
    trainer.train()
    parts = trainer.args.gradient_accumulation_steps
    clock.write(
        out,
        tokens=[sum(tokens[i : i + parts]) for i in range(0, len(tokens), parts)],
        bf16=trainer.args.bf16,
    )


def _leave_out(name: str, packed) -> None:
    """Undo one choice of the package, for the length of this process."""
    import torch

    if name == "packing":
        packed._replace = lambda model: None
    elif name == "bf16 weights":
        torch.nn.Linear.to = lambda layer, *arguments, **options: layer
    elif name == "computing again":
        packed.keep_products = lambda model: None
    elif name == "sharing":
        together = packed.layout

        def apart(input_ids, attention_mask, labels):
            rows = [
                together(input_ids[i : i + 1], attention_mask[i : i + 1], labels[i : i + 1])
                for i in range(len(input_ids))
            ]
            starts = [sum(r.tokens.shape[1] for r in rows[:i]) for i in range(len(rows))]
            groups = [
                (slice(span.start + start, span.stop + start), mask)
                for r, start in zip(rows, starts, strict=True)
                for span, mask in r.groups
            ]
            return packed.Layout(
                torch.cat([r.tokens for r in rows], 1),
                torch.cat([r.positions for r in rows], 1),
                groups,
                torch.cat([r.source + start for r, start in zip(rows, starts, strict=True)]),
                torch.cat([r.row + i for i, r in enumerate(rows)]),
                torch.cat([r.column for r in rows]),
                torch.cat([r.target for r in rows]),
            )

        packed.layout = apart


# The rows


def dialogues(path: Path | None, count: int) -> list[dict]:
    """Rows with a question, a chosen and a rejected answer: the shipped ones, or those of a file,
    where another row's answer is the rejected one.
    """
    from emo_utils.data import dialogues

    if path is None:
        return dialogues.load("eqsr", count)
    rows = [
        json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    long = [row for row in rows if 250 <= len(f"{row['question']} {row['answer']}".split()) <= 420][
        : count + 1
    ]
    if len(long) <= count:
        raise SystemExit(
            f"{path} has only {len(long)} rows of 250 to 420 words; ask for fewer with --count"
        )
    return [
        {
            "question": row["question"],
            "emotional_question": row["question"],
            "soothing_response": row["answer"],
            "answer": other["answer"],
        }
        for row, other in zip(long, long[1:], strict=False)
    ]


def examples_of(stage: str, rows: list[dict], batch: int) -> list[dict]:
    from emo_utils.data import training_rows
    from emo_utils.generation import prompts

    task = prompts.text("task")
    if stage == "kto":  # two labelled answers of each row
        return training_rows.kto_rows(rows, task, SETTINGS["seed"], batch)
    return {"sft": training_rows.sft_rows, "dpo": training_rows.dpo_rows}[stage](rows, task)


# Processes


def run(spec: dict, folder: Path, binaries: Path | None = None) -> dict | None:
    """Start one training and return what it wrote, None where another way was killed (for memory);
    ends this script with its last lines where it fails.
    """
    from emo import cli

    out = folder / "out.json"
    out.unlink(missing_ok=True)
    environment = {k: v for k, v in os.environ.items() if k not in cli.runs.KEEP_MEMORY} | {
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if spec["way"] == "ours" and spec.get("without") != "kept memory":
        environment |= cli.runs.KEEP_MEMORY
    if spec["way"] == "LLaMA-Factory":
        settings = _settings(spec, folder)
        command = [binaries / "python", Path(__file__).with_name("clock.py"), settings, out]
        environment |= {
            "DISABLE_VERSION_CHECK": "1",
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        }
        del environment["PYTHONPATH"]
    else:
        (folder / "spec.json").write_text(json.dumps(spec | {"folder": str(folder / "run")}))
        command = [sys.executable, __file__, "--work", folder / "spec.json", "--out", out]
    done = subprocess.run(
        [*map(str, command)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode in (-9, 137) and spec["way"] != "ours":
        return None
    if done.returncode or not out.is_file():
        raise SystemExit(f"{spec['way']} {spec['stage']} failed:\n{done.stdout[-3000:]}")
    return json.loads(out.read_text())


def _settings(spec: dict, folder: Path) -> Path:
    """Settings and rows of a training for LLaMA-Factory, by way of `emo export`."""
    from emo import export

    book_run = {"sft": "02_sft.eqsr-sft", "dpo": "03_dpo.eqsr-dpo", "kto": "04_kto.eqsr-kto"}[
        spec["stage"]
    ]
    given = (
        SETTINGS
        | {"base_model": spec["model"], "lora_rank": RANK}
        | {"batch_size": spec["batch"], "max_length": spec["max_length"]}
        | ({} if spec["stage"] == "sft" else {"beta": BETA})
    )
    if spec["stage"] != "kto":
        given["device_batch"] = spec["batch"]
    path, rows, *_ = export.write(book_run, "embedded", folder / "export", given)
    rows.write_text(json.dumps([export._row(row) for row in spec["examples"]]), encoding="utf-8")
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) | {
        "overwrite_cache": True,
        "preprocessing_num_workers": None,
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def peak() -> float:
    """Best rate of a bf16 and of an fp32 matrix product of 2048 x 2048 on this machine,
    in GFLOP/s.
    """
    import torch

    def rate(size: int, dtype) -> float:
        a = torch.ones(size, size, dtype=dtype)
        started = time.perf_counter()
        a @ a
        return 2 * size**3 / (time.perf_counter() - started) / 1e9

    best = max(rate(2048, torch.float32) for _ in range(6))
    # Without units for it, one product of this size in bf16 takes minutes.
    return (
        best
        if max(rate(256, torch.bfloat16) for _ in range(3)) < 0.1 * best
        else max(best, *(rate(2048, torch.bfloat16) for _ in range(6)))
    )


def weights(name: str) -> int:
    """Parameters in the products of a base model's layers; the vocabulary's are left out, they
    meet the answers' tokens alone.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from emo_utils.models import fetching

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(fetching.fetch(name)))
    return sum(
        p.numel() for name, p in model.named_parameters() if "embed" not in name and p.dim() == 2
    )


# What is printed


def summary(results: list[dict], tokens: list[int]) -> dict:
    """Of one way's runs: the median of their rates over all steps but the first, the lowest and the
    highest, memory, and the losses.
    """
    rates = [sum(tokens[1:]) / sum(r["seconds"][1:]) for r in results]
    return {
        "rate": statistics.median(rates),
        "rate_low": min(rates),
        "rate_high": max(rates),
        "memory_mb": max(r["memory_mb"] for r in results),
        "losses": results[0]["losses"],
        "steps": len(results) * (len(tokens) - 1),
    }


def at_once(stage: str, options) -> int:
    """Rows that this package computes at once: KTO's whole batch, as its KL term pairs rows within
    what is computed at once.
    """
    return options.batch if stage == "kto" else options.device_batch


def compare(options, folder: Path) -> list[dict]:
    from llamafactory import environment

    binaries = (
        environment((options.venv or folder / "venv").resolve())
        if "LLaMA-Factory" in options.ways
        else None
    )
    rows, table, size = dialogues(options.rows, options.count), [], weights(options.model)
    for stage in options.stages:
        examples = examples_of(
            stage, rows[: len(rows) // 2] if stage == "kto" else rows, options.batch
        )
        spec = {
            "stage": stage,
            "model": options.model,
            "batch": options.batch,
            "device_batch": at_once(stage, options),
            "max_length": 1024,
            "examples": examples,
        }
        found, best = {way: [] for way in options.ways}, 0.0
        for _ in range(options.rounds):
            for way in list(found):
                best = max(best, peak())
                result = run(spec | {"way": way}, folder, binaries)
                if result is None:
                    print(
                        f"{stage}  {way} was killed, most likely for memory; it is left out",
                        flush=True,
                    )
                    del found[way]
                else:
                    found[way].append(result)
        tokens = found["ours"][0]["tokens"]
        by_way = {way: summary(results, tokens) for way, results in found.items()}
        for way, s in by_way.items():
            share = s["rate"] * PASSES[stage] * 2 * size / best / 1e9
            drift = abs(sum(s["losses"]) / sum(by_way["ours"]["losses"]) - 1)
            table.append(
                {
                    "objective": stage,
                    "way": way,
                    "rate": s["rate"],
                    "low": s["rate_low"],
                    "high": s["rate_high"],
                    "memory_mb": s["memory_mb"],
                    "share_of_peak": share,
                    "loss_first": s["losses"][0],
                    "loss_last": s["losses"][-1],
                    "loss_difference": drift,
                    "steps": s["steps"],
                    "rounds": options.rounds,
                    "rows": len(examples),
                    "tokens_a_row": sum(tokens) / len(examples),
                }
            )
            print(
                f"{stage}  {way:14} {s['rate']:6.0f} text tok/s "
                f"[{s['rate_low']:.0f}, {s['rate_high']:.0f}]  "
                f"{s['memory_mb'] / 1000:.1f} GB  {share:5.0%} of peak  "
                f"loss {s['losses'][0]:.4f} -> {s['losses'][-1]:.4f} "
                f"(curve differs by {drift:.1%})",
                flush=True,
            )
        others = [s["rate"] for way, s in by_way.items() if way != "ours"]
        if others:
            print(
                f"{stage}: {by_way['ours']['rate'] / max(others):.2f} "
                "times the better of the others; "
                f"{sum(tokens) / len(examples):.0f} tokens a row, peak {best:.0f} GFLOP/s",
                flush=True,
            )
    return table


def shares(options, folder: Path) -> list[dict]:
    rows, table = dialogues(options.rows, options.count), []
    for stage in options.stages:
        spec = {
            "way": "ours",
            "stage": stage,
            "model": options.model,
            "batch": options.batch,
            "device_batch": at_once(stage, options),
            "max_length": 1024,
            "examples": examples_of(
                stage, rows[: len(rows) // 2] if stage == "kto" else rows, options.batch
            ),
        }
        found = {name: [] for name in WITHOUT}
        for _ in range(options.rounds):
            for name in WITHOUT:
                found[name].append(run(spec | {"without": name}, folder))
        tokens = found["nothing"][0]["tokens"]
        rates = {name: summary(results, tokens) for name, results in found.items()}
        for name, text in WITHOUT.items():
            saved = rates["nothing"]["rate"] / rates[name]["rate"]
            table.append(
                {
                    "objective": stage,
                    "without": name,
                    "meaning": text,
                    "rate": rates[name]["rate"],
                    "factor": saved,
                    "memory_mb": rates[name]["memory_mb"],
                }
            )
            print(
                f"{stage}  without {name:14} {rates[name]['rate']:6.0f} text tok/s, "
                f"factor {saved:.2f}, {rates[name]['memory_mb'] / 1000:.1f} GB ({text})",
                flush=True,
            )
    return table


def growth(options, folder: Path) -> list[dict]:
    """Seconds and memory for more rows, and for rows made longer
    by joining several dialogues' texts.
    """
    rows, table = dialogues(None, 96), []

    def joined(k: int) -> list[dict]:
        parts = [rows[i : i + k] for i in range(0, 6 * k, k)]
        return [
            {
                f: " ".join(r[f] for r in part)
                for f in ("question", "emotional_question", "soothing_response", "answer")
            }
            for part in parts
        ]

    cases = [("rows", k, rows[: 6 * k]) for k in (1, 4, 16)] + [
        ("length", k, joined(k)) for k in (1, 2, 4)
    ]
    for stage in options.stages:
        for what, factor, chosen in cases:
            found = run(
                {
                    "way": "ours",
                    "stage": stage,
                    "model": options.model,
                    "batch": 2,
                    "device_batch": 2,
                    "max_length": 4096,
                    "examples": examples_of(stage, chosen, 2),
                },
                folder,
            )
            entry = {
                "objective": stage,
                "what": what,
                "factor": factor,
                "seconds": sum(found["seconds"][1:]),
                "tokens": sum(found["tokens"][1:]),
                "memory_mb": found["memory_mb"],
            }
            table.append(entry)
            print(
                f"{stage}  {what} x{factor}: {entry['seconds']:.1f} s "
                f"for {entry['tokens']} tokens, {entry['memory_mb'] / 1000:.1f} GB",
                flush=True,
            )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shares", action="store_true", help="what each choice of this package saves"
    )
    parser.add_argument(
        "--growth", action="store_true", help="how cost grows with rows and lengths"
    )
    parser.add_argument(
        "--rows",
        type=Path,
        help="JSON lines with question and answer (default: the shipped EQ+SR rows)",
    )
    parser.add_argument(
        "--model", default=BASE, help=f"registered weights that are trained (default: {BASE})"
    )
    parser.add_argument("--count", type=int, default=24, help="rows (default: 24)")
    parser.add_argument(
        "--batch",
        type=int,
        default=8,
        help="rows, pairs or labelled answers of an optimizer step (default: 8)",
    )
    parser.add_argument(
        "--device-batch",
        type=int,
        default=2,
        help="rows that this package computes at once (default: 2, as the notebooks)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (default: 3)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS[:3])
    parser.add_argument(
        "--venv",
        type=Path,
        help="folder of LLaMA-Factory's environment, made where it is missing "
        "(default: a temporary one)",
    )
    parser.add_argument(
        "--keep", action="store_true", help="put the table into book/reference/speed.json"
    )
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.out is None and "ours" not in options.ways:
        parser.error("--ways needs ours, beside which the others stand")
    if options.work:
        return work(json.loads(options.work.read_text()), options.out)
    plain = (
        "without bf16 units"
        if "ONEDNN_MAX_CPU_ISA" in os.environ
        else "long rows"
        if options.rows
        else "comparison"
    )
    name, what = (
        ("shares", shares)
        if options.shares
        else ("growth", growth)
        if options.growth
        else (plain, compare)
    )
    with tempfile.TemporaryDirectory() as folder:
        table = what(options, Path(folder))
    if options.keep:
        from clock import keep

        keep(name, table)


if __name__ == "__main__":
    main()
