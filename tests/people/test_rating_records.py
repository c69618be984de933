"""What is recorded of people's ratings, against means by hand."""

import numpy as np
import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.people import agreement, rating_records


@pytest.fixture
def run():
    return runs.Run("09_emplifai", {"profile": "smoke", "seed": 42}, {})


def ratings(*rows) -> pd.DataFrame:
    columns = ["rater", "system", "id", "metric", "value"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float})


def test_a_dialogue_counts_once_whoever_rated_it(run):
    """Dialogue a has two raters, whose mean is 4; b has one, who gives 1."""
    given = ratings(
        ("r1", "gpt", "a", "fluency", 5),
        ("r2", "gpt", "a", "fluency", 3),
        ("r1", "gpt", "b", "fluency", 1),
        ("r1", "data", "a", "fluency", 2),
    )
    rating_records.add_means(run, given)
    records = {r.system: r for r in run.records}
    assert list(records) == ["gpt.human", "data.human"]
    gpt = records["gpt.human"]
    assert (gpt.value, gpt.n, gpt.scorer) == (2.5, 2, "2 people")
    assert (gpt.table, gpt.metric, gpt.interval) == ("emplifai.table5", "fluency", "none")
    assert records["data.human"].scorer == "1 people"


def test_agreement_is_recorded_where_something_was_rated_twice(run):
    agreed = pd.DataFrame(
        [["fluency", 0.5, 0.25, 0.75, 12, 3], ["security", np.nan, np.nan, np.nan, 0, 3]],
        columns=["metric", "value", "low", "high", "n", "raters"],
    )
    rating_records.add_agreement(run, agreed)
    [record] = run.records
    assert (record.metric, record.system, record.group) == ("fluency", "raters", "alpha")
    assert (record.value, record.ci_low, record.ci_high, record.n) == (0.5, 0.25, 0.75, 12)
    assert (record.kind, record.scorer) == ("agreement", "3 people")


def test_no_rating_gives_no_record(run):
    rating_records.add_means(run, ratings())
    rating_records.add_agreement(run, agreement.agreement(ratings(), seed=1))
    assert run.records == []
