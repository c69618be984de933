"""What people chose, as records, against the tables of agreement and by hand."""

import shutil

import numpy as np
import pandas as pd
import pytest
from test_ratings import all_back, answers, choose, dialogues, likes

from emo_utils.people import agreement, choices, forms, rating_kit
from emo_utils.project import EmoError

MEASURES = ["length", "same"]


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """Everybody likes the new answers but to the question 0."""
    folder = tmp_path_factory.mktemp("pairs") / "pairs"
    forms.make_comparisons(answers("old"), answers("new"), folder, group_size=6, raters=2)
    choose(folder, lambda number, *more: likes("new" if number else "old")(number, *more))
    return folder


def scored(**changed) -> pd.DataFrame:
    """The answers with two scores: the new ones are longer, and all are the same."""
    table = pd.concat([answers("old"), answers("new")], ignore_index=True)
    table["answer"] = [changed.get(f"{r.id}_{r.system}", r.answer) for r in table.itertuples()]
    return table.assign(length=(table.system == "new") * 1.0, same=1.0)


def test_nobody_has_chosen_without_a_folder(kit, tmp_path):
    nobody, notes = choices.returned(None)
    assert nobody.empty and notes == []
    people, notes = choices.returned(kit)
    assert people.equals(rating_kit.read_back(kit)[0]) and notes == []
    kit = shutil.copytree(kit, tmp_path / "pairs")
    (kit / "returned" / "g001r1.json").write_text("no form", encoding="utf-8")
    _, notes = choices.returned(kit)
    assert "g001r1.json" in notes[0] and "1 of 4 sheets have not come back" in notes[1]
    forms.make_sheets(dialogues(), tmp_path / "ratings", group_size=6, raters=2)
    all_back(tmp_path / "ratings", lambda item, metric, sheet: 3)
    with pytest.raises(EmoError, match="notebook 09_emplifai takes the other"):
        choices.returned(tmp_path / "ratings")


def test_a_choice_is_between_the_texts_that_were_shown(kit):
    people, _ = choices.returned(kit)
    assert choices.between(people, scored()).all() and choices.remark(people, scored()) == []
    made_again = scored(q3_new="something else", q4_old="another", q4_new="text")
    same = choices.between(people, made_again)
    assert set(people.id[~same]) == {"q3", "q4"} and len(same) == len(people)
    assert choices.remark(people, made_again)[0].startswith("2 of 12 questions were compared")
    gone = made_again[made_again.id != "q5"]
    assert set(people.id[~choices.between(people, gone)]) == {"q3", "q4", "q5"}


def test_records_are_the_tables_of_agreement(kit):
    people, _ = choices.returned(kit)
    records = pd.DataFrame(choices.records(people, scored(), MEASURES, 42))
    assert set(records.table) == {"ebd.people"} and set(records.scorer) == {"people"}
    assert set(records.system) == {"new"} and set(records.metric) == set(people.metric)
    chosen = records[records.group == "chosen"]
    assert set(chosen.value) == {11 / 12} and set(chosen.n) == {12} and set(chosen.unscored) == {0}
    expected = agreement.choices(people)
    assert chosen[["ci_low", "ci_high"]].to_numpy().tolist() == (
        expected[["low", "high"]].to_numpy().tolist()
    )
    assert set(records[records.group == "alpha"].value) == {1.0}  # all raters are of one mind
    # Longer is chosen in all questions but one; a score that is the same says nothing, and is out.
    assert set(records.group) == {"chosen", "alpha", "length"}
    assert set(records[records.group == "length"].value) == {11 / 12}
    assert set(records.interval) == {"items"}
    assert set(chosen.kind) == {"share"} and set(records[records.group == "alpha"].kind) == {
        "agreement"
    }
    assert records.signature[0] == (
        "share of questions, no difference counts half; 4 raters; against old"
    )


def test_few_questions_have_no_interval_and_texts_made_again_no_score(kit):
    people, _ = choices.returned(kit)
    few = people[people.id.isin(["q0", "q1", "q2"])]
    answers_now = scored(q1_new="made again")
    records = pd.DataFrame(choices.records(few, answers_now, MEASURES, 42))
    chosen, length = (records[records.group == name] for name in ("chosen", "length"))
    assert set(chosen.interval) == {"none"} and set(chosen.value) == {2 / 3}
    assert (chosen.ci_low == chosen.value).all() and (chosen.ci_high == chosen.value).all()
    assert set(length.n) == {2} and set(length.value) == {0.5}
    none_left = scored(**{f"q{n}_old": "made again" for n in range(12)})
    left = pd.DataFrame(choices.records(few, none_left, MEASURES, 42))
    assert set(left.group) == {"chosen", "alpha"}


def test_what_has_no_score_and_what_is_undecided_is_counted(kit):
    people, _ = choices.returned(kit)
    now = scored()
    now.loc[now.id == "q2", "length"] = np.nan
    now.loc[now.id == "q3", "length"] = 0.5
    records = pd.DataFrame(choices.records(people, now, ["length"], 42))
    length = records[records.group == "length"]
    assert set(length.n) == {10} and set(length.unscored) == {2}
