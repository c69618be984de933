"""Dialogues that differ in one thing: what is added and cut, and what is recorded of them."""

import pandas as pd
import pytest

from emo_utils.experiment import runs
from emo_utils.judging import ablated_dialogues as ablated


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return ablated.versions(44)


def test_one_sentence_is_added_to_the_first_answer_and_nothing_else_changes(table):
    for _, part in table.groupby("id"):
        turns = part.set_index("system").turns
        plain = turns[ablated.PLAIN]
        for name in ablated.ADDED:
            changed = turns[name]
            assert changed[1].startswith(plain[1]) and len(ablated.sentences(changed[1])) >= 2
            assert [changed[0], *changed[2:]] == [plain[0], *plain[2:]]


def test_added_sentences_are_of_about_equal_length(table):
    added = table.pivot(index="id", columns="system", values="characters")
    means = added[list(ablated.ADDED)].sub(added[ablated.PLAIN], axis=0).mean()
    assert means.max() - means.min() < 3 and means.min() > 24


def test_the_dialogues_are_of_as_many_situations_with_as_many_emotions_as_goes(table):
    assert len(table) == 44 * len(ablated.VERSIONS) and table.situation.nunique() == 44
    assert set(table.groupby("emotion").id.nunique()) == {4}
    assert ablated.versions(11).emotion.nunique() == 11


def test_sentences_that_validate_by_their_words_are_cut_and_never_all():
    turn = "お気持ちは当然です。明日、血圧を測りましょう。一人ではありませんよ。"
    assert ablated.without_validation(turn) == "明日、血圧を測りましょう。"
    assert ablated.without_validation("無理もないことです。") == "無理もないことです。"


def test_what_is_said_back_begins_as_the_patient_did():
    assert ablated.said_back("「痛い」って言ったの。聞いてる？").startswith("「痛いって言ったの")
    assert ablated.said_back("眠れない…").startswith("「眠れない」と")


def test_effects_are_differences_dialogue_by_dialogue(table):
    """Every sentence lifts a rating by a tenth, a validating one by half a level more."""
    lifts = dict.fromkeys(ablated.VERSIONS, 0.1) | {ablated.PLAIN: 0.0, "validates": 0.6}
    own = {item: k % 7 / 10 for k, item in enumerate(table.id.unique())}
    ratings = pd.DataFrame(
        [
            {"id": r.id, "system": r.system, "metric": metric, "expected": 3 + own[r.id] + lift}
            for r in table.itertuples()
            for metric in ablated.RUBRICS
            for lift in (lifts[r.system],)
        ]
    )
    lost = (ratings.id == ratings.id[0]) & (ratings.metric == "security")
    ratings.loc[lost, "expected"] = float("nan")
    run = runs.Run("09_emplifai_moves", {"profile": "smoke", "seed": 42}, {})
    ablated.add_effects(run, ratings, table, "judge", "how")
    found = {(r.system, r.metric): r for r in run.records}
    assert found["length", "mean"].value == pytest.approx(0.1)
    assert found["validation", "general_empathy"].value == pytest.approx(0.5)
    assert found["validation against advice", "harmlessness"].value == pytest.approx(0.5)
    assert found["advice", "mean"].value == pytest.approx(0)
    assert (found["length", "security"].n, found["length", "security"].unscored) == (43, 1)
    assert found["length", "mean"].n == 43 and found["length", "harmlessness"].n == 44
    # The arm with validation throughout is the longer one, which its rating has to be held against.
    assert found["validation throughout", "characters"].ci_low > 0
