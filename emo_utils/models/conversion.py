"""GGUF files turned into safetensors."""

from pathlib import Path


def convert_gguf(gguf: Path, target: Path, dtype: str, log=print) -> None:
    """Turn a GGUF file into config, tokenizer and safetensors in `dtype`
    (transformers dequantizes it).

    transformers marks such a model as quantized and refuses to save it, so the tensors move into a
    fresh model of the same config without that mark.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    log(f"{gguf.name}: converting to safetensors, once (about a minute per GB)")
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=getattr(torch, dtype)
    )
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
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)
