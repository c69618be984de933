"""The edition on the pages: three columns, verdicts of its own, and a page of its units."""

import copy

import pytest
from bs4 import BeautifulSoup

from emo import drift, edition
from emo.graph import steps
from emo.site import edition_page, layout
from emo_utils.claims import gates
from emo_utils.experiment import results

STEP = steps.step("05_emotion_scoring")


@pytest.fixture(scope="module")
def runs() -> dict[str, dict]:
    return drift.read(drift.reference("embedded"))


@pytest.fixture(scope="module")
def here(runs):
    return results.frame([r | {"run": n} for n, run in runs.items() for r in run["records"]])


@pytest.fixture
def kept(runs, monkeypatch):
    """An edition of the kept book's records, each value raised by .1; this run has them as they
    are.
    """
    theirs = {STEP.run: copy.deepcopy(runs[STEP.run]), "03_dpo.eqsr-dpo": runs["03_dpo.eqsr-dpo"]}
    for record in theirs[STEP.run]["records"]:
        record["value"] += 0.1
        record["ci_high"] += 0.1
    records = [r | {"run": name} for name, run in theirs.items() for r in run["records"]]
    unit = edition.Unit("overnight-small", theirs, results.frame(records))
    states = {"overnight": "book/edition/overnight/records.json is not there", unit.name: unit}
    monkeypatch.setattr(edition, "states", lambda: states)
    return unit


def test_a_chapter_shows_the_papers_number_the_editions_and_this_runs(kept, here):
    block = edition_page.of_chapter(STEP, "embedded", here)
    page = BeautifulSoup(block, "html.parser")
    heads = [head.get_text() for head in page.select("table")[0].select("thead th")]
    assert heads[1:4] == [
        "empathetic, paper",
        "empathetic, edition",
        "empathetic, this run (embedded)",
    ]
    cells = {
        row.th.get_text(): [cell.get_text() for cell in row.select("td")]
        for row in page.select("table")[0].select("tbody tr")
    }
    theirs, ours = (
        float(cells["EQ+SR (dpo)"][heads.index(f"mean, {name}") - 1].split(" ")[0])
        for name in ("edition", "this run (embedded)")
    )
    assert theirs == pytest.approx(ours + 0.1, abs=0.011)
    notes = page.get_text()
    assert "Edition: n = 20 test questions" in notes and "This run: n = 20" in notes
    assert "in the edition" in notes and "SmolLM2-135M-Instruct, trained once on all rows" in notes
    assert f"Edition: {gates.warning(kept.records, 'emodoctor.table1')}." in notes
    assert "Edition: Not to be relied on, by their gates: " in notes


def test_a_chapter_without_a_run_in_the_edition_and_the_unit_itself_show_none(kept, here):
    assert edition_page.of_chapter(steps.step("06_knowledge_scoring"), "embedded", here) == ""
    assert edition_page.of_chapter(steps.step("03_dpo.eqsr-dpo"), "embedded", here) == ""
    assert edition_page.of_chapter(STEP, "overnight-small", here) == ""


def test_without_an_edition_the_pages_are_built_without_it(here, monkeypatch):
    monkeypatch.setattr(edition, "states", lambda: dict.fromkeys(edition.UNITS, "not there"))
    assert edition.shown() is None and edition_page.of_chapter(STEP, "embedded", here) == ""


def test_the_page_says_what_is_kept_and_what_was_not_reached(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    edition_page.write_edition()
    page = BeautifulSoup((tmp_path / "edition.md").read_text(), "html.parser")
    units, values, by_source = page.select("table")
    heads = [head.get_text() for head in by_source.select("thead th")]
    assert heads[2:] == ["SmolLM2-135M-Instruct, 25 rows", "overnight-small"]
    rows = [[cell.get_text() for cell in row.select("td")] for row in units.select("tbody tr")]
    assert rows[0][:2] == ["overnight", "Qwen2.5-Coder-1.5B-Instruct"]
    assert rows[0][3].startswith("no: book/edition/overnight/records.json is not there")
    assert rows[1][3] == f"2 of {len(steps.STEPS)} runs, {len(kept.records)} records"
    assert "06_knowledge_scoring" in rows[1][-1] and STEP.run not in rows[1][-1]
    trained = [[cell.get_text() for cell in row.select("td")] for row in values.select("tbody tr")]
    assert len(trained) == len(edition.UNITS) * len(edition_page.TRAININGS)
    assert all("all" in row for row in trained)
