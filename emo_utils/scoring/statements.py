"""Measures of whether a source supports a statement about it (chapter 11).

Tables of statements: columns source (the text), name (its id), text, supported (1 or 0); those of
one source stand together.
"""

import numpy as np
import pandas as pd

from emo_utils.judging import decisions
from emo_utils.models import embeddings
from emo_utils.scoring import facts, word_counts
from emo_utils.scoring.instruments import Instruments

QUESTION = "Is this statement supported by the text above? Statement: {}"


def support(reader, sources: list[str], statements: list[list[str]]) -> list[np.ndarray]:
    """Probability that each statement about each source is supported by it, missing where the
    source could not be read.

    reader: of `remote.reader`. statements: those about each source, one at least.
    """
    questions = [
        {str(k): decisions.yes_or_no(QUESTION.format(text)) for k, text in enumerate(several)}
        for several in statements
    ]
    found = reader.decide(sources, questions, "supported").query("option == 'yes'")
    ends = np.cumsum([len(several) for several in statements], dtype=int)[:-1]
    return np.split(found.probability.to_numpy(dtype=float), ends)


def least_support(reader, sources: list[str], texts: list[str]) -> np.ndarray:
    """The lowest `support` of a sentence of each text, shape (texts,)."""
    sentences = [embeddings.sentences(text) or [text] for text in texts]
    return np.array([pd.Series(part).min() for part in support(reader, sources, sentences)])


def supported(reader, statements: pd.DataFrame) -> pd.Series:
    """`support` of each statement of a table by its own source, by its rows."""
    groups = by_source(statements)
    found = support(reader, [source for source, _, _ in groups], [texts for _, texts, _ in groups])
    return pd.Series(np.concatenate(found), index=statements.index)


def by_source(statements: pd.DataFrame) -> list[tuple[str, list[str], list[int]]]:
    """(source, statements, 1 or 0 for each), sources in the order of the table."""
    return [
        (source, some.text.tolist(), some.supported.tolist())
        for source, some in statements.groupby("source", sort=False)
    ]


def of_drawn_sources(statements: pd.DataFrame, sources: int, seed: int) -> pd.DataFrame:
    """The statements about some of the sources, drawn with the seed; all, where there are no
    more.
    """
    every = statements.source.unique()
    drawn = np.random.default_rng(seed).permutation(len(every))[:sources]
    return statements[statements.source.isin(every[drawn])]


def minus_added(sources: list[str], texts: list[str]) -> np.ndarray:
    """Minus the number of details of each text that its source lacks (`facts.added`)."""
    pairs = zip(sources, texts, strict=True)
    return -np.array([len(facts.added(source, text)) for source, text in pairs], dtype=float)


def measures(
    statements: pd.DataFrame, learnt: pd.DataFrame, instruments: Instruments
) -> dict[tuple[str, str], pd.Series]:
    """(who, form) -> a score a statement, more being better: by rules, by the tokens that surprise
    a language model, and what the words of statements alone give away.

    learnt: statements about other sources, on which the last is fitted.
    """
    sources, texts = statements.source.tolist(), statements.text.tolist()
    found = {
        ("rules", "details added"): minus_added(sources, texts),
        ("rules", "unseen words"): word_counts.minus_unseen(sources, texts),
        (instruments.reader_model, "doubtful tokens"): -facts.doubtful(
            *instruments.language_model, sources, texts
        ),
        ("counts", "words alone, fitted (floor)"): word_counts.fitted_on_words(learnt, statements),
    }
    return {key: pd.Series(score, statements.index) for key, score in found.items()}


def add_alarms(run, minus_details: pd.Series, statements: pd.DataFrame) -> None:
    """Record in how many right and in how many wrong statements the rules see a detail that the
    source lacks (table `validity.claims`).

    minus_details: `minus_added` of the statements, by their rows.
    """
    for group, supported in {"right": 1, "wrong": 0}.items():
        of_group = statements.supported == supported
        run.add_mean(
            minus_details[of_group] < 0,
            units=statements.source[of_group],
            table="validity.claims",
            system="details added",
            metric="alarm",
            kind="share",
            group=group,
            scorer="rules",
            signature="share of statements with a detail that the source lacks",
            unit="sources with their statements",
        )
