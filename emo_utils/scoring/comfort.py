"""Comfort that is said in so many words: texts and sentences with a phrase of the list
`data/dialogues/explicit_comfort.txt`, which `dialogues.comfort_phrases` reads.
"""

import re

from emo_utils.models import embeddings


def says_comfort(text: str, phrases: re.Pattern) -> bool:
    """Whether a text holds a phrase of the list, in capital letters or small ones."""
    return bool(phrases.search(text.lower()))


def without_phrases(text: str, phrases: re.Pattern) -> str:
    """A text without each sentence that holds a phrase of the list; a space between the others."""
    kept = [s for s in embeddings.sentences(text) if not says_comfort(s, phrases)]
    return " ".join(kept)
