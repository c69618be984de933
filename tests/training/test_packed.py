"""How a batch becomes one row of tokens, and the two forms of attention,
against transformers' own.
"""

from types import SimpleNamespace

import pytest
import torch

from emo_utils.models import attention, loading
from emo_utils.training import packed

INF = float("inf")


def test_two_answers_share_their_prompt_and_padding_is_gone():
    """Rows: prompt 1 2 3 with answers 4 5 and 6,
    and prompt 7 with answer 8 9, padded on the left.
    """
    ids = torch.tensor([[1, 2, 3, 4, 5], [1, 2, 3, 6, 0], [0, 0, 7, 8, 9]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [0, 0, 1, 1, 1]])
    labels = torch.tensor(
        [[-100, -100, -100, 4, 5], [-100, -100, -100, 6, -100], [-100, -100, -100, 8, 9]]
    )
    place = packed.layout(ids, mask, labels)
    # An answer's last token predicts nothing and is left out: 4 stays, 5, 6 and 9 go.
    assert place.tokens.tolist() == [[1, 2, 3, 4, 7, 8]]
    assert place.positions.tolist() == [[0, 1, 2, 3, 0, 1]]
    assert [span for span, _ in place.groups] == [slice(0, 4), slice(4, 6)]
    assert list(
        zip(
            place.source.tolist(),
            place.row.tolist(),
            place.column.tolist(),
            place.target.tolist(),
            strict=True,
        )
    ) == [(2, 0, 2, 4), (3, 0, 3, 5), (2, 1, 2, 6), (4, 2, 2, 8), (5, 2, 3, 9)]


def test_an_answer_sees_its_prompt_and_itself():
    mask = attention.tree_mask(torch.tensor([0, 0, 1, 1, 2]))
    assert mask.tolist() == [
        [0, -INF, -INF, -INF, -INF],
        [0, 0, -INF, -INF, -INF],
        [0, 0, 0, -INF, -INF],
        [0, 0, 0, 0, -INF],
        [0, 0, -INF, -INF, 0],
    ]


@pytest.mark.parametrize("side", ["left", "right"])
def test_log_probabilities_are_those_of_one_plain_pass_a_row(tiny, side):
    model, _ = loading.load("tiny-llama", "float32")
    generator = torch.Generator().manual_seed(0)
    prompts = [torch.randint(3, 200, (n,), generator=generator).tolist() for n in (9, 4)]
    rows = [
        (prompt, torch.randint(3, 200, (n,), generator=generator).tolist())
        for prompt, n in [(prompts[0], 5), (prompts[0], 1), (prompts[1], 7), (prompts[0], 3)]
    ]
    width = max(len(a) + len(b) for a, b in rows)
    pad = lambda values, fill: (
        ([fill] * (width - len(values)) + values)
        if side == "left"
        else (values + [fill] * (width - len(values)))
    )  # noqa: E731
    ids = torch.tensor([pad(a + b, 0) for a, b in rows])
    mask = torch.tensor([pad([1] * (len(a) + len(b)), 0) for a, b in rows])
    labels = torch.tensor([pad([-100] * len(a) + b, -100) for a, b in rows])
    with torch.no_grad():
        found = packed.log_probabilities(model, ids, mask, labels)
        assert found.log_probs.shape == (4, width - 1)
        for row, (a, b) in enumerate(rows):
            logits = (
                model(input_ids=torch.tensor([a + b])).logits[0, len(a) - 1 : -1].log_softmax(-1)
            )
            at = found.label_mask[row]
            assert at.sum() == len(b)
            assert torch.allclose(
                found.log_probs[row, at],
                logits.gather(1, torch.tensor(b)[:, None])[:, 0],
                atol=1e-5,
            )
            assert torch.allclose(
                found.entropy[row, at], -(logits.exp() * logits).sum(-1), atol=1e-4
            )
            assert (
                found.is_top1[row, at].tolist() == (logits.argmax(-1) == torch.tensor(b)).tolist()
            )
        assert (found.log_probs[~found.label_mask] == 0).all()
    assert model.config._attn_implementation == attention.GROUPED  # the model itself is as it was


def test_rows_without_an_answer_give_a_zero_that_can_be_differentiated(tiny):
    model, _ = loading.load("tiny-llama", "float32")
    ids = torch.tensor([[5, 6, 7]])
    found = packed.log_probabilities(model, ids, torch.ones_like(ids), torch.full_like(ids, -100))
    found.log_probs.sum().backward()
    assert found.log_probs.tolist() == [[0, 0]]


@pytest.mark.parametrize("queries", [1, 7, 1100])
def test_grouped_attention_is_that_of_the_library(queries):
    """Six heads on two shared ones, with a causal mask,
    more queries than one block, and a decoding step.
    """
    generator = torch.Generator().manual_seed(1)
    keys = max(queries, 20)
    query, key, value = (
        torch.randn(2, heads, length, 8, generator=generator)
        for heads, length in ((6, queries), (2, keys), (2, keys))
    )
    allowed = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    mask = torch.zeros(1, 1, queries, keys).masked_fill(~allowed, torch.finfo(torch.float32).min)
    ours, none = attention.grouped(None, query, key, value, mask, scaling=8**-0.5)
    theirs = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, enable_gqa=True
    )
    assert none is None and torch.allclose(ours, theirs.transpose(1, 2), atol=1e-5)


def test_a_model_that_changes_its_logits_keeps_the_trainers_own_way():
    config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(final_logit_softcapping=30.0))
    model = SimpleNamespace(config=config, forward="untouched")
    trainer = SimpleNamespace(
        model=model,
        accelerator=SimpleNamespace(unwrap_model=lambda m: m, device=torch.device("cpu")),
    )
    assert packed.pack(trainer) is False and model.forward == "untouched"
