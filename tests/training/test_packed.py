"""How a batch becomes one row of tokens, and the two forms of attention,
against transformers' own.
"""

import os
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from peft import get_peft_model
from torch.utils._python_dispatch import TorchDispatchMode

from emo_utils.models import attention, loading
from emo_utils.models.precision import Precision
from emo_utils.training import heap, packed, recipe

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


# What a training holds in memory


@pytest.mark.parametrize("tokens", [1, 7, 40])
def test_a_frozen_head_gives_the_scores_and_gradients_of_whole_logits(monkeypatch, tokens):
    """Some tokens at a time, with a bias and a last part that is shorter."""
    torch.manual_seed(0)
    hidden, target = torch.randn(tokens, 8, requires_grad=True), torch.randint(0, 50, (tokens,))
    head, weights = torch.nn.Linear(8, 50), torch.randn(tokens)
    monkeypatch.setattr(packed, "LOGITS", 50 * 3)
    found = []
    for trained in (True, False):
        head.weight.requires_grad_(trained)
        hidden.grad = None
        results = packed.scores(hidden, head, target)
        (results[0] * weights).sum().backward()
        assert not any(each.requires_grad for each in results[1:])
        found.append([*(each.detach() for each in results), hidden.grad])
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, whole, atol=1e-5, rtol=1e-5)


def frozen_under_adapters(dtype: str):
    """A tiny model with adapters that change something, as a trainer packs it, and its base."""
    torch.manual_seed(5)
    model, _ = loading.load("tiny-llama", dtype)
    adapted = get_peft_model(model, recipe.lora(4)).train()
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    trainer = SimpleNamespace(
        model=adapted,
        args=SimpleNamespace(bf16=dtype == "bfloat16"),
        accelerator=SimpleNamespace(unwrap_model=lambda m: m, device=torch.device("cpu")),
    )
    assert packed.pack(trainer)
    return adapted, model


def step(adapted, model, autocast: bool = False):
    """One pass forward and one backward over two rows; the loss and the adapters' gradients."""
    ids = torch.arange(3, 43).view(2, 20)
    labels = ids.clone()
    labels[:, :6] = -100
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = packed.log_probabilities(model, ids, torch.ones_like(ids), labels).loss
    loss.backward()
    return loss.item(), [p.grad.clone() for p in adapted.parameters() if p.requires_grad]


class Watching(TorchDispatchMode):
    """Tell a function of each operation, its arguments and its result."""

    def __init__(self, note):
        super().__init__()
        self.note = note

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.note(operation, args, result)
        return result


def test_frozen_weights_are_held_once_and_in_bf16(tiny):
    """Before, during and after a step there is one copy of them, and none in fp32."""
    assert recipe.held_in(Precision("bfloat16", ""), 16) == "bfloat16"
    assert recipe.held_in(Precision("bfloat16", ""), 0) == "float32"
    adapted, model = frozen_under_adapters("bfloat16")
    frozen = [p for p in adapted.parameters() if not p.requires_grad]
    assert {p.dtype for p in frozen} == {torch.bfloat16}
    assert {p.dtype for p in adapted.parameters() if p.requires_grad} == {torch.float32}
    table, large = model.get_input_embeddings().weight, set()

    def note(operation, args, result):
        if torch.is_tensor(result) and result.numel() >= table.numel():
            large.add(result.untyped_storage().data_ptr())

    with Watching(note):
        step(adapted, model, autocast=True)
    assert large == {table.untyped_storage().data_ptr()}  # as the view that the head multiplies by
    assert model.get_output_embeddings().weight is table


def products_of_a_step(room: float, monkeypatch):
    """Loss, gradients, how often a step multiplied by each frozen weight as it lies in memory
    (forward) or stands in it (backward), and how often it passed a gate (SwiGLU).
    """
    monkeypatch.setattr(packed, "ROOM", room)
    monkeypatch.setattr(heap, "give_back_large", lambda: None)  # it holds for the whole process
    adapted, model = frozen_under_adapters("float32")
    weights = {
        p.untyped_storage().data_ptr(): name
        for name, p in adapted.named_parameters()
        if "base_layer" in name
    }
    made, other = Counter(), Counter()

    def note(operation, args, result):
        other[operation] += 1
        if operation is torch.ops.aten.mm.default:
            made[weights.get(args[1].untyped_storage().data_ptr())] += 1

    with Watching(note):
        loss, gradients = step(adapted, model)
    del made[None]
    return loss, gradients, made, other[torch.ops.aten.silu.default]


def test_what_is_computed_again_are_no_products_with_weights(tiny, monkeypatch):
    """A step makes as many of them as one that has room for everything, and has the same numbers;
    what lies between them is computed twice, in each of two layers.
    """
    loss, gradients, made, between = products_of_a_step(1e9, monkeypatch)
    again, others, kept, twice = products_of_a_step(0, monkeypatch)
    assert loss == again and all(map(torch.equal, gradients, others))
    assert kept == made and len(made) == 14 and (between, twice) == (2, 4)


def test_losses_in_bf16_are_those_of_weights_loaded_in_fp32(tiny):
    """Layers are rounded either way; here also the embedding, which answers read rounded."""
    both = [step(*frozen_under_adapters("bfloat16"), autocast=True)]
    torch.manual_seed(5)
    adapted, model = frozen_under_adapters("float32")
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and not layer.weight.requires_grad:
            if layer is not model.get_output_embeddings():
                layer.to(torch.bfloat16)
    both.append(step(adapted, model, autocast=True))
    assert both[0][0] == pytest.approx(both[1][0], abs=1e-2)


@pytest.mark.slow
def test_large_tensors_leave_no_holes():
    """In a process of its own: beside what is kept, large blocks that are gone hold nothing of the
    system's memory; in glibc's heap as it is at least one of them leaves its hole (how many more
    depends on the release of glibc).
    """
    program = """
import sys
from emo_utils.training import heap

def megabytes():
    status = open("/proc/self/status").read()
    return int(status.split("RssAnon:")[1].split()[0]) / 1000

set_here = heap.give_back_large() if sys.argv[1] == "given back" else False
kept, before = [], megabytes()
for _ in range(8):
    passing = bytearray(25 * 10**6)  # both by malloc, as tensors are
    kept.append(bytearray(8 * 10**6))
    del passing
print(set_here, megabytes() - before)
"""
    # The runs' own settings of the allocator are not those of this test.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    grown = {}
    for way in ("as it is", "given back"):
        done = subprocess.run(
            [sys.executable, "-c", program, way],
            env=plain,
            capture_output=True,
            text=True,
            check=True,
        )
        set_here, grown[way] = done.stdout.split()
    assert set_here == "True" and float(grown["given back"]) < 8 * 8 + 15
    assert float(grown["as it is"]) > float(grown["given back"]) + 15
