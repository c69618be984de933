"""Whether a text is English: by its letters, and by the commonest words of it and of others."""

import re

# Common words of English that its neighbours do not share
# ("a", "no", "me", "so", "in" and "is" are words of theirs, too).
_ENGLISH = frozenset(
    "the and of to for with from by but not if than then there about after before "
    "what when how which who just only more any some this that these those it its "
    "you your my our they their have been be were would will should could "
    "can don't i'm it's".split()
)
# Common words of languages in Latin letters that English does not have.
_OTHERS = frozenset(
    "de la el los las una que y en por para su lo se del está muy mi le ya "
    "não um uma os é com seu sua isso mais "
    "les des une et est pas vous qui dans sur au aux ce cela je elle votre "
    "der das und ist nicht sie ich ein eine dem mit zu auf für von es wie im "
    "di il che non è sono gli della si "
    "het een niet dat ik op te zijn voor "
    "yang dan itu ini untuk dengan tidak saya anda pada karena "
    "och att det som är på inte jag ikke og har "
    "nie się na jest że jak ja "
    "bir ve bu için ne çok da ile".split()
)
SHORT = 25  # words of a note without any common word: "Rest, ice, fluids, review on Monday"


def is_english(text: str, letters: float = 0.9) -> bool:
    """Whether a text can be English; a short one is, unless it has words of another language.

    letters: share of its letters that are of the English alphabet, at least.
    """
    if not text.isascii():
        found = [c for c in text if c.isalpha()]
        if sum(c.isascii() for c in found) < letters * len(found):
            return False
    told = re.findall(r"[^\W\d_]+(?:'[a-z]+)?", text.lower().replace("’", "'"))
    english = sum(word in _ENGLISH for word in told)
    if len(told) < 8 or english >= 0.08 * len(told):
        return True
    return len(told) < SHORT and sum(word in _OTHERS for word in told) <= english
