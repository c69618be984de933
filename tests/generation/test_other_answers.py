"""Which models answer beside the tuned one, and that none is loaded twice."""

import pandas as pd
import pytest

from emo_utils.generation import answering, other_answers, served
from emo_utils.models import loading

QUESTIONS = [{"id": "1", "question": "Why?"}, {"id": "2", "question": "How?"}]
SETTINGS = {"max_new_tokens": 3, "temperature": 0.0, "seed": 1}


@pytest.fixture
def loaded(monkeypatch):
    """The names of the models that were loaded; who answers gives back what it was given."""
    names = []
    monkeypatch.setattr(
        loading, "load", lambda name, dtype: names.append(name) or (f"{name}'s weights", dtype)
    )
    monkeypatch.setattr(
        answering,
        "answer_questions",
        lambda model, tokenizer, rows, prompt, system, **settings: pd.DataFrame(
            {"id": [row["id"] for row in rows], "system": system, "answer": model}
        ).assign(**settings),
    )
    return names


def test_each_named_model_answers_once_and_what_is_in_memory_is_not_loaded(loaded):
    found = other_answers.of_models(
        ("second", "judge", "", "second"),
        QUESTIONS,
        "float32",
        {"judge": ("here", "t")},
        **SETTINGS,
    )
    assert loaded == ["second"]
    assert [table.system[0] for table in found] == ["second", "judge"]
    assert [table.answer[0] for table in found] == ["second's weights", "here"]
    assert found[0].batch_size[0] == 2 and found[0].max_new_tokens[0] == 3


def test_without_a_name_no_service_is_asked(monkeypatch, tmp_path):
    assert other_answers.of_service("", "http://nowhere/v1", QUESTIONS, tmp_path) == []
    asked = []

    def write(name, settings, rows, folder):
        asked.append((name, settings, rows))
        path = folder / "answers.parquet"
        pd.DataFrame({"id": ["1"], "answer": ["A."], "system": "a file"}).to_parquet(path)
        return path

    monkeypatch.setattr(served, "write", write)
    [table] = other_answers.of_service("org/big", "http://x/v1", QUESTIONS, tmp_path, **SETTINGS)
    [(name, settings, rows)] = asked
    assert (name, settings.model, settings.endpoint) == ("org_big", "org/big", "http://x/v1")
    assert settings.prompt == "caregiver_task" and rows == QUESTIONS
    assert table.system.tolist() == ["org/big"]
