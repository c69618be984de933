"""What a training changed, on one answer: against transformers' own loss."""

import pytest
import torch

from emo_utils.models import loading
from emo_utils.training import movement

PROMPT = [{"role": "user", "content": "How is it going?"}]


@pytest.mark.parametrize("answer", ["Well, thank you.", "x", ""])
def test_the_loss_of_an_answer_is_that_of_transformers(tiny, answer):
    model, tokenizer = loading.load("tiny-llama", "float32")
    before = tokenizer.apply_chat_template(PROMPT, add_generation_prompt=True, tokenize=False)
    prompt = tokenizer(before, add_special_tokens=False)["input_ids"]
    whole = tokenizer(before + answer, add_special_tokens=False)["input_ids"]
    tokens = torch.tensor([[*whole, tokenizer.eos_token_id]])
    labels = tokens.clone()
    labels[:, : len(prompt)] = -100
    with torch.inference_mode():
        plain = model(tokens, labels=labels).loss.item()
    assert movement.answer_loss(model, tokenizer, PROMPT, answer) == pytest.approx(plain, abs=1e-5)
