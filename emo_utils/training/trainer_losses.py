"""What a trainer's loss is on a few of its rows, and the log-probabilities from which it computes
it: the equations of chapters 3 and 4 are held against that once the policy has moved.
"""

from __future__ import annotations

import pandas as pd
import torch


def check_start(first: pd.Series, lora_rank: int) -> float:
    """How far from 0 the margin before the first update may be by rounding; it is printed.

    first: the first row of a DPO or KTO training's log. Raises AssertionError where the margin is
    further from 0: then the reference is another model than the one that the training starts from.
    """
    print(f"first margin {first['rewards/margins']:.4f}, first loss {first.loss:.4f}")
    # Without adapters the reference is a copy, whose products are rounded on their own.
    rounding = 1e-3 if lora_rank else 0.02
    assert abs(first["rewards/margins"]) < rounding, (
        "the margin before the first update is not 0: "
        "the reference is not the model that this training starts from"
    )
    return rounding


def of_dpo(trainer, pairs: int = 2) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The loss of a DPO trainer on its first pairs, and the log-probabilities behind it: of chosen
    and rejected under the policy, of chosen and rejected under the reference.

    Each is summed over the tokens of an answer, in nats, shape (pairs,).
    """
    batch = _first_rows(trainer, pairs)
    with torch.no_grad():
        loss = trainer.compute_loss(trainer.model, dict(batch))
    policy = _log_probabilities(trainer, batch, "").chunk(2)
    reference = trainer.compute_ref_log_probs(_reference(trainer), batch)
    return loss, [*policy, *reference]


def of_kto(trainer, answers: int = 4) -> tuple[torch.Tensor, torch.Tensor, list, list]:
    """The loss of a KTO trainer on its first answers, their labels (True: desirable), and the
    log-probabilities behind it under the policy and under the reference: of the answers, and of
    each question's mismatched answer.

    Each is summed over the tokens of an answer, in nats, shape (answers,).
    """
    batch = _first_rows(trainer, answers)
    with torch.no_grad():
        loss = trainer.compute_loss(trainer.model, dict(batch))
    policy = [_log_probabilities(trainer, batch, prefix) for prefix in ("", "KL_")]
    reference = list(trainer.compute_ref_log_probs(_reference(trainer), batch))
    return loss, torch.as_tensor(batch["label"]), policy, reference


def _first_rows(trainer, count: int) -> dict:
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(count)])
    device = trainer.accelerator.device
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}


def _reference(trainer):
    """The model that the trainer takes as reference: with adapters the policy, whose adapters it
    switches off by itself.
    """
    return trainer.model if trainer.ref_model is None else trainer.ref_model


def _log_probabilities(trainer, batch: dict, prefix: str) -> torch.Tensor:
    """Summed log-probabilities of a batch's answers under the policy, as its trainer has them."""
    ids, mask, answer = (
        batch[f"{prefix}{name}"] for name in ("input_ids", "attention_mask", "completion_mask")
    )
    labels = ids.masked_fill(answer == 0, -100)
    with torch.no_grad(), trainer.accelerator.autocast():
        table = trainer.model(
            input_ids=ids, attention_mask=mask, labels=labels, use_cache=False, fused_lm_head=True
        ).log_probs
    return table.sum(1)
