"""The statements about medical texts in data/sentences: what the card says of them, and that length
and shared words do not give the marks away (single words do: the card says how far).
"""

import re
from collections import Counter

import pytest
from sklearn.metrics import roc_auc_score
from text_measures import card, distinct_2, near_duplicates, read, repeated, sentences, tokens

from emo_utils import project
from emo_utils.data import marked_sentences

FOLDER = project.DATA / "sentences"
KINDS = {
    "number",
    "time",
    "person",
    "negation",
    "place",
    "drug",
    "cause",
    "certainty",
    "scope",
    "added",
    "advice",
    "detail",
}


@pytest.fixture(scope="module")
def claims() -> list[dict]:
    return read(FOLDER / "claims.jsonl")


@pytest.fixture(scope="module")
def sources() -> dict[str, dict]:
    return {row["id"]: row for row in read(FOLDER / "claim_sources.jsonl")}


def test_each_statement_belongs_to_a_source_of_its_part_and_is_marked(claims, sources):
    assert all(
        list(row) == ["id", "source", "part", "text", "supported", "change"]
        and row["id"].startswith(f"{row['source']}-")
        for row in claims
    )
    assert all(row["part"] == sources[row["source"]]["part"] for row in claims) and {
        row["source"] for row in claims
    } == set(sources)
    assert all(
        (row["change"] in KINDS and row["supported"] == 0)
        or (row["change"] == "" and row["supported"] == 1)
        for row in claims
    )
    assert set(Counter(row["source"] for row in claims).values()) <= {8, 9, 10}
    right = Counter(row["source"] for row in claims if row["supported"])
    assert set(right.values()) <= {3, 4, 5, 6} and len(set(right.values())) > 2
    assert marked_sentences.load("claims") == claims and marked_sentences.load(
        "claim_sources"
    ) == list(sources.values())


def test_statements_stand_together_with_the_text_of_their_source(claims, sources):
    for part in ("train", "test"):
        table = marked_sentences.claims(part)
        rows = [row for row in claims if row["part"] == part]
        assert table.id.tolist() == [row["id"] for row in rows]
        assert table.name.tolist() == [row["source"] for row in rows]
        assert table.source.tolist() == [sources[row["source"]]["text"] for row in rows]
        starts = table.source != table.source.shift()
        assert starts.sum() == table.source.nunique()  # no source comes twice
    first = [name for name, row in sources.items() if row["part"] == "test"][:3]
    assert list(marked_sentences.claims("test", 3).name.unique()) == first


def test_no_two_statements_and_no_two_sources_are_alike(claims, sources):
    assert not repeated(
        " ".join(tokens(row["text"])) for row in claims if len(tokens(row["text"])) > 3
    )  # notes have their set phrases
    assert not near_duplicates([(name, row["text"]) for name, row in sources.items()])
    assert not repeated(
        s for s in sentences([row["text"] for row in sources.values()]) if len(s.split()) > 7
    )
    for kind in ("talk", "answer"):
        assert (
            distinct_2(
                [tokens(row["text"]) for name, row in sources.items() if name.startswith(kind)]
            )
            >= 0.74
        )
        assert (
            distinct_2([tokens(row["text"]) for row in claims if row["id"].startswith(kind)])
            >= 0.74
        )


def test_neither_length_nor_denial_nor_unseen_words_give_a_mark_away(claims, sources):
    """Each alone tells right from wrong hardly better than chance, or, for shared words,
    a little the wrong way round (chapter 11 has what a regression makes of them).
    """
    marks = [row["supported"] for row in claims]
    shared = [
        len(set(tokens(row["text"])) & set(tokens(sources[row["source"]]["text"])))
        / len(tokens(row["text"]))
        for row in claims
    ]
    denials = [
        len(re.findall(r"\b(?:no|not|never|none|without|den(?:y|ies|ied))\b", row["text"].lower()))
        for row in claims
    ]
    assert 0.37 < roc_auc_score(marks, shared) < 0.45
    for score in (denials, [len(tokens(row["text"])) for row in claims]):
        assert 0.45 < roc_auc_score(marks, score) < 0.55


def test_the_card_counts_them(claims, sources):
    meta, text = card(FOLDER)
    assert {config["data_files"] for config in meta["configs"]} >= {
        "claims.jsonl",
        "claim_sources.jsonl",
    }
    parts, kinds = (
        Counter(row["part"] for row in claims),
        Counter(name.partition("-")[0] for name in sources),
    )
    assert (
        f"| `claims.jsonl` | {len(claims):,} |" in text
        and f"{parts['train']:,} to train on, {parts['test']} to test with" in text
    )
    assert (
        f"| `claim_sources.jsonl` | {len(sources)} | {kinds['talk']} talks" in text
        and (
            f"{kinds['answer']} consultations in writing, "
            f"{sum(row['part'] == 'train' for row in sources.values())} of them to train on"
        )
        in text
    )
    assert f"{sum(not row['supported'] for row in claims):,} are wrong" in text and all(
        f"*{kind}*" in text for kind in KINDS
    )
