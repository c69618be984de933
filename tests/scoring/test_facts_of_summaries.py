"""Measures of the facts of summaries, by counts."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.models import embeddings
from emo_utils.scoring import facts, facts_of_summaries, instruments, statements

TABLE = pd.DataFrame(
    {
        "text": ["Pain for 9 days.", "Pain for 99 days, penicillin given. He coughs.", "Well."],
        "reference": ["Pain for 9 days.", "Pain at night.", "She is well again."],
        "source": ["It hurts since 9 days.", "She has pain at night.", "I am well."],
    },
    index=[3, 4, 5],
)


@pytest.fixture(scope="module")
def scorers(tiny):
    return instruments.load("tiny-llama", "tiny-llama", "tiny-llama", "float32")


def test_recall_by_counts_and_by_the_measures_of_chapter_6(scorers):
    found = facts_of_summaries.of_recall(TABLE, scorers)
    assert found["counts", "share of the reference's words"].tolist() == [1.0, 1 / 3, 1 / 4]
    assert found["counts", "length over the reference's (floor)"].tolist() == [1.0, 8 / 3, 1 / 4]
    kept = facts.kept(*scorers.language_model, TABLE.reference.tolist(), TABLE.text.tolist())
    assert found["tiny-llama", "facts kept"].tolist() == kept.tolist()
    first, second = (
        embeddings.embed(scorers.encoder, TABLE[name].tolist()) for name in ("text", "reference")
    )
    cosine = [np.dot(a, b) for a, b in zip(first, second)]
    assert found["tiny-llama", "similarity"].tolist() == pytest.approx(cosine, abs=1e-6)
    assert cosine[0] == pytest.approx(1, abs=1e-5)
    assert all(score.index.equals(TABLE.index) for score in found.values())


def test_precision_by_counts_more_being_better(scorers):
    found = facts_of_summaries.of_precision(TABLE, scorers, read=2)
    assert found["rules", "details added"].tolist() == [0, -3, 0]  # 99, penicillin, he
    assert found["rules", "unseen words"].tolist() == [-1, -4, 0]  # pain; days, ..., coughs
    assert found["rules", "details and unseen words"].tolist() == [-1, -34, 0]
    doubtful = facts.doubtful(*scorers.language_model, TABLE.source.tolist(), TABLE.text.tolist())
    assert found["tiny-llama", "doubtful tokens"].tolist() == (-doubtful).tolist()
    together = found["tiny-llama", "details, unseen words, doubtful tokens"]
    assert together.tolist() == ([-1, -34, 0] - doubtful).tolist()
    assert found["counts", "fewer words (floor)"].tolist() == [-4, -8, -1]
    read = found["tiny-llama", facts_of_summaries.SUPPORTED]
    assert read.index.tolist() == [3, 4]  # the others were not asked
    sentences = [embeddings.sentences(text) for text in TABLE.text[:2]]
    yes = statements.support(scorers.reader, TABLE.source[:2].tolist(), sentences)
    assert read.tolist() == [part.min() for part in yes] and len(yes[1]) == 2
