"""The dialogues that a judge gets: files, folders, the data's own, and what is known of them."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from emo_utils.data import emplifai
from emo_utils.judging import judged_dialogues
from emo_utils.project import EmoError

SYSTEMS = ("one", "two")
FOUR = ["a", "b", "c", "d"]


def answers(system: str, rows: list[dict], **more) -> pd.DataFrame:
    columns = {name: [row[name] for row in rows] for name in ("emotion", "situation", "turns")}
    names = [f"{row['emotion']}: {row['situation'][:20]}" for row in rows]
    return pd.DataFrame(columns).assign(id=names, system=system, answer="…", **more)


def test_a_file_names_its_pairs_and_systems(tmp_path):
    row = {"emotion": "悲しみ", "situation": "s1", "turns": FOUR, "system": "mine"}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    [found] = judged_dialogues.of_file(path).to_dict("records")
    assert (found["id"], found["system"], found["turns"]) == ("sadness: s1", "mine", FOUR)
    for lacking in ({"system": ""}, {"system": None}):
        path.write_text(json.dumps(row | lacking) + "\n", encoding="utf-8")
        with pytest.raises(EmoError, match="rows.jsonl has no column system, or an empty one"):
            judged_dialogues.of_file(path)


def test_a_folder_gives_one_file_a_system_and_leaves_others_out(tmp_path):
    rows = emplifai.load()[:2]
    for system in SYSTEMS:
        answers(system, rows).to_parquet(tmp_path / f"{system}.parquet")
    answers("three", rows).to_parquet(tmp_path / "three.parquet")
    pd.DataFrame({"id": ["x"]}).to_parquet(tmp_path / "other.parquet")
    found = judged_dialogues.of_folder(tmp_path, SYSTEMS)
    assert found.system.tolist() == ["one", "one", "two", "two"]
    answers("one", rows).to_parquet(tmp_path / "two.parquet")
    with pytest.raises(EmoError, match="needs one file of answers each of one, two; it has 2"):
        judged_dialogues.of_folder(tmp_path, SYSTEMS)
    (tmp_path / "two.parquet").unlink()
    with pytest.raises(EmoError, match="it has 1"):
        judged_dialogues.of_folder(tmp_path, SYSTEMS)


@pytest.mark.parametrize("arm", ["overt", "subtle"])
def test_the_datas_own_first_dialogue_stands_beside_the_systems_with_their_ids(arm):
    data = emplifai.load(arm)
    pairs = list(emplifai.by_pair(data).values())
    rows = [pairs[0][0], pairs[5][-1]]
    found = judged_dialogues.beside_the_data(answers("one", rows), arm)
    assert found.system.tolist() == ["one", "one", "data", "data"]
    own = found[found.system == "data"].set_index("id")
    assert set(own.index) == set(found.id[:2])
    for row, of_pair in zip(rows, (pairs[0], pairs[5]), strict=True):
        name = f"{row['emotion']}: {row['situation'][:20]}"
        assert own.turns[name] == of_pair[0]["turns"]


def test_form_text_and_end_of_each_dialogue_by_hand():
    rows = [
        ("p", "one", FOUR, "whole answer", True),
        ("p", "one", ["second"] * 4, "left out", True),
        ("p", "two", [], "no form", False),
        ("q", "one", ["a", "b", "", "d"], "a turn is empty", np.nan),
        ("q", "data", np.array(FOUR, dtype=object), np.nan, None),
    ]
    table = judged_dialogues.checked(
        pd.DataFrame(rows, columns=["id", "system", "turns", "answer", "complete"])
    )
    assert table.turns.tolist() == [FOUR, [], [], FOUR]
    assert table.text.tolist() == ["abcd", "no form", "abd", "abcd"]
    assert table.kept_form.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert table.cut.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_a_file_without_answers_and_ends_counts_with_its_turns():
    table = judged_dialogues.checked(
        pd.DataFrame({"id": ["p", "q"], "system": "one", "turns": [FOUR, ["a"]]})
    )
    assert table.text.tolist() == ["abcd", "a"] and table.cut.tolist() == [0.0, 0.0]


def test_ends_that_were_kept_as_true_and_false_are_read():
    ends = pd.DataFrame({"id": [1, 2], "system": "one", "turns": [FOUR] * 2})
    table = judged_dialogues.checked(ends.assign(complete=np.array([True, False])))
    assert table.cut.tolist() == [0.0, 1.0]


def test_counts_in_words():
    marks, systems = pd.Series([1.0, 0.0, 1.0, 0.0]), pd.Series(["b", "a", "b", "b"])
    assert judged_dialogues.counts(marks, systems) == "b 2 of 3, a 0 of 1"


def test_controls_are_the_datas_own_dialogues_made_worse():
    rows = emplifai.load()
    own = judged_dialogues.data_dialogues(
        judged_dialogues.beside_the_data(answers("one", rows[40:41]), "overt"), "overt", 9
    )
    assert own.system.tolist() == ["data"] and own.id[0].startswith(rows[40]["emotion"])
    made = judged_dialogues.controls(own, "overt").set_index("system")
    patient, supporter, again, last = rows[40]["turns"]
    assert made.turns[judged_dialogues.SHUFFLED] == [last, again, supporter, patient]
    assert made.turns[judged_dialogues.REPEATED] == [patient] * 4
    misplaced, other = made.turns[judged_dialogues.MISPLACED], rows[40 + 112]
    assert misplaced == [patient, other["turns"][1], again, other["turns"][3]]
    assert other["emotion"] != rows[40]["emotion"]
    assert set(made.id) == set(own.id) and set(made.situation) == {rows[40]["situation"]}


def test_where_no_dialogue_of_the_data_is_judged_some_of_the_data_stand_for_it():
    judged = answers("one", emplifai.load()[:1])
    own = judged_dialogues.data_dialogues(judged, "subtle", 30)
    assert len(own) == 30 and own.emotion.nunique() == 28 and own.situation.nunique() == 30
    assert set(own.turns.map(tuple)) <= {tuple(row["turns"]) for row in emplifai.load("subtle")}
    assert len(judged_dialogues.data_dialogues(judged, "subtle", 10**6)) == 112
    assert len(judged_dialogues.controls(own, "subtle")) == 90


def test_planted_harm_is_one_sound_and_one_harmful_version_a_scene():
    found = judged_dialogues.planted_harm(3)
    assert found.groupby("id").system.apply(list).tolist() == [["sound", "harm"]] * 3
    assert (found.groupby("id").situation.nunique() == 1).all()
    assert found.turns.map(tuple).nunique() == 6
    assert len(judged_dialogues.planted_harm(100)) == 40


def test_a_run_judges_what_it_was_given_or_the_books_own(tmp_path):
    rows = emplifai.load()[:1]
    of_book = SimpleNamespace(answers=lambda systems: answers("of the book", rows))
    found = judged_dialogues.of_the_run(None, of_book, SYSTEMS, "overt")
    assert found.system.tolist() == ["of the book", "data"]
    for system in SYSTEMS:
        answers(system, rows).to_parquet(tmp_path / f"{system}.parquet")
    found = judged_dialogues.of_the_run(tmp_path, of_book, SYSTEMS, "overt")
    assert found.system.tolist() == ["one", "two", "data"]
    path = tmp_path / "rows.jsonl"
    row = {"emotion": "joy", "situation": "s1", "turns": FOUR, "system": "mine"}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert judged_dialogues.of_the_run(path, of_book, SYSTEMS, "overt").system.tolist() == ["mine"]


def test_what_is_judged_is_said_in_words():
    rows = emplifai.load()
    given = pd.concat([answers("one", rows[:4:2]), answers("one", rows[:1])])
    given.loc[given.situation == rows[2]["situation"], "complete"] = False
    given["turns"] = [FOUR, FOUR[:3], FOUR]
    said = judged_dialogues.in_words(judged_dialogues.checked(given), len(given))
    assert said == (
        "cut off at the limit of tokens: one 1 of 2; "
        "1 further dialogues of a system and pair are left out\n"
        "2 dialogues of 1 systems for 2 pairs; form not kept: one 1 of 2"
    )


def test_captions_say_where_the_dialogues_are_from(tmp_path):
    (tmp_path / "mine.csv").write_text("x", encoding="utf-8")
    assert judged_dialogues.source_in_words(tmp_path / "mine.csv", "overt") == "the file mine.csv"
    for whence in (None, tmp_path):  # the book's systems, or runs by hand of them
        said = judged_dialogues.source_in_words(whence, "subtle")
        assert said == "this project's dialogues (arm subtle) and small models"
