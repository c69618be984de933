"""How much memory a run takes on a CPU, from the sizes of its model, before that is loaded.

The peaks that were measured in training Llama and Qwen2 under adapters lie at most a tenth below
what is computed here. A GPU has memory of its own, and other kernels: of those nothing is said.
"""

import contextlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

from emo_utils.experiment import bill
from emo_utils.models import fetching, registry
from emo_utils.models.checkpoints import shapes
from emo_utils.project import EmoError

PROCESS = 0.7e9  # bytes of a process with the libraries in it
ROOM = 2e9  # bytes that a batch's activations may take before some are computed again
VOCABULARY = 0.3e9  # tables of logits in memory at once
TRAINED = 16  # bytes of a number that is trained: itself, its gradient and Adam's two moments
ANSWERS = {"sft": 1, "dpo": 2, "kto": 1}  # with gradients, that a row brings
WIDTHS = {"float32": 4, "bfloat16": 2}
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # what a container may use


@dataclass(frozen=True)
class Sizes:
    """A causal language model: numbers it has, of these in a table of embeddings that is no head as
    well, layers, width, width between the two products of a block, of its keys (all heads),
    vocabulary.
    """

    numbers: int
    looked_up: int
    layers: int
    width: int
    inner: int
    keys: int
    vocabulary: int


def numbers(folder: Path) -> int:
    """How many numbers the weights in a folder hold."""
    return sum(map(math.prod, shapes(folder).values()))


def sizes(name: str) -> Sizes | None:
    """Of registered weights in the cache; None for those that are not there yet, or are no such
    model.
    """
    if not registry.is_cached(name):
        return None
    return sizes_in(registry.folder(name))


def sizes_in(folder: Path) -> Sizes | None:
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "intermediate_size" not in about or "num_key_value_heads" not in about:
        return None
    found = shapes(folder)
    width, heads = about["hidden_size"], about["num_attention_heads"]
    table = math.prod(found.get("model.embed_tokens.weight", (0,)))
    return Sizes(
        numbers=numbers(folder),
        looked_up=table if "lm_head.weight" in found else 0,
        layers=about["num_hidden_layers"],
        width=width,
        inner=about["intermediate_size"],
        keys=about["num_key_value_heads"] * (about.get("head_dim") or width // heads),
        vocabulary=about["vocab_size"],
    )


def activations(layers: int, width: int, inner: int, tokens: int) -> float:
    """Bytes that the layers of a model keep of so many tokens for the backward pass, about: what
    was measured for Llama and Qwen2 in bf16 under adapters.
    """
    return layers * tokens * (52 * width + 10 * inner)


def kept_products(model: Sizes, tokens: int) -> float:
    """The same where only products with weights are kept in bf16, and what a layer is computed
    from in fp32, and one layer at a time is computed again.
    """
    products = 2 * (3 * model.width + 2 * model.keys + 2 * model.inner) + 4 * model.width
    again = activations(1, model.width, model.inner, tokens)
    return model.layers * tokens * products + again


def adapters(model: Sizes, rank: int) -> int:
    """Numbers in adapters of all linear layers."""
    w, k, i = model.width, model.keys, model.inner
    return model.layers * rank * (2 * (w + w) + 2 * (w + k) + 3 * (w + i))


def training(model: Sizes, dtype: str, objective: str, tokens: int, rank: int) -> float:
    """Peak of a training in bytes.

    dtype: in which its frozen weights are held. tokens: with gradients at once, in all rows of a
    part of a batch. rank: of the adapters; 0: all weights are trained, in fp32, and DPO and KTO
    hold a second model as the reference.
    """
    kept = activations(model.layers, model.width, model.inner, tokens)
    if not rank:
        copies = TRAINED + (0 if objective == "sft" else 4)
        logits = 12 * tokens * model.vocabulary
        return PROCESS + copies * model.numbers + kept + logits
    if kept > ROOM:
        kept = kept_products(model, tokens)
    return PROCESS + held(model, dtype) + TRAINED * adapters(model, rank) + kept + VOCABULARY


def held(model: Sizes, dtype: str) -> float:
    """Bytes of loaded weights; of a table that is only looked up, the rows of words that occur are
    read from the file.
    """
    return WIDTHS[dtype] * (model.numbers - model.looked_up)


def answering(model: Sizes, dtype: str, answers: int, tokens: int) -> float:
    """Peak in bytes of the part of a chapter that follows its training: the trained model beside
    the one that it started from, so many answers at once with what is kept of their tokens, and
    the logits of an answer under both.
    """
    kept = answers * tokens * model.layers * 2 * model.keys * WIDTHS[dtype]
    return PROCESS + 2 * held(model, dtype) + kept + 16 * tokens * model.vocabulary


def of_run(notebook: str, values: dict, model: Sizes, dtype: str) -> float:
    """Peak in bytes of a run of a chapter that trains, its rows as long as `max_length` allows.

    values: its parameters. dtype: format of the products.
    """
    objective = bill.OBJECTIVES[notebook]
    rows = values.get("device_batch") or values["batch_size"]
    tokens = rows * ANSWERS[objective] * values["max_length"]
    rank = values["lora_rank"]
    peak = training(model, dtype if rank else "float32", objective, tokens, rank)
    answers = min(values.get("test_rows") or 64, 64)
    after = answering(model, dtype, answers, values["max_length"])
    return max(values["processes"] * peak, after)


def of_machine() -> float:
    """Bytes of memory that this machine, or the container that this runs in, has."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        return float(min(installed, int(CONTAINER.read_text())))
    return float(installed)


def check(run, dtype: str) -> str:
    """What a training run takes, in words; raises EmoError where the machine has less.

    run: of `runs.start`. dtype: format of the products.
    """
    model = sizes_in(fetching.fetch(run.values["base_model"]))
    return need(run.notebook, run.values, model, dtype)


def need(notebook: str, values: dict, model: Sizes | None, dtype: str) -> str:
    """`check` of a run's parameters and the sizes of its base model."""
    import torch

    if torch.cuda.is_available():
        return "memory: the GPU's own, which is not computed beforehand"
    if model is None:
        return f"memory: not known for the architecture of {values['base_model']}"
    peak, machine = of_run(notebook, values, model, dtype), of_machine()
    if peak <= machine:
        return f"memory: up to {peak / 1e9:.1f} GB of this machine's {machine / 1e9:.1f}"
    least = values | {"max_length": 32, "device_batch": 1}
    if of_run(notebook, least, model, dtype) <= machine:
        way_out = "lower max_length or device_batch (batch_size where there is none)"
    elif not values["lora_rank"]:
        way_out = "train adapters in place of all weights (lora_rank 16)"
    else:
        way_out = "choose a smaller base_model"
    raise EmoError(
        f"{notebook} with {values['base_model']} takes up to {peak / 1e9:.1f} GB of memory and "
        f"this machine has {machine / 1e9:.1f}, so nothing is loaded; {way_out}"
    )


def refuse_too_large(name: str, folder: Path, dtype: str) -> None:
    """Raise EmoError where a model's weights alone are more than the machine's memory."""
    import torch

    peak = PROCESS + numbers(folder) * WIDTHS[dtype]
    if not torch.cuda.is_available() and peak > of_machine():
        raise EmoError(
            f"{name} takes {peak / 1e9:.1f} GB of memory in {dtype} and this machine has "
            f"{of_machine() / 1e9:.1f}, so it is not loaded; choose a smaller model"
        )
