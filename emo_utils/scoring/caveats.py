"""Which caveats of a reference an answer keeps (chapter 10.2): the sentences of the reference are
sorted, by words alone, into what they warn of.
"""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from emo_utils.models import embeddings
from emo_utils.scoring import facts, sentence_marks


def _naming(words: str) -> Callable:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE).search


def _has_number(sentence: str) -> bool:
    without_pronoun = re.sub(r"(?i)\bone\b", "", sentence)  # "the one who" is no number
    return bool(facts.numbers(without_pronoun))


def _is_of_no_kind(sentence: str) -> bool:
    return not any(is_kind(sentence) for is_kind in _NAMED.values())


_NAMED = {
    "help at once": sentence_marks.names_urgent_help,
    "whom to ask": _naming(
        r"doctor|gp|nurse|pharmac\w+|clinic\w*|team|hospice|ward|hotline|helpline|"
        r"dentist|physio\w*|dietitian|therapist|surgeon|surgery|specialist|consultant|optician|"
        r"counsellor|social worker|charity"
    ),
    "under a condition": _naming("if|unless|until|in case|as long as|only when"),
    "what not to do": _naming("don't|don’t|do not|never|avoid|nothing|stop|skip"),
    "numbers": _has_number,
}
# What a sentence warns of, and whether a sentence does; one may be of several kinds.
KINDS: dict[str, Callable] = _NAMED | {"the rest": _is_of_no_kind}


def tokens_within(tokenizer, reference: str, is_kind: Callable) -> np.ndarray:
    """For each token of a reference, as `facts.learnt` reads it, whether it stands in a sentence of
    a kind; shape (tokens,).
    """
    text = " " + " ".join(reference.split())
    inside = np.zeros(len(text), dtype=bool)
    for sentence in filter(is_kind, embeddings.sentences(text)):
        start = text.index(sentence)
        inside[start : start + len(sentence)] = True
    tokens = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return np.array([inside[start:end].any() for start, end in tokens["offset_mapping"]])


def kept_within(tokenizer, reference: str, learnt: np.ndarray | None, is_kind: Callable) -> float:
    """Share of the reference's tokens of a kind that an answer keeps; NaN where the reference has
    none of it, or nothing was read.

    learnt: for each token whether the answer gives it away (`facts.learnt`).
    """
    within = tokens_within(tokenizer, reference, is_kind)
    return learnt[within].mean() if learnt is not None and within.any() else np.nan


def kept_by_system(
    tokenizer, answers: pd.DataFrame, references: list[str], is_kind: Callable
) -> pd.DataFrame:
    """`kept_within` of all answers: a row a question, a column a system, in their order.

    answers: columns id, system and learnt (`answer_measures.with_facts`); references: one for each.
    """
    kept = [
        kept_within(tokenizer, reference, learnt, is_kind)
        for reference, learnt in zip(references, answers.learnt, strict=True)
    ]
    wide = answers.assign(kept=kept).pivot(index="id", columns="system", values="kept")
    return wide[answers.system.unique()]
