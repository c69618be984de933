"""Lengths of Japanese texts by hand."""

import re
from importlib.metadata import version

import pytest

from emo_utils.scoring import lengths


@pytest.mark.parametrize("text, count", [("", 0), (" a\u3000b\n", 2), ("つらいです。", 6)])
def test_characters_are_counted_without_spaces(text, count):
    assert lengths.characters(text) == count


def test_words_are_counted_without_punctuation():
    """つらい です / そう です か / はい / ない; 思い出す is one word (two short units)."""
    texts = ["つらいです。そうですか。はい。ない。", "思い出す", "", "。、 ", "はい、\nはい"]
    assert lengths.japanese_words(texts) == [7, 1, 0, 0, 2]


def test_a_text_longer_than_the_tokenizer_takes_is_read_in_pieces():
    assert lengths.japanese_words(["はい。" * 30_000]) == [pytest.approx(30_000, rel=1e-3)]


def test_the_signature_names_the_versions():
    named = re.findall(r"[\d.]{5,}", lengths.words_signature())
    assert named == [version("sudachipy"), version("sudachidict-small")]
