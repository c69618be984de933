"""Planted experiments: item scores of which the truth is known go the way that a run's go, through
records, gates and verdicts into the ledger; without a notebook and without a model.

In the first world systems differ by known amounts, in the second all are alike, and in the third an
instrument does not tell what it must.
"""

import functools

import numpy as np
import pandas as pd
import pytest

from emo_utils.claims import caregiver_records, deciding, emplifai_records, gates, ledger
from emo_utils.data.caregiver import ELSEWHERE, PREFERRED, REJECTED
from emo_utils.experiment import results, runs
from emo_utils.judging.judged_dialogues import MISPLACED, REPEATED, SHUFFLED

QUESTIONS, SPREAD = 40, 0.03  # of scores around their mean, as a standard deviation
COLUMNS = ledger.published().groupby("table", sort=False).metric.unique().map(list).to_dict()
RUBRICS = tuple(gates.NEEDED["emplifai.table4"])
# table -> metric -> system -> mean score
Means = dict[str, dict[str, dict[str, float]]]

# What is known of each instrument, in the order that passes its gates.
WARM = {"reference": 0.8, "doctor": 0.2, "said twice": 0.8, "padding alone": 0.5}
WARM |= {"a polite refusal": 0.4}
KEPT = {"another": 0.1}
RATED = {"data": 4.5, SHUFFLED: 2.0, REPEATED: 1.5, MISPLACED: 2.5, "sound": 4.5, "harm": 2.0}
FACTUAL = {PREFERRED: 4.8, REJECTED: 4.0, ELSEWHERE: 1.5}
TONE = {PREFERRED: 4.5, REJECTED: 2.5, ELSEWHERE: 2.0}

TREATED: Means = {
    "emodoctor.table1": {
        metric: WARM
        | {"base": 0.3, "prompt": 0.4, "er-sft": 0.5, "eqsr-sft": 0.6, "eqsr-dpo": 0.75}
        | {"eqsr-kto": 0.65, "er-eqsr-sft": 0.5, "er-eqsr-dpo": 0.6, "er-eqsr-kto": 0.55}
        for metric in COLUMNS["emodoctor.table1"]
    },
    "emodoctor.facts": {
        "kept": KEPT
        | dict.fromkeys(results.SYSTEMS, 0.56)
        | {"base": 0.5, "prompt": 0.5, "eqsr-dpo": 0.3, "eqsr-sft": 0.65, "eqsr-kto": 0.65}
    },
    # 0.8 levels more; 0.2 in harmlessness and security.
    "emplifai.table4": {
        rubric: RATED
        | {"emplifai-base": 2.0, "emplifai-sft-seen": 3.0}
        | {"emplifai-sft": 2.2 if rubric in ("harmlessness", "security") else 2.8}
        for rubric in RUBRICS
    },
    "ebd.semantic": {
        "cosine": {REJECTED: 0.6, ELSEWHERE: 0.2, PREFERRED: 1.0, "ebd-base": 0.3, "ebd-dpo": 0.4}
    },
    "ebd.factual": {"correctness": FACTUAL | {"ebd-base": 3.0, "ebd-dpo": 2.5}},
    "ebd.human": {
        "empathy": TONE | {"ebd-base": 2.5, "ebd-dpo": 3.0},
        "politeness": TONE | {"ebd-base": 3.0, "ebd-dpo": 3.3},
        "grade": {PREFERRED: 4.0, REJECTED: 13.0, ELSEWHERE: 4.0, "ebd-base": 8.0, "ebd-dpo": 6.0},
    },
}
UNTREATED = {"base", "prompt", "emplifai-base", "ebd-base"}
TUNED = {*results.SYSTEMS, "emplifai-sft", "emplifai-sft-seen", "ebd-dpo"} - UNTREATED
ALIKE: Means = {
    table: {
        metric: {
            system: 0.5 if system in TUNED | UNTREATED else mean for system, mean in means.items()
        }
        for metric, means in metrics.items()
    }
    for table, metrics in TREATED.items()
}


class Run:
    """Keeps records as a run does, by its own rule of what has an interval."""

    values = {"seed": 0}
    add, add_mean, records = runs.Run.add, runs.Run.add_mean, runs.Run.records

    def __init__(self):
        self._records: dict[tuple, results.Record] = {}


@pytest.fixture(scope="module", autouse=True)
def files_read_once():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("claims", "published"):
            patch.setattr(ledger, name, functools.cache(getattr(ledger, name)))
        patch.setattr(deciding, "printed_verdict", lambda claim, numbers: ("no number", []))
        yield


def made(means: Means, table: str, rng) -> dict[tuple[str, str], np.ndarray]:
    """One score a question: (metric, system) -> what the system has, around its mean, with what a
    question asks of all.
    """
    question = rng.normal(scale=SPREAD, size=QUESTIONS)
    return {
        (metric, system): mean + question + rng.normal(scale=SPREAD, size=QUESTIONS)
        for metric, of_systems in means[table].items()
        for system, mean in of_systems.items()
    }


def wide(scores: dict) -> pd.DataFrame:
    """As the chapters have them: a row a question, columns (metric, system)."""
    return pd.DataFrame(scores).rename_axis(columns=["metric", "system"])


def add_emodoctor(run, means: Means, rng) -> None:
    """As chapters 5 and 6 do."""
    for table in ("emodoctor.table1", "emodoctor.facts"):
        scores = wide(made(means, table, rng))
        complete = results.scored_by_all(scores).swaplevel(axis=1)
        values = ledger.item_values(complete)
        ledger.add_combinations(run, (table,), values, n=QUESTIONS, scorer="planted")
        if table == "emodoctor.table1":
            gates.add_differences(run, scores, gates.EMOTION, table, "planted", "planted")
        else:
            gates.add_least_kept(run, scores["kept"], seed=0, scorer="planted")


def add_emplifai(run, means: Means, rng) -> None:
    """As chapter 9.3 does."""
    ratings = pd.DataFrame(
        [
            {"id": number, "system": system, "metric": metric, "expected": level}
            for (metric, system), levels in made(means, "emplifai.table4", rng).items()
            for number, level in enumerate(levels)
        ]
    )
    known = ratings[~ratings.system.isin(emplifai_records.SYSTEMS)]
    planted = known.system.isin(["sound", "harm"])
    emplifai_records.add_claims(
        run, ratings[ratings.system.isin(emplifai_records.SYSTEMS)], "planted"
    )
    emplifai_records.add_gates(run, known[~planted], "planted", "planted")
    harmless = known[planted & (known.metric == "harmlessness")]
    emplifai_records.add_gates(run, harmless, "planted", "planted")


def add_caregivers(run, means: Means, rng) -> None:
    """As chapter 10.1 does."""
    tables = ("ebd.semantic", "ebd.factual", "ebd.human")
    scores = {key: s for table in tables for key, s in made(means, table, rng).items()}
    frame = wide(scores).stack("system").rename_axis(["id", "system"]).reset_index()
    measures = {
        metric: caregiver_records.Measure(table, "planted", "planted")
        for table, metrics in caregiver_records.CLAIMED.items()
        for metric in metrics
    }
    caregiver_records.add_claims(run, frame, measures, ("ebd-dpo", "ebd-base"))
    caregiver_records.add_gates(run, frame, measures)


CHAPTERS = {"emodoctor": add_emodoctor, "emplifai": add_emplifai, "ebd": add_caregivers}


def records_of(means: Means, papers: tuple[str, ...] = tuple(CHAPTERS)) -> pd.DataFrame:
    run = Run()
    for paper in papers:
        CHAPTERS[paper](run, means, np.random.default_rng(0))
    return results.frame([record.model_dump() for record in run.records])


def measured(records: pd.DataFrame) -> pd.DataFrame:
    """The ledger of the claims that these records bear on, by the claims' names."""
    frame = ledger.ledger(records, tuple(TREATED)).set_index("id")
    return frame[frame.ours != "not measured"]


def true_sum(comparison, means: Means) -> float:
    return sum(
        weight * means[table][metric][system] for weight, table, system, metric in comparison.terms
    )


def truth(name: str, means: Means) -> str:
    """What a verdict on a claim must be; empty where a comparison lies too near its edge."""
    [claim] = [claim for claim in ledger.claims() if claim["id"] == name]
    holds = []
    for test in claim["tests"]["ours"]:
        sums = [(c, true_sum(c, means)) for c in test.comparisons]
        if any(abs(value - c.edge(value)) < 0.04 for c, value in sums):
            return ""
        holds.append(sum(c.holds(value, value) for c, value in sums) >= test.needed)
    return "supported" if all(holds) else "contradicted"


def test_a_real_treatment_is_found_and_false_claims_are_contradicted():
    records = records_of(TREATED)
    assert set(records[records.table == gates.TABLE].apply(gates.outcome, axis=1)) == {"passed"}
    verdicts = measured(records)
    expected = {name: truth(name, TREATED) for name in verdicts.index}
    assert all(expected.values()) and not verdicts.why.any()
    assert verdicts.ours.to_dict() == verdicts.corrected.to_dict() == expected
    of_paper = verdicts.groupby("paper").ours.unique().map(set)
    assert (of_paper == {"supported", "contradicted"}).all() and len(of_paper) == 3


def test_where_all_systems_are_alike_no_claim_has_a_verdict():
    """But for those that ask for half a level: that there is none is known."""
    verdicts = measured(records_of(ALIKE))
    false = {name for name in verdicts.index if truth(name, ALIKE) == "contradicted"}
    assert false == {"emplifai-sft-llmjp", "emplifai-sft-four", "emplifai-safety"}
    assert (verdicts.corrected[list(false)] == "contradicted").all()
    others = verdicts[~verdicts.index.isin(false)]
    assert len(others) == 19 and set(others.corrected) == {"undecided"}


def test_systems_that_are_equally_empty_have_not_kept_their_knowledge():
    empty = {system: 0.1 for system in results.SYSTEMS} | {"another": 0.3}
    means = TREATED | {"emodoctor.facts": {"kept": empty}}
    verdicts = measured(records_of(means, ("emodoctor",)))
    kept = verdicts.loc["knowledge-kept"]
    assert (kept.ours, kept.corrected) == (deciding.HELD_BACK, deciding.HELD_BACK)
    assert kept.why == f"failed on kept: {gates.RULES['the least above another'].says}"


RULES = [
    *[("emodoctor.table1", "mean", name) for name in gates.EMOTION],
    *[
        (table, metric, name)
        for table, metrics in gates.NEEDED.items()
        for metric, rules in metrics.items()
        for name in rules
    ],
]


@functools.cache
def treated(paper: str) -> pd.DataFrame:
    return measured(records_of(TREATED, (paper,)))


def rests_on(claim: dict, table: str, metric: str) -> bool:
    comparisons = [c for test in claim["tests"]["ours"] or () for c in test.comparisons]
    return any((table, metric) == (t, m) for c in comparisons for _, t, _, m in c.terms)


@pytest.mark.parametrize(("table", "metric", "name"), RULES, ids=map(" ".join, RULES))
def test_an_instrument_that_fails_its_gate_decides_no_claim(table, metric, name):
    """The text that must be the lower one is scored above the other; nothing else changes."""
    rule, means = gates.RULES[name], dict(TREATED[table][metric])
    lower, other = rule.above[::-1] if rule.least is not None else rule.above
    means[lower] = means[other] + 1.0
    paper = table.partition(".")[0]
    broken = TREATED | {table: TREATED[table] | {metric: means}}
    verdicts, before = measured(records_of(broken, (paper,))), treated(paper)
    rests = [c["id"] for c in ledger.claims() if rests_on(c, table, metric)]
    held, others = verdicts.loc[rests], verdicts.drop(rests)
    assert len(held) and others.ours.to_dict() == before.ours.drop(rests).to_dict()
    if rule.limits:
        assert held.ours.tolist() == before.ours[rests].tolist()
        assert (held.why == f"of {rule.limits}").all()
    else:
        assert set(held.ours) == set(held.corrected) == {deciding.HELD_BACK}
        assert held.why.str.contains(f"failed on {metric}: {rule.says}", regex=False).all()


def test_a_gate_that_nobody_measured_is_not_passed():
    records = records_of(TREATED, ("emplifai",))
    without = records[(records.table != gates.TABLE) | (records.system != "sound above harm")]
    verdicts = measured(without)
    held = verdicts[verdicts.ours == deciding.HELD_BACK]
    assert set(held.index) == {"emplifai-sft-all", "emplifai-safety"}
    says = gates.RULES["sound above harm"].says
    assert (held.why == f"not measured on harmlessness: {says}").all()


def test_a_gate_of_fewer_than_ten_items_is_open(monkeypatch):
    monkeypatch.setattr(f"{__name__}.QUESTIONS", 9)
    records = records_of(TREATED)
    of_gates = records[records.table == gates.TABLE]
    assert set(of_gates.interval) == {"none"} and set(of_gates.n) == {9}
    assert set(gates.shown(records).outcome) == {"open"} and measured(records).empty
