"""Sentences of right answers turned into their opposite: mistakes that chapters 8 and 11 plant."""

import re

from emo_utils.scoring import facts

_IS = r"\b(is|are|was|can|should|will|must|may|would|could)\b"


def opposite(sentence: str) -> str | None:
    """The sentence with its first auxiliary negated, or a negation of one taken away; None if there
    is none.
    """
    for pattern, new in ((rf"{_IS} not\b", r"\1"), (rf"{_IS}(?! not)", r"\1 not")):
        if re.search(pattern, sentence):
            return re.sub(pattern, new, sentence, count=1)
    return None


def to_oppose(encoder, row: dict) -> tuple[str, str, str] | None:
    """The doctor's sentence that comes nearest to one of the warm answer's that can be turned
    round, that one, and its `opposite`; None if there is none.

    encoder: of `embeddings.load`. row: a dialogue (answer, soothing_response).
    """
    pairs = facts.nearest(encoder, [row["answer"]], [row["soothing_response"]])[0]
    for theirs, ours, _ in sorted(pairs, key=lambda pair: -pair[2]):
        if turned := opposite(ours):
            return theirs, ours, turned
    return None


def negated(encoder, row: dict) -> str | None:
    """The warm answer with the sentence of `to_oppose` turned round."""
    found = to_oppose(encoder, row)
    return row["soothing_response"].replace(found[1], found[2]) if found else None
