"""Statements about sources: what a chat model is asked, and which of them, by hand."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.data import marked_sentences
from emo_utils.experiment import parameters, runs
from emo_utils.scoring import facts, instruments, statements, word_counts


class Lengths:
    """Says *yes* with one over the number of words of a statement; reads no source of *secret*."""

    name, signature = "lengths", "one over words"

    def decide(self, states, questions, desc):
        rows = []
        for state, (text, asked) in enumerate(zip(states, questions, strict=True)):
            for name, question in asked.items():
                statement = question["instructions"].partition("Statement: ")[2]
                yes = 1 / len(statement.split())
                for option, p in (("yes", yes), ("no", 1 - yes)):
                    rows.append((state, name, option, None if text == "secret" else p))
        return pd.DataFrame(rows, columns=["state", "question", "option", "probability"])


def test_each_statement_gets_its_own_yes():
    found = statements.support(
        Lengths(), ["a", "secret", "b"], [["one", "two words"], ["x"], ["now three words"]]
    )
    assert [part.tolist() for part in found[::2]] == [[1.0, 0.5], [1 / 3]]
    assert np.isnan(found[1]).all()


def test_a_text_is_as_well_supported_as_its_worst_sentence():
    found = statements.least_support(
        Lengths(), ["a", "b", "secret"], ["Two words. And three words.", "17", "It is so."]
    )
    assert found[:2].tolist() == [1 / 3, 1.0] and np.isnan(found[2])  # no sentence: the text itself


TABLE = pd.DataFrame(
    {
        "source": ["s1", "s1", "s2", "s3", "s3"],
        "text": ["a", "b c", "d", "e", "f g"],
        "supported": [1, 0, 1, 0, 1],
    },
    index=[4, 5, 6, 7, 8],
)


def test_statements_are_grouped_by_their_sources():
    assert statements.by_source(TABLE) == [
        ("s1", ["a", "b c"], [1, 0]),
        ("s2", ["d"], [1]),
        ("s3", ["e", "f g"], [0, 1]),
    ]
    found = statements.supported(Lengths(), TABLE)
    assert found.to_dict() == {4: 1.0, 5: 0.5, 6: 1.0, 7: 1.0, 8: 0.5}


def test_some_sources_are_drawn_with_all_their_statements():
    drawn = [statements.of_drawn_sources(TABLE, 2, seed) for seed in range(30)]
    sources = {tuple(part.source.unique()) for part in drawn}
    assert sources == {("s1", "s2"), ("s1", "s3"), ("s2", "s3")}
    assert all(part.equals(TABLE[TABLE.source.isin(part.source)]) for part in drawn)
    assert statements.of_drawn_sources(TABLE, 9, seed=1).equals(TABLE)


def test_the_measures_of_shipped_statements(tiny):
    held, learnt = (marked_sentences.claims(part, 2) for part in ("test", "train"))
    assert len(statements.by_source(held)) == 2
    loaded = instruments.load("tiny-llama", "tiny-llama", "tiny-llama", "float32")
    found = statements.measures(held, learnt, loaded)
    pairs = list(zip(held.source, held.text))
    assert found["rules", "details added"].tolist() == [-len(facts.added(*p)) for p in pairs]
    assert found["rules", "unseen words"].tolist() == [
        -word_counts.unseen_words(text, source) for source, text in pairs
    ]
    first = facts.doubtful(*loaded.language_model, [pairs[0][0]], [pairs[0][1]])
    assert found["tiny-llama", "doubtful tokens"][0] == -first[0]
    assert all(score.index.equals(held.index) for score in found.values())


def test_alarms_are_shares_of_right_and_of_wrong_statements():
    values = parameters.resolve("11_judge_validity", {"profile": "smoke"})
    run = runs.Run("11_judge_validity", values, {})
    statements.add_alarms(run, pd.Series([0, -2, -1, 0, 0.0], index=TABLE.index), TABLE)
    assert [(r.group, r.value, r.n, r.metric) for r in run.records] == [
        ("right", pytest.approx(1 / 3), 3, "alarm"),
        ("wrong", 0.5, 2, "alarm"),
    ]
