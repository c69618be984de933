"""Tables and figure of chapter 6, from records written by hand."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from emo_utils.data import published_numbers
from emo_utils.report import figures, kept_runs, knowledge_figures, knowledge_tables
from emo_utils.scoring import readability


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
    figure = knowledge_figures.facts_figure(FACTS)
    assert figure.get_label().endswith(
        "n from 58 to 60. Of the systems: kept (share of the doctor's tokens), highest EQ+SR (dpo) "
        "0.50 [0.38, 0.62]; lowest base 0.25 [0.12, 0.38] (of the highest, its interval overlaps "
        "with 1 of 1 others). details added, highest EQ+SR (dpo) 3.00 [2.88, 3.12]; lowest base "
        "2.00 [1.88, 2.12] (of the highest, its interval lies above all others). "
        "sentences opposed, no value. Dotted, what is kept by another question's warm answer "
        "0.12 [0.00, 0.25]."
    )
    kept, added, opposed = figure.axes
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


@pytest.fixture
def run():
    source = kept_runs.kept_source(kept_runs.REFERENCE / "emplifai_judge.json")
    source.values = {"reader_model": "no such reader"}
    return source


def test_tables_of_facts_say_what_was_counted_and_how_far_people_agree(run):
    facts = knowledge_tables.shown_facts(FACTS, run).data
    assert "1 of 2 systems keep more than answers to another question do" in facts
    assert "follow people&#x27;s counts of facts was not measured." in facts
    scale = knowledge_tables.shown_scale(FACTS, run).data
    assert "(0) to the warm answer of the data (1). 95 % interval" in scale
    assert "<td>0.60 [0.47, 0.72]</td>" in scale


TEXTS = pd.DataFrame(
    {
        "system": ["base", "base", "eqsr-dpo"],
        "answer": ["one two", "one two three", "one"],
        "doctor": ["We will do this. You go home."] * 3,
        "modified": ["Deterioration necessitates immediate medical reconsideration."] * 3,
    }
)


def test_lengths_and_grades_of_the_references_stand_in_their_captions(run):
    lengths = knowledge_tables.shown_lengths(TEXTS, run).data
    assert "<td>2.5</td>" in lengths and "<td>1.0</td>" in lengths
    assert "the doctor&#x27;s answers have 7 words, the modified ones 5." in lengths
    page = knowledge_tables.shown_similarity(FACTS, run, TEXTS).data
    doctor, modified = (readability.grade(TEXTS[name][0]) for name in ("doctor", "modified"))
    assert doctor < modified
    assert f"ask for grade {doctor:.1f}, the modified ones for {modified:.1f}." in page


def test_table_2_leads_to_the_answers_behind_it(run):
    fields = {"group": "all", "scorer": "sacrebleu", "signature": "how"}
    table = "emodoctor.table2.doctor"
    records = pd.DataFrame([record(table, "base", "bleu1", 12.0) | fields])
    page = knowledge_tables.shown_overlap(records, run, table, behind=("base",)).data
    assert "12.00 [11.88, 12.12]" in page and "items.html#system=base" in page
    assert "n = 60 test questions" in page and "Scorer: sacrebleu. How: how." in page


def test_what_was_found_most_is_listed_with_its_sentences():
    scores = pd.DataFrame({"system": list("abcde"), "id": "q", "added": [0.0, 1.0, 2.0, 1.0, 1.0]})
    scores["opposed"] = [0.0, 0.0, 1.0, 0.0, 0.0]
    added = [[], ["5 mg"], ["5 mg", "he"], ["7"], ["9"]]
    opposed = [[], [], [("Do rest.", "Do not rest.")], [], []]
    assert knowledge_tables.most_found(scores, added, opposed).splitlines() == [
        "c, q: 5 mg, he",
        "b, q: 5 mg",
        "d, q: 7",
        "",
        "c, q",
        "  doctor: Do rest.",
        "  answer: Do not rest.",
    ]
    none = scores.assign(added=0.0, opposed=0.0)
    assert knowledge_tables.most_found(none, added, opposed) == ""


def test_the_bleu_of_tools_says_its_n(run):
    rows = [record("emodoctor.bleu_by_tool", "base", "sacrebleu", 1.0, n=7)]
    rows += [record("emodoctor.table2.doctor", "base", "bleu1", 16.0)]
    page = knowledge_tables.shown_bleu_by_tool(pd.DataFrame(rows), run).data
    assert "as reference, n = 7 test questions; one corpus number each" in page
