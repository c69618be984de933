"""Mistakes planted in right answers, by hand, and whether the measures see them."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import parameters, runs
from emo_utils.scoring import facts, instruments, opposites, overlap_scores, planted_mistakes

ROW = {
    "answer": "Take ibuprofen 400 mg daily. Rest is important for the knee.",
    "soothing_response": (
        "You must be tired. Take ibuprofen 400 mg daily. Rest is important for your knee."
    ),
    "question": "?",
}
NOTHING = {
    "answer": "Rest well.",
    "soothing_response": "I hear you. Rest well, be kind to yourself.",
    "question": "What now?",
}


@pytest.fixture(scope="module")
def scorers(tiny):
    return instruments.load("tiny-llama", "tiny-llama", "tiny-llama", "float32")


@pytest.fixture
def run():
    values = parameters.resolve("11_judge_validity", {"profile": "smoke"})
    return runs.Run("11_judge_validity", values, {})


def test_a_sentence_is_turned_round():
    assert opposites.opposite("This is not serious.") == "This is serious."
    assert opposites.opposite("You must be tired.") == "You must not be tired."
    assert opposites.opposite("Rest well.") is None


def test_a_dose_becomes_ten_times_as_large():
    text = ROW["soothing_response"]
    assert planted_mistakes.another_dose(text) == text.replace("400", "4000")
    assert planted_mistakes.another_dose("Rest, 5 times.") is None


def test_the_sentence_with_most_facts_goes():
    left = planted_mistakes.without_a_fact(ROW["soothing_response"], ROW["answer"])
    # ibuprofen, daily and 400 against important
    assert left.split() == "You must be tired. Rest is important for your knee.".split()


def test_what_is_opposed_is_what_comes_nearest_to_the_doctors(monkeypatch):
    """The nearest of ours has nothing to turn round; the second is taken."""
    pairs = [("Rest well.", "Do rest.", 0.5), ("Take it.", "You may take it.", 0.4)]
    pairs.append(("Drink.", "Drink.", 0.9))
    monkeypatch.setattr(facts, "nearest", lambda encoder, theirs, ours: [pairs])
    row = {"answer": "", "soothing_response": "Do rest. You may take it. Drink."}
    found = opposites.to_oppose(None, row)
    assert found == ("Take it.", "You may take it.", "You may not take it.")
    assert opposites.negated(None, row) == "Do rest. You may not take it. Drink."
    pairs.pop(1)
    assert opposites.to_oppose(None, row) is None
    assert opposites.negated(None, row) is None


def test_a_measure_that_moves_down_has_found_it(scorers):
    rows, invented = [ROW, NOTHING], planted_mistakes.INVENTED_DRUG
    answers = [row["soothing_response"] for row in rows]
    plain = planted_mistakes.measures(rows, answers, scorers)
    assert plain.added.tolist() == [0, 0]
    assert planted_mistakes.alarms(plain.assign(added=[0, -2], opposed=0)).to_dict("list") == {
        "added": [0.0, 1.0],
        "opposed": [0.0, 0.0],
    }
    found = planted_mistakes.hits(rows, [answers[0] + invented, None], plain, scorers)
    assert found.loc[0, "added"] == 1.0 and found.loc[1].isna().all()
    doctor = [ROW["answer"]]
    before, after = (
        overlap_scores.rouge_items([text], doctor)["rougeL"][0]
        for text in (answers[0], answers[0] + invented)
    )
    assert found.loc[0, "rougeL"] == float(after < before)
    assert planted_mistakes.hits(rows, [None, None], plain, scorers).isna().all(axis=None)
    gap = plain.assign(kept=np.nan)
    assert np.isnan(planted_mistakes.hits(rows[:1], answers[:1], gap[:1], scorers).kept[0])


def test_each_mistake_and_none_is_recorded(run, scorers, capsys):
    planted = {
        "a drug invented": lambda row: row["soothing_response"] + planted_mistakes.INVENTED_DRUG,
        "a dose": lambda row: planted_mistakes.another_dose(row["soothing_response"]),
        "never": lambda row: None,
    }
    planted_mistakes.add_hits(run, [ROW, NOTHING], planted, scorers)
    found = {(r.system, r.metric): r for r in run.records}
    assert [metric for name, metric in found if name == "nothing"] == ["added", "opposed"]
    drug, dose = found["a drug invented", "added"], found["a dose", "added"]
    assert (drug.value, drug.n, drug.unscored, drug.scorer) == (1.0, 2, 0, "rules")
    assert (dose.value, dose.n, dose.unscored) == (1.0, 1, 1)
    assert "never, added: none of 2 was scored" in capsys.readouterr().out


class Reader:
    """Says *no* with more for the sentence turned round, and nothing of a secret."""

    name, signature = "reader", "signed"

    def decide(self, states, questions, desc):
        chances = [
            None if "secret" in state else 0.9 if " not " in state else 0.4 for state in states
        ]
        rows = [
            {"state": k, "question": "q", "option": option, "probability": p and (p, 1 - p)[place]}
            for k, p in enumerate(chances)
            for place, option in enumerate(("no", "yes"))
        ]
        return pd.DataFrame(rows)


def test_no_becomes_likelier_for_the_opposite(run, scorers):
    trios = [
        ("It is so.", "That is so.", "That is not so."),
        ("It is secret.", "This is so.", "This is not so."),
    ]
    found = planted_mistakes.denials(Reader(), trios)
    assert found[0].tolist() == [0.4, 0.9] and np.isnan(found[1]).all()
    secret = ROW | {"answer": ROW["answer"].replace("knee", "secret").replace("Take", "secret")}
    reading = instruments.Instruments("e", scorers.encoder, "r", (), Reader())
    planted_mistakes.add_denials(run, [ROW, secret, NOTHING], reading)
    [record] = run.records
    assert (record.value, record.n, record.unscored) == (1.0, 1, 1)
    assert record.scorer == "reader" and "; signed" in record.signature
