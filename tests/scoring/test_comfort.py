"""Comfort in so many words: which texts and sentences hold a phrase of a list, by eye."""

import re

import pytest

from emo_utils.data import dialogues
from emo_utils.scoring import comfort

PHRASES = re.compile("you are not alone|no wonder")


@pytest.mark.parametrize(
    "text, says",
    [
        ("Rest. You are NOT alone, and it heals.", True),
        ("No wonder that you worry.", True),
        ("You are alone in the room.", False),
        ("", False),
    ],
)
def test_a_text_says_comfort_where_it_holds_a_phrase(text, says):
    assert comfort.says_comfort(text, PHRASES) is says


@pytest.mark.parametrize(
    "text, rest",
    [
        ("You are not alone! Take 2.5 mg. No wonder it hurts.", "Take 2.5 mg."),
        ("Take rest.\nDrink enough.", "Take rest. Drink enough."),
        ("No wonder.", ""),
        ("", ""),
    ],
)
def test_sentences_with_a_phrase_are_cut_and_the_others_stay(text, rest):
    assert comfort.without_phrases(text, PHRASES) == rest


def test_the_shipped_list_finds_its_own_phrases_at_the_start_of_words_only():
    phrases = dialogues.comfort_phrases()
    lines = dialogues.COMFORT_PHRASES.read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert len(listed) > 20
    for phrase in listed:
        assert comfort.says_comfort(f"Well: {phrase.upper()} ...", phrases)
        assert comfort.without_phrases(f"It heals. Well, {phrase}.", phrases) == "It heals."
    assert comfort.says_comfort("No wonder.", phrases)
    assert not comfort.says_comfort("Casino wonder.", phrases)
