"""What chapter 6 records of its scores for claims: the sums of cells that claims ask for, and the
gates of each score.

The means themselves are recorded by `scoring.knowledge_records`.
"""

import pandas as pd

from emo_utils.claims import gates, ledger
from emo_utils.experiment import results

OVERLAP = ("emodoctor.table2.doctor", "emodoctor.table2.modified")
BEYOND_WORDS = ("emodoctor.facts", "emodoctor.similarity")
OVERLAP_SCORERS = "sacrebleu, rouge-score"
# The text that says the same in other words must lie above what answers another question: with the
# doctor's answer as reference it is the warm answer, with the warm answer the doctor's.
OVERLAP_RULES = dict(zip(OVERLAP, ("reference above another", "doctor above another"), strict=True))


def _cells(scored: dict[tuple[str, str], dict]):
    """What `ledger.add_combinations` asks for, of scores of a whole corpus with their draws."""

    def drawn(table: str, system: str, metric: str):
        return scored[table.rsplit(".")[-1], system][metric][:2]

    return drawn


def add_overlap(run, scored: dict[tuple[str, str], dict], n: int) -> None:
    """Record the sums of cells of BLEU and ROUGE; all systems share their resampled questions.

    scored: (reference, system) -> what `overlap_scores.corpus_scores` gives. n: questions.
    """
    drawn = _cells(scored)
    ledger.add_combinations(run, OVERLAP, drawn, n=n, scorer=OVERLAP_SCORERS, drawn=True)


def add_overlap_gates(run, scored: dict[tuple[str, str], dict], n: int) -> None:
    """Record the gates of BLEU and ROUGE (`OVERLAP_RULES`); arguments as of `add_overlap`."""
    drawn, metrics = _cells(scored), scored["doctor", "base"]
    for table, rule in OVERLAP_RULES.items():
        gates.add_drawn(run, drawn, rule, table, metrics, n, OVERLAP_SCORERS)


def add_gates(run, scores: pd.DataFrame, reader_model: str, embedding_model: str) -> None:
    """Record the gates of facts kept and of both similarities.

    scores: one row a question, columns (metric, system), the metrics kept, doctor and modified.
    reader_model, embedding_model: registered names of who scored.
    """
    for metric, rule, table, scorer in (
        ("kept", "reference above another", "emodoctor.facts", reader_model),
        ("doctor", "reference above another", "emodoctor.similarity", embedding_model),
        ("modified", "doctor above another", "emodoctor.similarity", embedding_model),
    ):
        how = f"as {table} {metric}"
        gates.add_differences(run, scores[[metric]], (rule,), table, scorer, how)
    gates.add_least_kept(run, scores["kept"], run.values["seed"], scorer=reader_model)


def add_beyond_words(run, scores: pd.DataFrame, scorer: str) -> None:
    """Record the sums of cells of facts kept and of the similarity to the doctor's answer, over the
    questions that all systems have them for.

    scores: one row an answer, columns id, system, kept, doctor.
    """
    complete = results.scored_by_all(
        scores.pivot(index="id", columns="system", values=["kept", "doctor"])
    )
    values = ledger.item_values(complete.swaplevel(axis=1))
    ledger.add_combinations(run, BEYOND_WORDS, values, n=len(complete), scorer=scorer)
