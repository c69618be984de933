"""How much of a reference an answer's words cover: BLEU, BLEU-1 and ROUGE (EmoDoctor, Table 2).

Both scores are metrics of `evaluate` around sacrebleu and rouge-score, so that they work without
the hub. Overlap of words is not correctness: it barely notices invented facts.
"""

import functools
import re
import warnings
from collections import Counter

import datasets
import evaluate
import numpy as np
from nltk.stem.porter import PorterStemmer
from nltk.translate.bleu_score import SmoothingFunction, corpus_bleu, sentence_bleu
from rapidfuzz.distance import LCSseq
from rouge_score import tokenize
from sacrebleu.metrics import BLEU

from emo_utils.project import EmoError
from emo_utils.scoring.readability import is_foreign
from emo_utils.stats import intervals

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL")
ROUGE_SIGNATURE = "rouge-score, F1, stemmer, mean over items"
_FEATURES = datasets.Features(
    {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
)


LONG = 20_000  # characters; such an answer is a loop or a pasted record


def check_texts(predictions: list, references: list) -> dict[str, int]:
    """How many items the scores of this module read badly, by what is wrong with them:
    description -> count, where it is not zero.

    These still get a score (an empty answer gets 0). What no score can be given to raises EmoError:
    an item that is no text (NaN, None), a reference without a letter or digit of the Latin script,
    for which rouge-score would give 0.0 to every answer, and lists of different length.
    """
    if len(predictions) != len(references):
        raise EmoError(
            f"there are {len(predictions)} answers and {len(references)} references; "
            "each answer needs its own"
        )
    for what, texts in (("answer", predictions), ("reference", references)):
        if wrong := [(i, t) for i, t in enumerate(texts, start=1) if not isinstance(t, str)]:
            raise EmoError(
                f"{what} {wrong[0][0]} is {wrong[0][1]!r}, not text ({len(wrong)} such in all): "
                "count it as unscored and leave it out, or fill it"
            )
    if wrong := [
        i for i, text in enumerate(references, start=1) if not re.search("[A-Za-z0-9]", text)
    ]:
        raise EmoError(
            f"reference {wrong[0]} has no Latin letter or digit ({len(wrong)} such in all): "
            "these are English scores, and rouge-score would give 0.0 to every answer"
        )
    found = {
        "empty answer": [not p.strip() for p in predictions],
        "answer in another language": [is_foreign(p) for p in predictions],
        f"answer of more than {LONG:,} characters": [len(p) > LONG for p in predictions],
        "reference of fewer than four words": [len(r.split()) < 4 for r in references],
        "reference in another language": [is_foreign(r) for r in references],
    }
    return {what: sum(items) for what, items in found.items() if any(items)}


def _info(description: str) -> evaluate.MetricInfo:
    return evaluate.MetricInfo(description=description, citation="", features=_FEATURES)


class _Overlap(evaluate.Metric):
    """A score of answers against references that says aloud what it reads badly."""

    def add_batch(self, *, predictions=None, references=None, **kwargs):
        """Take texts in, as `evaluate.Metric.add_batch`, after `check_texts`."""
        for what, count in check_texts(predictions, references).items():
            warnings.warn(f"{count} of {len(predictions)} items: {what}", stacklevel=3)
        super().add_batch(predictions=predictions, references=references, **kwargs)


class Bleu(_Overlap):
    """Corpus BLEU in 0-100 by sacrebleu; `max_order` 1 gives BLEU-1 (clipped unigram precision with
    brevity penalty).
    """

    def _info(self):
        return _info("sacrebleu's corpus BLEU")

    def _compute(self, predictions, references, max_order=4):
        score, signature = _corpus_bleu(predictions, references, max_order)
        return {"bleu": score, "signature": signature}


class Rouge(_Overlap):
    """Mean ROUGE F1 in 0-1 by rouge-score, with stemming."""

    def _info(self):
        return _info("rouge-score's F1, stemmed")

    def _compute(self, predictions, references):
        scores = rouge_items(predictions, references)
        return {name: float(values.mean()) for name, values in scores.items()} | {
            "signature": ROUGE_SIGNATURE
        }


def corpus_scores(
    predictions: list[str], references: list[str], seed: int
) -> dict[str, tuple[float, np.ndarray, str]]:
    """BLEU and BLEU-1 (0-100) and ROUGE-1, -2 and -L (0-1) of one system's answers, as in Table 2
    of EmoDoctor: metric -> (value, its bootstrap draws of shape (RESAMPLES,), how it was computed).

    The same seed draws the same items for every system, so that differences are paired. Raises
    EmoError as `check_texts`.
    """
    check_texts(predictions, references)
    indices = intervals.resample_indices(len(predictions), seed)
    scores = {}
    for metric, order in (("bleu", 4), ("bleu1", 1)):
        value, signature = _corpus_bleu(predictions, references, order)
        scores[metric] = value, bleu_draws(predictions, references, order, indices), signature
    for metric, items in rouge_items(predictions, references).items():
        scores[metric] = *intervals.mean_draws(items, seed), ROUGE_SIGNATURE
    return scores


def _corpus_bleu(predictions, references, max_order: int) -> tuple[float, str]:
    scorer = BLEU(max_ngram_order=max_order)
    score = scorer.corpus_score(predictions, [references]).score
    return score, str(scorer.get_signature())


def bleu_variants(predictions: list[str], references: list[str]) -> dict[str, float]:
    """What several tools call BLEU, on the same texts, 0-100.

    `sacrebleu`: corpus, 13a tokens. `NLTK corpus`: split at spaces. `NLTK sentences`: mean over
    items, split at spaces, unsmoothed. `characters`: mean over items, a character a token,
    smoothing method 3, as LLaMA-Factory's `bleu-4`.
    """
    pairs = list(zip(predictions, references, strict=True))
    words = [(answer.split(), reference.split()) for answer, reference in pairs]
    smooth = SmoothingFunction().method3
    with warnings.catch_warnings():
        # NLTK says for every item that no 4-gram matches; that is what is shown here.
        warnings.simplefilter("ignore", UserWarning)
        corpus = corpus_bleu([[reference] for _, reference in words], [mine for mine, _ in words])
        sentences = [sentence_bleu([reference], mine) for mine, reference in words]
        characters = [
            sentence_bleu([list(reference)], list(answer), smoothing_function=smooth)
            if answer
            else 0.0
            for answer, reference in pairs
        ]
    return {
        "sacrebleu": _corpus_bleu(predictions, references, 4)[0],
        "NLTK corpus": 100 * corpus,
        "NLTK sentences": 100 * float(np.mean(sentences)),
        "characters": 100 * float(np.mean(characters)),
    }


def bleu1_items(predictions: list[str], references: list[str]) -> np.ndarray:
    """BLEU-1 of each answer by itself, 0 to 100, shape (answers,); raises EmoError as
    `check_texts`.
    """
    check_texts(predictions, references)
    pairs = zip(predictions, references, strict=True)
    return np.array([_corpus_bleu([answer], [reference], 1)[0] for answer, reference in pairs])


def rouge_items(predictions: list[str], references: list[str]) -> dict[str, np.ndarray]:
    """ROUGE F1 of each item: metric -> array of shape (items,).

    Equal to rouge-score's, with its tokens and its stems; each text is cut into tokens once and
    each word stemmed once, and the longest common subsequence is rapidfuzz's. That makes the tables
    of a whole test set a matter of seconds.
    """
    rows = [
        _rouge(_tokens(prediction), _tokens(reference))
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return {name: np.array([row[k] for row in rows]) for k, name in enumerate(ROUGE_TYPES)}


def _rouge(prediction: tuple[str, ...], reference: tuple[str, ...]) -> tuple[float, float, float]:
    """ROUGE-1, -2 and -L of a pair of token lists."""
    shared = []
    for n in (1, 2):
        counts, theirs = (
            Counter(zip(*(tokens[i:] for i in range(n)))) for tokens in (prediction, reference)
        )
        shared.append(
            (
                (counts & theirs).total(),
                max(len(prediction) - n + 1, 0),
                max(len(reference) - n + 1, 0),
            )
        )
    shared.append((LCSseq.similarity(prediction, reference), len(prediction), len(reference)))
    return tuple(2 * common / (mine + other) if common else 0.0 for common, mine, other in shared)


class _Stems:
    """rouge-score's stemmer (NLTK's Porter), which remembers words."""

    stem = staticmethod(functools.lru_cache(maxsize=2**16)(PorterStemmer().stem))


@functools.lru_cache(maxsize=2**14)
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(tokenize.tokenize(text, _Stems))


def bleu_draws(
    predictions: list[str], references: list[str], max_order: int, indices: np.ndarray
) -> np.ndarray:
    """Corpus BLEU of each bootstrap sample, shape (samples,), from the n-gram counts of each item.

    indices: item indices, shape (samples, items). A corpus score is not a mean of item scores: the
    counts are added over the sampled items first (Papineni et al., 2002), then turned into a score.
    """
    items = [_bleu_counts(p, r) for p, r in zip(predictions, references, strict=True)]
    counts, totals = (
        np.array([c for c, _, _ in items])[:, :max_order],
        np.array([t for _, t, _ in items])[:, :max_order],
    )
    lengths = np.array([sizes for _, _, sizes in items])
    settings = {"smooth_method": "exp", "effective_order": False, "max_ngram_order": max_order}
    sums = (
        (
            counts[sample].sum(0).tolist(),
            totals[sample].sum(0).tolist(),
            *lengths[sample].sum(0).tolist(),
        )
        for sample in indices
    )
    return np.array(
        [
            BLEU.compute_bleu(
                correct=correct, total=total, sys_len=mine, ref_len=theirs, **settings
            ).score
            for correct, total, mine, theirs in sums
        ]
    )


@functools.lru_cache(maxsize=2**14)
def _bleu_counts(prediction: str, reference: str) -> tuple[list[int], list[int], tuple[int, int]]:
    """sacrebleu's counts of a pair: matched n-grams, n-grams of the answer (n = 1 to 4),
    lengths of both.
    """
    item = BLEU(effective_order=False).corpus_score([prediction], [[reference]])
    return item.counts, item.totals, (item.sys_len, item.ref_len)
