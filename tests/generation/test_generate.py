"""Answers to the test questions: batching, padding and order must not change what a model says."""

import copy

import pandas as pd
import pytest
import torch

from emo_utils.data import dialogues
from emo_utils.generation import answering, prompts
from emo_utils.models import loading
from emo_utils.project import EmoError

TASK = "Answer."
# Lengths are mixed, so that sorting by length moves the rows and every batch holds padding.
QUESTIONS = [
    "My knee clicks when I climb stairs and I am scared of it.",
    "Why?",
    "Is a rash of 7 cm after a tick bite bad? " * 4,
    "I cough.",
    "It itches a lot at night.",
]
ROWS = [
    {"id": f"t{i}", "emotion": dialogues.EMOTIONS[i], "emotional_question": q}
    for i, q in enumerate(QUESTIONS)
]


@pytest.fixture(scope="module")
def loaded(tiny):
    """The tiny model with larger output weights: as built, its next-token logits are almost level
    and rounding could choose.
    """
    model, tokenizer = loading.load("tiny-llama", "float32")
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model, tokenizer


def answer(loaded, rows=ROWS, **changes):
    options = {"max_new_tokens": 12, "temperature": 0.0, "batch_size": 5, "seed": 1} | changes
    return answering.answer_questions(*loaded, rows, TASK, "base", **options)


@torch.no_grad()
def greedy(loaded, question: str, steps: int) -> list[int]:
    """The plainest decoding there is: the whole text again for each token, no cache, no padding."""
    model, tokenizer = loaded
    text = (
        f"<|im_start|>system\n{TASK}<|im_end|>\n"
        f"<|im_start|>user\n{question}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    ids, found = tokenizer(text, add_special_tokens=False).input_ids, []
    while len(found) < steps:
        found.append(int(model(torch.tensor([ids + found])).logits[0, -1].argmax()))
        if found[-1] == tokenizer.eos_token_id:
            break
    return found


@pytest.mark.parametrize("batch_size", [1, 2, 5, 8])
def test_greedy_answers_are_those_of_decoding_one_by_one(loaded, batch_size):
    found = answer(loaded, batch_size=batch_size)
    expected = [
        loaded[1].decode(greedy(loaded, q, 12), skip_special_tokens=True).strip() for q in QUESTIONS
    ]
    assert found.answer.tolist() == expected and len(set(expected)) > 1


def test_rows_keep_their_order_and_their_question(loaded):
    found = answer(loaded, batch_size=2)
    assert list(found.columns) == [
        "id",
        "emotion",
        "system",
        "question",
        "answer",
        "tokens",
        "complete",
    ]
    assert found.id.tolist() == [r["id"] for r in ROWS] and found.question.tolist() == QUESTIONS
    assert found.emotion.tolist() == list(dialogues.EMOTIONS) and set(found.system) == {"base"}
    backwards = answer(loaded, ROWS[::-1], batch_size=2)
    assert (
        backwards.id.tolist() == found.id.tolist()[::-1]
        and backwards.answer.tolist() == found.answer.tolist()[::-1]
    )


def test_tokens_and_completeness_are_counted(loaded):
    """A token of one answer becomes the end of a text: that answer is complete,
    and shorter by what followed.
    """
    model, tokenizer = loaded[0], copy.deepcopy(loaded[1])
    cut = answer(loaded)
    assert cut.tokens.tolist() == [12] * 5 and not cut.complete.any()
    whole = [greedy(loaded, q, 12) for q in QUESTIONS]
    end = next(token for token in whole[0] if any(token not in other for other in whole[1:]))
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    assert tokenizer.eos_token_id == end
    expected = [tokens.index(end) if end in tokens else 12 for tokens in whole]
    found = answer((model, tokenizer))
    assert found.tokens.tolist() == expected and expected[0] < 12 == max(expected)
    assert found.complete.tolist() == [n < 12 for n in expected]
    assert found.answer.tolist() == [
        loaded[1].decode(t[:n], skip_special_tokens=True).strip() for t, n in zip(whole, expected)
    ]


def test_sampled_answers_repeat_with_their_seed_and_change_with_another(loaded):
    first = answer(loaded, temperature=0.9, batch_size=2)
    torch.rand(5)  # whatever was drawn in between does not matter
    assert first.equals(answer(loaded, temperature=0.9, batch_size=2))
    assert (
        first.answer.tolist()
        != answer(loaded, temperature=0.9, batch_size=2, seed=2).answer.tolist()
    )
    assert first.answer.tolist() != answer(loaded, batch_size=2).answer.tolist()


def test_two_batches_do_not_sample_alike(loaded):
    rows = [ROWS[1] | {"id": str(i)} for i in range(4)]
    found = answer(loaded, rows, temperature=1.5, batch_size=1)
    assert len(set(found.answer)) == 4


def test_positions_that_do_not_suffice_are_an_error_before_anything_is_generated(
    loaded, monkeypatch
):
    model, tokenizer = loaded
    longest = max(
        len(
            tokenizer(
                f"<|im_start|>system\n{TASK}<|im_end|>\n"
                f"<|im_start|>user\n{q}<|im_end|>\n"
                "<|im_start|>assistant\n"
            ).input_ids
        )
        for q in QUESTIONS
    )
    monkeypatch.setattr(model.config, "max_position_embeddings", longest + 12)
    assert len(answer(loaded)) == 5
    monkeypatch.setattr(model.config, "max_position_embeddings", longest + 11)
    monkeypatch.setattr(
        type(model), "generate", lambda *a, **k: pytest.fail("it began to generate")
    )
    with pytest.raises(
        EmoError,
        match=rf"{longest} tokens and 12 new ones exceed the model's {longest + 11} positions; "
        "lower max_new_tokens",
    ):
        answer(loaded)


def make_chain(folder, seeds: dict[str, int]):
    """Adapters with random weights in folders of these names."""
    from peft import get_peft_model

    from emo_utils.training import recipe

    for name, seed in seeds.items():
        torch.manual_seed(seed)
        model = get_peft_model(loading.load("tiny-llama", "float32")[0], recipe.lora(4))
        for key, weight in model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(weight, std=0.1)
        model.save_pretrained(folder / name)


@pytest.mark.parametrize(
    "stored, dtype",
    [("float32", "float32"), ("float32", "bfloat16"), ("bfloat16", "bfloat16")],
)
def test_systems_from_one_base_have_the_weights_of_each_loaded_alone(
    tiny, tmp_path, monkeypatch, stored, dtype
):
    """A chain of none, of one, of two, of a whole model, and of none again; nothing is held in a
    wider format than it is stored or computed in.
    """
    if stored == "bfloat16":
        folder = tmp_path / "stored"
        model, tokenizer = loading.load("tiny-llama", stored)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        monkeypatch.setattr(loading, "note", lambda name: folder)
    make_chain(tmp_path, {"first": 1, "second": 2})
    loading.load("tiny-llama", "float32", [tmp_path / "first"])[0].save_pretrained(
        tmp_path / "whole"
    )
    chains = {
        "base": [],
        "one": [tmp_path / "first"],
        "two": [tmp_path / "first", tmp_path / "second"],
        "whole": [tmp_path / "whole"],
        "again": [],
    }
    load, formats = loading.load, []
    monkeypatch.setattr(
        loading, "load", lambda name, *how: formats.append(how[0]) or load(name, *how)
    )
    seen, kept = [], set()
    for key, model, _ in loading.each("tiny-llama", dtype, chains):
        alone = load("tiny-llama", dtype, chains[key])[0].state_dict()
        assert all(
            torch.equal(weight, alone[name]) for name, weight in model.state_dict().items()
        ), key
        seen.append(key)
        kept |= {id(model)} if key != "whole" else set()
    assert seen == list(chains) and len(kept) == 1, "one model object served all adapters"
    assert formats == [stored, dtype]  # the base, and the whole model


def test_ask_answers_with_every_system_that_is_asked_for(tiny, capsys, monkeypatch):
    from emo.cli import main

    assert (
        main(
            [
                "ask",
                "Why does my knee click?",
                "--systems",
                "base",
                "prompt",
                "--max-new-tokens",
                "4",
                "--profile",
                "smoke",
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    said = []
    monkeypatch.setattr(
        answering,
        "answer_questions",
        lambda model, tokenizer, rows, task, name, **given: (
            said.append((name, task, rows[0]["question"], given))
            or pd.DataFrame([{"answer": "x", "complete": True}])
        ),
    )
    assert (
        main(
            [
                "ask",
                "Why?",
                "--systems",
                "base",
                "prompt",
                "--temperature",
                "0.5",
                "--profile",
                "smoke",
            ]
        )
        == 0
    )
    assert [(name, task, question) for name, task, question, _ in said] == [
        ("base", prompts.text("task"), "Why?"),
        ("prompt", prompts.text("comfort"), "Why?"),
    ]
    assert all(given["temperature"] == 0.5 and given["max_new_tokens"] == 260 for *_, given in said)
    assert "nothing they say is medical advice" in printed.splitlines()[0]
    assert [
        line.split()[0] for line in printed.splitlines() if line.startswith(("base", "prompt"))
    ] == ["base", "prompt"]


@pytest.mark.parametrize(
    "words, told",
    [
        (["Why?", "--systems", "eqsr-dop"], "no system 'eqsr-dop'.*eqsr-dpo"),
        (["  "], "give a question in quotes"),
        (["Why?", "--max-new-tokens", "0"], "at least 1"),
    ],
)
def test_ask_says_what_is_wrong(tiny, capsys, words, told):
    import re

    from emo.cli import main

    assert main(["ask", *words, "--profile", "smoke"]) == 2
    said = capsys.readouterr().err
    assert re.search(told, said) and len(said.splitlines()) == 1


def test_answers_are_summed_up_in_words():
    answers = pd.DataFrame({"tokens": [10, 21, 30], "complete": [True, False, True]})
    said = answering.in_words(answers)
    assert said == "3 answers, 20 tokens on average, 67% ended by themselves"
