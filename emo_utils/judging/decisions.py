"""Typed decisions: a question with fixed options about a text, answered by one forward pass.

The prompts and the labels' logits are those of transformers' `pipeline("decision")`; here the
tokens that the questions about one text share are computed once. Nothing is generated and nothing
is parsed: every option gets a probability. What to ask is in `emotion` and `preference`.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm
from transformers import DynamicCache
from transformers.decision import DecisionConfig, label_token_ids

from emo_utils.experiment.store import Store
from emo_utils.models import attention, loading, registry
from emo_utils.project import sha256_bytes


class Reader:
    """Whoever answers typed decisions, with a store of the answers that were already given.

    A subclass says what its answers depend on besides text and questions (`identity`),
    and answers one text (`_forward`).
    """

    def __init__(self, name: str, store: Path | None = None):
        self.name, self.store, self.asked = name, Store(store) if store else None, 0

    def decide(
        self,
        states: list[str],
        questions: list[dict[str, dict]] | dict[str, dict],
        desc: str = "deciding",
    ) -> pd.DataFrame:
        """Answer every question about every text.

        states: the texts. questions: name -> {"type", "instructions", "criteria"} for all of them,
        or one such dict a text.
        Returns one row an option: columns state (index into states), question, option,
        probability (sums to 1 over options).
        A text that cannot be answered (too long, refused) gives rows with a missing probability,
        so that callers can count it as unscored.
        """
        asked = [questions] * len(states) if isinstance(questions, dict) else questions
        places: dict[str, list[int]] = {}  # equal texts with equal questions are answered once
        for index in sorted(
            range(len(states)), key=lambda i: len(states[i]), reverse=True
        ):  # as in `answering.complete`
            # The questions are not sorted: the order of the options is part of a question.
            places.setdefault(
                sha256_bytes(json.dumps([*self.identity, states[index], asked[index]]).encode()), []
            ).append(index)
        found = {
            key: kept for key in places if self.store and (kept := self.store.get(key)) is not None
        }
        missing = [key for key in places if key not in found]
        with tqdm(total=len(missing), desc=desc, leave=False) as bar:
            for number, answers in self._map(
                [states[places[key][0]] for key in missing],
                [asked[places[key][0]] for key in missing],
            ):
                key, found[missing[number]] = missing[number], answers
                self.asked += len(answers)
                if self.store:
                    self.store.put(key, answers)
                bar.update()
        rows = [
            {"state": index, "question": name, "option": option, "probability": p}
            for key, indices in places.items()
            for index in indices
            for name, answer in found[key].items()
            for option, p in answer.items()
        ]
        return pd.DataFrame(
            rows, columns=["state", "question", "option", "probability"]
        ).sort_values("state", kind="stable", ignore_index=True)

    def _map(self, states: list[str], questions: list[dict]):
        """Yield (number of the text, its answers), in any order."""
        return enumerate(map(self._forward, states, questions))


def yes_or_no(question: str, yes: str = "yes", no: str = "no") -> dict:
    """A typed question that is answered with yes or no, in the words of its language."""
    return {"type": "choice", "instructions": question, "criteria": {yes: None, no: None}}


def probability(decisions: pd.DataFrame, question: str, option: str) -> pd.Series:
    """Probability of one option of a question for each text, by its index (`state`); missing where
    the text was not answered.

    decisions: as `Reader.decide` returns them.
    """
    part = decisions[(decisions.question == question) & (decisions.option == option)]
    return part.set_index("state").probability.astype(float)


class Judge(Reader):
    """A causal language model in this process."""

    def __init__(self, name: str, dtype: str, store: Path | None = None):
        super().__init__(name, store)
        self.dtype = dtype
        self.model, tokenizer = loading.load(name, dtype)
        self.tokenizer = copy.deepcopy(tokenizer)  # preparing prompts adds two special tokens to it
        self.config = DecisionConfig()
        self.header = None  # tokens that stand before every text, and their cache

    @property
    def identity(self) -> list[str]:
        return [self.name, registry.identity(self.name), self.dtype]

    @property
    def signature(self) -> str:
        return (
            f"typed decisions, {self.name} ({registry.identity(self.name)[:12]}), {self.dtype}, "
            "options' logits in fp32"
        )

    @torch.inference_mode()
    def _forward(
        self, state: str, questions: dict[str, dict]
    ) -> dict[str, dict[str, float | None]]:
        prepared = self.config.prepare_inputs(
            {"state": state, "questions": questions}, self.tokenizer
        )
        prompts = [inputs["input_ids"][0].tolist() for inputs, _ in prepared]
        if max(map(len, prompts)) > self.model.config.max_position_embeddings:
            return {group[0].name: dict.fromkeys(group[0].options) for _, group in prepared}
        self.header = self.header or self._header()
        hidden = last_hidden(self.model, prompts, *self.header)
        answers = {}
        for (_, (question,)), state_after in zip(prepared, hidden, strict=True):
            scores = option_scores(
                self.model, state_after, label_token_ids(self.tokenizer, tuple(question.labels))
            )
            answers[question.name] = dict(
                zip(question.options, scores.softmax(-1).tolist(), strict=True)
            )
        return answers

    def _header(self) -> tuple[list[int], DynamicCache]:
        """What the chat template puts before a text, computed once for all texts."""
        question = {
            "q": {"type": "choice", "instructions": "?", "criteria": {"a": None, "b": None}}
        }
        prompts = [
            self.config.prepare_inputs({"state": text, "questions": question}, self.tokenizer)[0][
                0
            ]["input_ids"][0].tolist()
            for text in ("a", "1")
        ]
        vocabulary = (
            self.tokenizer.get_vocab()
        )  # kept, as preparing asks for all of it for each text: a tenth of a second
        self.tokenizer.get_vocab = lambda: vocabulary
        tokens = prompts[0][: common_prefix(prompts)]
        cache = DynamicCache(config=self.model.config)
        self.model.base_model(
            torch.tensor([tokens], device=self.model.device), past_key_values=cache, use_cache=True
        )
        return tokens, cache


def last_hidden(
    model,
    prompts: list[list[int]],
    header: list[int] | None = None,
    header_cache: DynamicCache | None = None,
) -> torch.Tensor:
    """Hidden state after the last token of each prompt, shape (prompts, width),
    from one pass without padding.

    header, header_cache: tokens that all prompts start with,
    and the cache of a pass over them (it is not changed).
    """
    hidden, place = _tree_pass(model, prompts, header, header_cache)
    return hidden[[place(number, len(prompt) - 1) for number, prompt in enumerate(prompts)]]


def _tree_pass(
    model, prompts: list[list[int]], header: list[int] | None, header_cache: DynamicCache | None
):
    """Hidden states, shape (tokens, width), of one row: what all prompts share,
    then the rest of each, which sees what is shared and itself.

    Also a function that says where in it a prompt's token stands:
    (number of the prompt, number of the token) -> row.
    """
    shared, device = common_prefix(prompts), model.device
    done = (
        len(header)
        if header and prompts[0][: len(header)] == header and len(header) < shared
        else 0
    )
    tokens, positions = list(prompts[0][done:shared]), list(range(done, shared))
    parts, starts = [0] * len(tokens), []
    for number, prompt in enumerate(prompts, start=1):
        starts.append(len(tokens))
        tokens += prompt[shared:]
        positions += range(shared, len(prompt))
        parts += [number] * (len(prompt) - shared)
    seen = torch.nn.functional.pad(
        attention.tree_mask(torch.tensor(parts, device=device)), (done, 0)
    )  # the header is seen by all
    cache = (
        {"past_key_values": copy.deepcopy(header_cache), "use_cache": True}
        if done
        else {"use_cache": False}
    )
    hidden = model.base_model(
        torch.tensor([tokens], device=device),
        position_ids=torch.tensor([positions], device=device),
        attention_mask=seen[None, None].to(model.dtype),
        **cache,
    )
    return hidden.last_hidden_state[
        0
    ], lambda number, token: token - done if token < shared else starts[number] + token - shared


@torch.inference_mode()
def word_scores(
    model, tokenizer, prompts: list[str], words: list[str], desc: str = "reading words"
) -> np.ndarray:
    """Log-probability of each word, and of ending there, as the answer to each prompt, shape
    (prompts, words): one pass a prompt for all words.

    What all prompts begin with (an instruction, a list of options) is computed once. The sums are
    those of a pass for each word.
    """
    ends = [
        [*tokenizer(word, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        for word in words
    ]
    asked = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    header = asked[0][: common_prefix(asked)] if len(asked) > 1 else []
    cache = DynamicCache(config=model.config)
    if header:
        model.base_model(
            torch.tensor([header], device=model.device), past_key_values=cache, use_cache=True
        )
    head, found = model.get_output_embeddings(), np.zeros((len(prompts), len(words)))
    for row, prompt in enumerate(tqdm(asked, desc=desc, leave=False)):
        hidden, place = _tree_pass(model, [[*prompt, *end[:-1]] for end in ends], header, cache)
        before = [
            place(number, len(prompt) + k - 1)
            for number, end in enumerate(ends)
            for k in range(len(end))
        ]
        different, where = np.unique(before, return_inverse=True)
        total = (
            _logits(model, hidden[different], head.weight, head.bias).float().logsumexp(-1)[where]
        )
        wanted = torch.tensor([token for end in ends for token in end], device=model.device)
        # In fp32 for the words' own tokens alone: bf16 would make ties of near words.
        scores = option_scores(model, hidden[before], wanted.unique())
        gains = scores.gather(1, torch.searchsorted(wanted.unique(), wanted)[:, None])[:, 0] - total
        found[row] = [part.sum().item() for part in gains.split([len(end) for end in ends])]
    return found


def option_scores(model, hidden: torch.Tensor, token_ids: list[int] | torch.Tensor) -> torch.Tensor:
    """Logits of the options' label tokens, in fp32 and without the rest of the vocabulary.

    In bf16 the logits of near options round to the same value, which would make ties of them.
    """
    head = model.get_output_embeddings()
    return _logits(
        model,
        hidden.float(),
        head.weight[token_ids].float(),
        None if head.bias is None else head.bias[token_ids].float(),
    )


def _logits(
    model, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    scores, cap = (
        torch.nn.functional.linear(hidden, weight, bias),
        getattr(model.config, "final_logit_softcapping", None),
    )
    return cap * torch.tanh(scores / cap) if cap else scores


def common_prefix(prompts: list[list[int]]) -> int:
    """Number of leading tokens that all prompts share,
    leaving each at least one token of its own.
    """
    shortest = min(map(len, prompts)) - 1
    first = prompts[0]
    return next((i for i in range(shortest) if any(p[i] != first[i] for p in prompts)), shortest)
