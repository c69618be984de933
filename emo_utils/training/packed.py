"""Log-probabilities of answers on a CPU without wasted work: no padding, each shared prompt once.

TRL's trainers ask the model for the log-probabilities of a batch of answers; here they are computed
on one row of tokens. Rows that share a prompt (the two answers of a DPO pair) share its tokens, and
only the tokens before an answer's next one meet the vocabulary. The objectives stay TRL's; on a GPU
its own kernels serve.
"""

from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy, linear
from trl.trainer.utils import FusedCausalLMOutput

from emo_utils.models import attention


@dataclass(frozen=True)
class Layout:
    """A batch as one row of tokens.

    tokens, positions: shape (1, total). groups: for each prompt its slice of the row and the mask
    of its attention, (length, length), added to the scores. source: for each answer token the place
    of the token before it in the row; row, column: its place in the batch's (rows, length - 1)
    table; target: its id. All of shape (answer tokens,).
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    groups: list[tuple[slice, torch.Tensor]]
    source: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    target: torch.Tensor


def layout(input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> Layout:
    """Arrange a padded batch (rows, length) without padding;
    rows with equal tokens before their answers share them.

    labels: the token ids where a loss is, -100 elsewhere. Padding may lie on either side.
    """
    device = input_ids.device
    answers: dict[tuple[int, ...], list[tuple[int, list[int], list[int], int]]] = {}
    for row in range(len(input_ids)):
        kept = attention_mask[row].nonzero().flatten()
        first = int(kept[0])
        ids, wanted = input_ids[row, kept].tolist(), labels[row, kept].tolist()
        begin = next((i for i, label in enumerate(wanted) if label != -100 and i), len(ids))
        answers.setdefault(tuple(ids[:begin]), []).append(
            (row, ids[begin:], wanted[begin:], first + begin)
        )
    tokens, positions, groups = [], [], []
    places: list[tuple[int, int, int, int]] = []
    for prompt, endings in answers.items():
        start = len(tokens)
        tokens += prompt
        positions += range(len(prompt))
        parts = [0] * len(prompt)
        for number, (row, ids, wanted, column) in enumerate(endings, start=1):
            before = [start + len(prompt) - 1, *range(len(tokens), len(tokens) + len(ids) - 1)]
            places += [
                (source, row, column + i - 1, label)
                for i, (source, label) in enumerate(zip(before, wanted, strict=False))
                if label != -100
            ]
            inner = ids[:-1]  # nothing follows the last token
            tokens += inner
            positions += range(len(prompt), len(prompt) + len(inner))
            parts += [number] * len(inner)
        groups.append(
            (slice(start, len(tokens)), attention.tree_mask(torch.tensor(parts, device=device)))
        )
    source, row, column, target = (
        torch.tensor(values, dtype=torch.long, device=device)
        for values in (zip(*places, strict=True) if places else ((),) * 4)
    )
    return Layout(
        torch.tensor([tokens], device=device),
        torch.tensor([positions], device=device),
        groups,
        source,
        row,
        column,
        target,
    )


def answer_logits(model, place: Layout) -> torch.Tensor:
    """Logits from which each answer token of a layout is predicted, in fp32,
    shape (answer tokens, vocabulary).
    """
    kept = model.config._attn_implementation
    model.config._attn_implementation = attention.PACKED
    try:
        hidden = model.base_model(
            place.tokens, position_ids=place.positions, use_cache=False, groups=place.groups
        ).last_hidden_state
    finally:
        model.config._attn_implementation = kept
    head = model.get_output_embeddings()
    return linear(hidden[0, place.source], head.weight, head.bias).float()


def log_probabilities(model, input_ids, attention_mask, labels) -> FusedCausalLMOutput:
    """What TRL's fused head returns for a causal language model: (rows, length - 1) tables,
    0 where no label is.

    Fields: log_probs (differentiable), entropy, mean_logits, is_top1, label_mask,
    loss (mean over the answers' tokens).
    """
    place = layout(input_ids, attention_mask, labels)
    logits = answer_logits(model, place)
    log_probs = -cross_entropy(logits, place.target, reduction="none")
    with torch.no_grad():
        normalizer = logits.gather(1, place.target[:, None])[:, 0] - log_probs
        # sum p z = normalizer - entropy;
        # p is recomputed once, in place of a copy kept for the backward pass
        entropy = normalizer - (logits - normalizer[:, None]).exp_().mul_(logits).sum(-1)
        mean_logits, is_top1 = logits.mean(-1), logits.argmax(-1) == place.target

    def table(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(len(input_ids), input_ids.shape[1] - 1).index_put(
            (place.row, place.column), values
        )

    return FusedCausalLMOutput(
        loss=-log_probs.sum() / max(len(place.target), 1),
        log_probs=table(log_probs),
        entropy=table(entropy),
        mean_logits=table(mean_logits),
        is_top1=table(is_top1),
        label_mask=table(torch.ones_like(is_top1)),
    )


def pack(trainer) -> bool:
    """Let a TRL trainer compute its log-probabilities packed,
    where that is faster and covers what it does.

    Returns False, and leaves the trainer as it is,
    on a GPU and for models that change the logits after the head.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    model = model.get_base_model() if hasattr(model, "get_base_model") else model
    if trainer.accelerator.device.type != "cpu" or changes_logits(model):
        return False
    frozen = [
        m
        for m in model.modules()
        if isinstance(m, torch.nn.Linear)
        and m is not model.get_output_embeddings()
        and not m.weight.requires_grad
    ]
    if trainer.args.bf16:
        for layer in frozen:  # autocast would round them anew in every pass, to the same values
            layer.to(torch.bfloat16)
    for each in (model, getattr(trainer, "ref_model", None)):
        if each is not None:
            _replace(each)
    return True


def changes_logits(model) -> bool:
    """Whether a model scales or caps its logits after the head, which `answer_logits` would not."""
    config = model.config.get_text_config()
    return any(
        getattr(config, name, None)
        for name in (
            "final_logit_softcapping",
            "logit_scale",
            "logits_scaling",
            "output_multiplier",
            "lm_head_multiplier",
        )
    )


def _replace(model) -> None:
    original = model.forward

    def forward(
        *args, fused_lm_head=False, labels=None, input_ids=None, attention_mask=None, **kwargs
    ):
        if not fused_lm_head:
            return original(
                *args, labels=labels, input_ids=input_ids, attention_mask=attention_mask, **kwargs
            )
        return log_probabilities(model, input_ids, attention_mask, labels)

    model.forward = forward
