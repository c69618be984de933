"""Which part of preference pairs is trained on, and in which form: what shows by which shortcut a
model came to a preference.
"""

from emo_utils.models import embeddings
from emo_utils.project import EmoError

SIDES = ("chosen", "rejected")


def arranged(pairs: list[dict], form: str) -> list[dict]:
    """The pairs in one of these forms.

    `whole`: all, as they are. `matched`: those whose answers are within a tenth of each other in
    words. `cut`: all, without opening sentences. `shorter_chosen`, `longer_chosen`: those whose
    preferred answer is the shorter, the longer one. `length_only`: the shorter answer is preferred,
    in as many warm as technical ones. Raises EmoError where no pair has that form.
    """
    if not (found := _arranged(pairs, form)):
        raise EmoError(f"no pair is left of {len(pairs)} with pairs_as {form!r}")
    return found


def _arranged(pairs: list[dict], form: str) -> list[dict]:
    counted = [(pair, *(len(pair[side].split()) for side in SIDES)) for pair in pairs]
    shorter = [pair for pair, chosen, rejected in counted if chosen < rejected]
    longer = [pair for pair, chosen, rejected in counted if chosen > rejected]
    if form == "matched":
        return [pair for pair, chosen, rejected in counted if 0.9 <= chosen / rejected <= 1.1]
    if form == "cut":
        return [
            pair | {side: embeddings.after_opening(pair[side]) for side in SIDES} for pair in pairs
        ]
    if form == "length_only":
        return [pair for warm, cold in zip(shorter, longer) for pair in (warm, _exchanged(cold))]
    return {"whole": pairs, "shorter_chosen": shorter, "longer_chosen": longer}[form]


def _exchanged(pair: dict) -> dict:
    return pair | {"chosen": pair["rejected"], "rejected": pair["chosen"]}
