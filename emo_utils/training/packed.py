"""Log-probabilities of answers on a CPU without wasted work: no padding, each shared prompt once.

TRL's trainers ask the model for the log-probabilities of a batch of answers; here they are computed
on one row of tokens. Rows that share a prompt (the two answers of a DPO pair) share its tokens, and
only the tokens before an answer's next one meet the vocabulary, some at a time. The objectives stay
TRL's; on a GPU its own kernels serve.

Under adapters the frozen weights are in bf16; where the activations of a batch are large, of each
layer only the products with weights wait for the backward pass, and the rest is computed again.
"""

import contextlib
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn.functional import cross_entropy, linear
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)
from transformers.modeling_layers import GradientCheckpointingLayer
from trl.trainer.utils import FusedCausalLMOutput

from emo_utils.models import attention, memory
from emo_utils.models.memory import ROOM
from emo_utils.training import heap

LOGITS = 2**24  # numbers of a table of logits in memory at once: 67 MB in fp32
THIN = 8  # a product of so many times more columns than it sums over is computed again


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
    head = model.get_output_embeddings()
    return linear(before_answers(model, place), head.weight, head.bias).float()


def before_answers(model, place: Layout) -> torch.Tensor:
    """Hidden states from which the answer tokens of a layout are predicted, shape
    (answer tokens, width).
    """
    with _attending(model, attention.PACKED):
        hidden = model.base_model(
            place.tokens, position_ids=place.positions, use_cache=False, groups=place.groups
        ).last_hidden_state
    return hidden[0, place.source]


@contextlib.contextmanager
def _attending(model, form: str):
    """Let a model use one form of attention, and afterwards the one before."""
    kept = model.config._attn_implementation
    model.config._attn_implementation = form
    try:
        yield
    finally:
        model.config._attn_implementation = kept


def scores(hidden: torch.Tensor, head, target: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Log-probability of each target, entropy, mean of the logits, and whether the target is the
    likeliest token; each of shape (tokens,). Only the first has a gradient.

    hidden: (tokens, width). The table of logits is never whole in memory. A frozen head's gradient
    for `hidden` comes with the log-probabilities, as each is one number of one token; a head that
    is trained keeps its logits.
    """
    dtype = (
        torch.get_autocast_dtype(hidden.device.type)
        if torch.is_autocast_enabled(hidden.device.type)
        else hidden.dtype
    )
    if head.weight.requires_grad and torch.is_grad_enabled():
        return _scores_of(linear(hidden, head.weight, head.bias).float(), target)
    bias = None if head.bias is None else head.bias.to(dtype)
    return _FrozenHead.apply(hidden, head.weight.to(dtype), bias, target)


def _scores_of(logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, ...]:
    log_probs = -cross_entropy(logits, target, reduction="none")
    with torch.no_grad():
        normalizer = logits.gather(1, target[:, None])[:, 0] - log_probs
        # sum p z = normalizer - entropy;
        # p is recomputed once, in place of a copy kept for the backward pass
        entropy = normalizer - (logits - normalizer[:, None]).exp_().mul_(logits).sum(-1)
        return log_probs, entropy, logits.mean(-1), logits.argmax(-1) == target


class _FrozenHead(torch.autograd.Function):
    """`scores` of a head that is not trained, some tokens at a time."""

    @staticmethod
    def forward(ctx, hidden, weight, bias, target):
        tokens = max(LOGITS // len(weight), 1)
        parts, slopes = [], []
        for part, wanted in zip(hidden.split(tokens), target.split(tokens), strict=True):
            logits = linear(part.to(weight.dtype), weight, bias).float()
            parts.append(_scores_of(logits, wanted))
            if ctx.needs_input_grad[0]:
                # d log p(target) / d logits = [target] - p
                slope = logits.softmax(-1).neg_()
                slope[torch.arange(len(wanted), device=slope.device), wanted] += 1
                slopes.append((slope.to(weight.dtype) @ weight).to(hidden.dtype))
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(torch.cat(slopes))
        log_probs, entropy, mean_logits, is_top1 = (torch.cat(each) for each in zip(*parts))
        ctx.mark_non_differentiable(entropy, mean_logits, is_top1)
        return log_probs, entropy, mean_logits, is_top1

    @staticmethod
    def backward(ctx, gradient, *_):
        (slopes,) = ctx.saved_tensors
        return gradient[:, None].to(slopes.dtype) * slopes, None, None, None


def log_probabilities(model, input_ids, attention_mask, labels) -> FusedCausalLMOutput:
    """What TRL's fused head returns for a causal language model: (rows, length - 1) tables,
    0 where no label is.

    Fields: log_probs (differentiable), entropy, mean_logits, is_top1, label_mask,
    loss (mean over the answers' tokens).
    """
    place = layout(input_ids, attention_mask, labels)
    log_probs, entropy, mean_logits, is_top1 = scores(
        before_answers(model, place), model.get_output_embeddings(), place.target
    )

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
    if frozen:
        # What the layers add to stays in fp32, whatever the weights are held in.
        model.get_input_embeddings().register_forward_hook(lambda *call: call[-1].float())
        keep_products(model)
    for each in (model, getattr(trainer, "ref_model", None)):
        if each is not None:
            _replace(each)
    return True


def keep_products(model) -> None:
    """Let each layer keep only its products with weights for the backward pass where the
    activations of a batch exceed `ROOM`, and compute the rest again: the same numbers in a third of
    the memory, at the price of a few passes over it, which narrow models feel.
    """
    config = model.config.get_text_config()
    if not hasattr(config, "intermediate_size"):
        return
    of_a_token = memory.activations(
        config.num_hidden_layers, config.hidden_size, config.intermediate_size, 1
    )

    def contexts():
        first, second = create_selective_checkpoint_contexts(_is_kept)
        return first, _again(model, model.config._attn_implementation, second)

    def computed(forward, hidden, *args, **options):
        if not torch.is_grad_enabled() or hidden[..., 0].numel() * of_a_token <= ROOM:
            return forward(hidden, *args, **options)
        heap.give_back_large()
        return checkpoint(
            forward, hidden, *args, use_reentrant=False, context_fn=contexts, **options
        )

    for layer in model.modules():
        # The library's own switch is put back by trainers, with a function of theirs.
        if isinstance(layer, GradientCheckpointingLayer):
            layer.forward = partial(computed, layer.forward)


@contextlib.contextmanager
def _again(model, form: str, mode):
    """Compute a layer again in its backward pass, with the attention of its forward pass."""
    with _attending(model, form), mode:
        yield


def _is_kept(context, operation, *tensors, **options) -> CheckpointPolicy:
    """Products with weights are kept, but for an adapter's second, which is thin: it costs less
    than its place.
    """
    if operation in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
        inner, outer = tensors[-1].shape
        if inner * THIN > outer:
            return CheckpointPolicy.MUST_SAVE
    return CheckpointPolicy.PREFER_RECOMPUTE


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
