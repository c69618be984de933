"""Facts beyond overlap: how much of a reference an answer keeps, which details it adds, where it
seems to say the opposite (chapter 6).

None of the three reads medicine. Chapter 11 holds them to people's counts of facts and to mistakes
planted in our own answers.
"""

import re

import numpy as np
import torch
from tqdm import tqdm

from emo_utils.models import embeddings
from emo_utils.rewriting import gates

_BEFORE = "Text: {}\n\nThe same text in other words:"
LEARNT = 0.5  # nats: a token that has become 1.6 times as likely was given away
UNEXPECTED, UNEXPLAINED = (
    -3.0,
    2.0,
)  # nats: a token that stays below the first and gained less than the second stems from elsewhere
NEAR = 0.8  # cosine from which two sentences are taken to say the same, but for a *not*


def learnt(
    model, tokenizer, references: list[str], answers: list[str], batch_size: int = 8
) -> list[np.ndarray | None]:
    """For each token of each reference (its words at single blanks, after one) whether it becomes
    likelier, by `LEARNT` at least, for a language model that has read the answer.

    None where both texts exceed the model's positions.
    """
    return [
        None if found is None else found[0] - found[1] > LEARNT
        for found in _read(model, tokenizer, answers, references, batch_size)
    ]


def kept(
    model, tokenizer, references: list[str], answers: list[str], batch_size: int = 8
) -> np.ndarray:
    """Share of each reference's tokens that an answer gives away (`learnt`), shape (items,); 0 for
    an empty answer, missing where both texts exceed the model's positions.
    """
    return np.array(
        [
            np.nan if found is None else found.mean()
            for found in learnt(model, tokenizer, references, answers, batch_size)
        ]
    )


def doubtful(
    model, tokenizer, sources: list[str], answers: list[str], batch_size: int = 8
) -> np.ndarray:
    """Number of tokens of each answer that stay unlikely for a language model that has read the
    source, shape (items,); missing where both texts exceed the model's positions.
    """
    return np.array(
        [
            np.nan
            if found is None
            else ((found[0] < UNEXPECTED) & (found[0] - found[1] < UNEXPLAINED)).sum()
            for found in _read(model, tokenizer, sources, answers, batch_size)
        ]
    )


def _read(model, tokenizer, heads: list[str], tails: list[str], batch_size: int) -> list:
    """For each item the log-probabilities of the tail's tokens after the head, and after an empty
    one; None where they exceed the model's positions.
    """

    def tokens(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    after = [tokens(" " + " ".join(text.split())) for text in tails]
    before = [tokens(_BEFORE.format(" ".join(text.split()))) for text in heads]
    different = [list(tail) for tail in dict.fromkeys(map(tuple, after))]
    longest = model.config.max_position_embeddings
    nothing = tokens(_BEFORE.format(""))
    different = [tail for tail in different if len(nothing) + len(tail) <= longest]
    alone = dict(
        zip(
            map(tuple, different),
            _log_probs(model, [nothing] * len(different), different, batch_size),
            strict=True,
        )
    )
    fits = [i for i in range(len(after)) if len(before[i]) + len(after[i]) <= longest]
    known = dict(
        zip(
            fits,
            _log_probs(model, [before[i] for i in fits], [after[i] for i in fits], batch_size),
            strict=True,
        )
    )
    return [(known[i], alone[tuple(after[i])]) if i in known else None for i in range(len(after))]


@torch.inference_mode()
def _log_probs(model, heads, tails, batch_size: int) -> list[np.ndarray]:
    """Log-probabilities of the tokens of each tail after its head, in fp32, batched by length."""
    order = sorted(range(len(tails)), key=lambda i: len(heads[i]) + len(tails[i]))
    found: list[np.ndarray] = [np.zeros(0)] * len(tails)
    for start in tqdm(
        range(0, len(order), batch_size)[::-1], desc="reading", leave=False
    ):  # the longest first, as in `answering.complete`
        batch = order[start : start + batch_size]
        width = max(len(heads[i]) + len(tails[i]) for i in batch)
        tokens = torch.zeros(len(batch), width, dtype=torch.long)
        for row, i in enumerate(batch):
            tokens[row, : len(heads[i]) + len(tails[i])] = torch.tensor([*heads[i], *tails[i]])
        hidden = model.base_model(
            tokens.to(model.device)
        ).last_hidden_state  # padded on the right, where causal attention does not look
        for row, i in enumerate(batch):
            logits = model.get_output_embeddings()(
                hidden[row, len(heads[i]) - 1 : len(heads[i]) + len(tails[i]) - 1]
            ).float()
            found[i] = (
                logits.log_softmax(-1)
                .cpu()[torch.arange(len(tails[i])), torch.tensor(tails[i])]
                .numpy()
            )
    return found


_ONES = dict(
    zip(
        (
            "zero one two three four five six seven eight nine ten eleven twelve thirteen "
            "fourteen fifteen sixteen seventeen eighteen nineteen"
        ).split(),
        range(20),
        strict=True,
    )
)
_TENS = dict(
    zip(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(),
        range(20, 100, 10),
        strict=True,
    )
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[a-z]+|[^\w\s-]")


def numbers(text: str) -> set[str]:
    """Numbers below a hundred thousand of a text as digits, those written as words with them
    ("fifty-eight", "two hundred"): the words one by one, and put together.
    """
    found, run = set(), []
    for word in [*_TOKEN.findall(text.lower()), "."]:
        if (
            word in _ONES
            or word in _TENS
            or word in ("hundred", "thousand")
            or (run[-1:] == ["hundred"] and word == "and")
        ):
            run.append(word)
            continue
        found |= _together(run)
        run = []
        if word[0].isdigit():
            plain = gates.plain(word)
            found |= {
                plain,
                *(re.split("[.,]", plain) if len(re.findall("[.,]", plain)) > 1 else ()),
            }  # the parts of a date
    return found | {n.lstrip("0") for n in found if n.isdigit() and n.strip("0")}


def _together(run: list[str]) -> set[str]:
    """The readings of a run of number words: every word or pair of words by itself,
    and the whole.
    """
    found, total, current, tens = set(), 0, 0, 0
    for word in (w for w in run if w != "and"):
        if word in ("hundred", "thousand"):
            current = (current or 1) * (100 if word == "hundred" else 1000)
            if word == "thousand":
                total, current = total + current, 0
            tens = 0
            continue
        value = _ONES.get(word, _TENS.get(word))
        found |= {str(value), str(tens + value)} if value < 10 else {str(value)}
        tens, current = (value if word in _TENS else 0), current + value
    return found | ({str(total + current)} if run else set())


# A number of one digit, or in words, is a detail only where it measures something: "first", "1."
# and "one of them" do not.
_UNIT = (
    r"(?:mg|mcg|ml|g|%|percent|tablets?|pills?|doses?|drops?|puffs?|units?|times?|"
    r"minutes?|hours?|days?|weeks?|months?|years?|degrees?)"
)
_COUNTED = re.compile(
    rf"(?<![\w.,])(\d|(?:(?:{'|'.join(_TENS)})[ -])?(?:{'|'.join([*_ONES, *_TENS])}))"
    rf"(?:\s+|-)?{_UNIT}(?!\w)"
)


_SEX = {
    "he": re.compile(r"\b(?:he|him|his|himself)\b", re.IGNORECASE),
    "she": re.compile(r"\b(?:she|hers?|herself)\b", re.IGNORECASE),
}


def added(source: str, answer: str) -> list[str]:
    """Details of an answer that its source lacks: numbers (of one digit, or in words, only before a
    unit), names of drugs, and a *he* or *she* where the source speaks of the other alone.
    """
    sexes = [
        {sex for sex, words in _SEX.items() if words.search(text)} for text in (source, answer)
    ]
    answer, known = answer.lower(), numbers(source)
    details = {gates.plain(n) for n in _TOKEN.findall(answer) if n[0].isdigit() and len(n) > 1}
    counted = {
        m[1]
        if m[1].isdigit()
        else str(sum(_ONES.get(w, _TENS.get(w, 0)) for w in re.split("[ -]", m[1])))
        for m in _COUNTED.finditer(answer)
    }
    new = sorted(
        n for n in details | counted if n not in known and n.lstrip("0") not in known
    ) + sorted(gates.drugs(answer) - gates.drugs(source))
    return new + (sorted(sexes[1] - sexes[0]) if len(sexes[0]) == 1 else [])


_NOT = re.compile(
    r"\b(?:not|no|never|none|nor|neither|without|cannot|unlikely|nothing)\b|n't\b", re.IGNORECASE
)


def _denies(sentence: str) -> bool:
    return len(_NOT.findall(sentence.replace("’", "'"))) % 2 == 1


def nearest(
    encoder, references: list[str], answers: list[str]
) -> list[list[tuple[str, str, float]]]:
    """For each item every sentence of the reference with the answer's nearest sentence and their
    cosine; empty where either has none.

    encoder: of `embeddings.load`.
    """
    pieces = [[embeddings.sentences(text) for text in texts] for texts in (references, answers)]
    flat = list(dict.fromkeys(s for texts in pieces for several in texts for s in several))
    place, vectors = {s: i for i, s in enumerate(flat)}, embeddings.embed(encoder, flat)
    found = []
    for theirs, ours in zip(*pieces, strict=True):
        cosines = (
            vectors[[place[s] for s in theirs]] @ vectors[[place[s] for s in ours]].T
            if theirs and ours
            else []
        )
        found.append(
            [
                (s, ours[row.argmax()], float(row.max()))
                for s, row in zip(theirs, cosines, strict=False)
            ]
        )
    return found


def opposed(encoder, references: list[str], answers: list[str]) -> list[list[tuple[str, str]]]:
    """For each item the reference's sentences whose nearest sentence in the answer lies at `NEAR`
    or above and differs in saying *not* (twice counts as none): pairs.
    """
    return [
        [
            (theirs, ours)
            for theirs, ours, cosine in pairs
            if cosine >= NEAR and _denies(theirs) != _denies(ours)
        ]
        for pairs in nearest(encoder, references, answers)
    ]
