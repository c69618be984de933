"""Marks on sentences and calls for urgent help; the marked sentences themselves."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.data import dialogues, marked_sentences
from emo_utils.experiment import runs
from emo_utils.project import DATA
from emo_utils.scoring import emotion, sentence_marks


@pytest.fixture
def bag(monkeypatch):
    """In place of the encoder, counts of words: what a mark learns from can then be said."""
    words = sorted(
        {
            word
            for name in sentence_marks.MARKS
            for row in marked_sentences.load(name)
            for word in row["text"].lower().split()
        }
    )
    place = {word: k for k, word in enumerate(words)}

    def embed(encoder, texts):
        found = np.zeros((len(texts), len(words)))
        for row, text in enumerate(texts):
            for word in text.lower().split():
                if word in place:
                    found[row, place[word]] = 1
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1)

    monkeypatch.setattr("emo_utils.models.embeddings.embed", embed)


@pytest.mark.parametrize("name", sentence_marks.MARKS)
def test_marks_are_learnt_from_the_training_part_alone(bag, name, monkeypatch):
    rows = marked_sentences.load(name)
    train = [row for row in rows if row["part"] == "train"]
    found = sentence_marks.marks(
        None, sentence_marks.learn(None, name), [row["text"] for row in train]
    )
    assert list(found) == list(sentence_marks.MARKS[name]) and set(map(str, found.dtypes)) == {
        "bool"
    }
    for mark in found:
        assert (found[mark] == [bool(row[mark]) for row in train]).mean() > 0.85
    load, turned = marked_sentences.load, {mark: 1 for mark in sentence_marks.MARKS[name]}
    monkeypatch.setattr(
        marked_sentences,
        "load",
        lambda each: [r if r["part"] == "train" else r | turned for r in load(each)],
    )
    assert sentence_marks.marks(
        None, sentence_marks.learn(None, name), [row["text"] for row in train]
    ).equals(found)


@pytest.mark.parametrize("name", sentence_marks.MARKS)
def test_what_is_held_out_trains_nothing(name):
    held = sentence_marks.held_out(name)
    train = {row["text"] for row in marked_sentences.load(name) if row["part"] == "train"}
    rows = [row for row in marked_sentences.load(name) if row["part"] == "test"]
    assert held.text.tolist() == [row["text"] for row in rows] and train.isdisjoint(held.text)
    assert list(held.index) == list(range(len(rows)))


def test_agreement_is_recorded_by_pair_of_readers_with_recall_and_precision():
    """Of 24 sentences the program marks 12, the first reader 9 of these and 3 more."""
    run = runs.Run("08_qualitative_cases", {"profile": "smoke", "seed": 5}, {})
    program = pd.DataFrame({"comfort": [True] * 4 + [False] * 4, "knowledge": [False] * 8})
    program = pd.concat([program] * 3, ignore_index=True)
    first, second = [1, 1, 1, 0, 1, 0, 0, 0] * 3, [1, 1, 1, 1, 0, 0, 0, 0] * 3
    readers = pd.DataFrame({"comfort": first, "comfort_second": second})
    readers = readers.assign(knowledge=0, knowledge_second=0)
    sentence_marks.add_agreement(run, program, readers, "encoder", ", of some")
    found = {(r.system, r.metric, r.group): r for r in run.records}
    ours, others = "program and first reader", "first and second reader"
    kappa = found[ours, "kappa", "comfort, of some"]
    # 18 of 24 agreed, by chance one half
    assert (kappa.value, kappa.n, kappa.scorer) == (pytest.approx(0.5), 24, "encoder")
    assert kappa.ci_low < 0.5 < kappa.ci_high
    second = found["program and second reader", "kappa", "comfort, of some"]
    assert second.value == 1.0 and found[others, "kappa", "comfort, of some"].scorer == "readers"
    for metric in ("recall", "precision"):
        share = found[ours, metric, "comfort, of some"]
        assert (share.value, share.n) == (0.75, 12)
        assert share.signature.endswith("(precision); interval over sentences")
    # Nobody marks knowledge: no agreement beyond chance, and no share of nothing.
    assert found[ours, "kappa", "knowledge, of some"].value == 0.0
    assert (ours, "recall", "knowledge, of some") not in found and len(run.records) == 8


def test_no_sentence_has_no_marks(bag):
    assert sentence_marks.marks(None, sentence_marks.learn(None, "safety"), []).shape == (0, 3)


@pytest.mark.parametrize(
    "text, named",
    [
        ("Go to the emergency department now.", True),
        ("If the pain returns, call 999.", True),
        ("Get seen today.", True),
        ("Black stools: same day.", True),
        ("It heals in three weeks, and today you may rest.", False),
        ("", False),
    ],
)
def test_help_at_once_is_found_where_it_is_named(text, named):
    assert sentence_marks.names_urgent_help(text) is named


def test_urgent_sentences_are_those_of_the_doctors():
    answers = {row["id"]: row["answer"] for row in dialogues.load("test")}
    rows = marked_sentences.load("urgent")
    assert len(rows) >= 5 and all(row["text"] in answers[row["id"]] for row in rows)


# The marked sentences


@pytest.mark.parametrize("name", sentence_marks.MARKS)
def test_marked_sentences_are_complete_and_apart(name):
    rows = marked_sentences.load(name)
    assert {row["part"] for row in rows} == {"train", "test", "tuned_on"}
    assert len({row["text"] for row in rows}) == len(rows)
    test = [row for row in rows if row["part"] == "test"]
    assert len(test) >= 60
    for mark in sentence_marks.MARKS[name]:
        assert {row[mark] for row in rows} == {0, 1} and sum(row[mark] for row in test) >= 20
        assert {row[f"{mark}_second"] for row in test} == {0, 1}, (
            "the sentences that measure have two readers"
        )


def test_the_card_says_how_many_sentences_train_and_test_the_marks():
    card = (DATA / "sentences" / "README.md").read_text(encoding="utf-8")
    for name in sentence_marks.MARKS:
        rows = marked_sentences.load(name)
        train, test = (sum(row["part"] == part for row in rows) for part in ("train", "test"))
        counts = f"| {len(rows)} | {train} to train on, {test} to test with,"
        assert f"| `{name}.jsonl` {counts}" in card
    added = [r for r in marked_sentences.load("comfort_knowledge") if r["id"] > "sentence-600"]
    assert len(added) == 310 and {row["part"] for row in added} == {"train"}


def plain(text: str) -> str:
    return " ".join(text.lower().split())


@pytest.fixture(scope="module")
def tuned_on():
    """All texts of the rows that systems are tuned on, of both arms, in one string."""
    rows = [
        row
        for arm in ("overt", "subtle")
        for name in ("er", "eqsr")
        for row in dialogues.load(name, arm=arm)
    ]
    return " | ".join(plain(text) for row in rows for text in row.values())


@pytest.mark.parametrize("name", [*sentence_marks.MARKS, "addressed", "chat"])
def test_no_instrument_learns_from_what_systems_are_tuned_on(name, tuned_on):
    rows = marked_sentences.load(name)
    shared = {row["id"] for row in rows if plain(row["text"]) in tuned_on}
    assert not shared & {row["id"] for row in rows if row["part"] == "train"}
    assert {row["id"] for row in rows if row["part"] == "tuned_on"} <= shared


def test_one_sentence_of_the_emotion_scorer_is_in_the_treatment_as_chapter_5_says(tuned_on):
    lists = [emotion.PLAIN, *emotion.ANCHORS.values()]
    shared = [text for texts in lists for text in texts if plain(text) in tuned_on]
    assert shared == ["You are not alone with this."]


def test_sentences_that_speak_to_a_judge_are_what_their_card_says():
    rows = marked_sentences.load("addressed")
    counts = {
        part: [
            sum(row["part"] == part and row["addressed"] == mark for row in rows) for mark in (1, 0)
        ]
        for part in ("train", "test")
    }
    assert counts == {"train": [120, 120], "test": [40, 40]}
    kinds = {mark: {row["kind"] for row in rows if row["addressed"] == mark} for mark in (0, 1)}
    assert kinds[0] == {"plain", "near"} and len(kinds[1]) == 8
    assert len({row["text"].lower() for row in rows}) == 320
