"""The first page and the claims page: the same verdicts, and counts that leave none out."""

import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from emo import drift
from emo.site import claims_page, front, layout
from emo_utils.claims import deciding
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import results


@pytest.fixture(scope="module")
def ledger() -> pd.DataFrame:
    """By the kept records of the embedded book, chapter 5 of it as an edition, and longer runs."""
    runs = drift.read(drift.reference("embedded"))
    records = results.frame([record for run in runs.values() for record in run["records"]])
    of_edition = results.frame(runs["05_emotion_scoring"]["records"])
    ledger = claims_page.with_source(
        claims_ledger.ledger(records), claims_ledger.ledger(of_edition), "edition"
    )
    return claims_page.with_source(ledger, claims_page.longer_runs()[0], "longer")


def test_a_count_leaves_no_verdict_out():
    verdicts = pd.Series(["supported", "undecided", "supported"])
    assert claims_page.counted(verdicts, claims_ledger.OURS) == (
        "**2 supported**, **1 undecided**, **0 contradicted**, **0 cannot be decided here**, "
        "**0 not measured**"
    )
    assert claims_page.outcomes(verdicts) == "2 hold, 1 open, 0 fail, 0 cannot be judged"


def test_every_verdict_is_one_outcome():
    named = [verdict for verdicts in claims_page.OUTCOMES.values() for verdict in verdicts]
    assert sorted(named) == sorted([*claims_ledger.PRINTED, *claims_ledger.OURS])


def test_every_cell_of_the_scoreboard_adds_up_to_the_claims_of_its_paper(ledger):
    board = BeautifulSoup(front._scoreboard_html(ledger), "html.parser")
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in board.select("tbody tr")]
    assert len(rows) == 3
    for paper, *cells in rows:
        claims = int(re.search(r"\((\d+) claims\)", paper)[1])
        for counts in (re.findall(r"(\d+) ", cell) for cell in cells if cell != "no such run"):
            assert len(counts) == 4 and sum(map(int, counts)) == claims


def test_the_claims_page_shows_the_verdicts_of_the_ledger(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    claims_page.write_claims("embedded", ledger, "a run")
    page = BeautifulSoup((tmp_path / "claims.md").read_text(encoding="utf-8"), "html.parser")
    table = page.select_one("table.companion-claims")
    heads = [head.get_text() for head in table.select("thead th")]
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in table.select("tbody tr")]
    shown = pd.DataFrame(rows, columns=heads)
    here = map(claims_page.with_reason, claims_ledger.marked(ledger), ledger.why)
    assert shown["here"].tolist() == list(here)
    of_edition = map(claims_page.with_reason, ledger.edition_marked, ledger.edition_why)
    known = ledger.edition != "not measured"
    assert shown["edition"].tolist() == [
        said if there else "" for said, there in zip(of_edition, known)
    ]
    assert 0 < known.sum() < len(ledger)
    of_longer = [
        claims_page.with_reason(marked, why) if verdict != "not measured" else ""
        for verdict, marked, why in zip(ledger.longer, ledger.longer_marked, ledger.longer_why)
    ]
    assert shown["longer run"].tolist() == of_longer
    held = ledger.longer_why[ledger.longer == deciding.HELD_BACK]
    assert (held != "").all()
    chances = claims_page.by_chance()
    assert shown["by chance"].tolist() == [claims_page.shown_chance(chances[c]) for c in ledger.id]
    assert f"here: {claims_ledger.tally(ledger.ours_evidence[0])}" in shown.evidence[0]


def test_the_tiles_and_the_headline_are_the_editions_where_one_is_kept(ledger):
    rows = BeautifulSoup(front.tiles_html(ledger), "html.parser").select(".companion-tiles")
    labels = [row["aria-label"] for row in rows]
    assert [label.split(": ")[0].split(" claims ")[1] for label in labels] == [
        "by the papers' tables",
        "by the edition",
        "by this run, the same in miniature",
    ]
    assert labels[1].endswith(claims_page.outcomes(ledger.edition))
    said = front.found(ledger, results.frame([]))
    supported, contradicted, *_ = front.settled(ledger.edition)
    assert f"[edition](book/edition) supports {supported} and contradicts {contradicted}.**" in said
    assert " This run is the same in miniature: it supports" in said
    without = ledger.assign(edition="not measured")
    assert len(BeautifulSoup(front.tiles_html(without), "html.parser").select("[role=img]")) == 2
    assert "edition" not in front.found(without, results.frame([]))


def gate(rule: str, group: str, metric: str, low: float, high: float) -> dict:
    return {
        "table": "gates",
        "system": rule,
        "metric": metric,
        "group": group,
        "value": (low + high) / 2,
        "ci_low": low,
        "ci_high": high,
        "n": 20,
        "unscored": 0,
        "scorer": "s",
        "seed": 42,
        "signature": "how",
    }


@pytest.fixture(scope="module")
def with_gates() -> pd.DataFrame:
    """The records of the kept book, and gates of chapters 7 and 8 that are not passed."""
    runs = drift.read(drift.reference("embedded")).values()
    return results.frame(
        [record for run in runs for record in run["records"] if record["table"] != "gates"]
        + [
            gate("right in both orders", f"emodoctor.figure2.{panel}", "win_share", 0.1, 0.4)
            for panel in ("knowledge", "emotion")
        ]
        + [
            gate("planted are found", "emodoctor.table3", metric, 0.1, 0.4)
            for metric in ("comfort_share", "opens_with_comfort")
        ]
        + [gate("look-alikes are left alone", "emodoctor.safety", "claims", 0.5, 0.7)]
    )


def test_claims_of_chapters_7_and_8_are_held_back_on_every_page(with_gates, tmp_path, monkeypatch):
    ledger = claims_ledger.ledger(with_gates)
    of_7_and_8 = ledger[
        [
            any(table.startswith(("emodoctor.figure2", "emodoctor.table3")) for table in touched)
            for touched in ledger.tables
        ]
    ]
    assert len(of_7_and_8) == 5 and set(of_7_and_8.ours) == {"cannot be decided here"}
    assert of_7_and_8.corrected.eq("cannot be decided here").all() and of_7_and_8.p.isna().all()
    for source in ("edition", "longer"):
        ledger = claims_page.with_source(ledger, ledger, source)
    held = "cannot be decided here (failed on win_share: the judge prefers the warm answer"
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    claims_page.write_claims("embedded", ledger, "a run")
    assert (tmp_path / "claims.md").read_text(encoding="utf-8").count(held) == 9  # three sources
    measured = claims_page.measured_html(ledger[ledger.ours != "not measured"])
    assert measured.count("failed on win_share: the judge prefers the warm answer") == 3
    count = (ledger.ours == "cannot be decided here").sum()
    assert f"Of those that cannot be judged {count} rest" in front.held_back(ledger)
    assert front.held_back(ledger.assign(ours="supported")) == ""


def test_the_first_page_says_which_flags_did_not_pass(with_gates):
    assert "did not pass their gates: claims (" in front.of_flags(with_gates)
    assert front.of_flags(with_gates[with_gates.table != "gates"]) == ""


def test_a_chance_too_small_for_its_digits_is_not_shown_as_none():
    shown = [claims_page.shown_chance(share) for share in (None, 0.0, 0.004, 0.128)]
    assert shown == ["", "< 0.01", "< 0.01", "0.13"]


def test_a_failure_says_how_many_comparisons_hold(ledger):
    failed = ledger.set_index("id").printed_evidence["tuning-knows-more"]
    assert claims_page.first_failure(failed).startswith("16 of 70 comparisons fail, 54 hold; ")


def test_comparisons_name_systems_as_tables_do(ledger):
    """Also where the comparison names the table of each."""
    shown = "".join(map(claims_page.comparisons_html, ledger.id, ledger.printed_evidence))
    assert "EQ+SR (dpo) minus EQ+SR (sft) &gt; 0 on emodoctor.table1 mean" in shown
    shown += "".join(map(claims_page.comparisons_html, ledger.id, ledger.ours_evidence))
    assert "/ER, then EQ+SR (sft)/win_share" in shown and "eqsr-" not in shown
