"""Answers of trained systems to questions of any test: which weights, which instructions."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from emo_utils import project
from emo_utils.data import dialogues
from emo_utils.generation import answering, prompts, trained_systems
from emo_utils.models import loading
from emo_utils.project import EmoError

ROWS = [{"id": str(k), "question": f"Why {k}?"} for k in range(70)]


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """A project with one checkpoint, and no model behind it."""
    monkeypatch.setattr(project, "ROOT", tmp_path)
    folder = tmp_path / "checkpoints" / "smoke" / "eqsr-dpo"
    folder.mkdir(parents=True)
    (folder / "companion.json").write_text(json.dumps({"base_model": "small"}), encoding="utf-8")
    return folder


def test_a_checkpoint_is_found_or_named_with_its_command(checkpoints):
    assert trained_systems.checkpoint("eqsr-dpo", "smoke") == checkpoints
    assert trained_systems.start_of("eqsr-dpo", "smoke") == "small"
    with pytest.raises(
        EmoError, match="the checkpoint of ebd-dpo .* is missing; make it with: emo make ebd-dpo"
    ):
        trained_systems.start_of("ebd-dpo", "smoke")


@pytest.mark.parametrize("count, batch", [(3, 3), (70, 64)])
def test_a_trained_system_answers_with_its_checkpoint(checkpoints, monkeypatch, count, batch):
    calls = []
    monkeypatch.setattr(
        answering, "answer_questions", lambda *given, **more: calls.append((given, more))
    )
    monkeypatch.setattr(
        loading, "load", lambda name, dtype, chain: ((name, dtype, tuple(chain)), "tokenizer")
    )
    sampling = {"max_new_tokens": 5, "temperature": 0.3, "seed": 7}
    for system, chain in (("eqsr-dpo", (checkpoints,)), ("ebd-base", ())):
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
