"""Tables and figure of chapter 6, from records written by hand."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from emo_utils.data import published_numbers
from emo_utils.report import figures, knowledge_figures, knowledge_tables


def record(table, system, metric, value, n=60, unscored=0):
    return {
        "table": table,
        "system": system,
        "metric": metric,
        "value": value,
        "ci_low": value - 0.125,
        "ci_high": value + 0.125,
        "n": n,
        "unscored": unscored,
        "interval": "items",
    }


FACTS = pd.DataFrame(
    [
        record("emodoctor.facts", "base", "kept", 0.25),
        record("emodoctor.facts", "eqsr-dpo", "kept", 0.5, n=58, unscored=2),
        record("emodoctor.facts", "base", "added", 2.0),
        record("emodoctor.facts", "eqsr-dpo", "added", 3.0),
        record("emodoctor.facts", "reference", "kept", 0.75),
        record("emodoctor.facts", "another", "kept", 0.125),
        record("emodoctor.facts.scale", "eqsr-dpo", "kept", 0.6),
        record("emodoctor.readability", "base", "grade", 8.0),
    ]
)


def test_a_table_beyond_words_has_a_row_a_system_and_says_what_was_counted():
    frame, caption = knowledge_tables.beyond_words(FACTS, "emodoctor.facts")
    assert list(frame) == ["kept (share of tokens)", "added (details an answer)"]
    assert frame["kept (share of tokens)"].to_dict() == {
        "base": "0.25 [0.12, 0.38]",
        "eqsr-dpo": "0.50 [0.38, 0.62] (n = 58, 2 unscored)",
        "reference": "0.75 [0.62, 0.88]",
        "another": "0.12 [0.00, 0.25]",
    }
    assert caption.startswith("n = 60 test questions, 2 unscored at most. 95 %")
    both, _ = knowledge_tables.beyond_words(FACTS, "emodoctor.facts", "emodoctor.readability")
    assert both["school grade"].dropna().to_dict() == {"base": "8.00 [7.88, 8.12]"}


def test_systems_are_counted_that_keep_more_than_answers_to_another_question():
    """Its interval ends at .25: the base model's begins below, that of eqsr-dpo above."""
    assert knowledge_tables.above_another(FACTS) == (
        "1 of 2 systems keep more than answers to another question do, interval above interval"
    )
    assert knowledge_tables.on_scale(FACTS).loc["eqsr-dpo"].tolist() == ["0.60 [0.47, 0.72]"]


def test_a_tools_bleu_stands_with_its_share_of_bleu1():
    values = {"sacrebleu": (1.0, 2.0), "characters": (30.0, 40.0)}
    rows = [
        record("emodoctor.bleu_by_tool", system, tool, value)
        for tool, pair in values.items()
        for system, value in zip(("prompt", "base"), pair, strict=True)
    ]
    rows += [record("emodoctor.table2.doctor", "prompt", "bleu1", 10.0)]
    rows += [record("emodoctor.table2.doctor", "base", "bleu1", 16.0)]
    frame = knowledge_tables.bleu_by_tool(pd.DataFrame(rows))
    assert list(frame.index) == ["prompt", "base"]
    assert frame["BLEU", "characters"].tolist() == [30.0, 40.0]
    assert frame["share of BLEU-1", "sacrebleu"].tolist() == [0.1, 0.125]
    paper = published_numbers.emodoctor("emodoctor.table2.doctor").loc["base"]
    assert frame["share of BLEU-1", "paper"]["base"] == round(paper.bleu / paper.bleu1, 3)


@pytest.fixture
def closed():
    yield
    plt.close("all")


def test_points_stand_where_the_records_say_and_a_line_where_another_answer_does(closed):
    kept, added, opposed = knowledge_figures.facts_figure(FACTS).axes
    assert [list(line.get_xdata()) for line in kept.lines] == [
        [0.125, 0.375],
        [0.25],
        [0.375, 0.625],
        [0.5],
        [0.625, 0.875],
        [0.75],
        [0.0, 0.25],
        [0.125],
        [0.125, 0.125],
    ]
    assert kept.lines[2].get_color() == figures.colour("eqsr-dpo")
    assert len(added.lines) == 4 and not opposed.lines
    labels = [label.get_text() for label in kept.get_yticklabels()]
    assert labels[:2] == ["base", "EQ+SR (dpo)"] and kept.yaxis_inverted()
