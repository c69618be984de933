"""Answers of trained systems to questions of any test: which weights, which instructions."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from emo_utils import project
from emo_utils.data import dialogues
from emo_utils.experiment import runs
from emo_utils.generation import answering, prompts, trained_systems
from emo_utils.models import loading
from emo_utils.project import EmoError

ROWS = [{"id": str(k), "question": f"Why {k}?"} for k in range(70)]


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """A project with three checkpoints, the last of which starts from the first; no model."""
    for module in (project, runs):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    folder = tmp_path / "checkpoints" / "smoke"
    for name, before in {"er-sft": [], "eqsr-dpo": [], "er-eqsr-dpo": ["er-sft"]}.items():
        (folder / name).mkdir(parents=True)
        about = {"base_model": "small", "starts_from": [f"checkpoints/smoke/{b}" for b in before]}
        (folder / name / "companion.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


@pytest.fixture
def calls(monkeypatch):
    """What was asked, in place of answers."""
    found = []

    def answered(*given, **more):
        found.append((given, more))
        return pd.DataFrame({"system": [given[4]]})

    monkeypatch.setattr(answering, "answer_questions", answered)
    return found


def test_a_checkpoint_is_found_or_named_with_its_command(checkpoints):
    assert trained_systems.chain("eqsr-dpo", "smoke") == [checkpoints / "eqsr-dpo"]
    assert trained_systems.start_of("eqsr-dpo", "smoke") == "small"
    assert trained_systems.chain("prompt", "smoke") == trained_systems.chain("ebd-base", "x") == []
    with pytest.raises(
        EmoError, match="the checkpoint of ebd-dpo .* is missing; make it with: emo make ebd-dpo"
    ):
        trained_systems.start_of("ebd-dpo", "smoke")


@pytest.mark.parametrize("count, batch", [(3, 3), (70, 64)])
def test_a_trained_system_answers_with_its_checkpoints(
    checkpoints, calls, monkeypatch, count, batch
):
    monkeypatch.setattr(
        loading, "load", lambda name, dtype, chain: ((name, dtype, tuple(chain)), "tokenizer")
    )
    sampling = {"max_new_tokens": 5, "temperature": 0.3, "seed": 7, "engine": "torch"}
    of_child = (checkpoints / "er-sft", checkpoints / "er-eqsr-dpo")
    for system, chain in (("er-eqsr-dpo", of_child), ("ebd-base", ())):
        trained_systems.answers(
            system,
            ROWS[:count],
            "caregiver_task",
            profile="smoke",
            base_model="small",
            dtype="float32",
            **sampling,
        )
        (model, tokenizer, rows, task, name), options = calls.pop()
        assert model == ("small", "float32", chain) and tokenizer == "tokenizer"
        assert (rows, name) == (ROWS[:count], system) and task == prompts.text("caregiver_task")
        assert options == sampling | {"batch_size": batch}


PLAIN = {"profile": "smoke", "dtype": "float32", "max_new_tokens": 5, "engine": "auto"}


def test_plain_questions_are_asked_of_one_base_with_each_systems_adapters(
    checkpoints, calls, monkeypatch
):
    bases = []

    def each(name, dtype, chains):
        bases.append((name, dtype))
        yield from ((key, chain, "tokenizer") for key, chain in chains.items())

    monkeypatch.setattr(loading, "each", each)
    rows = dialogues.load("test", 3)
    systems = ("base", "prompt", "er-sft", "er-eqsr-dpo")
    answers = trained_systems.plain_answers(rows, systems, base_model="small", **PLAIN)
    assert tuple(answers.system) == systems and bases == [("small", "float32")]
    chains = {given[4]: [folder.name for folder in given[0]] for given, _ in calls}
    assert chains == {
        "base": [],
        "prompt": [],
        "er-sft": ["er-sft"],
        "er-eqsr-dpo": ["er-sft", "er-eqsr-dpo"],
    }
    tasks = {given[4]: given[3] for given, _ in calls}
    assert {name for name, task in tasks.items() if task == prompts.text("comfort")} == {"prompt"}
    assert set(tasks.values()) == {prompts.text("comfort"), prompts.text("task")}
    for (_, _, asked, *_), options in calls:
        assert [row["question"] for row in asked] == [row["question"] for row in rows]
        assert not any("emotional_question" in row for row in asked)
        assert options == {"max_new_tokens": 5, "engine": "auto", "batch_size": 3}


@pytest.mark.parametrize(
    "system, base_model, message",
    [
        ("eqsr-kto", "small", "checkpoint of eqsr-kto .smoke profile. is missing.*emo make eqsr-k"),
        ("er-sft", "large", "er-sft .smoke profile. starts from small.*'base_model' is large: giv"),
    ],
)
def test_plain_questions_load_nothing_where_a_system_cannot_be_compared(
    checkpoints, calls, monkeypatch, system, base_model, message
):
    monkeypatch.setattr(loading, "load", lambda *_: pytest.fail("it loaded a model"))
    with pytest.raises(EmoError, match=message):
        trained_systems.plain_answers(ROWS[:2], ("base", system), base_model=base_model, **PLAIN)
    assert not calls


def test_chapter_3s_test_is_cut_to_the_rows_that_were_answered():
    known = [row["id"] for row in dialogues.load("test", arm="overt")]
    of_systems = [
        {"id": i, "system": system} for system in ("base", "eqsr-dpo") for i in known[4:1:-1]
    ]
    run = SimpleNamespace(profile="smoke", answers=lambda systems: pd.DataFrame(of_systems))
    rows, answers, sampling = trained_systems.of_chapter_3(run, 2, "overt")
    assert [row["id"] for row in rows] == known[2:4]  # in the order of the test
    assert len(answers) == 4 and set(answers.id) == set(known[2:4])
    assert sampling == {"max_new_tokens": 16, "temperature": 0.0}  # the profile's
