"""What was asked of whoever repeats Empathy by Design: results are records, links are pages."""

import pandas as pd
from bs4 import BeautifulSoup

from emo_utils.experiment import results
from emo_utils.project import NOTEBOOKS
from emo_utils.report import ebd_checks, kept_runs
from emo_utils.report.ebd_checks import Asked, Result

RECORD = {
    "table": "t",
    "system": "ebd-dpo",
    "metric": "m",
    "value": 0.5,
    "ci_low": 0.25,
    "ci_high": 0.75,
    "n": 12,
    "scorer": "s",
    "seed": 42,
    "signature": "how",
}


def rows_of_page() -> list[list[str]]:
    page = BeautifulSoup(ebd_checks.table().data, "html.parser")
    return [[cell.get_text() for cell in row.find_all("td")] for row in page.select("tbody tr")]


def test_three_experiments_and_three_checks_with_a_result_or_a_reason():
    rows = rows_of_page()
    assert [row[0] for row in rows] == ["first experiment"] * 3 + ["next check"] * 3
    assert all(row[4] for row in rows)
    assert [row[3] == "no result" for row in rows] == [False] * 4 + [True, False]
    assert not any("no record in" in row[3] or "no kept run" in row[3] for row in rows)


def test_every_link_is_a_chapter():
    page = BeautifulSoup(ebd_checks.table().data, "html.parser")
    for link in page.find_all("a"):
        assert (NOTEBOOKS / link["href"].replace(".html", ".ipynb")).is_file()


def test_results_carry_interval_and_n_and_say_where_there_is_none():
    few = RECORD | {"group": "few", "n": 4, "ci_low": 0.5, "ci_high": 0.5, "interval": "none"}
    frame = results.frame([RECORD, few])
    asked = Asked(
        "next check",
        "what",
        (),
        (
            Result("kept", "t", "ebd-dpo", "m", "all of it", sign="+"),
            Result("kept", "t", "", "m", "few", group="few"),
            Result("kept", "t", "ebd-dpo", "lost", "lost"),
            Result("none", "t", "ebd-dpo", "m", "away"),
        ),
        "",
    )
    assert ebd_checks.found(asked, {"kept": frame, "none": pd.DataFrame()}) == [
        "all of it +0.50 [+0.25, +0.75], n = 12",
        "few 0.50 (n = 4)",
        "lost: no record in kept",
        "away: no kept run",
    ]


def test_without_kept_runs_the_page_says_so(monkeypatch):
    monkeypatch.setattr(kept_runs, "kept", lambda path: pd.DataFrame())
    rows = rows_of_page()
    assert "no kept run" in rows[0][3] and rows[3][3] == "no kept run"
