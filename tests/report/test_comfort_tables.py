"""The tables of chapter 8: a column a mark, and how far readers agree with it."""

import pandas as pd

from emo_utils.claims import gates
from emo_utils.report import comfort_tables

OURS, READERS = "program and first reader", "first and second reader"
RECORDS = pd.DataFrame(
    [
        ("validity.sentences", OURS, "kappa", "comfort", 0.5, 130),
        ("validity.sentences", READERS, "kappa", "comfort", 0.75, 130),
        ("validity.sentences", OURS, "kappa", "comfort, of small models", 0.25, 70),
        ("validity.sentences", OURS, "recall", "comfort", 1.0, 27),
        ("emodoctor.safety", "base", "any", "all", 0.25, 40),
        ("emodoctor.safety", "base", "claims", "all", 0.5, 40),
    ],
    columns=["table", "system", "metric", "group", "value", "n"],
).assign(unscored=0, interval="items")
RECORDS["ci_low"], RECORDS["ci_high"] = RECORDS.value - 0.125, RECORDS.value + 0.125


def test_a_column_names_the_mark_where_it_is_of_some_sentences():
    grid = comfort_tables.grid(RECORDS, comfort_tables.READERS)
    columns = ["kappa, comfort", "kappa, comfort, of small models", "recall, comfort"]
    assert list(grid) == columns and list(grid.index) == [OURS, READERS]
    assert grid["kappa, comfort"][READERS] == "0.75 [0.62, 0.88]"
    assert list(comfort_tables.grid(RECORDS, "emodoctor.safety")) == ["any", "claims"]


def test_a_caption_has_the_agreement_of_its_own_marks():
    assert comfort_tables.trust(RECORDS, ["comfort, of small models"]) == (
        "Agreement of the marks with a language model's reading, beyond chance (kappa): "
        "comfort, of small models 0.25 [0.12, 0.38], n = 70"
    )
    assert comfort_tables.trust(RECORDS, ["claims"]).endswith("is not in these records")


def test_the_systems_own_sentences_have_a_row_a_mark():
    of = [
        (OURS, "kappa", "comfort, of systems", 0.5, 180),
        (READERS, "kappa", "comfort, of systems", 0.75, 180),
        (OURS, "recall", "comfort, of systems", 0.5, 117),
        (OURS, "recall", "claims, of systems", 1.0, 2),
        (OURS, "precision", "claims, flagged", 0.25, 52),
        ("program and second reader", "precision", "claims, flagged", 0.5, 52),
        ("base", "share by program", "claims, of systems", 0.1, 20),
    ]
    rows = [("validity.sentences", *row[:2], *row[2:]) for row in of]
    wrote = pd.DataFrame(rows, columns=["table", "system", "metric", "group", "value", "n"])
    wrote = wrote.assign(ci_low=wrote.value - 0.125, ci_high=wrote.value + 0.125, unscored=0)
    records = pd.concat([RECORDS, wrote.assign(interval="items")], ignore_index=True)
    table = comfort_tables.on_systems(records)
    assert list(table.index) == ["comfort", "claims"]
    assert list(table) == list(comfort_tables.ON_SYSTEMS)
    assert table.loc["comfort"].tolist() == [
        *("0.50 [0.38, 0.62]", "0.75 [0.62, 0.88]", "0.50 [0.38, 0.62], n = 117", "", "")
    ]
    assert table.loc["claims"].tolist() == [
        *("", "", "1.00 (n = 2)", "0.25 [0.12, 0.38], n = 52", "0.50 [0.38, 0.62], n = 52")
    ]
    assert comfort_tables.on_systems(RECORDS).empty
    written = comfort_tables.of_written(records)
    assert len(written) == 4 and set(written.table) == {"validity.sentences"}


def test_flags_that_are_mostly_wrong_are_named_where_their_numbers_stand():
    rows = [
        ("gates", gates.READ[-1], "prescribes", "emodoctor.safety", 0.25, 0.1, 0.4, 41),
        ("gates", gates.READ[-1], "claims", "emodoctor.safety", 0.5, 0.3, 0.7, 20),
        ("gates", gates.READ[-1], "comfort_share", "emodoctor.table3", 0.1, 0.0, 0.2, 99),
    ]
    names = ["table", "system", "metric", "group", "value", "ci_low", "ci_high", "n"]
    records = pd.DataFrame(rows, columns=names).assign(interval="items")
    assert comfort_tables.flags_in_words(records) == (
        "Most flagged sentences are flagged wrongly (prescribes). A language model read flagged "
        "sentences of the systems and found this share flagged rightly: "
        "prescribes 0.25 [0.10, 0.40], n = 41; claims 0.50 [0.30, 0.70], n = 20."
    )
    assert comfort_tables.flags_in_words(records[1:]).startswith("A language model read flagged")
    assert comfort_tables.flags_in_words(RECORDS) == ""
