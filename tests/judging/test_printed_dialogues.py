"""Ratings of printed dialogues beside ours, by hand."""

import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.judging import printed_dialogues
from emo_utils.report import moved_tables

ROWS = [
    {"id": "1", "ratings": {"security": (5.0, 1.5)}},
    {"id": "2", "ratings": {"security": (5.0, 2.0), "harmlessness": (4.0, 2.0)}},
]


def rated(levels: dict[tuple[str, str], float]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"id": i, "metric": metric, "expected": level} for (i, metric), level in levels.items()]
    )


def test_whom_the_judge_follows():
    ours = rated({("1", "security"): 2.0, ("2", "security"): 4.5, ("2", "harmlessness"): 3.0})
    own = rated(
        {
            ("a", "security"): 1.0,
            ("b", "security"): 2.0,
            ("c", "security"): 3.0,
            ("d", "security"): 5.0,
        }
        | {("a", "harmlessness"): 4.0}
    )
    table = printed_dialogues.followed(ROWS, ours, own)
    assert table[printed_dialogues.BELOW].tolist() == [1.5 / 4, 3 / 4, 0.0]
    run = runs.Run("09_emplifai_moves", {"profile": "smoke", "seed": 42}, {})
    printed_dialogues.add_followed(run, table, own=4, scorer="judge", how="how")
    records = pd.DataFrame([record.model_dump() for record in run.records])
    away = records[records.metric == "mad"].set_index("system").value
    assert away.to_dict() == pytest.approx(
        {printed_dialogues.JUDGE: (3 + 0.5 + 1) / 3, printed_dialogues.PEOPLE: (0.5 + 2.5 + 1) / 3}
    )
    assert (records.interval == "none").all()  # two dialogues
    shown = moved_tables.printed(records)
    assert shown.index.tolist() == [
        "dialogue 1, security",
        "dialogue 2, security",
        "dialogue 2, harmlessness",
    ]
    said = moved_tables.follows(records)
    assert "paper's judge 1.50 (n = 3), people 1.33 (n = 3)" in said
    assert "nearer to people in 1 of 3 ratings" in said
