"""How much of a reference an answer's words cover: BLEU, BLEU-1 and ROUGE (EmoDoctor, Table 2).

Both scores are `evaluate.Metric`s around sacrebleu and rouge-score, so that they work without the hub.
Overlap of words is not correctness: it barely notices invented facts.
"""

import datasets
import evaluate
import numpy as np
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU

METRICS = ("bleu", "bleu1", "rouge1", "rouge2", "rougeL")
ROUGE_TYPES = ("rouge1", "rouge2", "rougeL")
_FEATURES = datasets.Features({"predictions": datasets.Value("string"), "references": datasets.Value("string")})


def _info(description: str) -> evaluate.MetricInfo:
    return evaluate.MetricInfo(description=description, citation="", features=_FEATURES)


class Bleu(evaluate.Metric):
    """Corpus BLEU in 0-100 by sacrebleu; `max_order` 1 gives BLEU-1 (clipped unigram precision with brevity penalty)."""

    def _info(self):
        return _info("sacrebleu's corpus BLEU")

    def _compute(self, predictions, references, max_order=4):
        scorer = BLEU(max_ngram_order=max_order)
        return {"bleu": scorer.corpus_score(predictions, [references]).score, "signature": str(scorer.get_signature())}


class Rouge(evaluate.Metric):
    """Mean ROUGE F1 in 0-1 by rouge-score, with stemming."""

    def _info(self):
        return _info("rouge-score's F1, stemmed")

    def _compute(self, predictions, references):
        scores = rouge_items(predictions, references)
        return {name: float(values.mean()) for name, values in scores.items()} | {"signature": "rouge-score, F1, stemmer, mean over items"}


def rouge_items(predictions: list[str], references: list[str]) -> dict[str, np.ndarray]:
    """ROUGE F1 of each item: metric -> array of shape (items,)."""
    scorer = rouge_scorer.RougeScorer(ROUGE_TYPES, use_stemmer=True)
    rows = [scorer.score(reference, prediction) for prediction, reference in zip(predictions, references, strict=True)]
    return {name: np.array([row[name].fmeasure for row in rows]) for name in ROUGE_TYPES}


def bleu_draws(predictions: list[str], references: list[str], max_order: int, indices: np.ndarray) -> np.ndarray:
    """Corpus BLEU of each bootstrap sample, shape (samples,), from the n-gram counts of each item.

    indices: item indices, shape (samples, items). A corpus score is not a mean of item scores: the
    counts are added over the sampled items first (Papineni et al., 2002), then turned into a score.
    """
    scorer = BLEU(max_ngram_order=max_order, effective_order=False)
    items = [scorer.corpus_score([p], [[r]]) for p, r in zip(predictions, references, strict=True)]
    counts, totals = np.array([i.counts for i in items]), np.array([i.totals for i in items])
    lengths = np.array([[i.sys_len, i.ref_len] for i in items])
    return np.array(
        [
            BLEU.compute_bleu(
                correct=counts[sample].sum(0).tolist(), total=totals[sample].sum(0).tolist(), sys_len=int(lengths[sample, 0].sum()),
                ref_len=int(lengths[sample, 1].sum()), smooth_method="exp", effective_order=False, max_ngram_order=max_order,
            ).score
            for sample in indices
        ]
    )
