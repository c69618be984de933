"""Tables of the chapters on Empathy by Design, from records as they are kept, and the figure."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from emo_utils.data.caregiver import ELSEWHERE, REJECTED
from emo_utils.experiment import results
from emo_utils.report import ebd_figures, ebd_tables, figures, kept_runs

BASE, TUNED = figures.LABELS["ebd-base"], figures.LABELS["ebd-dpo"]


def record(table, system, metric, value, group="all", n=20, **more):
    return {
        "table": table,
        "system": system,
        "metric": metric,
        "value": value,
        "ci_low": value - 0.1,
        "ci_high": value + 0.1,
        "n": n,
        "unscored": 0,
        "group": group,
        "scorer": "a judge",
        "seed": 42,
        "signature": "how",
        "interval": "items",
    } | more


RECORDS = results.frame(
    [
        record("ebd.semantic", "ebd-base", "cosine", 0.5),
        record("ebd.semantic", "ebd-dpo", "cosine", 0.625),
        record("ebd.semantic", REJECTED, "cosine", 0.75),
        record("ebd.factual", "ebd-base", "correctness", 3.0),
        record("ebd.factual", "ebd-dpo", "correctness", 3.5, n=18, unscored=2),
        record(
            "ebd.semantic.differences",
            "ebd-dpo",
            "cosine",
            0.25,
            "minus ebd-base",
            kind="difference",
            p=0.03125,
            p_adjusted=0.0625,
        ),
        record("ebd.check", ELSEWHERE, "empathy", 0.9, f"above {REJECTED}"),
        record("ebd.slips", "ebd-base", "entailed", 0.25, "as meant"),
        record("ebd.slips", "ebd-base", "entailed", 1.0, "sought", interval="none"),
        record("ebd.slips", "ebd-dpo", "entailed", 0.5, "as meant"),
        record("emodoctor.claims", "a - b", "combination", 0.125),
    ]
)
SCORES = ("ebd.semantic", "ebd.factual", "ebd.human")


def test_scores_are_a_row_a_system():
    shown = ebd_tables.scores(RECORDS, SCORES)
    assert list(shown.index) == [BASE, TUNED, REJECTED]
    assert list(shown) == ["cosine", "correctness"]
    assert shown.loc[BASE, "cosine"] == "0.50 [0.40, 0.60]"
    assert shown.loc[TUNED, "correctness"] == "3.50 [3.40, 3.60] (n = 18, 2 unscored)"
    assert pd.isna(shown.loc[REJECTED, "correctness"])


def test_a_list_shows_each_record_of_its_table():
    shown = ebd_tables.listed(RECORDS, "ebd.semantic", ("system",))
    assert shown.to_numpy().tolist() == [
        [BASE, "0.500 [0.400, 0.600]", 20],
        [TUNED, "0.625 [0.525, 0.725]", 20],
        [REJECTED, "0.750 [0.650, 0.850]", 20],
    ]


def test_differences_show_both_p_values():
    assert ebd_tables.gains(RECORDS).to_numpy().tolist() == [
        ["cosine", "0.25 [0.15, 0.35]", "0.0312", "0.0625", 20]
    ]


def test_checks_name_the_text_that_must_be_higher():
    [row] = ebd_tables.checks(RECORDS).to_dict("records")
    assert row["must be higher"] == ELSEWHERE and row["than"] == REJECTED
    assert row["is, in a share of"] == "0.90 [0.80, 1.00]"


def test_slips_stand_beside_what_was_meant():
    shown = ebd_tables.slips(RECORDS)
    assert list(shown.index) == ["entailed, as meant", "entailed, sought"]
    assert list(shown) == [BASE, TUNED]
    assert shown.loc["entailed, sought", BASE] == "1.00"
    assert pd.isna(shown.loc["entailed, sought", TUNED])


def test_the_note_names_the_judge_of_the_records():
    assert "Judge: a judge, whose agreement" in ebd_tables.note(RECORDS, "another")
    without = RECORDS[RECORDS.metric != "correctness"]
    assert "Judge: another, whose agreement" in ebd_tables.note(without, "another")


def test_a_full_runs_captions_say_how_many_questions_each_table_has():
    few = RECORDS.assign(n=RECORDS.n.where(RECORDS.table != "ebd.slips", 10))
    shown = ebd_tables.full_run(few, SCORES)
    assert list(shown) == [
        "Scores, full run; n = 20 questions",
        "What each score can tell, full run; n = 20 questions",
        "Tuned minus untuned, full run; n = 20 questions",
        "Slips, full run; n = 10 questions",
    ]
    assert shown["Slips, full run; n = 10 questions"].equals(ebd_tables.slips(few))


def test_the_judges_questions_have_five_levels():
    table = ebd_tables.questions()
    assert list(table) == ["asked", 1, 2, 3, 4, 5] and table.map(bool).all(axis=None)
    assert list(table.index) == ["correctness", "empathy", "politeness"]
    assert table.loc["politeness", 1] == "It scolds, orders or belittles."


def test_the_kept_run_is_shown_with_its_verdicts(tmp_path):
    path = kept_runs.REFERENCE / "ebd_scores.json"
    pages = [page.data for page in ebd_tables.full_run_shown(path, "nobody")]
    heads = ["Scores, full run; n = 20", "What each score can tell, full run", "Tuned minus"]
    heads += ["Slips, full run; n = 10", "sentences by the full run, n = 20 questions"]
    assert len(pages) == len(heads)
    for head, page in zip(heads, pages, strict=True):
        assert head in page and "Judge: Qwen2.5-Coder-1.5B-Instruct" in page
    assert ebd_tables.full_run_shown(tmp_path / "none.json", "nobody") == []


@pytest.fixture
def figure():
    plt.close("all")
    scores = RECORDS[RECORDS.table.isin(SCORES)]
    ebd_figures.scores_figure(scores, ["ebd-base", "ebd-dpo", REJECTED], "n = 20")
    yield plt.gcf()
    plt.close("all")


def test_each_score_has_a_panel_with_values_and_intervals(figure):
    cosine, correctness, *rest = figure.axes
    drawn = [tuple(line.get_xdata()) for line in cosine.lines]
    assert drawn == [
        pytest.approx(x)
        for x in [(0.4, 0.6), (0.5,), (0.525, 0.725), (0.625,), (0.65, 0.85), (0.75,)]
    ]
    assert [line.get_ydata()[0] for line in cosine.lines] == [0, 0, 1, 1, 2, 2]
    assert len(correctness.lines) == 4 and not any(axis.lines for axis in rest)
    assert [axis.get_title() for axis in figure.axes] == list(ebd_figures.PANELS.values())
    named = [text.get_text().replace("\n", " ") for text in cosine.get_yticklabels()]
    assert named == [BASE, TUNED, REJECTED]


def test_the_figure_says_which_system_is_highest_and_lowest_by_each_score(figure):
    assert figure.get_label().startswith("n = 20: points with 95 % intervals")
    assert "Grade level: no value." in figure.get_label()
    assert (
        f"Cosine with the reference: highest {REJECTED} 0.75 [0.65, 0.85]; lowest {BASE} 0.50 "
        "[0.40, 0.60]."
    ) in figure.get_label()


def test_texts_of_the_data_are_grey_squares(figure):
    *_, base, _, tuned, _, rejected = figure.axes[0].lines
    assert (rejected.get_marker(), rejected.get_color()) == ("s", "#888888")
    assert tuned.get_marker() == base.get_marker() == "o"
    assert len({base.get_color(), tuned.get_color(), rejected.get_color()}) == 3


@pytest.fixture
def run():
    """A finished run whose records are RECORDS."""
    source = kept_runs.kept_source(kept_runs.REFERENCE / "ebd_scores.json")
    source.values = {"base_model": "small", "judge_model": "a judge", "arm": "overt"}
    source.table = lambda: RECORDS
    return source


def test_pairs_and_four_bits_say_their_n(run, capsys):
    assert ebd_tables.shown_quantization(run) is None
    assert capsys.readouterr().out == "not part of this run\n"
    more = [
        record("ebd.pairs", "the file x", "cosine", 0.75, n=3),
        record("ebd.quantization", "ebd-base", "kl", 0.125, n=4),
    ]
    run.table = lambda: results.frame(more)
    pairs = ebd_tables.shown_pairs(run, "the file x", 3).data
    assert "Pairs of the file x, n = 3; 95 % intervals" in pairs and "0.750 (n = 3)" in pairs
    costs = ebd_tables.shown_quantization(run).data
    assert "The untuned small plain and in 4 bits on 4 preferred answers" in costs
    assert "0.125 (n = 4)" in costs and "cosine" not in costs


def test_a_run_shows_its_scores_with_the_words_of_their_captions(run):
    page = ebd_tables.shown_scores(run, 20, "The note").data
    assert "n = 20 questions of data/caregiver, arm overt. The note." in page
    assert "<td>0.50 [0.40, 0.60]</td>" in page
    checks = ebd_tables.shown_checks(run).data
    assert "no interval under 10 questions. Judge: a judge." in checks and ELSEWHERE in checks
    gains = ebd_tables.shown_gains(run, ("ebd-dpo", "ebd-base"), "The note").data
    assert f"{TUNED} minus {BASE}, question by question. The note." in gains
    slips = ebd_tables.shown_slips(run, "BARE; ").data
    assert "n = 20 questions. BARE; Asked: a judge." in slips
    claims = ebd_tables.shown_claims(run, "The note").data
    assert "by ours in the embedded profile, n = 20 questions" in claims
    assert "the lowest level is 1." in ebd_tables.shown_questions(run).data


def test_what_a_run_has_not_is_said_in_a_line(run, capsys):
    run.table = lambda: RECORDS[RECORDS.table == "ebd.factual"]
    assert ebd_tables.shown_gains(run, ("ebd-dpo", "ebd-base"), "") is None
    assert ebd_tables.shown_claims(run, "") is None
    assert ebd_tables.shown_slips(run, "") is None
    assert capsys.readouterr().out.splitlines() == [
        "too few questions for a difference",
        "no verdict with fewer than 10 questions: an interval over so few is narrow by chance",
        "not part of this run",
    ]


def test_answers_are_shown_between_question_and_preferred_answer(run):
    pairs = [{"id": "a", "prompt": "Why?", "chosen": "<warm>"}]
    answers = pd.DataFrame({"id": ["a", "a", "b"], "system": ["ebd-base", "ebd-dpo", "ebd-dpo"]})
    answers["answer"] = ["first", "second", "third"]
    [page] = ebd_tables.shown_answers(pairs, answers, ("ebd-base", "ebd-dpo"), run)
    places = [page.data.index(text) for text in ("Why?", "first", "second", "&lt;warm&gt;")]
    assert places == sorted(places) and "third" not in page.data
    assert f"<th>{BASE}</th><th>{TUNED}</th>" in page.data and "ebd-" not in page.data


def test_the_first_pair_is_shown_but_of_a_file_that_was_given(run, capsys):
    pairs = [{"prompt": "Why?", "chosen": "<warm>", "rejected": "cold"}, {"prompt": "And now?"}]
    run.values = {"pairs_file": ""}
    page = ebd_tables.shown_pair(pairs, run).data
    assert "<th>question</th><th>preferred</th><th>rejected</th>" in page
    assert "<td>Why?</td><td>&lt;warm&gt;</td><td>cold</td>" in page and "And now?" not in page
    run.values = {"pairs_file": "theirs.jsonl"}
    assert ebd_tables.shown_pair(pairs, run) is None
    assert capsys.readouterr().out == "pairs of a file that was given are not shown\n"


def test_the_first_answers_stand_under_the_names_of_their_systems(run):
    written = {
        system: pd.DataFrame({"question": ["Why?", "How?"], "answer": [first, "later"]})
        for system, first in (("ebd-base", "short"), ("ebd-dpo", "a < b"))
    }
    page = ebd_tables.shown_first(written, run).data
    assert f"<th>question</th><th>{BASE}</th><th>{TUNED}</th>" in page
    assert "<td>Why?</td><td>short</td><td>a &lt; b</td>" in page and "later" not in page
