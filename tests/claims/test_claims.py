"""Claims: the language of predicates, both verdicts, and the file of claims itself."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import yaml

from emo_utils.claims import deciding, gates, predicates
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import results
from emo_utils.experiment.results import SYSTEMS
from emo_utils.project import EmoError
from emo_utils.stats import intervals

COLUMNS = {"t": ["a", "b"]}
ALL = claims_ledger.claims()


def sums(predicate: str) -> list[str]:
    return [
        str(comparison)
        for test in predicates.parse(predicate, COLUMNS)
        for comparison in test.comparisons
    ]


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("x > y on t a", ["x minus y > 0 on t a"]),
        ("x < y on t a", ["y minus x > 0 on t a"]),
        ("x <= y on t a", ["y minus x >= 0 on t a"]),
        (
            "x, y > z on t *",
            [
                "x minus z > 0 on t a",
                "x minus z > 0 on t b",
                "y minus z > 0 on t a",
                "y minus z > 0 on t b",
            ],
        ),
        ("x minus y = 0.03 within 0.005 on t a", ["x minus y = 0.03 within 0.005 on t a"]),
        ("x >= 0.83 on t a", ["x >= 0.83 on t a"]),
        ("t/x/a plus u/y/b <= 2 times t/z/a", ["2 times t/z/a minus t/x/a minus u/y/b >= 0"]),
        (
            "x, y in a minus 3 times b = 0 on t",
            ["t/x/a minus 3 times t/x/b = 0", "t/y/a minus 3 times t/y/b = 0"],
        ),
        ("x > y on t a and y > z on t b", ["x minus y > 0 on t a", "y minus z > 0 on t b"]),
    ],
)
def test_a_predicate_is_written_out(predicate, expected):
    assert sums(predicate) == expected


def test_groups_of_systems_are_written_out():
    assert len(sums("tuned > base on t a")) == 7 and not any(
        "prompt" in line for line in sums("tuned > base on t a")
    )
    others = sums("eqsr-dpo > others on t a")
    assert others == [f"eqsr-dpo minus {s} > 0 on t a" for s in SYSTEMS if s != "eqsr-dpo"]


@pytest.mark.parametrize(
    ("predicate", "what"),
    [
        ("x > on t a", "a name is missing before 'on'"),
        ("x y on t a", "no comparison"),
        ("x > y", "'x' has no table and column"),
        ("x > y on t", "'x' has no table and column"),
        ("x > y within much on t a", "'much' is no number"),
        ("x > y within", "a name is missing before 'the end'"),
        ("x > y on t a b", "'b' is not expected"),
        ("x > y on unknown *", "no published numbers"),
        ("at least 3 of x > y on t *", "at least 3 of 2 comparisons"),
        ("at 3 of x > y on t *", "'at' without 'least'"),
        ("half times x > y on t a", "no whole number"),
        ("1 > 2 on t a", "numbers alone"),
        ("", "a name is missing"),
    ],
)
def test_a_wrong_predicate_is_quoted_with_what_is_wrong(predicate, what):
    with pytest.raises(EmoError) as error:
        predicates.parse(predicate, COLUMNS)
    assert (
        what in str(error.value)
        and "claims.yaml" in str(error.value)
        and predicate in str(error.value)
    )


def test_nothing_in_a_predicate_is_executed(tmp_path):
    """Code is a name like any other, of a system that no table has."""
    code = f"open('{tmp_path}/made','w') > y on t a"
    with pytest.raises(EmoError):
        predicates.parse(code, COLUMNS)
    code = f"__import__('pathlib').Path('{tmp_path}','made').touch()".replace(",", "+")
    tests = predicates.parse(f"{code.replace('/', '_')} > y on t a", COLUMNS)
    assert len(tests) == 1 and not list(tmp_path.iterdir())


def decided(predicate: str, *intervals) -> bool | None:
    """What a predicate says when its comparisons are found with these intervals,
    in order (None: no record).
    """
    found = iter([None if i is None else (sum(i) / 2, *i) for i in intervals])
    return deciding.decide(predicates.parse(predicate, COLUMNS), lambda comparison: next(found))[0]


@pytest.mark.parametrize(
    ("predicate", "intervals", "expected"),
    [
        ("x > y on t a", [(0.01, 0.2)], True),
        ("x > y on t a", [(-0.2, -0.01)], False),
        ("x > y on t a", [(-0.1, 0.2)], None),
        (
            "x > y on t a",
            [(0.0, 0.0)],
            None,
        ),  # not one difference: no lead, and no lead the other way
        ("x > y on t a", [None], None),
        ("x >= y within 0.1 on t a", [(-0.05, 0.2)], True),
        ("x >= y within 0.1 on t a", [(-0.3, -0.2)], False),
        ("x >= y within 0.1 on t a", [(-0.2, 0.2)], None),
        ("x = y within 0.1 on t a", [(-0.05, 0.1)], True),
        ("x = y within 0.1 on t a", [(0.15, 0.3)], False),
        ("x = y within 0.1 on t a", [(0.05, 0.3)], None),
        ("x > 0.5 on t a", [(0.6, 0.8)], True),
        ("x > 0.5 on t a", [(0.1, 0.3)], False),
        ("x > y on t *", [(0.1, 0.2), (0.01, 0.2)], True),
        ("x > y on t *", [(0.1, 0.2), (-0.1, 0.2)], None),
        ("x > y on t *", [(0.1, 0.2), (-0.3, -0.2)], False),
        ("x > y on t *", [None, (-0.3, -0.2)], False),
        ("x > y on t a and y > z on t a", [(0.1, 0.2), (0.1, 0.2)], True),
        ("x > y on t a and y > z on t a", [(0.1, 0.2), (-0.3, -0.2)], False),
        ("at least 1 of x > y on t *", [(0.1, 0.2), (-0.3, -0.2)], True),
        ("at least 1 of x > y on t *", [(-0.1, 0.2), (-0.3, -0.2)], None),
        ("at least 1 of x > y on t *", [(-0.3, -0.2), (-0.3, -0.2)], False),
    ],
)
def test_intervals_decide(predicate, intervals, expected):
    assert decided(predicate, *intervals) is expected


def test_one_of_many_comparisons_must_lie_clearly_on_the_other_side():
    """One comparison: an interval just below zero contradicts.

    Seventy: that happens by chance, so the interval is widened first (z = 3.4 in place of 1.96).
    """
    just_below, clearly_below = (-0.2, -0.01), (-0.2, -0.1)
    columns = {"t": [f"m{i}" for i in range(70)]}
    for interval, expected in ((just_below, None), (clearly_below, False)):
        found = iter([(sum(interval) / 2, *interval)] + [(0.2, 0.1, 0.3)] * 69)
        assert (
            deciding.decide(
                predicates.parse("x > y on t *", columns), lambda c, found=found: next(found)
            )[0]
            is expected
        )
    assert decided("x > y on t a", just_below) is False


def test_one_of_many_that_would_do_must_hold_clearly_too():
    assert decided("at least 1 of x > y on t *", (0.002, 0.2), (-0.1, 0.1)) is None
    assert decided("at least 1 of x > y on t *", (0.1, 0.2), (-0.1, 0.1)) is True


@pytest.mark.parametrize("side", ["printed", "ours"])
@pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim["id"])
def test_every_predicate_can_come_out_true_false_and_undecided(claim, side):
    tests = claim["tests"][side]
    if tests is None:
        assert side not in claim
        return
    distance = 1000

    def holds(c):
        value = float(-c.constant) + (0 if c.operator == "=" else distance)
        return value, value, value

    def fails(c):
        value = float(-c.constant) - distance
        return value, value, value

    def open_(c):
        return float(-c.constant), float(-c.constant) - distance, float(-c.constant) + distance

    assert deciding.decide(tests, holds)[0] is True
    assert deciding.decide(tests, fails)[0] is False
    assert deciding.decide(tests, open_)[0] is None
    if side == "printed":  # printed numbers are known: true or false
        assert (
            deciding.decide(tests, lambda c: tuple(map(Decimal, map(str, holds(c)))), exact=True)[0]
            is True
        )
        assert (
            deciding.decide(tests, lambda c: tuple(map(Decimal, map(str, fails(c)))), exact=True)[0]
            is False
        )


# The file


def test_claims_are_many_and_say_where_they_stand():
    raw = yaml.safe_load(claims_ledger.CLAIMS.read_text(encoding="utf-8"))
    assert len(raw) >= 40 and {c["paper"] for c in raw} == {
        "emodoctor",
        "emplifai",
        "empathy-by-design",
    }
    assert len({c["id"] for c in raw}) == len({c["claim"] for c in raw}) == len(raw)
    for claim in raw:
        assert (
            set(claim) <= {"id", "paper", "place", "claim", "printed", "ours", "note", "words"}
            and claim["place"]
        ), claim
        assert claim["paper"] != "empathy-by-design" or "printed" not in claim, (
            "its tables are not at hand"
        )


def test_every_claim_that_the_printed_numbers_do_not_bear_out():
    """Checked by hand against the papers' tables; the notes of claims.yaml have the numbers."""
    cells = deciding.printed_cells(claims_ledger.published())
    failed = [
        claim["id"] for claim in ALL if deciding.printed_verdict(claim, cells)[0] == "not borne out"
    ]
    assert failed == [
        "tuning-beats-prompt",
        "dpo-gain-max",
        "er-beats-prompt",
        "er-first-warms",
        "tuning-knows-more",
        "data-adds-up",
        "emplifai-count-models",
        "emplifai-table-number",
        "emplifai-labels",
        "emplifai-safety",
        "emplifai-form",
        "emplifai-batch",
        "emplifai-upgraded-slightly",
        "emplifai-stars",
        "emplifai-mad-fits",
        "emplifai-which-llmjp",
        "emplifai-constant",
    ]
    in_words = [
        claim["id"]
        for claim in ALL
        if deciding.printed_verdict(claim, cells)[0] == "contradicted in words"
    ]
    assert in_words == ["which-start", "emplifai-strict", "emplifai-medical", "emplifai-direction"]


def test_contradictions_of_emplifai_in_numbers():
    """Table 4 rates what Section 5.4 leaves out for its form; stars and bounds of Table 6 differ;
    the appendix's batch is that of one of its eight or four devices.
    """
    printed = claims_ledger.ledger(pd.DataFrame({"table": [], "system": []})).set_index("id")
    evidence = printed.printed_evidence.map(lambda of_claim: [found[0] for _, found, _ in of_claim])
    assert (min(evidence["emplifai-form"]), max(evidence["emplifai-form"])) == (
        Decimal("1.71"),
        Decimal("2.11"),
    )
    assert claims_ledger.tally(printed.printed_evidence["emplifai-form"]).endswith(" 7 fail")
    assert claims_ledger.tally(printed.printed_evidence["emplifai-stars"]).endswith(" 21 fail")
    numbers = claims_ledger.published()
    training = numbers[numbers.system == "fine-tuning"].set_index("metric").value.astype(int)
    one_device = training["device-batch"] * training["accumulation"]
    assert one_device == training["global-batch"] == 32
    assert [int(difference) for difference in evidence["emplifai-batch"]] == [
        one_device * int(devices) - training["global-batch"]
        for devices in numbers[numbers.metric == "gpus"].value
    ]


def test_printed_numbers_are_compared_as_printed():
    """0.67 - 0.64 is 0.03, which it is not in binary floating point; and a tie is no lead."""
    numbers = claims_ledger.published()
    columns = numbers.groupby("table").metric.unique().map(list).to_dict()
    cells = deciding.printed_cells(numbers)

    def said(predicate):
        return deciding.printed_verdict(
            {"id": "x", "tests": {"printed": predicates.parse(predicate, columns)}}, cells
        )[0]

    assert said("eqsr-dpo minus prompt = 0.03 on emodoctor.table1 mean") == "borne out"
    assert said("eqsr-dpo minus prompt > 0.03 on emodoctor.table1 mean") == "not borne out"
    assert said("er-sft > prompt on emodoctor.table1 mean") == "borne out"
    assert (
        said("er-sft > base on emodoctor.table2.doctor rouge2") == "not borne out"
    )  # 0.02 and 0.02
    with pytest.raises(EmoError, match="no published table has"):
        said("er-sft > nobody on emodoctor.table1 mean")


# Our records


class FakeRun:
    """Keeps what is added."""

    def __init__(self):
        self.rows = []

    def add(self, **fields):
        self.rows.append(fields)


def test_combinations_are_recorded_with_the_interval_of_the_combination():
    rng = np.random.default_rng(0)
    items = {
        (s, m): rng.normal(size=20)
        for s in SYSTEMS
        for m in ("empathetic", "comforting", "reassuring", "mean", "max")
    }
    run = FakeRun()
    claims_ledger.add_combinations(
        run,
        ("emodoctor.table1",),
        lambda t, s, m: (items[s, m].mean(), items[s, m]),
        n=20,
        scorer="x",
    )
    rows = {row["system"]: row for row in run.rows}
    assert len(rows) == len(run.rows) > 70
    row = rows["emodoctor.table1/eqsr-dpo/mean - emodoctor.table1/base/mean"]
    value, low, high = intervals.mean_interval(items["eqsr-dpo", "mean"] - items["base", "mean"])
    assert (row["value"], row["ci_low"], row["ci_high"]) == pytest.approx(
        (value, low, high), abs=1e-12
    )
    assert row["kind"] == "difference"
    assert {row["kind"] for row in run.rows} == {"difference"}
    run.rows.clear()
    claims_ledger.add_combinations(run, ("emodoctor.table1",), None, n=0, scorer="x")
    assert run.rows == []


def test_the_verdict_on_our_records_says_what_is_missing():
    claim = next(c for c in ALL if c["id"] == "dpo-best-method")
    keys = [c.key for test in claim["tests"]["ours"] for c in test.comparisons]

    def verdict(intervals):
        rows = [
            {
                "table": claims_ledger.TABLE,
                "system": key,
                "value": sum(i) / 2,
                "ci_low": i[0],
                "ci_high": i[1],
            }
            for key, i in zip(keys, intervals, strict=False)
        ]
        columns = ["table", "system", "value", "ci_low", "ci_high"]
        records = pd.DataFrame(rows, columns=columns)
        return deciding.our_verdict(
            claim, deciding.sums_of_cells(records), gates.recorded(records)
        )[0]

    above, below, across = (0.1, 0.2), (-0.3, -0.2), (-0.1, 0.1)
    assert verdict([above] * 4) == "supported"
    assert verdict([above] * 3 + [across]) == "undecided"
    assert verdict([above] * 3 + [below]) == "contradicted"
    assert verdict([above] * 3) == verdict([]) == "not measured"
    assert verdict([below]) == "contradicted", "one clear counterexample is enough"


def test_a_tally_counts_or_shows_the_one_number():
    claim = next(c for c in ALL if c["id"] == "dpo-beats-prompt")
    key = claim["tests"]["ours"][0].comparisons[0].key
    records = pd.DataFrame(
        [
            {
                "table": claims_ledger.TABLE,
                "system": key,
                "value": 0.05,
                "ci_low": 0.01,
                "ci_high": 0.09,
            }
        ]
    )
    frame = claims_ledger.ledger(records)
    assert (
        claims_ledger.tally(frame.set_index("id").ours_evidence["dpo-beats-prompt"])
        == "0.050 [0.010, 0.090]"
    )
    assert (
        claims_ledger.tally(frame.set_index("id").printed_evidence["tuning-warms"])
        == "35 hold, 0 open, 0 fail"
    )
    assert claims_ledger.tally([]) == ""
    chapter = claims_ledger.verdicts(records, ("emodoctor.table1",))
    shown = {"supported (this checkpoint)", "not measured", claims_ledger.ELSEWHERE}
    assert set(chapter.here) == shown
    assert len(chapter) > 10
    evidence = [
        (None, (0.1, 0.0, 0.2), outcome) for outcome in (True, True, False, None, None, None)
    ]
    assert claims_ledger.tally(evidence) == "2 hold, 3 open, 1 fail"
    assert claims_ledger.tally([*evidence, (None, None, None)]) == (
        "2 hold, 3 open, 1 fail, 1 without a record"
    )


# One verdict for each source


def combination(key: str, interval: tuple[float, float]) -> dict:
    """A record of a sum of cells."""
    low, high = interval
    return {
        "table": claims_ledger.TABLE,
        "system": key,
        "value": (low + high) / 2,
        "ci_low": low,
        "ci_high": high,
    }


def keys_of(claim_id: str) -> dict[str, str]:
    """The sums of cells of a claim, and the table that each is of."""
    claim = next(c for c in ALL if c["id"] == claim_id)
    comparisons = [c for test in claim["tests"]["ours"] for c in test.comparisons]
    return {c.key: c.terms[0][1] for c in comparisons}


@pytest.mark.parametrize("interval", [(0.1, 0.2), (-0.1, 0.1), (-0.3, -0.2)])
def test_a_chapter_with_a_part_of_the_records_of_a_claim_leaves_it_to_the_claims_page(interval):
    """Warmth is clear, and knowledge of any kind: chapter 5 and chapter 6 each have a half."""
    sums = keys_of("both-improve")
    both = pd.DataFrame(
        [
            combination(key, (0.1, 0.2) if table == "emodoctor.table1" else interval)
            for key, table in sums.items()
        ]
    )
    claim = next(c["claim"] for c in ALL if c["id"] == "both-improve")
    for table in sorted(set(sums.values())):
        part = both[[sums[key] == table for key in both.system]]
        row = claims_ledger.verdicts(part, (table,)).set_index("claim").loc[claim]
        assert row.here == claims_ledger.ELSEWHERE and row.here not in claims_ledger.OURS
        assert row.comparisons.endswith(" fail, 7 without a record")
    whole = claims_ledger.verdicts(both, tuple(set(sums.values()))).set_index("claim")
    ledger = claims_ledger.ledger(both).set_index("claim")
    assert whole.here[claim] == f"{ledger.ours[claim]} (this checkpoint)"


def test_a_chapter_judges_what_its_records_settle_as_the_whole_ledger_does():
    sums = keys_of("dpo-best-method") | keys_of("knowledge-kept")
    intervals_in_turn = [(0.1, 0.2), (-0.1, 0.1), (-0.3, -0.2)] * len(sums)
    every = pd.DataFrame([combination(*pair) for pair in zip(sums, intervals_in_turn)])
    ledger = claims_ledger.ledger(every).set_index("claim")
    whole = claims_ledger.marked(ledger)
    for table in set(sums.values()):
        part = every[[sums[key] == table for key in every.system]]
        here = claims_ledger.verdicts(part, (table,), "longer run").set_index("claim")["longer run"]
        settled = here[here != claims_ledger.ELSEWHERE]
        assert len(settled) >= 1 and (settled == whole.loc[settled.index]).all()


@pytest.mark.parametrize(("p", "expected"), [(None, "supported"), (0.01, "not measured")])
def test_a_record_of_before_p_values_stands_for_its_sum_whatever_it_is_held_against(p, expected):
    """A p-value is that of one edge; a record without one has its interval for all of them."""
    claim = next(c for c in ALL if c["id"] == "knowledge-kept")
    comparisons = claim["tests"]["ours"][0].comparisons
    assert all(c.key == f"{c.sum} against -0.02" for c in comparisons)
    records = pd.DataFrame([combination(c.sum, (1.5, 2.0)) | {"p": p} for c in comparisons])
    assert claims_ledger.ledger(records).set_index("id").ours[claim["id"]] == expected


def test_two_records_of_one_sum_are_no_source():
    key = next(iter(keys_of("dpo-beats-prompt")))
    twice = pd.DataFrame([combination(key, (0.1, 0.2)), combination(key, (-0.2, -0.1))])
    with pytest.raises(EmoError, match="two records of emodoctor.claims stand for .*one source"):
        claims_ledger.ledger(twice)


def test_a_panel_has_the_mean_of_its_items_and_none_of_a_system_that_is_not_there():
    columns = pd.MultiIndex.from_tuples([("emotion", "a"), ("knowledge", "a")])
    cell = claims_ledger.panel_values(pd.DataFrame([[1.0, 0.0], [0.0, 0.0]], columns=columns))
    value, values = cell("emodoctor.figure2.emotion", "a", "win_share")
    assert value == 0.5 and values.tolist() == [1.0, 0.0]
    assert cell("emodoctor.figure2.knowledge", "a", "win_share")[0] == 0.0
    assert cell("emodoctor.figure2.emotion", "b", "win_share") is None


def test_records_that_no_claim_rests_on_give_a_table_without_rows():
    shown = claims_ledger.verdicts(results.frame([]), ("no.such.table",))
    assert len(shown) == 0 and "claim" in shown
