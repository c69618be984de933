"""How hard a text is to read: grade level by two hands, words and their length."""

import functools
import math
import re
import warnings
from collections.abc import Iterable

import pandas as pd
import pyphen

from emo_utils.models.embeddings import sentences

_HYPHENS = pyphen.Pyphen(lang="en_US")
# Function words: a text with more of the second kind than of the first is in another language of
# the Latin script.
_ENGLISH = frozenset(
    "a an and are as at be been but by can do for from has have i if in is it may my no not of on "
    "or our so that the their they this to was we were what when which will with you your".split()
)
_OTHERS = frozenset(
    "el los las que una por para con del su y al muy durante antes como der das und ist nicht mit "
    "ein eine den zu sie le les des est une pas pour dans vous qui il che di non gli "
    "sono della não uma você os um de la".split()
)


def is_foreign(text: str) -> bool:
    """Whether a text is not English: mostly letters of another script, or at least three foreign
    function words, and more of them than of English ones.
    """
    letters = [c for c in text if c.isalpha()]
    if letters and sum(c.isascii() for c in letters) < len(letters) / 2:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    foreign = sum(w in _OTHERS for w in words)
    return foreign >= 3 and foreign > sum(w in _ENGLISH for w in words)


def grade(text: str) -> float:
    """Flesch-Kincaid grade of an English text (years of US school); NaN where there is no word, or
    the text is in another language.

    0.39 words a sentence + 11.8 syllables a word - 15.59 (Kincaid et al., 1975), with pyphen's
    places of hyphenation as borders of syllables.
    """
    words = re.findall(r"[A-Za-z]+(?:'[A-Za-z]+)?", text)
    if not words or is_foreign(text):
        return float("nan")
    syllables = sum(len(_HYPHENS.positions(word)) + 1 for word in words)
    return 0.39 * len(words) / max(1, len(sentences(text))) + 11.8 * syllables / len(words) - 15.59


def grade_by_textstat(text: str) -> float:
    """The same grade by textstat 0.7.4, as the code of Empathy by Design computes it; NaN where
    `grade` has none. It counts syllables its own way and rounds both means to a tenth.
    """
    readable = not math.isnan(grade(text))
    return _textstat().flesch_kincaid_grade(text) if readable else float("nan")


@functools.cache
def _textstat():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks setuptools for a file in a way that is going away
        import textstat
    return textstat


def letters_a_word(text: str) -> float:
    """Characters that are no space over the words at spaces; NaN without a word."""
    words = text.split()
    return len("".join(words)) / len(words) if words else math.nan


def measured(texts: Iterable[str]) -> pd.DataFrame:
    """One row a text: `words` (at spaces), `letters_a_word` and `grade` (by textstat)."""
    rows = []
    for text in texts:
        rows.append(
            {
                "words": len(text.split()),
                "letters_a_word": letters_a_word(text),
                "grade": grade_by_textstat(text),
            }
        )
    return pd.DataFrame(rows, columns=["words", "letters_a_word", "grade"])
