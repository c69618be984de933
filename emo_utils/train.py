"""What the three training notebooks share: arguments, adapters, length checks,
curves and the saved checkpoint.

The trainers themselves (TRL's SFTTrainer, DPOTrainer, KTOTrainer) are built in the notebooks,
beside the equations that they minimize.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch
from filelock import FileLock, Timeout
from peft import LoraConfig, set_peft_model_state_dict
from safetensors.torch import load_file
from tqdm import tqdm
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils.notebook import NotebookProgressCallback

from emo_utils import checkpoints, data, models, packed, results, stats
from emo_utils.models import Precision
from emo_utils.project import (
    NOTEBOOKS,
    ROOT,
    EmoError,
    notebook_cells,
    relative,
    sha256_file,
    sha256_json,
    write_atomic,
)

CURVES = (
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
    "kl",
)
TAIL = 5  # last steps over which a final loss is averaged
LORA_ALPHA_PER_RANK = 2  # alpha = 2 x rank, the common choice; the paper does not mention adapters


def lora(rank: int) -> LoraConfig | None:
    """Adapters on every linear layer (rank 0: none, all weights are trained).

    No dropout, so that step 0 equals the reference.
    """
    if not rank:
        return None
    return LoraConfig(
        r=rank,
        lora_alpha=LORA_ALPHA_PER_RANK * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def arguments(
    output: Path,
    *,
    learning_rate: float,
    epochs: float,
    batch_size: int,
    seed: int,
    max_length: int,
    precision: Precision,
    device_batch: int = 0,
    processes: int = 1,
    save_steps: int = 0,
    validation: bool = False,
) -> dict:
    """Arguments that SFTConfig, DPOConfig and KTOConfig share; nothing is reported to services.

    device_batch: rows that a process computes at once (0: its whole share of batch_size); the
    gradients of a batch are added up over its parts, which needs less memory and gives the same
    step. save_steps: steps between checkpoints to resume from (0: none).
    validation: score held-out rows after each epoch.
    Raises EmoError when batch_size cannot be divided so.
    """
    device_batch = device_batch or max(batch_size // processes, 1)
    if batch_size % (device_batch * processes):
        raise EmoError(
            f"batch_size {batch_size} is no multiple of device_batch {device_batch} "
            f"x processes {processes}; choose divisors"
        )
    return {
        "output_dir": str(output),
        "learning_rate": learning_rate,
        "num_train_epochs": epochs,
        "per_device_train_batch_size": device_batch,
        "gradient_accumulation_steps": batch_size // (device_batch * processes),
        "per_device_eval_batch_size": device_batch,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 2,
        "seed": seed,
        "data_seed": seed,
        "max_length": max_length,
        "bf16": precision.dtype == "bfloat16",
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "save_strategy": "steps" if save_steps else "no",
        "save_steps": save_steps or 500,
        "save_total_limit": 1,
        "eval_strategy": "epoch" if validation else "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def check_lengths(
    rows: list[dict], tokenizer, max_length: int, limit: float = 0.05
) -> pd.DataFrame:
    """Token counts of the rows' completions, and how many rows `max_length` would cut or drop.

    Returns one row a completion field with columns rows, tokens_mean, tokens_max, too_long.
    Raises EmoError when more than the share `limit` is too long:
    TRL would cut their ends without a word.
    """
    counts: dict[str, list[int]] = {}
    for row in rows:
        for field in ("completion", "chosen", "rejected"):
            if field in row:
                ids = tokenizer.apply_chat_template(
                    row["prompt"] + row[field], tokenize=True, return_dict=True
                )["input_ids"]
                counts.setdefault(field, []).append(len(ids))
    table = pd.DataFrame(
        [
            {
                "field": f,
                "rows": len(n),
                "tokens_mean": round(sum(n) / len(n)),
                "tokens_max": max(n),
                "too_long": sum(k > max_length for k in n),
            }
            for f, n in counts.items()
        ]
    )
    share = table.too_long.sum() / table.rows.sum()
    if share > limit:
        raise EmoError(
            f"{share:.0%} of the sequences exceed max_length={max_length} tokens "
            f"(longest {table.tokens_max.max()}); raise max_length or shorten the rows"
        )
    return table


def check_tokens(row: dict, tokenizer) -> None:
    """Say how a row becomes tokens, and raise EmoError where the model would learn something else
    than its answer and where to stop.
    """

    def ids(messages, **options):
        return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)[
            "input_ids"
        ]

    prompt, whole = (
        ids(row["prompt"], add_generation_prompt=True),
        ids(row["prompt"] + (row.get("completion") or row["chosen"])),
    )
    wrong = ""
    if whole[: len(prompt)] != prompt:
        wrong = "its prompt is not how prompt and answer begin"
    elif whole[0] == whole[1] == tokenizer.bos_token_id:
        wrong = "it writes the first token twice"
    elif tokenizer.eos_token_id not in whole[len(prompt) :]:
        wrong = "it does not end the answer, so that no model would learn to"
    if wrong:
        raise EmoError(
            f"the chat template of {tokenizer.name_or_path or 'this tokenizer'} "
            f"cannot be trained on: {wrong}"
        )
    print(
        f"first row: {len(prompt)} tokens of prompt, "
        f"which ends in {tokenizer.decode(prompt[-4:])!r}; "
        f"a loss on the {len(whole) - len(prompt)} of its answer, {tokenizer.eos_token} included"
    )


class Progress(TrainerCallback):
    """A plain progress bar over optimizer steps; the notebook widgets of transformers do not
    survive in a book.
    """

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, desc="training", unit="step", leave=False)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def fit(trainer, run) -> pd.DataFrame:
    """Train, from the last checkpoint if the same run was stopped before,
    and return one row an optimizer step, as TRL logs it.

    With parameter `processes` above 1 the training is done by as many processes that
    `accelerate launch` starts; their result is then in this trainer's model.
    """
    if run.values["processes"] > 1 and "WORLD_SIZE" not in os.environ:
        return _launch(trainer, run)
    packed.pack(trainer)
    trainer.remove_callback(NotebookProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress())
    last = _last_checkpoint(scratch(run)) if trainer.args.save_strategy != "no" else None
    if last:
        print(f"going on from step {last.name.partition('-')[2]}")
    trainer.train(resume_from_checkpoint=last)
    if "WORLD_SIZE" in os.environ:
        trainer.save_model(scratch(run) / "final")
        if trainer.is_world_process_zero():
            write_atomic(scratch(run) / "final" / "log.json", json.dumps(trainer.state.log_history))
        # What follows in the notebook is done by the process that launched this one.
        raise SystemExit
    return training_log(trainer.state.log_history)


def _last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint: its state is what the trainer writes last.

    A half-written one is removed.
    """
    for path in sorted(
        folder.glob("checkpoint-*"), key=lambda path: -int(path.name.partition("-")[2])
    ):
        if checkpoints.unbroken(path):
            return path
        shutil.rmtree(path, ignore_errors=True)
    return None


def training_log(history: list[dict]) -> pd.DataFrame:
    return pd.DataFrame([entry for entry in history if "loss" in entry]).set_index("step")


def _launch(trainer, run) -> pd.DataFrame:
    """Run this notebook's cells up to the training as a script in several processes.

    EMO_LAUNCH adds options of `accelerate launch`; with `--config_file` among them the file says
    all but the number of processes. With `--num_machines N --main_process_ip HOST` the others join
    by `sh launch.sh RANK` in this run's scratch folder, which all machines must share.
    """
    options = shlex.split(os.environ.get("EMO_LAUNCH", ""))
    if "--config_file" not in options:
        options = [
            "--multi_gpu",
            "--mixed_precision",
            "no",
            "--dynamo_backend",
            "no",
            "--num_machines",
            "1",
            *options,
        ]
    folder, final = scratch(run), scratch(run) / "final"
    cells = [
        text
        for kind, text, _ in notebook_cells(NOTEBOOKS / f"{run.notebook}.ipynb")
        if kind == "code"
    ]
    wanted = next(i for i, text in enumerate(cells) if "train.fit(" in text) + 1
    (folder / "training.py").write_text("\n\n".join(cells[:wanted]), encoding="utf-8")
    known = {
        "EMO_VALUES": json.dumps(run.values),
        "EMO_SCRATCH": str(folder),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": str(max(torch.get_num_threads() // run.values["processes"], 1)),
    }
    command = shlex.join(
        [
            sys.executable,
            "-m",
            "accelerate.commands.launch",
            "--num_processes",
            str(run.values["processes"]),
            *options,
        ]
    )
    lines = [f"export {name}={shlex.quote(value)}" for name, value in known.items()]
    (folder / "launch.sh").write_text(
        "\n".join(
            [
                *lines,
                (
                    f"exec {command} --machine_rank ${{1:-0}} "
                    f"{shlex.quote(str(folder / 'training.py'))}\n"
                ),
            ]
        )
    )
    device = trainer.model.device
    trainer.model.to("cpu")  # room for the processes where they share its device
    with open(folder / "processes.log", "w") as log:
        done = subprocess.run(["sh", folder / "launch.sh"], stdout=log, stderr=subprocess.STDOUT)
    if done.returncode or not (final / "log.json").is_file():
        told = [
            line
            for line in Path(log.name).read_text().splitlines()
            if re.search(r"(Error|Exception)\b.*: ", line) and "ChildFailedError" not in line
        ]
        raise EmoError(
            f"training in {run.values['processes']} processes failed: "
            f"{told[-1] if told else 'no reason was given'} (see {relative(Path(log.name))})"
        )
    adapter = final / "adapter_model.safetensors"
    if adapter.is_file():
        set_peft_model_state_dict(trainer.model, load_file(adapter))
    else:
        trainer.model.load_state_dict(load_file(final / "model.safetensors"), strict=False)
        trainer.model.tie_weights()
    trainer.model.to(device)
    trainer.state.log_history = json.loads((final / "log.json").read_text())
    return training_log(trainer.state.log_history)


def scratch(run) -> Path:
    """Where a trainer keeps checkpoints to resume from, until the run is finished.

    What another run left there is removed.

    A run is the same when its parameters, code, data and starting checkpoints are; over how many
    processes and parts a batch is divided does not count, so that it goes on with more or fewer.
    Raises EmoError while another process trains the same run.
    """
    if "EMO_SCRATCH" in os.environ:  # a process started by `_launch`
        return Path(os.environ["EMO_SCRATCH"])
    folder = run.unfinished
    folder.parent.mkdir(parents=True, exist_ok=True)
    run.held = FileLock(
        f"{folder}.lock", is_singleton=True
    )  # until the run is finished or its process ends
    try:
        run.held.acquire(timeout=0)
    except Timeout:
        raise EmoError(
            f"{run.name} is being trained by another process or an open notebook; "
            "wait for its end or stop it, and start this one again: it goes on from there"
        ) from None
    before = {
        relative(path): sha256_file(path)
        for start in run.start_checkpoints()
        for path in sorted(start.glob("*.safetensors"))
    }
    values = {name: value for name, value in run.values.items() if name not in results.DIVIDED}
    same = sha256_json([values, run.code_sha256, data.USED, models.USED, before])
    mark = folder / "run.sha256"
    if not mark.is_file() or mark.read_text() != same:
        shutil.rmtree(folder, ignore_errors=True)
        write_atomic(mark, same)
    if folder not in run.temporary:
        run.temporary.append(folder)
    return folder


def reference(model, lora_rank: int):
    """The reference model of DPO and KTO: None with adapters (they are switched off),
    else a frozen copy of the start.

    Without the copy TRL reloads the reference by name, which is the base model also where training
    starts elsewhere.
    """
    return None if lora_rank else copy.deepcopy(model).requires_grad_(False)


def save(trainer, tokenizer, run, *, data_name: str) -> Path:
    """Save adapter or model as safetensors with a model card; returns the folder."""
    folder = run.checkpoint
    unfinished = folder.parent / f".{folder.name}.saving"
    shutil.rmtree(unfinished, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    config = unfinished / "adapter_config.json"
    if config.is_file():  # the registry's name instead of a path of this machine
        settings = json.loads(config.read_text())
        settings["base_model_name_or_path"] = run.values["base_model"]
        config.write_text(json.dumps(settings, indent=1))
    start = run.start_checkpoints()
    names = [str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path) for path in start]
    (unfinished / "companion.json").write_text(
        json.dumps(
            {"base_model": run.values["base_model"], "starts_from": names, "run": run.name},
            indent=1,
        )
    )
    (unfinished / "README.md").write_text(
        model_card(run, start=names, data_name=data_name, history=trainer.state.log_history),
        encoding="utf-8",
    )
    (unfinished / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1))
    # Swapped as a whole, so that no file of an earlier adapter lies beside a whole model.
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
    run.outputs += sorted(folder.glob("*.safetensors"))
    return folder


def model_card(run, *, start: list[str], data_name: str, history: list[dict]) -> str:
    """A model card: what it is, how it was trained and how that went,
    what it is for and what not.
    """
    log = training_log(history)
    columns = [c for c in (*CURVES, "learning_rate") if c in log]
    shown = (
        log.iloc[sorted({round(i * (len(log) - 1) / 9) for i in range(10)})][columns]
        .round(5)
        .reset_index()
    )
    values = "\n".join(
        f"- `{k}`: {relative(Path(v)) if k == 'init' and Path(v).is_absolute() else v}"
        for k, v in run.values.items()
    )
    rows = [shown.columns, ["---"] * shown.shape[1], *shown.to_numpy().tolist()]
    return (
        (ROOT / "emo_utils" / "model_card.md")
        .read_text(encoding="utf-8")
        .format(
            **run.values,
            language="ja" if "emplifai" in run.notebook else "en",
            notebook=run.notebook,
            run=run.name,
            data=data_name,
            values=values,
            steps=len(log),
            start=" and ".join([run.values["base_model"], *start]),
            curves="\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows),
            order="after " + ", ".join(start) if start else "alone",
        )
    )


def describe(log: pd.DataFrame, path: Path) -> str:
    size = sum(p.stat().st_size for p in path.glob("*.safetensors")) / 1e6
    return (
        f"{len(log)} steps, loss {log.loss.iloc[0]:.3f} -> {log.loss.iloc[-1]:.3f}; "
        f"saved {size:.0f} MB to {relative(path)}"
    )


def validation_scores(history: list[dict]) -> pd.DataFrame:
    """What the held-out rows gave after each epoch: columns epoch, loss,
    and for DPO and KTO margins and accuracies; empty without such rows.
    """
    found = [entry for entry in history if "eval_loss" in entry]
    names = {
        "epoch": "epoch",
        "eval_loss": "loss",
        "eval_rewards/margins": "margin",
        "eval_rewards/accuracies": "accuracy",
    }
    return pd.DataFrame(
        [{short: entry[name] for name, short in names.items() if name in entry} for entry in found]
    )


def movement(
    tuned, start, tokenizer, rows: list[dict], system_prompt: str, answers: pd.DataFrame
) -> pd.DataFrame:
    """What a training changed on questions that it never saw: one row a question, in nats.

    Columns `wanted` (the row's warm answer) and `doctor` (the plain one): log-probability under the
    tuned model minus that under its start; `kl`: KL(tuned || start) of the next token, exact over
    the vocabulary, summed over the places of the tuned model's own answer; `wanted_tokens`,
    `own_tokens`. rows: those of the first answers, in their order.
    """
    table = []
    for row, own in tqdm(
        list(zip(rows, answers.answer, strict=False)), desc="movement", leave=False
    ):
        question = data.messages(system_prompt, row.get("emotional_question") or row["question"])
        prompt = tokenizer.apply_chat_template(
            question, add_generation_prompt=True, tokenize=True, return_dict=True
        )["input_ids"]
        texts = [own, row.get("soothing_response") or row["empathetic_response"], row["answer"]]
        ends = [
            tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
            for text in texts
        ]
        batch = tokenizer.pad(
            {"input_ids": [prompt + end for end in ends]}, return_tensors="pt", padding_side="right"
        ).to(tuned.device)
        labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
        labels[:, : len(prompt)] = -100
        place = packed.layout(batch.input_ids, batch.attention_mask, labels)
        with torch.inference_mode():
            if packed.changes_logits(tuned):
                logits = [
                    model(**batch).logits[place.row, place.column].float()
                    for model in (tuned, start)
                ]
            else:
                logits = [packed.answer_logits(model, place) for model in (tuned, start)]
            after, before = (each.log_softmax(-1) for each in logits)
        gains = (after - before).gather(1, place.target[:, None])[:, 0]
        here = place.row == 0
        kl = (after[here].exp() * (after[here] - before[here])).sum()
        table.append(
            {
                "id": row["id"],
                "wanted": float(gains[place.row == 1].sum()),
                "doctor": float(gains[place.row == 2].sum()),
                "kl": float(kl),
                "wanted_tokens": len(ends[1]),
                "own_tokens": len(ends[0]),
            }
        )
    return pd.DataFrame(table)


def movement_records(moved: pd.DataFrame) -> dict[str, tuple[pd.Series, str]]:
    """`movement` as values a question for each metric, with how each was computed."""
    return {
        "kl_per_token": (
            moved.kl / moved.own_tokens,
            "KL(tuned || start) of the next token along the model's own answer, nats a token",
        ),
        "gain_per_token": (
            moved.wanted / moved.wanted_tokens,
            "rise of the log-probability of the warm reference answer over the start, nats a token",
        ),
        "test_accuracy": (
            (moved.wanted > moved.doctor).astype(float),
            (
                "share of questions whose warm reference answer gained more log-probability "
                "than the doctor's answer"
            ),
        ),
    }


def add_records(
    run, trainer, answers: pd.DataFrame, moved: pd.DataFrame, table: str = "emodoctor.training"
) -> None:
    """Record the training's last loss (and reward margin), the scores of held-out rows, the length
    of the answers, and what `movement` gave on the questions it answered, with intervals where
    items allow.
    """
    log, held_out = (
        training_log(trainer.state.log_history),
        validation_scores(trainer.state.log_history),
    )
    validation = held_out.iloc[-1].drop("epoch") if len(held_out) else {}
    system, seed = run.values["system"], run.values["seed"]
    common = {"table": table, "system": system, "scorer": "trainer"}
    for metric, column in (("final_loss", "loss"), ("final_margin", "rewards/margins")):
        if column in log:
            last = log[column].tail(TAIL)
            value, low, high = stats.mean_interval(last, seed)
            run.add(
                **common,
                metric=metric,
                value=value,
                ci_low=low,
                ci_high=high,
                n=len(last),
                signature=(
                    f"mean of {column} over the last {len(last)} steps; "
                    "bootstrap over these steps, not over test items"
                ),
            )
    for name, score in validation.items():
        run.add(
            **common,
            metric=f"validation_{name}",
            value=score,
            ci_low=score,
            ci_high=score,
            n=run.values.get("validation_rows", 0),
            interval="none",
            signature=f"{name} over training rows that were held out, after the last epoch",
        )
    questions = f"{'held-out' if run.values.get('validation_rows') else 'test'} questions"
    for metric, (items, how) in (
        {"answer_tokens": (answers.tokens, "tokens of an answer")} | movement_records(moved)
    ).items():
        value, low, high = stats.mean_interval(items, seed)
        scorer = "tokenizer" if metric == "answer_tokens" else "log-probabilities"
        run.add(
            **common | {"scorer": scorer},
            metric=metric,
            value=value,
            ci_low=low,
            ci_high=high,
            n=len(items),
            signature=f"{how}; mean over {questions}, bootstrap over them",
        )


def records_table(run) -> pd.DataFrame:
    """This run's records as readers see them."""
    frame = run.table()
    frame["95 % interval"] = [f"[{r.ci_low:.3f}, {r.ci_high:.3f}]" for r in frame.itertuples()]
    return frame[["metric", "value", "95 % interval", "n", "signature"]].round({"value": 3})
