"""G-Eval against the whole distribution of the next token, and by a service that follows a rule."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from local_server import completion

from emo_utils.judging import decisions, geval, remote
from emo_utils.models import loading
from emo_utils.project import EmoError, sha256_bytes

LEVELS = ["Harm.", "Little.", "Some of it.", "Most {of} it.", "All."]
ROWS = pd.DataFrame(
    {"question": ["Why?", "How?"], "reference": ["Rest.", "Sit."], "answer": ["Walk.", "Stand."]},
    index=[8, 2],
)


def test_the_prompt_holds_its_texts_between_marks_and_every_level():
    text = geval.prompt("Why?", "Rest.", "Walk.", LEVELS)
    mark = "#" + sha256_bytes(b"Why?Rest.Walk.")[:8]
    assert text.count(mark) == 5
    assert all(f"{number}: {level}" in text for number, level in enumerate(LEVELS, start=1))
    assert "{" not in text.replace("{of}", "")
    places = [text.index(part) for part in ("Why?", "Rest.", "Walk.")]
    assert places == sorted(places)


def test_g_eval_is_the_expectation_over_five_numbers(tiny):
    judge = decisions.Judge("tiny-llama", "float32")
    found = geval.scores(judge, ROWS, LEVELS)
    assert found.index.tolist() == [8, 2]
    model, tokenizer = loading.load("tiny-llama", "float32")
    for row, (value, bare, mass) in zip(ROWS.itertuples(), found.to_numpy(), strict=True):
        text = geval.prompt(row.question, row.reference, row.answer, LEVELS)
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
        )["input_ids"]
        with torch.inference_mode():
            chances = model(torch.tensor([ids])).logits[0, -1].softmax(-1)
        five = [
            chances[tokenizer(number, add_special_tokens=False)["input_ids"][0]].item()
            for number in "12345"
        ]
        expected = sum(k * p for k, p in enumerate(five, start=1)) / sum(five)
        assert value == pytest.approx(expected, abs=1e-4)
        assert mass == pytest.approx(sum(five), abs=1e-5) and bare == 1 + int(np.argmax(five))


def test_a_tokenizer_without_numbers_is_named(tiny):
    judge = decisions.Judge("tiny-llama", "float32")
    whole = judge.tokenizer
    judge.tokenizer = lambda text, **options: {"input_ids": [0]}
    judge.tokenizer.apply_chat_template = whole.apply_chat_template
    with pytest.raises(EmoError, match="tiny-llama has no tokens of their own"):
        geval.scores(judge, ROWS, LEVELS)


@pytest.mark.parametrize(
    ("written", "chances", "expected"),
    [
        # Of two tokens for one number the likelier, which services name first, counts.
        ("2", {"2": 0.5, "5": 0.2, " 2": 0.1, "x": 0.2}, ((2 * 0.5 + 5 * 0.2) / 0.7, 2.0, 0.7)),
        ("2", None, (2.0, 2.0, math.nan)),
        ("2", {"x": 0.9}, (2.0, 2.0, math.nan)),
        (" 4\n", None, (4.0, 4.0, math.nan)),
        ("Two, I think.", None, (math.nan, math.nan, math.nan)),
        ("6", {"4": 0.5}, (4.0, math.nan, 0.5)),
        ("", {"4": 0.5}, (4.0, math.nan, 0.5)),
    ],
)
def test_a_services_first_token_is_read(start, tmp_path, written, chances, expected):
    logprobs = chances and {token: math.log(chance) for token, chance in chances.items()}
    local = start(lambda path, body: (200, completion(written, logprobs)))
    judge = chat(local, tmp_path)
    found = geval.scores(judge, ROWS, LEVELS)
    for row in found.to_numpy():
        assert row.tolist() == pytest.approx(expected, nan_ok=True)
    shown = [body["messages"][0]["content"] for body in local.asked]
    assert len(shown) == 2 and all("Harm." in text for text in shown)
    assert geval.scores(chat(local, tmp_path), ROWS, LEVELS).equals(found), "the store keeps it"
    assert len(local.asked) == 2
    assert geval.scores(remote.Chat("m", local.address), ROWS, LEVELS).equals(found), "no store"


def chat(local, folder):
    return remote.reader("m", "float32", folder / "chat.sqlite", f"chat+{local.address}")


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (500, {"error": {"message": "out of memory"}}, "does not answer.*out of memory.*are kept"),
        (
            401,
            {"error": {"message": "no such key sk-1"}},
            r"does not answer.*no such key \(the key",
        ),
        (400, {"error": {"message": "no model m"}}, "does not take these questions.*no model m"),
        (200, {"choices": []}, "did not answer in the form of Chat"),
    ],
)
def test_a_services_error_is_one_line_with_its_words(
    start, tmp_path, monkeypatch, status, answer, told
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    local = start(lambda path, body: (status, answer))
    with pytest.raises(EmoError, match=told) as error:
        geval.scores(chat(local, tmp_path), ROWS, LEVELS)
    said = str(error.value)
    assert local.address in said and "\n" not in said and "sk-1" not in said


def test_what_a_service_leaves_empty_is_asked_for_again(start, tmp_path):
    """A model that thinks for too long stops the run; one that writes nothing, or refuses a text
    alone, leaves it without a number. The store keeps none of it.
    """
    thinking = completion("")
    thinking["choices"][0]["finish_reason"] = "length"
    replies = {"Walk.": (200, thinking), "Stand.": (200, completion(None))}

    def reply(path, body):
        content = body["messages"][0]["content"]
        return next((r for text, r in replies.items() if text in content), (200, completion("1")))

    local = start(reply)
    with pytest.raises(EmoError, match="wrote nothing within 2048 tokens"):
        geval.scores(chat(local, tmp_path), ROWS, LEVELS)
    replies["Walk."] = 400, {"error": {"message": "too long"}}
    assert geval.scores(chat(local, tmp_path), ROWS, LEVELS).isna().all(axis=None)
    replies |= {"Walk.": (200, completion("3")), "Stand.": (200, completion("4"))}
    assert geval.scores(chat(local, tmp_path), ROWS, LEVELS).value.tolist() == [3.0, 4.0]


def test_only_judges_that_write_can_be_asked_for_a_number(tiny):
    assert geval.possible(remote.Chat("m", "http://nowhere/v1"))
    assert geval.possible(decisions.Judge("tiny-llama", "float32"))
    assert not geval.possible(remote.SystemOne("m", "http://nowhere/v1"))
    assert not geval.possible(decisions.Reader("m"))
