"""What chapter 10.2 measures of every answer: warmth, nearness to a reference, how hard it is to
read, how much it repeats, and what it keeps of the reference.
"""

import numpy as np
import pandas as pd

from emo_utils.models import embeddings
from emo_utils.scoring import emotion, facts, readability, repetition, sentence_marks

LIKELIER = f"whose log-probability grows by {facts.LEARNT} once the answer was read"


def described(embedding_model: str) -> dict[str, dict[str, str]]:
    """Scorer, kind and signature of each measure of `measured`, as records keep them."""
    by_encoder = dict.fromkeys(("warmth", "cosine"), embedding_model)
    signatures = {
        "warmth": f"contrast of sentence embeddings, {embedding_model}, mean of three emotions",
        "cosine": f"cosine with the reference by {embedding_model}",
        "grade": "Flesch-Kincaid grade by textstat 0.7.4",
        "letters": "letters a word",
        "words": "words at spaces",
        "repeated": "share of 4-word sequences that came before",
        "complete": "share of answers that ended by themselves",
    }
    scorers = {"grade": "textstat"} | by_encoder
    return {
        metric: {
            "scorer": scorers.get(metric, "counts"),
            "kind": "share" if metric == "complete" else "mean",
            "signature": signature,
        }
        for metric, signature in signatures.items()
    }


def described_facts(reader_model: str) -> dict[str, dict[str, str]]:
    """The same for kept and urgent of `with_facts`."""
    kept = f"share of the reference's tokens {LIKELIER}"
    urgent = "share of answers that name help at once where the reference does, by a list of words"
    return {
        "kept": {"scorer": reader_model, "kind": "mean", "signature": kept},
        "urgent": {"scorer": "counts", "kind": "share", "signature": urgent},
    }


def difference_to(start: str, how: dict[str, str]) -> dict[str, str]:
    """Scorer, kind and signature of a measure's paired differences to a system or question."""
    signature = f"paired difference to {start}; {how['signature']}"
    return how | {"kind": "difference", "signature": signature}


def measured(encoder, answers: pd.DataFrame, references: list[str]) -> pd.DataFrame:
    """Answers (columns answer, complete) with a column for each measure of `described`.

    references: a text for each answer, in the same order. encoder: of `embeddings.load`. grade is
    missing where a text is not English, letters where it has no word.
    """
    texts = answers.answer.tolist()
    vectors, of_references = embeddings.embed(encoder, texts), embeddings.embed(encoder, references)
    return answers.assign(
        warmth=emotion.scores_by_contrast(encoder, texts)["mean"].to_numpy(),
        cosine=(vectors * of_references).sum(axis=1),
        grade=[readability.grade_by_textstat(text) for text in texts],
        words=[float(len(text.split())) for text in texts],
        letters=[readability.letters_a_word(text) for text in texts],
        repeated=[repetition.repeated(text) for text in texts],
        complete=answers["complete"].astype(float),
    )


def with_facts(reader, answers: pd.DataFrame, references: list[str]) -> pd.DataFrame:
    """Answers with what they keep of their references, a text each in the same order.

    reader: model and tokenizer of `loading.load`. Columns that are added: learnt, for each token of
    the reference whether it becomes likelier (`facts.learnt`; None where both texts are too long);
    kept, the share of those tokens (NaN for None); urgent, 1 where the answer names help at once
    and 0 where it does not, NaN where the reference does not either.
    """
    learnt = facts.learnt(*reader, references, answers.answer.tolist())
    names_help = sentence_marks.names_urgent_help
    return answers.assign(
        learnt=pd.Series(learnt, answers.index, dtype=object),
        kept=[np.nan if tokens is None else tokens.mean() for tokens in learnt],
        urgent=[
            float(names_help(answer)) if names_help(reference) else np.nan
            for answer, reference in zip(answers.answer, references, strict=True)
        ],
    )
