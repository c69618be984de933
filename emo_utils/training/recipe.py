"""What the trainings share: adapters, the trainers' arguments, the reference model."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from emo_utils.models.precision import Precision
from emo_utils.project import EmoError

if TYPE_CHECKING:
    from peft import LoraConfig

LORA_ALPHA_PER_RANK = 2  # alpha = 2 x rank, the common choice; the paper does not mention adapters


def lora(rank: int) -> LoraConfig | None:
    """Adapters on every linear layer (rank 0: none, all weights are trained).

    No dropout, so that step 0 equals the reference.
    """
    if not rank:
        return None
    from peft import LoraConfig  # takes seconds, and constants and `shared` need none of it

    return LoraConfig(
        r=rank,
        lora_alpha=LORA_ALPHA_PER_RANK * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def held_in(precision: Precision, lora_rank: int) -> str:
    """Number format in which a base model is loaded for training: that of the products where its
    weights are frozen under adapters, so that they are in memory once; fp32 where all are trained.
    """
    return precision.dtype if lora_rank else "float32"


def shared(
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


def reference(model, lora_rank: int):
    """The reference model of DPO and KTO: None with adapters (they are switched off),
    else a frozen copy of the start.

    Without the copy TRL reloads the reference by name, which is the base model also where training
    starts elsewhere.
    """
    return None if lora_rank else copy.deepcopy(model).requires_grad_(False)
