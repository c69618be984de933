"""What a claim's truth is worth: how often its predicate is true of numbers that know nothing."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.claims import chance, ledger, predicates

CLAIMS = ledger.claims()
NUMBERS = ledger.published()
COLUMNS = NUMBERS.groupby("table", sort=False).metric.unique().map(list).to_dict()
SEED = 1
# Claims that nearly no table fits and their own does not either, each looked at: the first has 70
# clauses because its paper says that every system leads by every measure; the others say that two
# printed numbers, or a number and what it stands for, are one.
BOLD = {
    "tuning-knows-more",
    "emplifai-form",
    "emplifai-stars",
    "emplifai-upgraded-slightly",
    "emplifai-mad-fits",
    "emplifai-which-llmjp",
    "emplifai-constant",
}


@pytest.fixture(scope="module")
def deals() -> chance.Cells:
    return chance.dealt(NUMBERS, SEED)


@pytest.fixture(scope="module")
def draws() -> chance.Cells:
    return chance.drawn(NUMBERS, SEED)


def of_predicate(text: str, deals, draws) -> float | None:
    tests = {"printed": predicates.parse(text, COLUMNS), "ours": None}
    return chance.by_chance({"tests": tests}, deals, draws, SEED)


def small(rows: dict[str, tuple[str, str]], unit: str = "points") -> pd.DataFrame:
    """A table t of two columns."""
    return pd.DataFrame(
        [
            {"table": "t", "system": system, "metric": metric, "value": value, "unit": unit}
            for system, values in rows.items()
            for metric, value in zip("ab", values, strict=True)
        ]
    )


def test_rows_are_dealt_as_wholes_and_every_system_gets_each_of_them():
    cells = chance.dealt(small({"x": ("1", "10"), "y": ("2", "20"), "z": ("3", "30")}), SEED)
    assert (cells["t", "x", "b"] == 10 * cells["t", "x", "a"]).all()
    together = sum(cells["t", system, "a"] for system in "xyz")
    assert (together == 6 * chance.UNITS).all()
    shares = np.unique(cells["t", "x", "a"], return_counts=True)[1] / chance.DRAWS
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)


def test_systems_keep_their_fate_in_every_table_that_has_them():
    table = small({"x": ("1", "1"), "y": ("2", "2"), "z": ("3", "3")})
    cells = chance.dealt(pd.concat([table, table.assign(table="u")]), SEED)
    assert (cells["t", "x", "a"] == cells["u", "x", "a"]).all()


def test_numbers_are_drawn_over_their_scale_to_their_printed_digits():
    cells = chance.drawn(small({"x": ("1.5", "2"), "y": ("4.0", "2")}, "rating 1-5"), SEED)
    rated = cells["t", "x", "a"] / chance.UNITS
    assert rated.min() == 1 and rated.max() == 5 and len(np.unique(rated)) == 41
    ends = chance.drawn(small({"x": ("1.5", "2"), "y": ("4.0", "2")}), SEED)["t", "x", "a"]
    assert (ends.min() / chance.UNITS, ends.max() / chance.UNITS) == (1.5, 4.0)


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("dpo > kto on t a", 1 / 2),
        ("dpo > kto, sft on t a", 1 / 3),
        ("dpo > kto, sft on t *", 1 / 3),  # a row goes together
        ("at least 1 of dpo > kto, sft on t a", 2 / 3),
        ("dpo = 2 on t a", 1 / 3),
        ("dpo minus kto = 0 within 1 on t a", 2 / 3),
        ("dpo > kto on t a and kto > sft on t a", 1 / 6),
    ],
)
def test_a_share_is_that_of_the_deals_in_which_it_holds(predicate, expected):
    numbers = small({"dpo": ("1", "1"), "kto": ("2", "2"), "sft": ("3", "3")})
    cells = chance.dealt(numbers, SEED)
    tests = predicates.parse(predicate, {"t": ["a", "b"]})
    assert chance.share_true(tests, cells) == pytest.approx(expected, abs=0.03)


def test_what_no_deal_changes_is_held_against_drawn_numbers(deals, draws):
    level = "gpt, deepseek, llm-jp, swallow, medllama >= 0.5 on emplifai.table2 bertscore_f1"
    assert chance.share_true(predicates.parse(level, COLUMNS), deals) == 1
    assert of_predicate(level, deals, draws) == pytest.approx(1 / 32, abs=0.02)


@pytest.mark.parametrize(
    "predicate",
    [
        "gpt.human < 5 on emplifai.table5 *",  # no mean of many ratings is 5
        "gpt >= 0.05 on emplifai.table6.p comprehensibility, fluency",  # nor most p below .05
        "at least 1 of gpt, llm-jp, swallow, medllama > deepseek on emplifai.table2 fasttext",
        "eqsr-dpo >= base within 0.2 on emodoctor.table1 mean",
    ],
)
def test_what_would_be_true_of_anything_is_seen(predicate, deals, draws):
    assert of_predicate(predicate, deals, draws) > 0.6


def test_no_claim_would_be_true_of_most_numbers_and_few_of_none(deals, draws):
    """An ordering of two systems comes true half the time; nothing here may beat that by much."""
    found = {c["id"]: chance.by_chance(c, deals, draws, SEED) for c in CLAIMS}
    assert {name for name, share in found.items() if (share or 0) > 0.55} == set()
    few = {name for name, share in found.items() if share is not None and share < 0.001}
    printed = ledger.ledger(pd.DataFrame({"table": [], "system": []})).set_index("id").printed
    assert {name for name in few if printed[name] == "not borne out"} == BOLD


def test_no_predicate_on_our_numbers_would_be_true_of_most_numbers():
    for claim in CLAIMS:
        if ours := claim["tests"]["ours"]:
            tests = {"printed": None, "ours": ours}
            assert chance.by_chance({"tests": tests}, {}, {}, SEED) < 0.55, claim["id"]


def test_counts_of_a_text_and_claims_without_predicate_have_no_chance(deals, draws):
    by_id = {c["id"]: chance.by_chance(c, deals, draws, SEED) for c in CLAIMS}
    assert by_id["emplifai-batch"] is by_id["data-adds-up"] is by_id["ebd-models"] is None
    assert by_id["ebd-semantic"] == pytest.approx(0.5, abs=0.03)  # one ordering, no printed number
