"""Attention on a CPU, in two forms that equal transformers' own and cost less.

`grouped` is for ordinary batches: heads that share keys and values multiply with them in place,
where the usual forms first copy them for each head. `packed` is for one row of several texts; see
`packed` for what lies in it. Matrix products are in the number format of the values; the softmax
kernel computes in fp32.
"""

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

GROUPED, PACKED = "grouped", "packed"
BLOCK = 512  # queries at once, so that the scores of a long text do not fill the memory


def tree_mask(parts: torch.Tensor) -> torch.Tensor:
    """0 where a token may look, -inf elsewhere:
    at what came before it in the beginning that all share (part 0) and in its own part.

    parts: number of the part of each token of a row, shape (total,). Returns (total, total),
    in fp32, to be added to the scores.
    """
    earlier = torch.ones(len(parts), len(parts), dtype=torch.bool, device=parts.device).tril()
    allowed = earlier & ((parts[:, None] == parts[None]) | (parts[None] == 0))
    return torch.zeros(allowed.shape, device=parts.device).masked_fill(~allowed, float("-inf"))


def grouped(module, query, key, value, attention_mask, *, scaling, **_):
    """Attention of a padded batch.

    query: (batch, heads, queries, width); key, value: (batch, shared heads, keys, width).
    attention_mask: added to the scores, (batch, 1, queries, keys). Returns
    (batch, queries, heads, width) and no weights.
    """
    batch, heads, total, width = query.shape
    outputs = []
    for start in range(0, total, BLOCK):
        rows = slice(start, min(start + BLOCK, total))
        scores = (query[:, :, rows] * scaling).reshape(
            batch, key.shape[1], -1, width
        ) @ key.transpose(2, 3)
        if attention_mask is not None:
            scores = (
                scores.view(batch, heads, -1, key.shape[2]) + attention_mask[:, :, rows]
            ).view(scores.shape)
        outputs.append((scores.softmax(-1).to(value.dtype) @ value).view(batch, heads, -1, width))
    joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
    return joined.transpose(1, 2).contiguous(), None


def packed(module, query, key, value, attention_mask=None, *, scaling, groups, **_):
    """Attention within each group of a packed row.

    query: (1, heads, total, width); groups: `packed.Layout.groups`.
    """
    (_, heads, total, width), shared = query.shape, key.shape[1]
    with torch.autocast(query.device.type, enabled=False):
        dtype = value.dtype
        query, key = (query * scaling).to(dtype), key.to(dtype)
        outputs = []
        for span, mask in groups:
            scores = query[0, :, span].reshape(shared, -1, width) @ key[0, :, span].transpose(1, 2)
            weights = (
                (scores.view(heads, -1, mask.shape[1]) + mask.to(dtype))
                .softmax(-1)
                .view(scores.shape)
            )
            outputs.append((weights @ value[0, :, span]).view(heads, -1, width))
        joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
    return joined.transpose(0, 1).reshape(1, total, heads, width), None


AttentionInterface.register(GROUPED, grouped)
AttentionMaskInterface.register(GROUPED, eager_mask)
AttentionInterface.register(PACKED, packed)
AttentionMaskInterface.register(PACKED, lambda *args, **kwargs: None)  # the groups bring their own
