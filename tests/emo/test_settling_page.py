"""The page "What would have to be true": its costs are the bill's, its verdicts the ledger's."""

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from emo import drift
from emo.site import claims_page, layout, settling
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import parameters, results
from emo_utils.report import settling as experiments


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    kept = drift.read(drift.reference("embedded")).values()
    return results.frame([record for run in kept for record in run["records"]])


@pytest.fixture
def page(tmp_path, monkeypatch, records) -> BeautifulSoup:
    defaults = {name: p.default for name, p in parameters.declared("13_bill").items()}
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    about = {"13_bill": {"parameters": defaults}}
    settling.write_settling("embedded", records, about, claims_ledger.ledger(records))
    return BeautifulSoup((tmp_path / "settling.md").read_text(encoding="utf-8"), "html.parser")


def rows_of(table) -> pd.DataFrame:
    heads = [cell.get_text() for cell in table.select("thead th")]
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in table.select("tbody tr")]
    return pd.DataFrame(rows, columns=heads)


def test_the_page_shows_the_bill_s_costs_and_the_ledger_s_verdicts(page, records):
    tables = page.find_all("table")
    defaults = {name: p.default for name, p in parameters.declared("13_bill").items()}
    of = experiments.whole_bill(defaults)
    found = experiments.experiments(list(of.lines.index))
    overview = rows_of(tables[0])
    assert overview.experiment.tolist() == [*(e["title"] for e in found), "all of them together"]
    for row, experiment in zip(overview.to_dict("records"), found):
        expected = experiments.cost(experiments.times_paid(experiment), of)
        assert {name: row[name] for name in expected} == expected
        assert " to " in row["hours on one GPU"], "a figure without its uncertainty"
    here = dict(zip((ledger := claims_ledger.ledger(records)).id, claims_ledger.marked(ledger)))
    why = dict(zip(ledger.id, ledger.why))
    assert len(tables) == 1 + 2 * len(found)
    for table, experiment in zip(tables[1::2], found):
        expected = [claims_page.with_reason(here[c], why[c]) for c in experiment["claims"]]
        assert rows_of(table).here.tolist() == expected
    warmth = rows_of(tables[1])
    halves = warmth["half of the widest interval here"].str.extract(r"([\d.]+) \(n = (\d+)\)")
    at_paper = warmth["at n = 7,000"].astype(float)
    by_hand = halves[0].astype(float) * (halves[1].astype(float) / 7_000) ** 0.5
    assert (at_paper - by_hand).abs().max() < 0.0006

    linked = [link["href"] for link in tables[0].find_all("a")]
    assert linked == [f"#{experiment['id']}" for experiment in found]
    assert all(f"({experiment['id']})=" in page.get_text() for experiment in found)
