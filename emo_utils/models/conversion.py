"""GGUF files turned into safetensors."""

from functools import cache
from pathlib import Path
from unittest import mock


def convert_gguf(gguf: Path, target: Path, dtype: str, log=print) -> None:
    """Turn a GGUF file into config, tokenizer and safetensors in `dtype`
    (transformers dequantizes it).

    transformers marks such a model as quantized and refuses to save it, so the tensors move into a
    fresh model of the same config without that mark.
    """
    import gguf as library
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    log(f"{gguf.name}: converting to safetensors, once (about a minute per GB)")
    # transformers reads the file's head three times, token by token, and the names of its tensors
    # once a layer: half of the time of a small model.
    once = {name: cache(getattr(library, name)) for name in ("GGUFReader", "get_tensor_name_map")}
    with mock.patch.multiple(library, **once):
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=getattr(torch, dtype)
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.save_pretrained(target)
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        fresh = type(model)(config)
    fresh.load_state_dict(model.state_dict(), assign=True)
    fresh.tie_weights()
    fresh.generation_config = model.generation_config
    del model  # the packed weights, before saving takes memory too
    fresh.save_pretrained(
        target, max_shard_size="500MB"
    )  # a shard is copied whole before it is written
