"""Gates: what their records say, and which claims they hold back."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from emo_utils.claims import deciding, gates, ledger, predicates
from emo_utils.experiment import results

COLUMNS = {
    "emodoctor.table1": ["mean", "max"],
    "emodoctor.facts": ["kept"],
    "emodoctor.figure2.emotion": ["win_share"],
    "emodoctor.table3": ["comfort_share"],
}
FIELDS = ["table", "system", "metric", "group", "value", "ci_low", "ci_high", "interval", "n"]


def gate(rule, low, high, metric="mean", table="emodoctor.table1", interval="items"):
    return ("gates", rule, metric, table, (low + high) / 2, low, high, interval, 20)


def combination(key, low, high):
    return (deciding.TABLE, key, "combination", "all", (low + high) / 2, low, high, "items", 20)


def claim(predicate):
    return {"tests": {"ours": predicates.parse(predicate, COLUMNS)}}


def verdict(predicate, *rows):
    records = pd.DataFrame(rows, columns=FIELDS)
    return deciding.our_verdict(
        claim(predicate), deciding.sums_of_cells(records), gates.recorded(records)
    )


@pytest.mark.parametrize(
    ("rule", "low", "high", "said"),
    [
        ("reference above doctor", 0.01, 0.2, "passed"),
        ("reference above doctor", -0.01, 0.2, "open"),
        ("reference above doctor", -0.2, -0.1, "failed"),
        ("reference above doctor", 0.0, 0.2, "open"),  # a difference of none is not above
        ("said twice", -0.1, 0.04, "passed"),
        ("said twice", 0.0, 0.06, "open"),
        ("said twice", 0.06, 0.1, "failed"),
        ("padding alone", -0.2, -0.1, "passed"),
        ("padding alone", 0.1, 0.2, "failed"),
        ("right in both orders", 0.81, 1.0, "passed"),
        ("right in both orders", 0.6, 0.9, "open"),
        ("right in both orders", 0.1, 0.4, "failed"),
        ("the same in both orders", 0.51, 0.8, "passed"),
        ("planted are found", 0.3, 0.55, "failed"),
        ("look-alikes are left alone", 0.0, 0.2, "passed"),
        ("look-alikes are left alone", 0.3, 0.6, "failed"),
        ("found in systems", 0.61, 0.9, "passed"),
        ("left alone in systems", 0.05, 0.13, "passed"),
        ("most flags are right", 0.07, 0.28, "failed"),
        ("most flags are right", 0.4, 0.7, "open"),
    ],
)
def test_a_gate_is_passed_where_its_whole_interval_lies_where_it_must(rule, low, high, said):
    record = pd.DataFrame([gate(rule, low, high)], columns=FIELDS).iloc[0]
    assert gates.outcome(record) == said
    assert gates.outcome(record.replace("items", "none")) == "open"  # too few for an interval


WARMER = combination("emodoctor.table1/a/mean - emodoctor.table1/b/mean", 0.1, 0.2)


def test_a_claim_is_held_back_by_a_gate_of_its_own_metric_alone():
    closed = gate("reference above doctor", -0.1, 0.1)
    said, evidence, why = verdict("a > b on emodoctor.table1 mean", WARMER, closed)
    assert said == deciding.HELD_BACK and evidence[0][2] is True
    assert why == "open on mean: the warm answers score above the doctor's plain ones"
    of_max = gate("reference above doctor", -0.1, 0.1, metric="max")
    assert verdict("a > b on emodoctor.table1 mean", WARMER, of_max)[::2] == ("supported", "")
    passed = gate("reference above doctor", 0.1, 0.2)
    assert verdict("a > b on emodoctor.table1 mean", WARMER, passed)[::2] == ("supported", "")


PREFERRED = combination(
    "emodoctor.figure2.emotion/a/win_share - emodoctor.figure2.emotion/b/win_share", 0.1, 0.2
)


def test_a_judge_that_errs_where_nobody_would_decides_no_preference():
    asked, table = "a > b on emodoctor.figure2.emotion win_share", "emodoctor.figure2.emotion"
    right = gate("right in both orders", 0.85, 1.0, "win_share", table)
    assert verdict(asked, PREFERRED, right)[::2] == ("supported", "")
    wrong = gate("right in both orders", 0.2, 0.5, "win_share", table)
    said, _, why = verdict(asked, PREFERRED, wrong)
    assert said == deciding.HELD_BACK
    assert why.startswith("failed on win_share: the judge prefers the warm answer")
    few = gate("right in both orders", 1.0, 1.0, "win_share", table, interval="none")
    assert verdict(asked, PREFERRED, right, few)[0] == deciding.HELD_BACK
    coin = gate("the same in both orders", 0.4, 0.6, "win_share", table)
    assert verdict(asked, PREFERRED, right, coin)[2].startswith("open on win_share: the judge's")


def test_a_mark_that_is_given_to_look_alikes_decides_no_share_of_comfort():
    comforts = combination(
        "emodoctor.table3/a/comfort_share - emodoctor.table3/b/comfort_share", 0.1, 0.2
    )
    alike = gate("look-alikes are left alone", 0.3, 0.6, "comfort_share", "emodoctor.table3")
    said, _, why = verdict("a > b on emodoctor.table3 comfort_share", comforts, alike)
    assert said == deciding.HELD_BACK and why.startswith("failed on comfort_share: the mark is")


def test_padding_that_scores_high_limits_what_a_verdict_is_about():
    said, _, why = verdict(
        "a > b on emodoctor.table1 mean", WARMER, gate("padding alone", 0.1, 0.2)
    )
    assert (said, why) == ("supported", f"of {gates.WORDS}")


def test_what_was_not_measured_needs_no_gate():
    closed = gate("reference above doctor", -0.1, 0.1)
    assert verdict("a > b on emodoctor.table1 mean", closed)[0] == "not measured"


def test_who_keeps_nothing_has_lost_nothing():
    """The gate of what is kept bears on claims of no loss (>=), not on those of a gain (>)."""
    kept = combination("emodoctor.facts/a/kept - emodoctor.facts/b/kept", 0.1, 0.2)
    nothing = gate("the least above another", -0.2, -0.1, "kept", "emodoctor.facts")
    said, _, why = verdict("a >= b on emodoctor.facts kept", kept, nothing)
    assert said == deciding.HELD_BACK and why.startswith("failed on kept: each tuned system")
    assert verdict("a > b on emodoctor.facts kept", kept, nothing)[0] == "supported"


JUDGED = {"emplifai.table4": ["fluency", "security"]}
BETTER = [
    combination(f"emplifai.table4/a/{rubric} - emplifai.table4/b/{rubric}", 0.5, 1)
    for rubric in JUDGED["emplifai.table4"]
]


def test_a_needed_gate_without_a_record_is_not_passed():
    tests = {"ours": predicates.parse("a > b on emplifai.table4 *", JUDGED)}
    rules = gates.NEEDED["emplifai.table4"]
    passed = [
        gate(rule, 1, 2, rubric, "emplifai.table4")
        for rubric in ("fluency", "security")
        for rule in rules[rubric]
    ]

    def found(rows):
        records = pd.DataFrame([*BETTER, *rows], columns=FIELDS)
        return deciding.our_verdict(
            {"tests": tests}, deciding.sums_of_cells(records), gates.recorded(records)
        )

    assert found(passed)[::2] == ("supported", "")
    said, _, why = found([])
    assert said == deciding.HELD_BACK
    repeated = gates.RULES["above a repeated turn"].says
    assert why.startswith(f"not measured on fluency, security: {repeated}; ")  # said once
    assert why.count("not measured on security: ") == 2
    below = gate("above a repeated turn", 0.1, 0.3, "security", "emplifai.table4")
    others = [row for row in passed if row[1:3] != ("above a repeated turn", "security")]
    said, _, why = found([*others, below])
    assert (said, why) == (deciding.HELD_BACK, f"failed on security: {repeated}")


def test_the_gates_that_claims_need_are_rules_of_claimed_metrics():
    """Every metric of a table with needed gates that a claim asks for has some, and no other."""
    asked = {
        (table, metric)
        for claim in ledger.claims()
        for test in claim["tests"]["ours"] or ()
        for comparison in test.comparisons
        for _, table, _, metric in comparison.terms
    }
    needed = {(table, metric) for table, metrics in gates.NEEDED.items() for metric in metrics}
    assert needed == {(table, metric) for table, metric in asked if table in gates.NEEDED}
    for table, metric in needed:
        rules = [gates.RULES[name] for name in gates.NEEDED[table][metric]]
        assert rules and all((rule.least is None) != (rule.most is None) for rule in rules)
    assert gates.RULES["said twice"].threshold == "below 0.05"
    assert gates.RULES["sound above harm"].threshold == "above 0.5"


class Run(SimpleNamespace):
    def add(self, **fields):
        self.records.append(fields)

    def add_mean(self, values, **fields):
        values = pd.Series(values, dtype=float)
        self.records.append(fields | {"value": values.mean(), "n": len(values.dropna())})


def duels(*rows):
    columns = ["id", "first", "second", "question", "win", "agreed", "second_win"]
    return pd.DataFrame(rows, columns=columns)


def test_a_judge_is_right_where_both_orders_pick_the_right_answer():
    """Of five questions one is right, one right in one order alone, one wrong, one even, and one
    cannot be read.
    """
    known = duels(
        *[
            (item, "reference", "another", "emotion", win, agreed, np.nan)
            for item, win, agreed in (
                ("a", 1.0, True),
                ("b", 1.0, False),
                ("c", 0.0, True),
                ("d", 0.5, False),
            )
        ]
    )
    pairs = duels(
        ("a", "x", "y", "emotion", 1.0, True, 1.0),
        ("a", "z", "y", "emotion", 0.0, True, 1.0),
        ("b", "x", "y", "emotion", 1.0, False, 0.5),  # the second judge has no favourite
    )
    run = Run(records=[])
    gates.add_of_judge(run, known, list("abcde"), pairs, "judge")
    of_emotion = {r["system"]: r for r in run.records if r["group"].endswith("emotion")}
    found = {name: (r["value"], r["n"]) for name, r in of_emotion.items()}
    assert found == {
        "right in both orders": (0.2, 5),
        "the same in both orders": (pytest.approx(2 / 3), 3),
        "as the second judge": (0.5, 2),
    }
    assert of_emotion["as the second judge"]["units"].tolist() == ["a", "a"]
    of_knowledge = [r for r in run.records if r["group"].endswith("knowledge")]
    assert [(r["system"], r["value"]) for r in of_knowledge] == [("right in both orders", 0.0)]
    assert {r["metric"] for r in run.records} == {"win_share"}


def test_a_mark_is_tried_on_what_it_is_meant_for_and_on_look_alikes():
    run = Run(records=[])
    planted = {"comfort": (pd.Series([1.0, 1.0, 0.0, 0.0]), pd.Series([0.0, 0.0, 1.0]))}
    gates.add_of_marks(run, planted, "t", {"opens": "comfort", "share": "comfort"}, "who")
    assert [(r["system"], r["metric"], r["value"], r["n"]) for r in run.records] == [
        (rule, metric, value, n)
        for metric in ("opens", "share")
        for rule, value, n in zip(gates.MARKS, (0.5, pytest.approx(1 / 3)), (4, 3), strict=True)
    ]
    assert {(r["group"], r["kind"]) for r in run.records} == {("t", "share")}


def test_a_mark_is_tried_on_what_systems_wrote():
    run = Run(records=[])
    read = {"claims": ([1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0, 0.0])}
    gates.add_of_marks(run, read, "emodoctor.safety", {"claims": "claims"}, "who", gates.READ)
    assert {r["system"]: (r["value"], r["n"]) for r in run.records} == {
        "found in systems": (0.5, 2),
        "left alone in systems": (0.25, 4),
        "most flags are right": (0.2, 5),
    }
    assert {r["signature"] for r in run.records} == {
        "share of sentences that systems wrote and a language model read"
    }


def test_a_rare_mark_that_is_mostly_wrong_decides_nothing():
    """It finds what there is, is given to 8 % of the rest, and is right in one flag of six."""
    comforts = combination(
        "emodoctor.table3/a/comfort_share - emodoctor.table3/b/comfort_share", 0.1, 0.2
    )
    of = "comfort_share", "emodoctor.table3"
    others = [gate("found in systems", 0.7, 1, *of), gate("left alone in systems", 0.05, 0.13, *of)]
    asked = "a > b on emodoctor.table3 comfort_share"
    assert verdict(asked, comforts, *others)[0] == "supported"
    said, _, why = verdict(asked, comforts, *others, gate("most flags are right", 0.07, 0.28, *of))
    assert said == deciding.HELD_BACK
    assert why == f"failed on comfort_share: {gates.RULES['most flags are right'].says}"


def test_what_shows_numbers_of_a_mark_that_failed_says_so():
    rows = [
        gate("planted are found", 0.7, 0.9, "claims", "emodoctor.safety"),
        gate("planted are found", 0.2, 0.4, "prescribes", "emodoctor.safety"),
        gate("look-alikes are left alone", 0.1, 0.4, "prescribes", "emodoctor.safety"),
        gate("look-alikes are left alone", 0.1, 0.4, "discourages", "emodoctor.safety"),
    ]
    records = pd.DataFrame(rows, columns=FIELDS)
    assert list(gates.not_passed(records, "emodoctor.safety")) == ["prescribes", "discourages"]
    assert gates.warning(records, "emodoctor.safety") == (
        "Not to be relied on, by their gates: prescribes ("
        "failed: the mark is given to 60 % at least of the planted texts that it is meant for); "
        "prescribes, discourages ("
        "open: the mark is given to fewer than 25 % of the texts that only sound like it)"
    )
    assert gates.warning(records, "emodoctor.table3") == ""


def test_every_rule_of_chapters_5_to_8_says_where_its_threshold_comes_from():
    for name in (*gates.EMOTION, *gates.JUDGE, *gates.MARKS, *gates.READ):
        rule = gates.RULES[name]
        assert (rule.least is None) != (rule.most is None) and rule.because
    table = gates.registered().set_index("must hold")
    assert len(table) == len(gates.RULES)
    of_judge = table.loc[gates.RULES["right in both orders"].says]
    assert of_judge["the whole interval"] == "above 0.8" and "coin" in of_judge.because


def test_differences_are_recorded_question_by_question():
    scores = pd.DataFrame({("mean", "reference"): [0.5, 0.75], ("mean", "doctor"): [0.25, np.nan]})
    run = Run(records=[])
    gates.add_differences(
        run, scores, ("reference above doctor",), "t", scorer="who", signature="how"
    )
    (record,) = run.records
    assert (record["value"], record["n"], record["group"]) == (0.25, 1, "t")
    assert record["signature"].endswith("; how") and record["scorer"] == "who"


def test_the_system_that_keeps_least_stands_for_all():
    tuned = results.SYSTEMS[2:]
    kept = pd.DataFrame({system: [0.5] * 12 for system in tuned} | {"another": [0.25] * 12})
    kept["eqsr-kto"] = 0.125
    run = Run(records=[])
    gates.add_least_kept(run, kept, seed=1, scorer="who")
    (record,) = run.records
    assert (record["value"], record["ci_low"], record["ci_high"]) == (-0.125, -0.125, -0.125)


def test_a_corpus_score_is_compared_draw_by_draw():
    found = {"reference": (10.0, np.array([9.0, 11.0])), "another": (4.0, np.array([4.0, 2.0]))}
    run = Run(records=[])
    gates.add_drawn(
        run, lambda _, s, m: found[s], "reference above another", "t", ["bleu"], 17, "who"
    )
    (record,) = run.records
    error = 2 * np.sqrt(17 / 16)  # the draws differ by 5 and 9
    assert record["value"] == 6.0 and record["n"] == 17
    assert record["ci_high"] - 6 == pytest.approx(scipy.stats.t.ppf(0.975, 16) * error)


def test_the_table_of_gates_names_the_claims_and_the_outcome():
    rows = [gate("said twice", 0.06, 0.1), gate("said twice", 0.06, 0.06, interval="none")]
    shown = gates.shown(pd.DataFrame(rows, columns=FIELDS))
    assert shown.outcome.tolist() == ["failed", "open"]
    assert shown.found.tolist() == ["+0.08 [+0.06, +0.10]", "+0.06"]
    assert shown.threshold.tolist() == ["below 0.05"] * 2
    share = pd.DataFrame([gate("right in both orders", 0.25, 0.75)], columns=FIELDS)
    assert gates.shown(share).found.tolist() == ["0.50 [0.25, 0.75]"]  # no difference, no sign
    assert gates.shown(pd.DataFrame(columns=FIELDS)).empty
