"""What chapter 6 records, against values by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.scoring import knowledge_records, overlap_scores
from emo_utils.stats import intervals

TEXTS = pd.DataFrame(
    {
        "id": ["q1", "q2"] * 2,
        "system": ["base"] * 2 + ["eqsr-dpo"] * 2,
        "answer": ["Rest the knee.", "Drink water.", "Rest and ice the knee.", "Sleep."],
        "doctor": ["Rest and ice the knee.", "Drink plenty of water."] * 2,
        "modified": ["Please rest the knee.", "Drink water, do."] * 2,
    }
)


@pytest.fixture
def run():
    return runs.Run("06_knowledge_scoring", {"profile": "smoke", "seed": 42}, {})


def by_name(run):
    return {(r.table, r.system, r.metric): r for r in run.records}


def test_overlap_has_the_interval_of_its_draws_and_the_name_of_its_library(run):
    draws = np.linspace(10.0, 20.0, 1001)
    scored = {("doctor", "base"): {"bleu": (15.0, draws, "sacrebleu"), "rouge1": (15.0, draws, "")}}
    knowledge_records.add_overlap(run, scored, {"base": 60})
    bleu, rouge = run.records
    assert (bleu.table, bleu.system, bleu.metric) == ("emodoctor.table2.doctor", "base", "bleu")
    assert (bleu.kind, bleu.scorer, bleu.signature) == ("other", "sacrebleu", "sacrebleu")
    assert (rouge.kind, rouge.scorer, rouge.n) == ("mean", "rouge-score", 60)
    expected = intervals.drawn_estimate(15.0, draws, 60).interval()
    assert (bleu.ci_low, bleu.ci_high) == expected
    assert bleu.ci_high - 15 == pytest.approx(2 * draws.std(), rel=0.05)


def test_overlap_of_few_answers_has_no_interval(run):
    scores = overlap_scores.corpus_scores(["Rest."] * 9, ["Rest it."] * 9, seed=1)
    knowledge_records.add_overlap(run, {("modified", "base"): scores}, {"base": 9})
    assert {r.metric for r in run.records} == set(scores)
    assert {(r.table, r.interval) for r in run.records} == {("emodoctor.table2.modified", "none")}


def test_a_score_is_recorded_as_its_mean_with_who_computed_it_and_how(run):
    how = knowledge_records.described("encoder", "reader", "float32")
    scores = TEXTS[["system"]].assign(**{metric: 0.5 for metric in how})
    scores["kept"] = [0.25, math.nan, 0.5, 1.0]
    scores["added"] = [1.0, 2.0, 0.0, 0.0]
    knowledge_records.add_means(run, scores, how)
    records = by_name(run)
    assert len(records) == 6 * 2
    kept = records["emodoctor.facts", "base", "kept"]
    assert (kept.value, kept.n, kept.unscored, kept.scorer) == (0.25, 1, 1, "reader")
    assert kept.signature.endswith("once the answer was read; float32")
    added = records["emodoctor.facts", "base", "added"]
    assert (added.value, added.kind, added.scorer) == (1.5, "count", "rules")
    assert records["emodoctor.facts", "eqsr-dpo", "opposed"].scorer == "encoder"
    assert records["emodoctor.similarity", "base", "modified"].signature == (
        "cosine of embeddings, answer and the modified answer"
    )
    assert records["emodoctor.readability", "base", "grade"].kind == "mean"


def test_a_system_halfway_between_another_answer_and_the_reference(run):
    kept = pd.DataFrame({"another": [0.1, 0.3] * 10, "reference": [0.5, 0.7] * 10})
    kept["base"], kept["prompt"] = kept.another + 0.2, math.nan
    knowledge_records.add_scale(run, kept, ["base", "prompt"], "reader")
    (base,) = run.records  # of the other system no answer was read
    assert (base.table, base.system, base.n) == ("emodoctor.facts.scale", "base", 20)
    assert (base.value, base.ci_low, base.ci_high) == pytest.approx((0.5, 0.5, 0.5))


def test_every_tools_bleu_is_of_one_systems_answers(run):
    knowledge_records.add_bleu_by_tool(run, TEXTS, ["eqsr-dpo"])
    own = overlap_scores.bleu_variants(TEXTS.answer[2:].tolist(), TEXTS.doctor[2:].tolist())
    assert {r.metric: r.value for r in run.records} == own
    assert {(r.system, r.n, r.interval) for r in run.records} == {("eqsr-dpo", 2, "none")}
    assert own["NLTK corpus"] != own["sacrebleu"]


def test_rouge_of_each_answer_is_kept_by_question(run):
    knowledge_records.add_rouge_items(run, TEXTS, ("doctor", "modified"))
    items = pd.concat(run.items).set_index(["table", "system", "id", "metric"]).value
    assert len(items) == 2 * 4 * 3
    assert items["emodoctor.table2.doctor", "eqsr-dpo", "q1", "rouge1"] == 1.0
    # "Rest the knee" of "Please rest the knee": three of three words, of four.
    of_three = 2 * 3 / (3 + 4)
    assert items["emodoctor.table2.modified", "base", "q1", "rouge1"] == pytest.approx(of_three)
