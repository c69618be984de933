"""What more rows and larger models change: one figure and one table of all that is kept."""

import pandas as pd
import pytest

from emo import drift, edition
from emo.site import series
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import results


@pytest.fixture(scope="module")
def kept() -> dict[str, dict]:
    return drift.read(drift.reference("embedded"))


@pytest.fixture
def made(kept, monkeypatch) -> list[series.Source]:
    """The kept book, and as a unit of the edition the same with all values of Table 1 doubled."""
    records = results.frame([r | {"run": n} for n, run in kept.items() for r in run["records"]])
    unit = edition.Unit("overnight-tiny", kept, records)
    monkeypatch.setattr(edition, "states", lambda: {"overnight": "not there", unit.name: unit})
    first, second = series.sources()
    changed = second.records.copy()
    changed.loc[changed.table == "emodoctor.table1", ["value", "ci_low", "ci_high"]] *= 2
    return [first, series.Source("a larger model", changed)]


def test_sources_are_named_by_their_model_and_rows_smallest_first(made):
    assert made[0].label == "SmolLM2-135M-Instruct, 25 rows"
    assert len(made) == 2 and len(made[0].records) == len(made[1].records)


def test_the_figure_says_what_each_source_found(made, tmp_path):
    series.series_figure(made, tmp_path / "series.svg")
    drawn = (tmp_path / "series.svg").read_text(encoding="utf-8")
    panel = series.of_panel(made, "emodoctor.table1", "mean")
    assert list(panel) == [made[0].label, "a larger model"]
    tops = [part.set_index("system").value for part in panel.values()]
    assert (tops[1] == 2 * tops[0]).all()
    of_systems = tops[1][tops[1].index.isin(results.SYSTEMS)]
    assert "mean emotion score, a larger model: n = 20, highest" in drawn
    assert f"{of_systems.max():.2f}" in drawn


def test_scores_of_another_scorer_share_no_axis(made):
    other = made[0].records.assign(scorer="another scorer")
    panel = series.of_panel([series.Source("other", other), made[1]], "emodoctor.table1", "mean")
    assert list(panel) == ["a larger model"]
    nothing = series.of_panel([series.Source("none", other[:0])], "emodoctor.table1", "mean")
    assert nothing == {}


def test_a_claim_has_its_verdict_by_each_source(made):
    shown = series.verdicts(made)
    for source in made:
        ledger = claims_ledger.ledger(source.records)
        ledger = ledger[ledger.ours != "not measured"]
        said = dict(zip(shown.claim, shown[source.label]))
        assert set(said) == set(ledger.claim)
        assert all(said[claim].startswith(v) for claim, v in zip(ledger.claim, ledger.ours))
    assert not pd.isna(shown).any(axis=None)
