"""Tables of chapter 9.3, against values by hand, the data and the kept full run."""

from types import SimpleNamespace

import pandas as pd
import pytest

from emo_utils.claims import ledger
from emo_utils.data import emplifai
from emo_utils.judging import rubrics
from emo_utils.people import rating_kit
from emo_utils.report import emplifai_judge_tables, kept_runs
from emo_utils.report.emplifai_judge_tables import KEPT


def record(table, system, metric, group="all", value=0.5, scorer="judge", n=28, **more):
    ends = {"ci_low": value - 0.25, "ci_high": value + 0.25, "unscored": 0, "interval": "items"}
    named = {"table": table, "system": system, "metric": metric, "group": group}
    return named | {"value": value, "scorer": scorer, "n": n} | ends | more


def test_a_screening_has_a_column_for_each_other_version():
    records = pd.DataFrame(
        [
            record("emplifai.screening", f"asked for {asked}", "planted_above", other)
            for asked, other in (("harm", "sound"), ("harm", "missed"), ("missed", "harm"))
        ]
    )
    table = emplifai_judge_tables.screening(records)
    assert list(table) == ["harm", "missed", "sound"]
    assert table.notna().sum(axis=1).to_dict() == {"asked for harm": 2, "asked for missed": 1}


def test_the_highest_probabilities_are_to_be_read_first():
    row = emplifai.load("subtle")[0]
    dialogues = pd.DataFrame(
        {
            "system": ["a", "b"],
            "situation": ["of a user", row["situation"]],
            "turns": [list("abcd"), list("efgh")],
        }
    )
    yes = pd.DataFrame({"state": [0, 1, 0], "question": ["harm", "harm", "missed"]})
    yes["probability"] = [0.2, 0.7512, 0.5]
    table = emplifai_judge_tables.to_read_first(yes, dialogues, "subtle", count=2)
    assert table["asked for"].tolist() == ["harm", "missed"]
    assert table["probability of yes"].tolist() == [0.75, 0.5]
    assert table.system.tolist() == ["b", "a"]
    assert table.supporter.tolist() == ["f ／ h", "b ／ d"]
    assert table.iloc[:, -1].tolist() == [row["gloss"], ""]


def test_two_judges_levels_stand_side_by_side():
    both = pd.DataFrame({"metric": ["fluency"], "expected": [1.26], "expected_second": [4.0]})
    english = rating_kit.RUBRICS["fluency"]["english"]
    assert emplifai_judge_tables.two_judges(both) == f"{english}: 1.3 and 4.0"


def test_the_kept_judging_shows_every_table_that_has_records():
    kept = kept_runs.kept(KEPT)
    pages = [page.data for page in emplifai_judge_tables.full_judging(KEPT)]
    names = ["Table 4, ", "Differences, ", "Where the form is kept, ", "With length controlled, "]
    names += ["Table 7, ", "Two judges, ", "The paper", "Screening, "]
    assert len(pages) == len(names)
    for name, page in zip(names, pages, strict=True):
        assert f"</span> {name}" in page
    r = kept[(kept.table == "emplifai.table4") & (kept.group == "all")].iloc[0]
    assert f"<td>{r.value:.2f} [{r.ci_low:.2f}, {r.ci_high:.2f}]</td>" in pages[0]
    assert "n = 20 planted scenes" in pages[-1] and f"Asked: {r.scorer}." in pages[-1]
    cells = pages[-1].count("<td>0.") + pages[-1].count("<td>1.")
    assert cells == (kept.table == "emplifai.screening").sum()


def test_the_kept_judging_in_words():
    """Two rubrics, half a level and a quarter apart; one of two intervals holds one half."""
    kept = "where the form is kept"
    levels = {("emplifai-sft", "a"): 3.0, ("data", "a"): 3.5}
    levels |= {("emplifai-sft", "b"): 2.0, ("data", "b"): 1.75}
    records = pd.DataFrame(
        [record("emplifai.table4", *named, kept, value=v) for named, v in levels.items()]
        + [record("emplifai.table4", "data", "a", value=5.0)]
        + [record("emplifai.screening", "asked for harm", "x", value=v) for v in (0.7, 0.8)]
    )
    assert emplifai_judge_tables.full_judging_in_words(records).splitlines() == [
        "Where the form is kept, the tuned model's dialogues and the data's are rated "
        "0.50 levels apart at most, over 2 rubrics.",
        "Screening: 1 of 2 intervals hold one half, which is guessing.",
    ]


def test_the_dialogues_on_which_two_judges_differ_most_come_first():
    """Mean distances over two rubrics: 1.5, 0.5 and 1.5 again."""
    both = pd.DataFrame(
        [
            {"id": id_, "system": system, "metric": metric, "expected": 3.0, "expected_second": e}
            for id_, system, levels in (("p", "a", (1, 2)), ("p", "b", (3, 4)), ("q", "a", (4, 5)))
            for metric, e in zip(("fluency", "security"), levels, strict=True)
        ]
    )
    assert emplifai_judge_tables.furthest_apart(both, 2) == [("p", "a"), ("q", "a")]
    texts = {("p", "a"): "<one>", ("q", "a"): "two"}
    run = SimpleNamespace(profile="smoke")
    shown = emplifai_judge_tables.disputed(both, texts, ["", "in English"], "judge", run)
    first, second = (page.data for page in shown)
    assert "&lt;one&gt;" in first and "3.0 and 1.0" in first and "in English" not in first
    assert "in English by judge, unchecked" in second and "3.0 and 5.0" in second
    assert emplifai_judge_tables.disputed(both, {}, [], "judge", run) == []


def test_published_lengths_and_their_readings():
    """Table 7 prints 128.58 characters and 11.55 words of crowd workers."""
    printed = ledger.published()
    table = emplifai_judge_tables.published_lengths(printed)
    characters, words, quotient = table.loc["crowdworker", ["characters", "words"]].tolist() + [
        table.loc["crowdworker", "characters a word"]
    ]
    assert quotient == round(float(characters) / float(words), 1)
    ours = pd.DataFrame(
        {"system": ["a", "a", "b"], "characters": [10, 20, 40], "words": [5, 5, 10]}
    )
    said = emplifai_judge_tables.characters_a_word(printed, ours)
    assert (
        said.endswith("; here, by Sudachi, 3.5") and f"published {table.iloc[:, -1].min()}" in said
    )
    readings = emplifai_judge_tables.length_readings(printed)
    assert readings["printed examples"].dtype == int and len(readings) == 3
    closest = emplifai_judge_tables.closest_reading(printed, ours)
    assert closest.startswith("Read as characters of a dialogue, ")
    assert closest.endswith("Characters of a dialogue here: a 15, b 40")


def test_other_readings_of_a_rating_stand_in_their_order():
    records = pd.DataFrame(
        [
            record("emplifai.table4", "b", "fluency", "most probable level"),
            record("emplifai.table4", "b", "fluency"),
            record("emplifai.table4", "a", "fluency", "length controlled"),
            record("emplifai.table4", "a", "fluency", "where the form is kept"),
            record("emplifai.table4", "b", "fluency", "where the form is kept"),
        ]
    )
    assert list(emplifai_judge_tables.other_readings(records).index) == [
        "a, where the form is kept",
        "b, where the form is kept",
        "b, most probable level",
        "a, length controlled",
    ]


@pytest.fixture
def judged():
    """Two pairs by two systems, of which one dialogue was cut off."""
    run = kept_runs.kept_source(KEPT)
    run.values = {"judge_model": "judge", "arm": "subtle"}
    dialogues = pd.DataFrame({"id": ["p", "q"] * 2, "system": ["a", "a", "b", "b"]})
    dialogues["cut"] = [1.0, 0.0, 0.0, 0.0]
    records = pd.DataFrame(
        [
            record("emplifai.table4", "a", "fluency", value=4.0),
            record("emplifai.table4", "a", "fluency", "where the form is kept", value=3.0),
            record("emplifai.table7", "a", "words", value=9.0),
        ]
    )
    return emplifai_judge_tables.Judged(run, records, dialogues, "the file x", "how")


def with_records(judged, *more):
    table = pd.concat([judged.records, pd.DataFrame(more)], ignore_index=True)
    return emplifai_judge_tables.Judged(judged.run, table, judged.dialogues, "the file x", "how")


def test_levels_and_lengths_say_what_was_judged(judged):
    levels = emplifai_judge_tables.shown_levels(judged).data
    assert "<td>4.00 [3.75, 4.25]</td>" in levels and "3.00" not in levels
    assert (
        "n = 2 pairs of the file x. Cut off at the limit of tokens: a 1 of 2, b 0 of 2." in levels
    )
    assert "Judge: judge, whose agreement" in levels and "How: how." in levels
    lengths = emplifai_judge_tables.shown_lengths(judged).data
    assert "<td>9.00 [8.75, 9.25]</td>" in lengths and "a 1 of 2, b 0 of 2" in lengths


def test_other_readings_say_whether_length_was_controlled(judged):
    too_few = "(too few dialogues keep the form to control for length)"
    assert too_few in emplifai_judge_tables.shown_other_readings(judged).data
    controlled = record("emplifai.table4", "a", "fluency", "length controlled")
    page = emplifai_judge_tables.shown_other_readings(with_records(judged, controlled)).data
    assert too_few not in page and "a, length controlled" in page


def test_a_run_says_which_of_its_tables_it_has_not(judged, capsys):
    none = pd.DataFrame()
    assert emplifai_judge_tables.shown_differences(judged) is None
    assert emplifai_judge_tables.shown_screening(judged) is None
    assert emplifai_judge_tables.shown_to_read_first(judged, none, none) is None
    assert emplifai_judge_tables.shown_claims(judged) is None
    both = pd.DataFrame({"id": [], "system": []})
    assert emplifai_judge_tables.shown_two_judges(judged, both) is None
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("the systems of chapter 9.2") and "screen_rows = 0" in said[1]
    assert said[2] == "nothing to screen" and said[3].startswith("no verdict with fewer than 10")
    assert said[4].startswith("too few dialogues")


def test_a_run_shows_differences_screening_and_two_judges_where_it_has_them(judged):
    filled = with_records(
        judged,
        record("emplifai.table4.differences", "b", "fluency", "minus a"),
        record("emplifai.screening", "asked for harm", "planted_above", "sound", n=3),
        record("emplifai.judges", "judge and second", "mad", "fluency"),
    )
    assert "b, minus a" in emplifai_judge_tables.shown_differences(filled).data
    assert "n = 3 scenes. Asked: judge." in emplifai_judge_tables.shown_screening(filled).data
    both = pd.DataFrame({"id": ["p", "p", "q"], "system": ["a", "a", "a"]})
    page = emplifai_judge_tables.shown_two_judges(filled, both).data
    assert "Two judges on the same 2 dialogues" in page


def test_what_is_to_be_read_first_says_of_how_many(judged):
    readable = pd.DataFrame({"system": ["a"], "situation": ["x"], "turns": [list("abcd")]})
    screened = pd.DataFrame(
        {
            "state": [0, 0],
            "question": ["harm", "harm"],
            "option": [rubrics.YES, rubrics.NO],
            "probability": [0.25, 0.75],
        }
    )
    page = emplifai_judge_tables.shown_to_read_first(judged, screened, readable).data
    assert "highest probabilities among 1 dialogues; the judge is judge." in page
    assert "0.25" in page and "0.75" not in page and "b ／ d" in page


def test_claims_are_shown_where_their_sums_were_recorded(judged):
    """The kept full run's ratings, as if they were this run's."""
    kept = kept_runs.kept(KEPT)
    dialogues = pd.DataFrame({"id": range(28), "system": "a", "cut": 0.0})
    full = emplifai_judge_tables.Judged(judged.run, kept, dialogues, "the file x", "how")
    page = emplifai_judge_tables.shown_claims(full).data
    assert "by ours in the embedded profile, n = 28 pairs" in page
    assert "<td>" in page


def test_gates_are_those_of_this_judge(judged):
    rated = record("gates", "above a repeated turn", "fluency", "emplifai.table4", value=0.75)
    page = emplifai_judge_tables.shown_gates(with_records(judged, rated)).data
    assert "Gates of this judge. Passed: the whole interval" in page
    assert "too few dialogues to tell" in page and "emplifai.table4 fluency" in page


def test_the_published_tables_are_shown_as_printed(judged):
    printed = ledger.published()
    levels = emplifai_judge_tables.shown_published(judged.run, printed).data
    assert "judge Gemini-2.5-Flash" in levels and "<th>harmlessness</th>" in levels
    lengths = emplifai_judge_tables.shown_published_lengths(judged.run, printed).data
    assert "<td>128.58</td>" in lengths and "<th>characters a word</th>" in lengths
    readings = emplifai_judge_tables.shown_length_readings(judged.run, printed).data
    assert "Table 7 read in three ways" in readings and "printed examples" in readings
