"""The table of gates, against two records by hand."""

import pandas as pd

from emo_utils.report import gate_tables, kept_runs


def test_gates_are_shown_with_what_their_outcomes_mean():
    fields = {"group": "emodoctor.table1", "metric": "mean", "interval": "items", "n": 20}
    fields |= {"system": "reference above doctor", "unscored": 0}
    records = pd.DataFrame(
        [
            fields | {"table": "gates", "value": 0.5, "ci_low": 0.25, "ci_high": 0.75},
            fields | {"table": "other", "value": 0.9, "ci_low": 0.8, "ci_high": 1.0},
        ]
    )
    run = kept_runs.kept_source(kept_runs.REFERENCE / "emplifai_judge.json")
    page = gate_tables.shown(records, run, "Judge: x", items="pairs", begins="First. ").data
    assert (
        "First. Passed: the whole interval lies where it must. Open: too few pairs to tell, "
        "or an interval that holds both. Judge: x."
    ) in page
    assert page.count("emodoctor.table1 mean") == 1
    assert "<td>+0.50 [0.25, 0.75]</td>" in page or "<td>+0.50 [+0.25, +0.75]</td>" in page
