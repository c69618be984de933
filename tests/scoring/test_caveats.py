"""Kinds of sentences by their words, and what is kept within them, by hand."""

import re

import numpy as np
import pandas as pd
import pytest

from emo_utils.data import caregiver
from emo_utils.models import embeddings
from emo_utils.scoring import caveats

TEXT = "Sit with him. Never lift him alone. Rest."


@pytest.fixture(scope="module")
def tokenizer(tiny):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny)


@pytest.mark.parametrize(
    "sentence, kinds",
    [
        ("Call an ambulance.", {"help at once"}),
        ("Ask the nurse.", {"whom to ask"}),
        ("The physiotherapist shows you.", {"whom to ask"}),
        ("If he falls, sit down.", {"under a condition"}),
        ("Never lift him.", {"what not to do"}),
        ("Give two tablets.", {"numbers"}),
        ("Sit with him.", {"the rest"}),
        ("She is the one who sings.", {"the rest"}),
        ("Don’t give two unless the doctor says so.", {*list(caveats.KINDS)[1:5]}),
    ],
)
def test_a_sentence_is_of_the_kinds_that_it_names(sentence, kinds):
    assert {name for name, is_kind in caveats.KINDS.items() if is_kind(sentence)} == kinds


def test_every_sentence_of_the_data_is_of_a_kind():
    for pair in caregiver.load("test"):
        for sentence in embeddings.sentences(pair["chosen"]):
            kinds = [name for name, is_kind in caveats.KINDS.items() if is_kind(sentence)]
            assert kinds == ["the rest"] or (kinds and "the rest" not in kinds)


def test_tokens_stand_within_the_sentences_of_their_kind(tokenizer):
    within = caveats.tokens_within(tokenizer, TEXT, caveats.KINDS["what not to do"])
    start, end = re.search("Never lift him alone.", " " + TEXT).span()
    offsets = tokenizer(" " + TEXT, add_special_tokens=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    assert within.tolist() == [a < end and b > start for a, b in offsets]
    assert 0 < within.sum() < len(within)
    broken = TEXT.replace(". ", ".\n\n  ")
    assert (
        caveats.tokens_within(tokenizer, broken, caveats.KINDS["what not to do"]) == within
    ).all()


def test_what_is_kept_of_a_kind(tokenizer):
    learnt = caveats.tokens_within(tokenizer, TEXT, caveats.KINDS["what not to do"])
    kept = {
        name: caveats.kept_within(tokenizer, TEXT, learnt, is_kind)
        for name, is_kind in caveats.KINDS.items()
    }
    assert kept["what not to do"] == 1 and kept["the rest"] == 0 and np.isnan(kept["numbers"])
    assert np.isnan(caveats.kept_within(tokenizer, TEXT, None, caveats.KINDS["the rest"]))
    half = learnt.copy()
    half[np.flatnonzero(learnt)[::2]] = False
    share = caveats.kept_within(tokenizer, TEXT, half, caveats.KINDS["what not to do"])
    assert share == pytest.approx((learnt.sum() // 2) / learnt.sum())


def test_a_row_a_question_and_a_column_a_system(tokenizer):
    is_kind = caveats.KINDS["what not to do"]
    learnt = caveats.tokens_within(tokenizer, TEXT, is_kind)
    answers = pd.DataFrame(
        {"id": ["b", "a", "b", "a"], "system": ["tuned", "tuned", "base", "base"]}
    ).assign(learnt=pd.Series([learnt, None, ~learnt, ~learnt], dtype=object))
    wide = caveats.kept_by_system(tokenizer, answers, [TEXT] * 4, is_kind)
    assert list(wide) == ["tuned", "base"] and list(wide.index) == ["a", "b"]
    assert wide.tuned.tolist() == pytest.approx([np.nan, 1], nan_ok=True)
    assert wide.base.tolist() == [0, 0]
