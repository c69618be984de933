"""The measures of an answer, against counts by hand and an encoder that knows two words."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from emo_utils.scoring import answer_measures, emotion, facts, readability

ANSWERS = pd.DataFrame(
    {
        "answer": [
            "Call an ambulance now.",
            "Rest east. Rest well now, rest well now.",
            "",
            "悲しみ",
        ],
        "complete": [True, False, True, True],
    }
)
REFERENCES = ["Call 999 at once.", "Go east.", "Ring me.", "east"]


class East:
    """Texts with `east` point to the right, all others up."""

    matrix_dtype, device = "float32", torch.device("cpu")

    def get_embedding_dimension(self):
        return 2

    def encode(self, texts, **options):
        return np.array([[1.0, 0] if "east" in t.lower() else [0, 1.0] for t in texts], np.float32)


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(emotion, "ANCHORS", dict.fromkeys(emotion.EMOTIONS, ("east",)))
    monkeypatch.setattr(emotion, "PLAIN", ("up",))
    return answer_measures.measured(East(), ANSWERS, REFERENCES)


def test_every_measure_by_hand(measured):
    assert measured.words.tolist() == [4, 8, 0, 1]
    # 22 characters with 3 blanks; 40 with 7; no word; one word of 3.
    assert measured.letters.tolist() == pytest.approx([19 / 4, 33 / 8, np.nan, 3], nan_ok=True)
    assert measured.repeated.tolist() == [0.0] * 4
    assert measured.complete.tolist() == [1, 0, 1, 1]
    assert measured.cosine.tolist() == [1, 1, 1, 0]
    east, up = (1 / (1 + math.exp(-emotion.SLOPE * (c - emotion.CENTRE))) for c in (1, -1))
    # One sentence of two in the second answer points east; an empty answer shows nothing.
    assert measured.warmth.tolist() == pytest.approx([up, (east + up) / 2, 0, up])
    assert measured.grade[0] == readability.grade_by_textstat(ANSWERS.answer[0])
    assert measured.grade[2:].isna().all() and list(measured.answer) == list(ANSWERS.answer)


def test_what_is_measured_is_described(measured):
    how = answer_measures.described("encoder")
    assert set(measured) == {"answer", *how} and set(ANSWERS) == {"answer", "complete"}
    scorers = {name: fields["scorer"] for name, fields in how.items()}
    assert scorers == dict.fromkeys(how, "counts") | {
        "warmth": "encoder",
        "cosine": "encoder",
        "grade": "textstat",
    }
    assert answer_measures.difference_to("base", how["letters"]) == {
        "scorer": "counts",
        "kind": "difference",
        "signature": "paired difference to base; letters a word",
    }
    of_facts = answer_measures.described_facts("reader")
    shares = [name for name, each in (how | of_facts).items() if each["kind"] == "share"]
    assert shares == ["complete", "urgent"]  # the others are means of what each answer has


def test_facts_are_shares_of_tokens_and_help_is_sought_where_the_reference_names_it(monkeypatch):
    learnt = [np.array([True, False, False, True]), None, np.array([False, False]), np.ones(3) > 0]
    calls = []

    def of(*arguments):
        calls.append(arguments)
        return learnt

    monkeypatch.setattr(facts, "learnt", of)
    answers = ANSWERS.assign(answer=[*ANSWERS.answer[:2], "999", "x"]).set_index(
        pd.Index([7, 8, 9, 3])
    )
    table = answer_measures.with_facts(("model", "tokenizer"), answers, REFERENCES)
    assert calls == [("model", "tokenizer", REFERENCES, answers.answer.tolist())]
    assert table.kept.tolist() == pytest.approx([0.5, np.nan, 0, 1], nan_ok=True)
    assert table.learnt[7] is learnt[0] and table.learnt[8] is None
    # The first reference alone names help at once.
    assert table.urgent.tolist() == pytest.approx([1, np.nan, np.nan, np.nan], nan_ok=True)
    silent = answers.assign(answer="Drink tea.")
    assert answer_measures.with_facts((0, 0), silent, REFERENCES).urgent[7] == 0
    how = answer_measures.described_facts("reader")
    assert how["kept"]["scorer"] == "reader" and str(facts.LEARNT) in how["kept"]["signature"]
