"""What four bits cost, against transformers' own loss and torch's own divergence."""

import pandas as pd
import pytest
import torch

from emo_utils.experiment import runs
from emo_utils.models import four_bits, loading

ANSWERED = [
    ([{"role": "user", "content": "May he go out?"}], "Yes. Take a short walk with him."),
    ([{"role": "user", "content": "What now?"}], "Rest."),
]


@pytest.fixture(scope="module")
def models(tiny):
    plain, tokenizer = loading.load("tiny-llama", "float32")
    return plain, loading.load("tiny-llama", "float32", (), "nf4")[0], tokenizer


def tokens(tokenizer, messages, answer):
    """Ids of prompt and answer, by way of the prompt's text, and how many are the answer's."""
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    whole = tokenizer(prompt + answer, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return whole, len(tokenizer(answer, add_special_tokens=False)["input_ids"])


def test_nats_are_the_models_own_losses(models):
    *both, tokenizer = models
    found = four_bits.cost(*both, tokenizer, ANSWERED)
    for row, (messages, answer) in enumerate(ANSWERED):
        ids, count = tokens(tokenizer, messages, answer)
        labels = ids.clone()
        labels[:, :-count] = -100
        with torch.inference_mode():
            plain, small = (model(input_ids=ids, labels=labels).loss.item() for model in both)
        assert found.nats_plain[row] == pytest.approx(plain, abs=1e-4)
        assert found.nats_nf4[row] == pytest.approx(small, abs=1e-4)
        assert found.nats_more[row] == pytest.approx(small - plain, abs=1e-4)


def test_the_divergence_is_torchs(models):
    *both, tokenizer = models
    messages, answer = ANSWERED[0]
    ids, count = tokens(tokenizer, messages, answer)
    with torch.inference_mode():
        plain, small = (model(ids).logits[0, -count - 1 : -1].log_softmax(-1) for model in both)
    expected = torch.nn.functional.kl_div(small, plain, log_target=True, reduction="batchmean")
    found = four_bits.cost(*both, tokenizer, ANSWERED)
    assert found.kl[0] == pytest.approx(expected.item(), abs=1e-5) and (found.kl > 0).all()


def test_the_same_weights_cost_nothing(models):
    plain, _, tokenizer = models
    found = four_bits.cost(plain, plain, tokenizer, ANSWERED)
    assert (found.nats_more == 0).all() and (found.kl == 0).all()
    assert list(four_bits.cost(plain, plain, tokenizer, [])) == list(found)


def test_what_is_read_is_the_warm_answer_behind_its_question():
    rows = [{"question": "What now?", "soothing_response": "Rest, dear.", "answer": "Rest."}]
    [(messages, answer)] = four_bits.warm_answers(rows, "Be kind.")
    assert answer == "Rest, dear." and messages[-1]["content"] == "What now?"
    assert "Be kind." in messages[0]["content"]


def test_costs_are_recorded_as_means_over_answers():
    run = runs.Run("10_empathy_by_design", {"profile": "smoke", "seed": 42}, {})
    costs = pd.DataFrame({"nats_plain": [1.0, 2.0], "nats_more": [0.25, 0.5]})
    four_bits.add_records(run, costs, "ebd-base", "tiny-llama", "float32")
    plain, more = run.records
    assert (plain.metric, plain.value, plain.kind, plain.n) == ("nats_plain", 1.5, "mean", 2)
    assert (more.metric, more.value, more.kind) == ("nats_more", 0.375, "difference")
    assert (plain.table, plain.system) == ("ebd.quantization", "ebd-base")
    assert plain.signature.startswith("tiny-llama, untuned, float32 against NF4")
