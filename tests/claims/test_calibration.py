"""Verdicts on simulated books of which the truth is known: few here, many in
`benchmarks/verdicts.py`.
"""

import importlib.util

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from emo_utils.claims import deciding
from emo_utils.claims import ledger as claims_ledger
from emo_utils.project import ROOT
from emo_utils.stats import comparisons

spec = importlib.util.spec_from_file_location("simulated_books", ROOT / "benchmarks/verdicts.py")
simulated = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simulated)
EMOTION = {"emotion": simulated.CHAPTERS["emotion"]}


@pytest.fixture(scope="module", autouse=True)
def files_read_once():
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (claims_ledger, "claims"),
            (claims_ledger, "published"),
            (deciding, "printed_verdict"),
        ):
            patch.setattr(module, name, getattr(module, name))
        simulated.read_once()
        yield


def books(count: int, *args, seed: int = 0, **options):
    rng = np.random.default_rng(seed)
    return [simulated.book(rng, *args, **options) for _ in range(count)]


def test_where_nothing_differs_few_claims_are_judged():
    """Of 20 books and 33 claims some 3 % would be judged wrongly, and hardly a book after Holm."""
    found = simulated.tried(books(20, 20))
    assert found["claims"] == 33 and found["wrong"] < 0.06
    assert found["after Holm"] <= 0.1 < found["books with a wrong one"]


def test_one_training_is_taken_for_its_method_and_three_are_not():
    one = simulated.tried(books(10, 65, 1, 0.06, chapters=EMOTION))
    three = simulated.tried(books(10, 65, 3, 0.06, chapters=EMOTION))
    assert one["after Holm"] > 0.6 > 0.3 > three["after Holm"] and three["wrong"] < 0.1


def test_a_planted_difference_is_found_as_often_as_computed():
    made = books(25, 65, planted=0.06, chapters=EMOTION)
    found = simulated.power(made, np.random.default_rng(1), 65, 0.06)
    assert 0.45 < found["computed"] < 0.65  # a quarter more or less by chance of 25 books
    assert found["supported"] == pytest.approx(found["computed"], abs=0.25)
    assert found["supported after Holm"] <= found["supported"]
    assert simulated.tried(made, 0.06)["after Holm"] < 0.2


def test_gates_that_are_passed_change_no_verdict_and_others_leave_none(monkeypatch):
    [found], [none] = books(1, 65, planted=0.12), books(1, 65, planted=0.12, tells=False)
    monkeypatch.setattr(simulated.gates, "NEEDED", {})
    monkeypatch.setattr(simulated, "add_gates", lambda *given: None)
    [without] = books(1, 65, planted=0.12)
    assert found.ours.tolist() == without.ours.tolist() and not found.why.any()
    decided = found.ours.isin(["supported", "contradicted"])
    assert decided.sum() > 5
    gated = ~none.tables.map(lambda tables: any("figure2" in t or "table3" in t for t in tables))
    assert set(none.ours[decided & gated]) == {deciding.HELD_BACK}


def test_fewer_than_ten_questions_have_no_verdict():
    [frame] = books(1, 9)
    assert set(frame.ours) == set(frame.corrected) == {"not measured"} and frame.p.isna().all()


def test_what_is_true_in_a_simulated_world():
    alike, planted = simulated.truths(0.0), simulated.truths(0.1)
    assert alike.true[alike.true].index.tolist() == ["knowledge-kept"]
    notable = ["emplifai-sft-llmjp", "emplifai-sft-four", "emplifai-safety"]  # half a point or more
    assert alike.false[alike.false].index.tolist() == notable
    assert planted.true["dpo-warmest-everywhere"] and planted.true["dpo-beats-prompt"]
    assert not planted.true["tuning-warms"] and not planted.false["tuning-warms"]
    assert planted.false[planted.false].index.tolist() == ["er-first-warms", *notable]


def test_verdicts_say_what_their_intervals_cover():
    [one], [three] = books(1, 12), books(1, 12, 3)
    measured = one.ours != "not measured"
    assert set(one.covers[measured]) == {"items"} and set(one.covers[~measured]) == {""}
    assert set(three.covers[measured]) == {"seeds and items"}
    marked = claims_ledger.marked(three)
    assert marked[measured].str.endswith(" (over training seeds)").all()
    assert claims_ledger.marked(one)[measured].str.endswith(" (this checkpoint)").all()
    assert set(marked[~measured]) == {"not measured"}


def test_a_claims_p_value_is_five_percent_where_its_verdict_turns():
    """By hand: one comparison, the largest of several that must all hold, Bonferroni's for one of
    many; and the verdict is the p-value's throughout.
    """
    parsed = {claim["id"]: claim for claim in claims_ledger.claims()}

    def sums(claim, *z):
        keys = [c.key for test in claim["tests"]["ours"] for c in test.comparisons]
        p = 2 * scipy.stats.norm.sf(np.abs(z))
        ends = [(value - 1.96, value + 1.96) for value in z]
        return {k: (v, *e, float(q), "items") for k, v, e, q in zip(keys, z, ends, p)}

    single, four = parsed["dpo-beats-prompt"], parsed["dpo-best-method"]
    assert deciding.p_value(single, sums(single, 2.5)) == pytest.approx(
        2 * scipy.stats.norm.sf(2.5)
    )
    least = deciding.p_value(four, sums(four, 3.0, 2.2, 4.0, 2.6))
    assert least == pytest.approx(2 * scipy.stats.norm.sf(2.2))
    fails = deciding.p_value(four, sums(four, 3.0, 1.0, -2.9, -1.0))
    assert fails == pytest.approx(4 * 2 * scipy.stats.norm.sf(2.9))
    for z in np.random.default_rng(0).normal(scale=2.5, size=(300, 4)):
        found = sums(four, *z)
        decided = deciding.our_verdict(four, found, {})[0] in (
            "supported",
            "contradicted",
        )
        assert decided == (deciding.p_value(four, found) <= 0.05)


def test_corrected_verdicts_are_said_with_holms_p_value():
    frame = pd.DataFrame(
        {
            "corrected": ["supported", "undecided", "not measured"],
            "p_adjusted": [1e-5, 0.25, np.nan],
        }
    )
    said = claims_ledger.corrected_in_words(frame)
    assert said == ["supported, p < 0.001", "undecided, p = 0.250", ""]


def test_the_correction_is_holms_over_what_was_measured():
    [frame] = books(1, 65, planted=0.12, chapters=EMOTION)
    measured = frame[frame.ours != "not measured"]
    assert measured.p_adjusted.tolist() == pytest.approx(comparisons.holm(measured.p).tolist())
    turned = frame[frame.ours != frame.corrected]
    assert (turned.corrected == "undecided").all() and (turned.p_adjusted > 0.05).all()
    chapter = claims_ledger.ledger(pd.DataFrame(columns=["table"]), ("emodoctor.table1",))
    assert len(chapter) == 12 and chapter.p_adjusted.isna().all()


def test_a_sum_over_seeds_stands_before_one_over_items():
    frame = simulated.results.frame(
        [
            {"table": deciding.TABLE, "system": "x", "value": v, "ci_low": 0, "ci_high": 9}
            | {"interval": interval, "p": p}
            for v, interval, p in ((1, "items", 0.1), (2, "seeds and items", 0.2), (3, "items", 0))
        ]
    )
    assert deciding.sums_of_cells(frame) == {"x": (2, 0, 9, 0.2, "seeds and items")}
    none = frame.assign(interval="none")
    assert deciding.sums_of_cells(none) == {}


def test_a_record_has_the_p_value_of_its_claims_edge():
    """Facts kept are held against 0 by one claim and against two hundredths less by another."""
    made = simulated.Book()
    rng = np.random.default_rng(2)
    items = {s: rng.normal(size=30) for s in simulated.results.SYSTEMS}
    claims_ledger.add_combinations(
        made, ("emodoctor.facts",), lambda t, s, m: (items[s].mean(), items[s]), 30, "x"
    )
    of_key = {r.system: r for r in made.records}
    plain = "emodoctor.facts/er-sft/kept - emodoctor.facts/base/kept"
    differences = items["er-sft"] - items["base"]
    for key, edge in ((plain, 0.0), (f"{plain} against -0.02", -0.02)):
        assert of_key[key].p == pytest.approx(scipy.stats.ttest_1samp(differences, edge).pvalue)
    claims_ledger.add_combinations(
        made, ("emodoctor.table3",), lambda *cell: None, 30, "x"
    )  # systems that are not there
    assert len(made.records) == len(of_key)
