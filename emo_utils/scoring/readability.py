"""How hard a text is to read."""

import re

from emo_utils.models.embeddings import sentences
from emo_utils.scoring import overlap_scores


def grade(text: str) -> float:
    """Flesch-Kincaid grade of an English text (years of US school); NaN where there is no word, or
    the text is in another language.

    0.39 words a sentence + 11.8 syllables a word - 15.59 (Kincaid et al., 1975), with pyphen's
    places of hyphenation as borders of syllables.
    """
    words = re.findall(r"[A-Za-z]+(?:'[A-Za-z]+)?", text)
    if not words or overlap_scores._foreign(text):
        return float("nan")
    syllables = sum(len(overlap_scores._HYPHENS.positions(word)) + 1 for word in words)
    return 0.39 * len(words) / max(1, len(sentences(text))) + 11.8 * syllables / len(words) - 15.59
