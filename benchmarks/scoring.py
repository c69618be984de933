"""Scores of a whole test set: BLEU and ROUGE beside the plain use of their libraries,
and what an emotion score costs, in one run.

    .venv/bin/python benchmarks/scoring.py
    .venv/bin/python benchmarks/scoring.py --rows FILE.jsonl
        with the answers of a file with `answer`, such as icliniq's

Nine systems' answers to 7,000 questions, each against two references, are 126,000 pairs. The
answers are made of sentences of the given answers, so that no two are equal. The plain way is
sacrebleu's corpus score of each pair (1- to 4-grams, and 1-grams) and rouge-score with its stemmer,
one process; it takes a sample of the pairs (--sample), as it would take too long. This package's
way is what chapter 6 calls: item scores, corpus scores, and the draws of the bootstrap, which the
plain way leaves out. That both give the same ROUGE is checked on the sample; a test holds BLEU to
sacrebleu's.
"""

import argparse
import json
import time

import clock
import numpy as np
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU

from emo_utils.data import dialogues
from emo_utils.models import embeddings
from emo_utils.scoring import emotion, overlap_scores
from emo_utils.stats import intervals


def texts_of(rows: list[str], count: int, sentences_each: int) -> list[str]:
    """Answers of that many sentences, drawn from all sentences of the rows."""
    rng, pool = np.random.default_rng(0), [s for row in rows for s in embeddings.sentences(row)]
    return [
        " ".join(pool[i] for i in rng.choice(len(pool), sentences_each, replace=False))
        for _ in range(count)
    ]


def plain_way(predictions, references) -> dict[str, np.ndarray]:
    scorer = rouge_scorer.RougeScorer(overlap_scores.ROUGE_TYPES, use_stemmer=True)
    rows = [scorer.score(r, p) for p, r in zip(predictions, references, strict=True)]
    for order in (1, 4):
        metric = BLEU(max_ngram_order=order, effective_order=False)
        [metric.corpus_score([p], [[r]]) for p, r in zip(predictions, references, strict=True)]
        metric.corpus_score(predictions, [references])
    return {
        name: np.array([row[name].fmeasure for row in rows]) for name in overlap_scores.ROUGE_TYPES
    }


def our_way(predictions, references, draws: int) -> dict[str, np.ndarray]:
    indices = intervals.resample_indices(len(predictions), 0, draws)
    for order in (1, 4):
        overlap_scores.bleu_draws(predictions, references, order, indices)
    return overlap_scores.rouge_items(predictions, references)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", help="JSON lines with `answer` (default: the shipped rows)")
    parser.add_argument(
        "--questions", type=int, default=7000, help="questions of the test set (default: 7000)"
    )
    parser.add_argument("--systems", type=int, default=9)
    parser.add_argument(
        "--sample", type=int, default=3000, help="pairs that the plain way scores (default: 3000)"
    )
    parser.add_argument(
        "--draws", type=int, default=200, help="draws of the bootstrap (default: 200)"
    )
    parser.add_argument(
        "--encoder",
        default="all-mpnet-base-v2",
        help="registered encoder of the contrast (default: all-mpnet-base-v2)",
    )
    parser.add_argument(
        "--keep", action="store_true", help="put the table into book/reference/speed.json"
    )
    options = parser.parse_args()
    rows = (
        [json.loads(line)["answer"] for line in open(options.rows, encoding="utf-8")]
        if options.rows
        else [r["answer"] for name in ("er", "eqsr") for r in dialogues.load(name)]
    )
    references = [texts_of(rows, options.questions, 5) for _ in range(2)]
    answers = texts_of(rows, options.questions * options.systems, 6)
    started = time.perf_counter()
    for system in range(options.systems):
        for reference in references:
            our_way(
                answers[system * options.questions : (system + 1) * options.questions],
                reference,
                options.draws,
            )
    ours = time.perf_counter() - started
    pairs = 2 * options.systems * options.questions
    few, theirs = answers[-options.sample :], references[0][: options.sample]
    started = time.perf_counter()
    found = plain_way(few, theirs)
    plain = (time.perf_counter() - started) / options.sample
    same = all(
        np.allclose(found[name], values, atol=1e-9, rtol=0)
        for name, values in overlap_scores.rouge_items(few, theirs).items()
    )
    words = np.mean([len(a.split()) for a in answers[:1000]])
    print(
        f"{pairs:,} pairs, answers of {words:.0f} words: "
        f"this package {ours:.1f} s ({1e3 * ours / pairs:.2f} ms a pair, "
        f"{options.draws} draws of the bootstrap with it); "
        f"plain {1e3 * plain:.2f} ms a pair ({plain * pairs:.0f} s for all), "
        f"{plain * pairs / ours:.1f} times as long; same numbers: {same}",
        flush=True,
    )
    if options.keep:
        clock.keep(
            "overlap",
            [
                {
                    "pairs": pairs,
                    "words_an_answer": round(float(words)),
                    "this_package,_seconds": ours,
                    f"plain,_seconds_(from_{options.sample}_pairs)": plain * pairs,
                    "ratio": plain * pairs / ours,
                    "same_ROUGE": str(same),
                }
            ],
        )
    encoder = embeddings.load(options.encoder)
    for count in (100, 400):
        started = time.perf_counter()
        emotion.scores_by_contrast(encoder, answers[:count])
        print(
            f"emotion by contrast: {count} answers in {time.perf_counter() - started:.1f} s, "
            f"{count / (time.perf_counter() - started):.1f} answers a second, three emotions each",
            flush=True,
        )


if __name__ == "__main__":
    main()
