"""The stand-in of the smoke profile: a tiny random Llama, built here."""

from pathlib import Path

# Learnt once, by tokenizers' BpeTrainer (4,256 pieces) from the data of November 2026.
MERGES = Path(__file__).with_name("tiny_merges.txt")
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "seed": 0,
}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% endif %}"
)


def build_tiny(target: Path) -> None:
    """Write a random Llama of 0.35 M parameters that reads pieces of words: for tests of the
    machinery, not of quality.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    merges = [tuple(line.split(" ")) for line in MERGES.read_text(encoding="utf-8").splitlines()]
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(pair) for pair in merges]
    vocab = {token: i for i, token in enumerate(special + pieces)}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )
    tokenizer.chat_template = CHATML
    sizes = {k: v for k, v in TINY.items() if k != "seed"}
    config = LlamaConfig(
        vocab_size=len(vocab),
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
    )
    with torch.random.fork_rng(
        devices=[]
    ):  # whoever fetches must not draw other numbers afterwards
        torch.manual_seed(TINY["seed"])
        LlamaForCausalLM(config).save_pretrained(target)
    tokenizer.save_pretrained(target)
