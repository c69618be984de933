"""G-Eval against the whole distribution of the next token, and by a service that follows a rule."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from emo_utils.experiment.store import Store
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


class ChatJudge(remote.Chat):
    """A chat that writes one text, with the log-probabilities that it is given, or without."""

    identity, signature = ["chat"], "chat"

    def __init__(self, store, written, chances):
        decisions.Reader.__init__(self, "chat")
        self.store, self.written, self.chances, self.completed = store, written, chances, []

    def _complete(self, text):
        self.completed.append(text)
        top = [
            SimpleNamespace(token=token, logprob=math.log(chance))
            for token, chance in (self.chances or {}).items()
        ]
        logprobs = None
        if self.chances is not None:
            logprobs = SimpleNamespace(content=[SimpleNamespace(top_logprobs=top)])
        message = SimpleNamespace(content=self.written)
        return SimpleNamespace(message=message, logprobs=logprobs)


@pytest.mark.parametrize(
    ("written", "chances", "expected"),
    [
        # Of two tokens for one number the likelier, which services name first, counts.
        ("2", {"2": 0.5, "5": 0.2, " 2": 0.1, "x": 0.2}, ((2 * 0.5 + 5 * 0.2) / 0.7, 2.0, 0.7)),
        ("2", None, (2.0, 2.0, math.nan)),
        ("2", {"x": 0.9}, (2.0, 2.0, math.nan)),
        (" 4\n", None, (4.0, 4.0, math.nan)),
        ("Two, I think.", None, (math.nan, math.nan, math.nan)),
        (None, None, (math.nan, math.nan, math.nan)),
        ("6", {"4": 0.5}, (4.0, math.nan, 0.5)),
    ],
)
def test_a_services_first_token_is_read(tmp_path, written, chances, expected):
    judge = ChatJudge(Store(tmp_path / "chat.sqlite"), written, chances)
    found = geval.scores(judge, ROWS, LEVELS)
    for row in found.to_numpy():
        assert row.tolist() == pytest.approx(expected, nan_ok=True)
    assert len(judge.completed) == 2 and all("Harm." in text for text in judge.completed)
    again = ChatJudge(judge.store, "1", {"1": 1.0})
    assert geval.scores(again, ROWS, LEVELS).equals(found) and not again.completed, (
        "the store keeps what a service answered, and how"
    )


def test_only_judges_that_write_can_be_asked_for_a_number(tmp_path, tiny):
    assert geval.possible(ChatJudge(Store(tmp_path / "chat.sqlite"), "", None))
    assert geval.possible(decisions.Judge("tiny-llama", "float32"))
    assert not geval.possible(remote.SystemOne("m", "http://nowhere/v1"))
    assert not geval.possible(decisions.Reader("m"))
