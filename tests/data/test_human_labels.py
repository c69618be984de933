"""The public sets of human labels and a user's own in their place, on small files made here."""

import json
import shutil

import pandas as pd
import pytest
import trial_sets

from emo_utils.data import human_labels
from emo_utils.project import EmoError


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return trial_sets.write(tmp_path_factory.mktemp("trial"))


def copied(trial, tmp_path):
    return shutil.copytree(trial, tmp_path / "copy")


def test_the_folder_is_the_one_given_or_that_of_the_environment(trial, monkeypatch):
    monkeypatch.delenv("EMO_TRIAL_DATA", raising=False)
    assert human_labels.folder_of("", book=False) is None
    monkeypatch.setenv("EMO_TRIAL_DATA", str(trial))
    assert human_labels.folder_of("", book=False) == trial
    assert human_labels.folder_of("", book=True) is None  # a page does not depend on a machine
    assert human_labels.folder_of(str(trial), book=True) == trial


def test_a_file_that_is_not_there_is_named(trial, tmp_path):
    with pytest.raises(EmoError, match="/nowhere .parameter 'trial_data'.* holds no esconv_dev/"):
        human_labels.folder_of("/nowhere", book=False)
    folder = copied(trial, tmp_path)
    (folder / human_labels.LLMBAR).unlink()
    with pytest.raises(EmoError, match="holds no llmbar_natural/dataset.json"):
        human_labels.folder_of(str(folder), book=False)


def test_the_labels_come_from_the_half_that_nothing_was_chosen_on(trial):
    """Lines 2 and 3 of the file are conversation 1, and so on:
    the odd ones, and every second comment.
    """
    sets = human_labels.emotion_sets(trial, rows=5, read=5, seed=42)
    replies = pd.concat([sets["reassurance"], sets["feelings"]])
    numbers = replies.text.str.extract(r"number (\d+)")[0].astype(int)
    assert set(numbers % 2) == {1} and replies.label.sum() == 10
    assert all(
        before.endswith(f" {k}." if text.startswith("Reply") else f" {k}?")
        for before, text, k in zip(replies.before, replies.text, numbers)
    )
    comments = sets["caring"]
    numbers = comments.text.str.extract(r"Comment (\d+)")[0].astype(int)
    assert set(numbers % 2) == {1} and (comments.label == (numbers % 4 == 1)).all()


def test_the_half_to_choose_on_is_the_other_one(trial):
    for texts in (
        lambda half: human_labels.goemotions(trial, half),
        lambda half: human_labels.esconv(trial, "Question", half),
    ):
        chosen, reported = texts(human_labels.CHOOSE), texts(human_labels.REPORT)
        assert len(chosen) and set(chosen.text).isdisjoint(reported.text)
        numbers = chosen.text.str.extract(r"number (\d+)|Comment (\d+)").bfill(axis=1)[0]
        assert set(numbers.astype(int) % 2) == {0}


def test_replies_to_one_post_stay_in_one_half_wherever_it_stands(tmp_path):
    rows = [
        {"before": f"Post {k // 2}.", "text": f"Reply {k}.", "emotional_reactions": k % 3}
        for k in range(40)
    ]
    halves = []
    for some in (rows, rows[::-1]):
        path = tmp_path / human_labels.EPITOME
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(map(json.dumps, some)))
        parts = [human_labels.epitome(tmp_path, half) for half in (0, 1)]
        halves.append([set(part.text) for part in parts])
        assert all(part.groupby("conversation").size().eq(2).all() for part in parts)
        numbers = parts[1].text.str.extract(r"(\d+)")[0].astype(int)
        assert (parts[1].label == (numbers % 3 > 0)).all()
    assert halves[0] == halves[1] and len(halves[0][0] | halves[0][1]) == 40
    assert min(map(len, halves[0])) >= 10
    with pytest.raises(EmoError, match="nowhere holds no epitome_half"):
        human_labels.epitome(tmp_path / "nowhere", human_labels.REPORT)


def test_a_label_is_that_of_its_writer(trial):
    """Conversation k carries one strategy on both replies, the k-th of three in turn."""
    for place, strategy in enumerate(trial_sets.STRATEGIES):
        replies = human_labels.esconv(trial, strategy)
        numbers = replies.text.str.extract(r"number (\d+)")[0].astype(int)
        assert len(replies) == 44 and (replies.label == (numbers % 3 == place)).all()
        assert (replies.conversation == numbers).all()


def test_both_labels_are_drawn_alike_and_a_part_is_to_be_read():
    table = pd.DataFrame({"text": [f"text {k}" for k in range(30)], "label": [0, 0, 1] * 10})
    drawn = human_labels.balanced(table, "a file", rows=7, read=5, seed=1)
    assert drawn.label.value_counts().to_dict() == {0: 7, 1: 7}
    assert drawn.groupby("label").read.sum().tolist() == [5, 5]
    assert drawn.equals(human_labels.balanced(table, "a file", rows=7, read=5, seed=1))
    assert not drawn.equals(human_labels.balanced(table, "a file", rows=7, read=5, seed=2))
    every = human_labels.balanced(table, "a file", rows=99, read=99, seed=1)
    assert every.label.value_counts().to_dict() == {0: 10, 1: 10} and every.read.all()


def test_a_file_that_is_cut_is_named(trial, tmp_path):
    folder = copied(trial, tmp_path)
    (folder / human_labels.GOEMOTIONS).write_text("One\t5\ta\nTwo\t27\tb\n")
    with pytest.raises(
        EmoError, match="goemotions_dev/dev.tsv has 0 texts of a label in the half that is used"
    ):
        human_labels.emotion_sets(folder, rows=5, read=5, seed=42)


def test_summaries_stand_beside_their_talk_and_counts(trial):
    table = human_labels.counted_summaries(trial)
    assert table.talk.tolist() == [k for k in range(6) for _ in range(3)]
    assert table.precision.tolist() == [1.0, 0.25, 0.9] * 6
    assert table.recall.tolist() == [1.0, 0.5, 0.3] * 6
    fourth = table.iloc[4]
    assert fourth.text == "Pain for 99 days, penicillin given."
    assert fourth.reference == "Pain for 21 days at night." and "21 days" in fourth.source


def test_two_files_that_do_not_belong_together_are_named(trial, tmp_path):
    folder = copied(trial, tmp_path)
    path = folder / human_labels.MTS[1]
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(EmoError, match="18 rows and .* 17; they belong together row by row"):
        human_labels.counted_summaries(folder)


def test_the_first_pairs_are_those_of_the_file(trial):
    pairs = human_labels.preferred_outputs(trial, 3)
    assert pairs == json.loads((trial / human_labels.LLMBAR).read_text())[:3]


def test_own_texts_need_a_text_and_a_number(tmp_path):
    rows = pd.DataFrame({"text": ["7", "two"], "label": ["1.5", "3"], "more": ["a", "b"]})
    rows.to_csv(tmp_path / "own.csv", index=False)
    table = human_labels.own_texts(str(tmp_path / "own.csv"))
    assert table.text.tolist() == ["7", "two"] and table.label.tolist() == [1.5, 3.0]
    assert table.read.all() and table.more.tolist() == ["a", "b"]
    rows.rename(columns={"label": "score"}).to_json(
        tmp_path / "wrong.jsonl", orient="records", lines=True
    )
    for name, content, message in (
        ("nowhere.csv", None, "'labelled' is '.*nowhere.csv', and there is no such file"),
        ("wrong.jsonl", None, "wrong.jsonl needs columns text and label"),
        ("words.csv", "text,label\nfine,1\nbad,no\n", "words.csv: row 2 lacks a text or a number"),
        ("alike.csv", "text,label\nfine,1\nbad,1\n", "has the same label in each row"),
        ("empty.csv", "text,label\nfine,1\n,2\n", "empty.csv: row 2 lacks a text or a number"),
        ("null.jsonl", '{"text": "a", "label": 1}\n{"text": null, "label": 2}\n', "row 2 lacks"),
        ("torn.jsonl", '{"text": "a", "lab', "torn.jsonl cannot be read"),
        ("texts.txt", "text,label\nfine,1\nbad,2\n", "texts.txt: a table is a .jsonl, .csv"),
    ):
        if content:
            (tmp_path / name).write_text(content)
        with pytest.raises(EmoError, match=message):
            human_labels.own_texts(str(tmp_path / name))
    (tmp_path / "words.csv").write_text("text,label\nNA,1\nnull,2\n")
    assert human_labels.own_texts(str(tmp_path / "words.csv")).text.tolist() == ["NA", "null"]


def test_own_pairs_need_two_texts_and_a_choice(tmp_path):
    rows = pd.DataFrame(
        {
            "input": ["Name a fruit.", "Name a tool.", "Say hello."],
            "output_1": ["Pear", "Cloud", "Hello"],
            "output_2": ["Stone", "Saw", "No"],
            "label": [1, 2, 1],
        }
    )
    rows.to_csv(tmp_path / "pairs.csv", index=False)
    assert human_labels.own_pairs(str(tmp_path / "pairs.csv")) == rows.to_dict("records")
    rows.assign(label=[1, 3, 1]).to_json(tmp_path / "bad.jsonl", orient="records", lines=True)
    with pytest.raises(
        EmoError, match="bad.jsonl: row 2 lacks a text, or its label is neither 1 nor 2"
    ):
        human_labels.own_pairs(str(tmp_path / "bad.jsonl"))
    rows.assign(input=["a", "b", None]).to_csv(tmp_path / "gap.csv", index=False)
    with pytest.raises(EmoError, match="gap.csv: row 3 lacks a text"):
        human_labels.own_pairs(str(tmp_path / "gap.csv"))
    rows.drop(columns="output_2").to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(EmoError, match="short.csv lacks the columns output_2"):
        human_labels.own_pairs(str(tmp_path / "short.csv"))
