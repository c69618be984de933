"""Tables of chapter 1.1, against values by hand."""

import pandas as pd
import pytest

from emo_utils.report import arms_tables, kept_runs


@pytest.fixture
def run():
    source = kept_runs.kept_source(kept_runs.REFERENCE / "emplifai_judge.json")
    fields = {"table": "arms.emotion", "system": "overt", "ci_low": 0.25, "ci_high": 0.75}
    fields |= {"n": 20, "unscored": 0, "interval": "items"}
    rows = [fields | {"metric": metric, "value": 0.5} for metric in ("mean", "auc")]
    source.table = lambda: pd.DataFrame([*rows, rows[0] | {"table": "arms.judge", "value": 0.9}])
    return source


def test_scores_and_their_place_above_the_doctor_stand_in_columns(run):
    page = arms_tables.shown_warmth(run, "arms.emotion", "Warmth.").data
    assert "Warmth." in page and "above the doctor (AUC)" in page and "<td>20</td>" in page
    assert page.count("0.50 [0.25, 0.75]") == 2 and "0.90" not in page


def test_one_question_of_each_emotion_stands_with_its_texts_and_scores(run):
    overt = pd.DataFrame(
        {"emotion": ["fear", "fear", "fear"], "emotional_question": ["<a>", "b", "c"]},
        index=["p", "q", "r"],
    )
    texts = {kind: pd.Series(f"{kind} text", overt.index) for kind in arms_tables.READ}
    scores = {kind: pd.Series([0.125, 0.5, 0.75], overt.index) for kind in arms_tables.READ}
    scores["subtle"] = scores["subtle"].loc[["q", "r"]]  # the first has no subtle answer
    page = arms_tables.shown_texts(run, overt, texts, scores).data
    assert "n = 1 of 2." in page and "[0.50] doctor text" in page and "<td>b</td>" in page
    assert "&lt;a&gt;" not in page and "0.12" not in page.partition("<details")[0]
