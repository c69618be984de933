"""What chapter 6 records for claims, against values by hand."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.claims import gates, knowledge_claims, ledger
from emo_utils.experiment import results, runs

SYSTEMS = (*results.SYSTEMS, "doctor", "reference", "another")


@pytest.fixture
def run():
    return runs.Run("06_knowledge_scoring", {"profile": "smoke", "seed": 42}, {})


@pytest.fixture
def scored():
    """Scores of each system against each reference: its place among all, twice that with the
    modified answer; the draws lie around it.
    """
    draws = np.linspace(-1.0, 1.0, 1001)
    return {
        (reference, system): {
            metric: (times * place, times * place + draws, "how")
            for metric in ("bleu", "bleu1", "rouge1", "rouge2", "rougeL")
        }
        for times, reference in enumerate(("doctor", "modified"), start=1)
        for place, system in enumerate(SYSTEMS)
    }


def test_sums_of_cells_are_taken_from_the_scores_of_their_table(run, scored):
    knowledge_claims.add_overlap(run, scored, 60)
    records = {r.system: r for r in run.records}
    comparisons = {
        c.key: c
        for claim in ledger.claims()
        for test in claim["tests"]["ours"] or ()
        for c in test.comparisons
        if {table for _, table, _, _ in c.terms} <= set(knowledge_claims.OVERLAP)
    }
    assert set(records) == set(comparisons) and len(records) > 3
    for key, comparison in comparisons.items():
        expected = sum(
            weight * SYSTEMS.index(system) * (2 if table.endswith("modified") else 1)
            for weight, table, system, _ in comparison.terms
        )
        assert records[key].value == pytest.approx(expected)
        assert (records[key].n, records[key].metric) == (60, "combination")


def test_overlap_has_a_gate_for_each_reference_and_metric(run, scored):
    """The reference stands one place below the answer to another question, and the doctor two."""
    knowledge_claims.add_overlap_gates(run, scored, 60)
    found = {(r.group, r.system, r.metric): r.value for r in run.records}
    assert len(found) == 2 * 5
    assert found["emodoctor.table2.doctor", "reference above another", "bleu"] == -1
    assert found["emodoctor.table2.modified", "doctor above another", "rougeL"] == 2 * -2


def answers(questions: int) -> pd.DataFrame:
    """Facts kept and similarity, the same at every question but for a small slope."""
    rows = [
        {"id": f"q{k}", "system": system, "kept": 0.1 * place + 0.01 * k, "doctor": 0.05 * place}
        for place, system in enumerate(SYSTEMS)
        for k in range(questions)
    ]
    return pd.DataFrame(rows).assign(modified=lambda frame: frame.doctor / 2)


def test_facts_and_similarity_have_gates_question_by_question(run):
    scores = answers(12).pivot(index="id", columns="system", values=["kept", "doctor", "modified"])
    knowledge_claims.add_gates(run, scores, "reader", "encoder")
    found = {(r.group, r.system, r.metric): r for r in run.records}
    assert len(found) == 4 and {r.table for r in run.records} == {gates.TABLE}
    kept = found["emodoctor.facts", "reference above another", "kept"]
    assert (kept.value, kept.scorer, kept.n) == (pytest.approx(-0.1), "reader", 12)
    near = found["emodoctor.similarity", "doctor above another", "modified"]
    assert (near.value, near.scorer) == (pytest.approx(-0.05), "encoder")
    least = found["emodoctor.facts", "the least above another", "kept"]
    # er-sft has the lowest place of what was tuned, two; another has the eleventh.
    assert least.value == pytest.approx(0.2 - 1.1)


def test_sums_beyond_words_leave_out_questions_without_a_score(run):
    scores = answers(12)
    scores.loc[0, "kept"] = np.nan
    knowledge_claims.add_beyond_words(run, scores, "reader, encoder")
    assert run.records and {r.n for r in run.records} == {11}
    assert {r.scorer for r in run.records} == {"reader, encoder"}
