"""Dialogues that a model writes for pairs of an emotion and a situation."""

import pytest
import torch

from emo_utils.data import emplifai
from emo_utils.generation import answering, emplifai_dialogues
from emo_utils.models import loading

SAMPLING = {"max_new_tokens": 4, "temperature": 0.7, "batch_size": 2, "seed": 3}


def test_the_request_names_emotion_and_situation():
    row = {"emotion": "joy", "situation": "検査の結果を待っている。"}
    [message] = emplifai_dialogues.request(row)
    assert message["role"] == "user"
    assert message["content"].endswith("感情: 喜び\n場面: 検査の結果を待っている。")


def test_dialogues_are_what_complete_samples(tiny):
    model, tokenizer = loading.load("tiny-llama", "float32")
    rows = emplifai.load()[::50][:3]
    table = emplifai_dialogues.write(model, tokenizer, rows, "sys", **SAMPLING)
    asked = [emplifai_dialogues.request(row) for row in rows]
    plain = answering.complete(model, tokenizer, asked, **SAMPLING, desc="plain")
    assert list(zip(table.answer, table.tokens, table.complete, strict=True)) == plain
    assert table.id[0] == f"{rows[0]['emotion']}: {rows[0]['situation'][:20]}"
    assert table.situation.tolist() == [row["situation"] for row in rows]
    assert table.emotion.tolist() == [row["emotion"] for row in rows]
    assert set(table.system) == {"sys"}


@pytest.mark.parametrize("text, turns", [("患者: a\n支援者: b\n患者: c\n支援者: d", list("abcd"))])
def test_turns_are_there_where_the_form_is_kept(monkeypatch, text, turns):
    monkeypatch.setattr(
        answering, "complete", lambda *_, **given: [(text, 9, True), (text[:-1], 8, False)]
    )
    rows = emplifai.load()[:2]
    table = emplifai_dialogues.write(None, None, rows, "sys", **SAMPLING)
    assert table.turns.tolist() == [turns, []]
    assert list(table) == [
        "answer",
        "tokens",
        "complete",
        "id",
        "system",
        "emotion",
        "situation",
        "turns",
    ]


def test_training_rows_ask_for_the_dialogue_that_they_complete():
    rows = emplifai.load()[:2]
    examples = emplifai_dialogues.sft_rows(rows)
    assert [example["prompt"] for example in examples] == [
        emplifai_dialogues.request(row) for row in rows
    ]
    [message] = examples[1]["completion"]
    assert message["role"] == "assistant"
    assert message["content"].count("\n") == 3 and rows[1]["turns"][3] in message["content"]


def test_a_dialogue_is_as_unlikely_as_its_tokens_one_by_one(tiny):
    """The mean over its tokens and the end, against a plain pass over the whole conversation."""
    model, tokenizer = loading.load("tiny-llama", "float32")
    row = emplifai.load()[0]
    [found] = emplifai_dialogues.losses(model, tokenizer, [row])
    [example] = emplifai_dialogues.sft_rows([row])
    prompt = tokenizer.apply_chat_template(
        example["prompt"], add_generation_prompt=True, return_dict=True
    )["input_ids"]
    text = example["completion"][0]["content"]
    answer = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    with torch.inference_mode():
        chances = model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
    plain = [chances[len(prompt) + k - 1, token].item() for k, token in enumerate(answer)]
    assert found == pytest.approx(-sum(plain) / len(plain), abs=1e-4)
