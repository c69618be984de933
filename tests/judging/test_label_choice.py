"""Questions with 28 options: the lists, who is read in which, and what comes back from a model."""

import numpy as np
import pytest

from emo_utils.data import emplifai
from emo_utils.judging import decisions, label_choice

LABELS = [japanese for _, japanese, _ in emplifai.EMOTIONS]


@pytest.mark.parametrize("orders", [1, 2, 4])
def test_orders_give_all_labels_the_same_mean_place(orders):
    lists = label_choice.option_orders(LABELS, max(orders, 2))
    assert {np.mean([each.index(label) for each in lists]) for label in LABELS} == {13.5}
    assert len({tuple(each) for each in lists}) == max(orders, 2) and lists[0] == LABELS


def test_every_dialogue_is_read_in_as_many_lists_and_the_lists_take_turns():
    true = np.repeat(range(6), 4)
    for lists, orders in ((2, 1), (2, 2), (4, 4), (4, 1)):
        plan = label_choice.reading_plan(true, lists, orders)
        assert plan.shape == (lists, 24) and (plan.sum(axis=0) == orders).all()
        assert (plan.sum(axis=1) == 24 * orders / lists).all()
        for label in range(6):  # each list reads each label as often
            assert (plan[:, true == label].sum(axis=1) == 4 * orders / lists).all()


def test_with_one_dialogue_a_label_half_of_the_labels_begin_with_each_list():
    plan = label_choice.reading_plan([3, 0, 2, 1], 2, 1)
    assert plan.tolist() == [[False, True, True, False], [True, False, False, True]]


def test_the_question_holds_the_options_in_their_order_and_the_dialogue(spread):
    scene = emplifai.as_scene("{options}", ["a", "b", "c", "d"])
    assert scene == "場面: {options}\n患者: a\n支援者: b\n患者: c\n支援者: d"
    asked = label_choice.question(spread[1], scene, LABELS[::-1])
    assert "候補: " + "、".join(LABELS[::-1]) + "\n" in asked
    assert scene in asked  # what stands in a dialogue is not filled in


def test_scores_stand_where_the_plan_has_them_in_the_order_of_the_first_list(spread):
    """Against the same question alone, read with the labels in the order of its own list."""
    model, tokenizer = spread
    lists = label_choice.option_orders(LABELS[:5], 2)
    texts = [emplifai.as_scene(str(k), ["x", "y", "z", "w"]) for k in range(3)]
    plan = np.array([[True, False, True], [False, True, False]])
    scores, empty = label_choice.label_scores(model, tokenizer, texts, lists, plan)
    assert scores.shape == (2, 3, 5) and (np.isnan(scores).all(axis=2) == ~plan).all()
    assert empty.shape == (2, 5)
    for number, row in ((0, 0), (1, 1), (0, 2)):
        asked = label_choice.question(tokenizer, texts[row], lists[number])
        [alone] = decisions.word_scores(model, tokenizer, [asked], lists[number])
        in_order = [alone[lists[number].index(label)] for label in lists[0]]
        assert scores[number, row] == pytest.approx(in_order, abs=1e-4)
    asked = label_choice.question(tokenizer, label_choice.EMPTY, lists[1])
    assert empty[1] == pytest.approx(
        decisions.word_scores(model, tokenizer, [asked], lists[0])[0], abs=1e-4
    )


def test_a_written_label_is_the_first_line_of_what_the_model_generates(spread, monkeypatch):
    model, tokenizer = spread
    texts = [emplifai.as_scene("here", [turn] * 4) for turn in ("a long turn " * 4, "b")]
    found = label_choice.written_labels(model, tokenizer, texts, LABELS)
    for text, answer in zip(texts, found, strict=True):
        asked = label_choice.question(tokenizer, text, LABELS)
        inputs = tokenizer(asked, add_special_tokens=False, return_tensors="pt")
        output = model.generate(**inputs, max_new_tokens=16, do_sample=False)
        new = output[0, inputs["input_ids"].shape[1] :]
        whole = tokenizer.decode(new, skip_special_tokens=True).strip()
        assert answer == whole.split("\n")[0].strip("「」。、 ") and whole
    assert label_choice.written_labels(model, tokenizer, [], LABELS) == []
    written = [("「喜び」。\n悲しみ", 9, True), ("", 0, True)]
    monkeypatch.setattr(label_choice.answering, "complete", lambda *_, **__: written)
    assert label_choice.written_labels(model, tokenizer, texts, LABELS) == ["喜び", ""]
