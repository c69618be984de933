"""Lengths of Japanese texts by hand."""

import re
from importlib.metadata import version

import pandas as pd
import pytest

from emo_utils.experiment import runs
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


def test_lengths_are_recorded_for_each_system():
    run = runs.Run("09_emplifai_judge", {"profile": "smoke", "seed": 42}, {})
    counted = {"system": ["a", "a", "b"], "characters": [2, 4, 9], "words": [1, 2, 3]}
    lengths.add_records(run, pd.DataFrame(counted))
    found = {(r.system, r.metric): r for r in run.records}
    assert (found["a", "characters"].value, found["a", "characters"].n) == (3.0, 2)
    assert (found["b", "words"].value, found["b", "words"].table) == (3.0, "emplifai.table7")
    assert lengths.words_signature() in found["b", "words"].signature and len(found) == 4
