"""Who gives the answers of chapter 5 their emotion scores: one scorer for the whole table, and a
second of another kind for some of the answers. What each of them computes is in `emotion`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from emo_utils.experiment import results
from emo_utils.judging import remote
from emo_utils.models import embeddings, loading, registry
from emo_utils.project import EmoError
from emo_utils.scoring import emotion, emotion_learnt


@dataclass(frozen=True)
class Scored:
    """Emotion scores of texts in [0, 1] (one row a text: empathetic, comforting, reassuring, mean,
    max), the kind of scorer that gave them, the name of its weights, and how in words.
    """

    kind: str
    scores: pd.DataFrame
    scorer: str
    signature: str


def second_kind(scorer: str, second: str, endpoint: str = "") -> str:
    """The kind of the second scorer; `auto` is one of another kind than the first, by a model that
    every profile has.

    Raises EmoError for kinds that do not go together, and for an endpoint that Emollama cannot use.
    """
    if second == "auto":
        second = "decision" if scorer in ("contrast", "learnt") else "contrast"
    if second == scorer or (scorer == "emollama" and second == "decision"):
        raise EmoError(
            f"parameter 'second' is {second!r} beside the scorer {scorer!r}: it must be another, "
            "and Emollama does not decide; give auto, contrast or none"
        )
    if scorer == "emollama" and endpoint:
        raise EmoError(
            "parameter 'endpoint' goes with typed decisions; "
            "Emollama's own number is computed in this process: leave it empty"
        )
    return second


def score(
    kind: str,
    texts: list[str],
    *,
    embedding_model: str,
    scorer_model: str,
    dtype: str,
    store: Path | None = None,
    endpoint: str = "",
) -> Scored:
    """Score texts by one kind of scorer.

    kind: `contrast` (of sentence embeddings, by embedding_model), `learnt` (that and a regression
    on the same vectors, `emotion_learnt`), `decision` (typed, by scorer_model, here or behind the
    endpoint; answers are kept in the store) or `emollama` (the paper's own number, EmoDoctor,
    Table 1). Both models are registered names; dtype: "float32" or
    "bfloat16".
    """
    if kind == "emollama":
        return Scored(
            kind,
            emotion.score_with_emollama(*loading.load(scorer_model, dtype), texts),
            scorer_model,
            f"{scorer_model}, documented regression prompt, greedy",
        )
    if kind == "contrast":
        return Scored(
            kind,
            emotion.scores_by_contrast(embeddings.load(embedding_model, dtype), texts),
            embedding_model,
            f"contrast of sentence embeddings, {embedding_model} "
            f"({registry.identity(embedding_model)[:12]}), mean over sentences",
        )
    if kind == "learnt":
        weights, intercept = emotion_learnt.coefficients(embedding_model)
        return Scored(
            kind,
            emotion_learnt.scores(
                embeddings.load(embedding_model, dtype), texts, weights, intercept
            ),
            emotion_learnt.name(embedding_model),
            f"two parts contrast, one part regression taught on labels, {embedding_model} "
            f"({registry.identity(embedding_model)[:12]}), mean of mean and maximum over sentences",
        )
    reader = remote.reader(scorer_model, dtype, store, endpoint)
    return Scored(
        kind,
        emotion.scores_from_decisions(reader.decide(texts, emotion.QUESTIONS, "emotion")),
        scorer_model,
        f"{reader.signature}; expected level of 3",
    )


def with_scores(answers: pd.DataFrame, scored: Scored) -> pd.DataFrame:
    """The answers' id, emotion and system with their scores; raises EmoError where a system has no
    scored answer at all.

    answers: one row an answer, in the order of the texts that were scored. An empty answer of a
    system besides the book's own is a question that its server did not answer, and has no score.
    """
    others = ~answers.system.isin(results.SYSTEMS)
    unanswered = others & answers.answer.str.strip().eq("")
    scores = scored.scores.astype(float)
    scores[unanswered.to_numpy()] = np.nan
    table = answers[["id", "emotion", "system"]].reset_index(drop=True).join(scores)
    if lost := [name for name, part in table.groupby("system") if part["mean"].isna().all()]:
        raise EmoError(
            f"{scored.scorer} could score no answer of {', '.join(lost)}: "
            "are they empty, or longer than it can read?"
        )
    return table


def means_of_both(table: pd.DataFrame, second: Scored) -> pd.DataFrame:
    """The two scorers' means of the same answers: columns id, system, first, second; raises
    EmoError where no answer has both.

    table: rows of `with_scores`, in the order of the texts that the second scorer read.
    """
    both = table[["id", "system"]].assign(
        first=table["mean"], second=second.scores["mean"].to_numpy()
    )
    if both.dropna().empty:
        raise EmoError(
            f"{second.scorer} could score no answer; "
            "set the parameter second to none, or give it a model that can"
        )
    return both
