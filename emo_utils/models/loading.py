"""Models and tokenizers in memory, with the checkpoints that were trained on them."""

import importlib.util
import itertools
import json
import tempfile
from pathlib import Path

from emo_utils.experiment import provenance
from emo_utils.models import checkpoints as checks
from emo_utils.models import fetching, registry
from emo_utils.project import EmoError, sha256_json


def note(name: str) -> Path:
    """Fetch weights, note them for this run's provenance, and return their folder."""
    path = fetching.fetch(name)
    manifest = json.loads((path / "manifest.json").read_text())
    provenance.MODELS_LOADED[name] = {
        "source": manifest["source"],
        "sha256": manifest["sha256"] or sha256_json(manifest["files"]),
    }
    return path


# Templates such as Llama-3.2's would write today's date into every prompt.
DATE = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}"


def tokenizer_in(path: Path):
    """The tokenizer of weights in a folder, with a fixed date and a token to pad with."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if "strftime_now" in (tokenizer.chat_template or ""):
        tokenizer.chat_template = DATE + tokenizer.chat_template
    return tokenizer


def load(
    name: str,
    dtype: str = "float32",
    checkpoints: tuple[Path, ...] | list[Path] = (),
    quantization: str = "none",
):
    """Model (eval mode, on the accelerator if there is one) and tokenizer of a registered name.

    checkpoints: folders written by `model_cards.save`, applied in order: an adapter is merged into
    what came before, a whole model replaces it. Merging is done in fp32, layer by layer, and
    rounded to `dtype` once; no other copy of the weights is made.
    quantization: `nf4` then turns the weights into 4 bits, for adapters to be trained on.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from emo_utils.models import attention, memory

    path = note(name)
    memory.refuse_too_large(name, path, dtype)
    for checkpoint in checkpoints:
        checks.check(checkpoint, name, path)
    tokenizer = tokenizer_in(path)
    whole = [c for c in checkpoints if not (c / "adapter_config.json").is_file()]
    adapters = checkpoints[checkpoints.index(whole[-1]) + 1 :] if whole else checkpoints
    # Weights that adapters change are read as they are stored: rounded before, they would be twice.
    stored = "auto" if adapters and dtype != "float32" else getattr(torch, dtype)
    model = AutoModelForCausalLM.from_pretrained(whole[-1] if whole else path, dtype=stored)
    for layer, weight in _with_adapters(model, adapters):
        model.get_submodule(layer).weight.data = weight.to(getattr(torch, dtype))
    model = model.to(getattr(torch, dtype))
    if quantization == "nf4":
        return _in_four_bits(model), tokenizer
    if not torch.cuda.is_available():
        model.set_attn_implementation(attention.GROUPED)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def each(name: str, dtype: str, chains: dict[str, list[Path]]):
    """Yield (key, model, tokenizer) for each chain of checkpoints; the base is read once, and its
    adapters are put into one and the same model in turn.

    The weights are those that `load` gives for the chain: each adapter's alpha / rank x B A is
    added in fp32, and the sum rounded to `dtype` once. A chain with a whole model is loaded as
    such. A model is only good until the next one is asked for. Memory holds the base twice where
    there are adapters: as it is stored (as fp32 where `dtype` is that), and in `dtype`.
    """
    import copy

    import torch

    held = dtype if dtype == "float32" else _stored(note(name))
    base, tokenizer = load(name, held)
    for checkpoint in dict.fromkeys(itertools.chain.from_iterable(chains.values())):
        checks.check(checkpoint, name, registry.folder(name))
    model = (
        base
        if dtype == held and not any(chains.values())
        else copy.deepcopy(base).to(getattr(torch, dtype))
    )
    for key, chain in chains.items():
        if any(not (folder / "adapter_config.json").is_file() for folder in chain):
            yield key, load(name, dtype, chain)[0], tokenizer
            continue
        changed = []
        with torch.no_grad():
            for layer, weight in _with_adapters(base, chain):
                model.get_submodule(layer).weight.copy_(weight)
                changed.append(layer)
        yield key, model, tokenizer
        with torch.no_grad():
            for layer in changed:
                model.get_submodule(layer).weight.copy_(base.get_submodule(layer).weight)


def _stored(folder: Path) -> str:
    """The number format in which a folder holds its weights."""
    return json.loads((folder / "config.json").read_text(encoding="utf-8")).get("dtype", "float32")


def _with_adapters(base, chain: list[Path]):
    """Yield each layer that a chain of adapters changes, with its new weights in fp32."""
    from safetensors.torch import load_file

    changes: dict[str, list] = {}
    for folder in chain:
        config = json.loads((folder / "adapter_config.json").read_text())
        tensors = load_file(folder / "adapter_model.safetensors")
        for key, first in tensors.items():
            if key.endswith(".lora_A.weight"):
                layer = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                second = tensors[key.replace("lora_A", "lora_B")]
                changes.setdefault(layer, []).append(
                    (first, second, config["lora_alpha"] / config["r"])
                )
    for layer, parts in changes.items():
        weight = base.get_submodule(layer).weight.detach().float()
        for first, second, scale in parts:
            weight = weight + (second @ first).to(weight.device) * scale
        yield layer, weight


def _in_four_bits(model):
    """The model with its linear layers in NF4, double quantization (as in the code of Empathy by
    Design), products in bf16.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    if not importlib.util.find_spec("bitsandbytes"):
        raise EmoError(
            "quantization 'nf4' needs the package bitsandbytes, which is not installed here "
            "(it has no wheel for every system); set it to 'none'"
        )
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        small = AutoModelForCausalLM.from_pretrained(
            folder,
            quantization_config=config,
            device_map="cuda" if torch.cuda.is_available() else "cpu",
        ).eval()
    for module in small.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # That kernel has no gradient:
            # the adapters before it would stay as they are without a word.
            module.support_avx512bf16_for_cpu = False
    return small
