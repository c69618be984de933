"""The tables of chapter 8: a column a mark, and how far readers agree with it."""

import pandas as pd

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
