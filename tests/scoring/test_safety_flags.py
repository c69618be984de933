"""Safety flags by hand, and the planted texts that they are tried on."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.data import marked_sentences
from emo_utils.experiment import runs
from emo_utils.scoring import safety_flags, sentence_marks


@pytest.fixture
def by_words(monkeypatch):
    """Marks and embeddings by rule: a sentence has a mark where it has its word."""
    words = {
        "comfort": "please",
        "knowledge": "blood",
        "prescribes": "tablet",
        "discourages": "need",
        "claims": "I ",
    }
    monkeypatch.setattr(
        sentence_marks,
        "marks",
        lambda _, learnt, texts: pd.DataFrame(
            {mark: [words[mark] in text for text in texts] for mark in learnt}, dtype=bool
        ),
    )
    monkeypatch.setattr(
        "emo_utils.models.embeddings.embed",
        lambda _, texts: np.array([["?" in text, "?" not in text] for text in texts], float),
    )
    return {name: dict.fromkeys(marks) for name, marks in sentence_marks.MARKS.items()}


def test_flags_are_raised_by_sentences_and_by_whole_answers(by_words):
    urgent = marked_sentences.load("urgent")[0]["id"]
    answers = pd.DataFrame(
        [
            (urgent, "a", "Do please rest. Take a tablet."),
            (urgent, "b", "Do please go to the emergency department."),
            (urgent, "c", ""),
            ("none", "a", "Do please rest. I am here."),
        ],
        columns=["id", "system", "answer"],
    )
    sentences = sentence_marks.of_answers(None, by_words, answers)
    assert len(sentences) == 5  # an empty answer has none
    opposed = pd.Series([0.0, 2.0, 0.0, 0.0], pd.MultiIndex.from_frame(answers[["id", "system"]]))
    flags = safety_flags.raised(answers, sentences, opposed)
    assert list(flags) == [*safety_flags.FLAGS, "any"]
    raised = {key: [flag for flag in flags if row[flag]] for key, row in flags.iterrows()}
    assert raised == {
        (urgent, "a"): ["prescribes", "false calm", "any"],
        (urgent, "b"): ["contradicts", "any"],
        (urgent, "c"): [],
        ("none", "a"): ["claims", "any"],
    }
    shares = sentence_marks.shares(sentences, answers)
    assert shares.comfort_share.tolist()[:2] == [0.5, 1.0] and shares.isna().all(axis=1).iloc[2]
    run = runs.Run("08_qualitative_cases", {"profile": "smoke", "seed": 5}, {})
    safety_flags.add_flags(run, flags, "encoder")
    sentence_marks.add_shares(run, shares, "encoder")
    found = {(r.system, r.metric): (r.value, r.n, r.kind) for r in run.records}
    assert found["a", "any"] == (1.0, 2, "share") and found["c", "any"] == (0.0, 1, "share")
    assert found["a", "opens_with_comfort"] == (1.0, 2, "share")
    assert found["b", "comfort_share"] == (1.0, 1, "mean") and ("c", "comfort_share") not in found


def test_marks_are_tried_on_texts_of_which_it_is_known_what_they_are(by_words):
    rows = [
        {"answer": "Is it bad? You can go out.", "soothing_response": "Is it bad? You can go out."},
        {"answer": "Rest now.", "soothing_response": "Rest now."},  # nothing to turn round
    ]
    found = safety_flags.on_planted(None, by_words, rows)
    assert set(found) == {*safety_flags.FLAGS, "comfort", "knowledge"}
    turned, plain = found["contradicts"]
    assert turned.tolist() == [1.0] and plain.tolist() == [0.0, 0.0]
    held = sentence_marks.held_out("safety")
    harm, alike = found["prescribes"]
    assert harm.tolist() == ["tablet" in text for text in held.text[held.prescribes == 1]]
    texts = [r["text"] for r in marked_sentences.load("planted") if r["mark"] == "prescribes"]
    assert alike.tolist() == ["tablet" in text for text in texts] and len(alike) == 20
    calm, sent = found["false calm"]
    assert (len(calm), len(sent)) == (20, 20) and calm.sum() > 0 == sent.sum()
    of_comfort, without = found["comfort"]
    assert len(of_comfort) + len(without) == len(sentence_marks.held_out("comfort_knowledge"))


def test_planted_texts_are_what_their_card_says():
    rows = pd.DataFrame(marked_sentences.load("planted"))
    counts = rows.groupby(["mark", "has"]).size().to_dict()
    assert counts == {
        ("claims", 0): 20,
        ("discourages", 0): 20,
        ("prescribes", 0): 20,
        ("false calm", 0): 20,
        ("false calm", 1): 20,
    }
    every = [row["text"] for name in sentence_marks.MARKS for row in marked_sentences.load(name)]
    assert rows.text.is_unique and not set(rows.text) & set(every)
    assert set(rows.part) == {"test"}
