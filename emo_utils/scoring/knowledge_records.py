"""What a run records of the systems' knowledge (chapter 6): overlap with each reference,
similarity, grade and facts, a system's place on the scale of facts, and what tools call BLEU.

What the records are computed from is in `overlap_scores`, `facts`, `readability` and `placing`.
"""

import pandas as pd

from emo_utils.scoring import facts, overlap_scores
from emo_utils.stats import intervals, placing


def add_overlap(run, scored: dict[tuple[str, str], dict], answers: dict[str, int]) -> None:
    """Record BLEU, BLEU-1 and ROUGE of each system against each reference (EmoDoctor, Table 2), in
    a table for each reference.

    scored: (reference, system) -> what `overlap_scores.corpus_scores` gives; answers: how many each
    system gave.
    """
    for (reference, system), scores in scored.items():
        for metric, (value, draws, signature) in scores.items():
            low, high = intervals.drawn_estimate(value, draws, answers[system]).interval()
            of_items = metric.startswith("rouge")  # BLEU is of a whole corpus
            run.add(
                table=f"emodoctor.table2.{reference}",
                system=system,
                metric=metric,
                value=value,
                ci_low=low,
                ci_high=high,
                n=answers[system],
                kind="mean" if of_items else "other",
                scorer="rouge-score" if of_items else "sacrebleu",
                signature=signature,
            )


def described(embedding_model: str, reader_model: str, dtype: str) -> dict[str, dict[str, str]]:
    """Table, kind, scorer and signature of each score beyond words, as records keep them.

    embedding_model, reader_model: registered names; dtype: the reader's number format.
    """
    cosine = {"table": "emodoctor.similarity", "scorer": embedding_model}
    of_facts = {"table": "emodoctor.facts"}
    return {
        "doctor": cosine | {"signature": "cosine of embeddings, answer and the doctor's answer"},
        "modified": cosine | {"signature": "cosine of embeddings, answer and the modified answer"},
        "grade": {
            "table": "emodoctor.readability",
            "scorer": "Flesch-Kincaid",
            "signature": "school grade of an answer, syllables by pyphen; "
            "texts without an English word left out",
        },
        "kept": of_facts
        | {
            "scorer": reader_model,
            "signature": "share of the doctor's tokens whose log-probability grows by "
            f"{facts.LEARNT} once the answer was read; {dtype}",
        },
        "added": of_facts
        | {
            "kind": "count",
            "scorer": "rules",
            "signature": "number of details in an answer (numbers, drugs, a he or she) "
            "that neither the doctor's answer nor the question has",
        },
        "opposed": of_facts
        | {
            "kind": "count",
            "scorer": embedding_model,
            "signature": "number of doctor's sentences whose nearest sentence in an answer "
            f"(cosine {facts.NEAR} at least) differs in negation",
        },
    }


def add_means(run, scores: pd.DataFrame, how: dict[str, dict[str, str]]) -> None:
    """Record the mean of each score of every system, with an interval over questions.

    scores: one row an answer, columns system and those of `how`, which is of `described`.
    """
    for metric, fields in how.items():
        for system, values in scores.groupby("system", sort=False)[metric]:
            run.add_mean(values, system=system, metric=metric, unit="", **fields)


def add_scale(run, kept: pd.DataFrame, systems: list[str], scorer: str) -> None:
    """Record where each system stands between `another` (0) and `reference` (1) in the facts that
    it keeps; nothing where there is no such scale (`placing.between`).

    kept: one row a question, one column a system or reference.
    """
    for system in systems:
        placed = placing.between(kept, system, "another", "reference", run.values["seed"])
        if placed is not None:
            run.add(
                table="emodoctor.facts.scale",
                system=system,
                metric="kept",
                kind="other",
                scorer=scorer,
                signature="0: another question's answer, 1: the reference; "
                "bootstrap over questions",
                **placed,
            )


def add_bleu_by_tool(run, texts: pd.DataFrame, systems: list[str]) -> None:
    """Record what each tool calls BLEU of the systems' answers, the doctor's answer as reference.

    texts: one row an answer, columns system, answer, doctor.
    """
    for system in systems:
        part = texts[texts.system == system]
        variants = overlap_scores.bleu_variants(part.answer.tolist(), part.doctor.tolist())
        for tool, value in variants.items():
            run.add(
                table="emodoctor.bleu_by_tool",
                system=system,
                metric=tool,
                value=value,
                n=len(part),
                kind="other",
                scorer=tool,
                signature="see bleu_variants in emo_utils/scoring/overlap_scores.py",
                interval="none",
            )


def add_rouge_items(run, texts: pd.DataFrame, references: tuple[str, ...]) -> None:
    """Keep ROUGE of every answer, so that a reader can go from a mean to the case.

    texts: one row an answer, columns id, system, answer and one for each reference.
    """
    for reference in references:
        for system, part in texts.groupby("system", sort=False):
            rouge = overlap_scores.rouge_items(part.answer.tolist(), part[reference].tolist())
            items = pd.DataFrame(rouge).assign(id=part.id.values, system=system)
            items = items.melt(["id", "system"], var_name="metric")
            run.add_items(items.assign(table=f"emodoctor.table2.{reference}"))
