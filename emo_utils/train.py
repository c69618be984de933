"""What the three training notebooks share: arguments, adapters, length checks, curves and the saved checkpoint.

The trainers themselves (TRL's SFTTrainer, DPOTrainer, KTOTrainer) are built in the notebooks, beside
the equations that they minimize.
"""

import copy
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import torch
from peft import LoraConfig
from tqdm import tqdm
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils.notebook import NotebookProgressCallback

from emo_utils import packed, stats
from emo_utils.models import Precision
from emo_utils.project import EmoError, relative

TAIL = 5  # last steps over which a final loss is averaged
LORA_ALPHA_PER_RANK = 2  # alpha = 2 x rank, the common choice; the paper does not mention adapters


def lora(rank: int) -> LoraConfig | None:
    """Adapters on every linear layer (rank 0: none, all weights are trained). No dropout, so that step 0 equals the reference."""
    if not rank:
        return None
    return LoraConfig(r=rank, lora_alpha=LORA_ALPHA_PER_RANK * rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


def arguments(output: Path, *, learning_rate: float, epochs: float, batch_size: int, seed: int, max_length: int, precision: Precision, device_batch: int = 0) -> dict:
    """Arguments that SFTConfig, DPOConfig and KTOConfig share. No checkpoints in between, no reports to services.

    device_batch: rows computed at once (0: all of batch_size); the gradients of a batch are added up over its parts,
    which needs less memory and gives the same step. Raises EmoError when batch_size is no multiple of it.
    """
    device_batch = device_batch or batch_size
    if batch_size % device_batch:
        raise EmoError(f"batch_size {batch_size} is no multiple of device_batch {device_batch}; choose a divisor")
    return {
        "output_dir": str(output), "learning_rate": learning_rate, "num_train_epochs": epochs, "per_device_train_batch_size": device_batch,
        "gradient_accumulation_steps": batch_size // device_batch,
        "lr_scheduler_type": "cosine", "warmup_steps": 2, "seed": seed, "data_seed": seed, "max_length": max_length,
        "bf16": precision.dtype == "bfloat16", "use_cpu": not torch.cuda.is_available(), "gradient_checkpointing": False,
        "logging_steps": 1, "save_strategy": "no", "report_to": [], "disable_tqdm": True,
    }


def check_lengths(rows: list[dict], tokenizer, max_length: int, limit: float = 0.05) -> pd.DataFrame:
    """Token counts of the rows' completions, and how many rows `max_length` would cut or drop.

    Returns one row a completion field with columns rows, tokens_mean, tokens_max, too_long.
    Raises EmoError when more than the share `limit` is too long: TRL would cut their ends without a word.
    """
    counts: dict[str, list[int]] = {}
    for row in rows:
        for field in ("completion", "chosen", "rejected"):
            if field in row:
                ids = tokenizer.apply_chat_template(row["prompt"] + row[field], tokenize=True, return_dict=True)["input_ids"]
                counts.setdefault(field, []).append(len(ids))
    table = pd.DataFrame(
        [{"field": f, "rows": len(n), "tokens_mean": round(sum(n) / len(n)), "tokens_max": max(n), "too_long": sum(k > max_length for k in n)} for f, n in counts.items()]
    )
    share = table.too_long.sum() / table.rows.sum()
    if share > limit:
        raise EmoError(f"{share:.0%} of the sequences exceed max_length={max_length} tokens (longest {table.tokens_max.max()}); raise max_length or shorten the rows")
    return table


class Progress(TrainerCallback):
    """A plain progress bar over optimizer steps; the notebook widgets of transformers do not survive in a book."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, desc="training", unit="step", leave=False)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def fit(trainer) -> pd.DataFrame:
    """Train, and return what the trainer logged: one row an optimizer step (columns as TRL names them)."""
    packed.pack(trainer)
    trainer.remove_callback(NotebookProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress())
    trainer.train()
    return pd.DataFrame([entry for entry in trainer.state.log_history if "loss" in entry]).set_index("step")


def scratch(run) -> Path:
    """Where a trainer writes, and a checkpoint lies, until it is complete."""
    return run.checkpoint.parent / f".{run.checkpoint.name}.unfinished"


def reference(model, lora_rank: int):
    """The reference model of DPO and KTO: None with adapters (they are switched off), else a frozen copy of the start.

    Without the copy TRL reloads the reference by name, which is the base model also where training starts elsewhere.
    """
    return None if lora_rank else copy.deepcopy(model).requires_grad_(False)


def save(trainer, tokenizer, run, *, init: str, data_name: str, log: pd.DataFrame) -> Path:
    """Save adapter or model as safetensors with a model card; returns the folder."""
    folder, unfinished = run.checkpoint, scratch(run)
    shutil.rmtree(unfinished, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    config = unfinished / "adapter_config.json"
    if config.is_file():  # the registry's name instead of a path of this machine
        settings = json.loads(config.read_text())
        settings["base_model_name_or_path"] = run.values["base_model"]
        config.write_text(json.dumps(settings, indent=1))
    (unfinished / "README.md").write_text(model_card(run, init=init, data_name=data_name, log=log), encoding="utf-8")
    # Swapped as a whole, so that no file of an earlier adapter lies beside a whole model.
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
    run.outputs += sorted(folder.glob("*.safetensors"))
    return folder


def model_card(run, *, init: str, data_name: str, log: pd.DataFrame) -> str:
    """A model card: what it is, how it was trained, what it is for and what not."""
    values = "\n".join(f"- `{k}`: {v}" for k, v in run.values.items())
    start = run.values["base_model"] if init == "base" else f"{run.values['base_model']} after ER fine-tuning (`er-sft`)"
    return f"""---
base_model: {run.values["base_model"]}
language: en
tags: [companion, empathetic-medical-dialogue, {run.notebook}]
---
# {run.values["system"]} ({run.profile} profile)

Trained by `notebooks/{run.notebook}.ipynb` (run `{run.name}`) from {start} on {data_name}.

Loss: {log.loss.iloc[0]:.3f} at the first step, {log.loss.iloc[-1]:.3f} at the last of {len(log)} steps.

## Parameters
{values}

## Intended use
To study how fine-tuning on rewritten dialogues changes tone and content. Load it with
`models.load("{run.values["base_model"]}", checkpoints=[...])` ({"after the er-sft checkpoint" if init == "er" else "alone"}).

## Limits
Not a medical device. It was trained on a few synthetic dialogues and states falsehoods fluently;
no patient may be advised by it.
"""


def describe(log: pd.DataFrame, path: Path) -> str:
    size = sum(p.stat().st_size for p in path.glob("*.safetensors")) / 1e6
    return f"{len(log)} steps, loss {log.loss.iloc[0]:.3f} -> {log.loss.iloc[-1]:.3f}; saved {size:.0f} MB to {relative(path)}"


def add_records(run, log: pd.DataFrame, answers: pd.DataFrame) -> None:
    """Record the training's last loss (and reward margin) and the length of the answers, with intervals where items allow."""
    system, seed = run.values["system"], run.values["seed"]
    common = {"table": "emodoctor.training", "system": system, "scorer": "trainer"}
    for metric, column in (("final_loss", "loss"), ("final_margin", "rewards/margins")):
        if column in log:
            last = log[column].tail(TAIL)
            value, low, high = stats.mean_interval(last, seed)
            run.add(**common, metric=metric, value=value, ci_low=low, ci_high=high, n=len(last),
                    signature=f"mean of {column} over the last {len(last)} steps; bootstrap over these steps, not over test items")
    value, low, high = stats.mean_interval(answers.tokens, seed)
    run.add(**common | {"scorer": "tokenizer"}, metric="answer_tokens", value=value, ci_low=low, ci_high=high, n=len(answers),
            signature="mean tokens of an answer to a test question; bootstrap over test items")


def records_table(run) -> pd.DataFrame:
    """This run's records as readers see them."""
    frame = run.table()
    frame["95 % interval"] = [f"[{r.ci_low:.3f}, {r.ci_high:.3f}]" for r in frame.itertuples()]
    return frame[["metric", "value", "95 % interval", "n", "signature"]].round({"value": 3})
