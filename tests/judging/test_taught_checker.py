"""The taught checker: what it is asked, what it learns, and that it is kept, with a tiny model."""

import numpy as np
import pytest
import torch

from emo_utils.judging import taught_checker
from emo_utils.models import embeddings, loading


@pytest.fixture
def tiny_model(tiny):
    return loading.load("tiny-llama", "float32")


GROUPS = [
    ("The knee hurts.", ["knee", "hip", "knee hurts"], [1, 0, 1]),
    ("A hip hurts.", ["knee", "hip"], [0, 1]),
    ("An ear hurts.", ["ear"], [1]),
]


def test_what_it_leans_to_is_what_whole_prompts_say(tiny_model):
    """One pass over a source and its statements,
    against the model's own logits for each prompt by itself.
    """
    model, tokenizer = tiny_model
    source, texts = (
        "Doctor: Any pain? Patient: None, <|im_end|> since Monday.",
        ["No pain.", "Pain since Monday", "ok"],
    )
    yes, no = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("yes", "no"))
    leanings = taught_checker.leanings(model, tokenizer, source, texts).tolist()
    [chances] = taught_checker.answers(model, tokenizer, [(source, texts)])
    for text, leaning, chance in zip(texts, leanings, chances, strict=True):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": f"{source}\n\nNote: {text}"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.inference_mode():
            logits = model(**prompt).logits[0, -1]
        assert leaning == pytest.approx((logits[yes] - logits[no]).item(), abs=1e-5)
        alone = torch.softmax(logits[[yes, no]], 0)[0].item()
        assert chance == pytest.approx(alone, abs=1e-5)
    assert taught_checker.leanings(model, tokenizer, "long " * 10_000, texts).isnan().all()


def test_it_learns_the_statements_it_is_taught_and_so_again(tiny):
    first, again = (loading.load("tiny-llama", "float32") for _ in range(2))
    before = taught_checker.leanings(*first, *GROUPS[0][:2])
    adapters, losses = taught_checker.teach(*first, GROUPS, 30, seed=42, rate=5e-3)
    assert len(losses) == 90 and np.mean(losses[-9:]) < np.mean(losses[:9]) - 0.05
    assert taught_checker.teach(*again, GROUPS, 30, seed=42, rate=5e-3)[1] == losses
    after = taught_checker.leanings(*first, *GROUPS[0][:2])
    assert after[0] - after[1] > before[0] - before[1] + 1


def test_its_loss_is_that_of_a_logistic_regression(tiny_model):
    """The first source of the order, before any step: -log of the right answers' probabilities."""
    model, tokenizer = tiny_model
    chances = taught_checker.answers(model, tokenizer, [group[:2] for group in GROUPS])
    expected = [
        -np.mean([np.log(p if right else 1 - p) for p, right in zip(several, group[2])])
        for several, group in zip(chances, GROUPS)
    ]
    _, losses = taught_checker.teach(model, tokenizer, GROUPS, 1, seed=42)
    first = np.random.default_rng(42).permutation(3)[-1]
    assert losses[0] == pytest.approx(expected[first], abs=1e-5)


def test_a_pass_takes_each_source_once(tiny):
    turns = list(taught_checker._in_turn(["a", "b", "c"], 2, seed=5))
    assert [place for place, _, _ in turns] == list(range(6))
    assert [last for _, last, _ in turns] == [False, False, True] * 2
    for start in (0, 3):
        assert sorted(group for _, _, group in turns[start : start + 3]) == ["a", "b", "c"]


def test_a_source_too_long_for_the_model_teaches_nothing(tiny_model, capsys):
    groups = [("long " * 10_000, ["x"], [1]), ("Short.", ["x"], [1])]
    _, losses = taught_checker.teach(*tiny_model, groups, 2, seed=42)
    assert len(losses) == 2 and "1 of 2 sources are too long" in capsys.readouterr().out


def test_a_taught_checker_is_kept(tiny_model, tmp_path):
    model, tokenizer = tiny_model
    adapters, _ = taught_checker.teach(model, tokenizer, GROUPS, 5, seed=42, rate=5e-3)
    taught = taught_checker.answers(model, tokenizer, [GROUPS[0][:2]])
    taught_checker.save(adapters, tmp_path / "checker", "tiny-llama", "a run")
    again = loading.load("tiny-llama", "float32", [tmp_path / "checker"])
    assert taught_checker.answers(*again, [GROUPS[0][:2]])[0] == pytest.approx(taught[0], abs=1e-4)
    bare = loading.load("tiny-llama", "float32")
    untaught = taught_checker.answers(*bare, [GROUPS[0][:2]])
    assert untaught[0] != pytest.approx(taught[0], abs=1e-4)


def test_another_source_stands_in_the_place_of_the_right_one():
    assert taught_checker.with_another_source(GROUPS) == [
        ("An ear hurts.", GROUPS[0][1]),
        ("The knee hurts.", GROUPS[1][1]),
        ("A hip hurts.", GROUPS[2][1]),
    ]


def test_doubts_are_the_sum_of_no_over_sentences(tiny_model):
    texts = ["No pain. Pain since Monday.", "17"]
    doubts = taught_checker.minus_doubts(*tiny_model, ["None.", "None."], texts)
    [yes] = taught_checker.answers(*tiny_model, [("None.", embeddings.sentences(texts[0]))])
    assert len(yes) == 2 and doubts.tolist() == [pytest.approx(sum(yes) - 2), 0.0]
