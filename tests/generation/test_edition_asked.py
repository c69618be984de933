"""`emo ask --edition`: what is there answers, and what is missing is named with its trainings."""

import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from emo import cli, edition, planning
from emo.cli import answering as command
from emo.graph import due, steps
from emo_utils import project
from emo_utils.experiment import results, runs
from emo_utils.generation import answering, prompts

UNIT = "overnight-small"
TRAINED = results.SYSTEMS[2:]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A project where nothing is trained, a kept unit whose trainings took 25 minutes each, and no
    model: the systems that are asked, with what is asked.
    """
    for module in (project, runs):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    kept = {
        step.run: {
            "fingerprint": {"parameters": steps.values(step, UNIT)},
            "seconds": 1500.0,
            "device": "two cores of theirs",
            "git_commit": "c" * 40,
            "peak_memory_mb": 6500,
        }
        for step in steps.TRAININGS
    }
    states = {"overnight": "not there", UNIT: edition.Unit(UNIT, kept, None)}
    monkeypatch.setattr(edition, "states", lambda: states)
    monkeypatch.setattr(planning.drift, "read", lambda path: {})
    monkeypatch.setattr(planning.times, "last", lambda profile: {})
    monkeypatch.setattr(due, "why", lambda run, profile: ["there is no result yet"])
    monkeypatch.setattr(command, "choose_precision", lambda asked: SimpleNamespace(dtype="float32"))
    monkeypatch.setattr(
        command.loading,
        "each",
        lambda base, dtype, chains: ((name, base, chain) for name, chain in chains.items()),
    )
    said = []

    def answer(model, tokenizer, rows, task, name, **given):
        said.append((name, model, tokenizer, task, rows[0]["question"], given["max_new_tokens"]))
        return pd.DataFrame([{"answer": f"This is {name}.", "complete": True}])

    monkeypatch.setattr(answering, "answer_questions", answer)
    return said


def train(*names: str, profile: str = UNIT) -> int:
    """Checkpoints as trainings leave them, er-sft's before those that start from it."""
    for name in names:
        folder = project.checkpoints_dir(profile) / name
        folder.mkdir(parents=True)
        start = [f"checkpoints/{profile}/er-sft"] if name.startswith("er-eqsr") else []
        (folder / "companion.json").write_text(json.dumps({"starts_from": start}))
    return 0


def ask(capsys, *words: str) -> tuple[int, str, str]:
    code = cli.main(["ask", "Why does my knee click?", "--edition", *words])
    out, err = capsys.readouterr()
    return code, " ".join(out.split()), err


def test_where_nothing_is_trained_it_says_what_trainings_are_needed_and_how_long_they_take(
    asked, capsys
):
    code, out, err = ask(capsys)
    assert code == 2 and not asked
    assert out.startswith("These are small research models.") and "is medical advice" in out
    assert f"edition {UNIT}: Qwen2.5-Coder-0.5B-Instruct, adapters in checkpoints/{UNIT}" in out
    assert "(--profile has overnight and overnight-tiny as well)" in out
    assert "the kept numbers are of adapters trained at commit cccccccccc; other code" in out
    assert "made by 7 trainings" in out and "04_kto.er-eqsr-kto 25 min" in out
    assert "time about 2 h 55 min, counted one after the other" in out
    assert f"2 h 55 min for 7 runs by the kept unit {UNIT} (two cores of theirs)" in out
    assert "memory 10 GB are asked for" in out and "took at most 6.5" in out
    assert "download 491 MB of weights (Qwen2.5-Coder-0.5B-Instruct)" in out
    assert err == (
        f"emo: {', '.join(TRAINED)} of the unit {UNIT} are not trained here; "
        "the same command with --train trains them and then asks, and emo make "
        f"{' '.join(TRAINED)} --profile {UNIT} only trains; "
        "base and prompt need no training: --systems base prompt\n"
    )


def test_the_systems_that_are_there_answer_as_the_unit_does(asked, capsys):
    train(*TRAINED)
    code, out, err = ask(capsys)
    assert code == 0 and err == "" and "missing" not in out
    assert [name for name, *_ in asked] == list(results.SYSTEMS)
    base, prompt, first = asked[:3]
    place = project.checkpoints_dir(UNIT)
    question, model = "Why does my knee click?", "Qwen2.5-Coder-0.5B-Instruct"
    assert base == ("base", model, [], prompts.text("task"), question, 320)
    assert prompt[3] == prompts.text("comfort") and first[2] == [place / "er-sft"]
    assert asked[-1][2] == [place / "er-sft", place / "er-eqsr-kto"]
    assert out.index("is medical advice") < out.index("This is base.") < out.index("er-eqsr-kto.")


def test_without_names_those_that_are_there_answer_and_a_named_one_must_be_there(asked, capsys):
    train("er-sft", "eqsr-dpo")
    code, out, _ = ask(capsys)
    assert code == 0 and [name for name, *_ in asked] == ["base", "prompt", "er-sft", "eqsr-dpo"]
    assert "asked base, prompt, er-sft, eqsr-dpo; the same command with --train" in out
    asked.clear()
    code, out, err = ask(capsys, "--systems", "base", "eqsr-kto", "--max-new-tokens", "9")
    assert code == 2 and not asked and "eqsr-kto of the unit overnight-small is not tr" in err
    assert "emo make eqsr-kto --profile overnight-small only trains" in err
    code, _, err = ask(capsys, "--systems", "base", "prompt", "--max-new-tokens", "9")
    assert code == 0 and [(name, longest) for name, *_, longest in asked] == [
        ("base", 9),
        ("prompt", 9),
    ]


def test_what_is_missing_is_trained_where_that_is_asked_for(asked, capsys, monkeypatch):
    train("er-sft")
    made = []

    def make(*names, profile):
        made.append((names, profile))
        return train(*names)

    monkeypatch.setattr("emo.cli.books.make", make)
    code, out, _ = ask(capsys, "--train", "--systems", "er-sft", "er-eqsr-dpo")
    assert code == 0 and made == [(("er-eqsr-dpo",), UNIT)]
    assert "the same command goes on where it was" in out
    assert [name for name, *_ in asked] == ["er-sft", "er-eqsr-dpo"]
    ask(capsys, "--train", "--systems", "er-sft", "er-eqsr-dpo")
    assert len(made) == 1


@pytest.mark.parametrize(
    "words, says",
    [
        (["--profile", "embedded"], "the embedded profile is no unit of the edition; units: overn"),
        (["--systems", "eqsr-dop"], "there is no system 'eqsr-dop'; did you mean 'eqsr-dpo'"),
        (["--max-new-tokens", "0"], "at least 1"),
    ],
)
def test_what_is_wrong_is_one_line(asked, capsys, words, says):
    code, _, err = ask(capsys, *words)
    assert code == 2 and says in err and err.count("\n") == 1 and not asked


def test_training_belongs_to_the_edition(asked, capsys):
    assert cli.main(["ask", "Why?", "--train"]) == 2
    assert "--train goes with --edition" in capsys.readouterr().err


def test_without_an_edition_it_says_why_and_what_can_be_trained(asked, capsys, monkeypatch):
    why = "book/edition/overnight-tiny/records.json is not there"
    monkeypatch.setattr(edition, "states", lambda: dict.fromkeys(edition.UNITS, why))
    code, _, err = ask(capsys)
    assert code == 2 and re.search(rf"can be read \({why}\).*--profile overnight-tiny", err)
    code, out, err = ask(capsys, "--profile", UNIT)
    assert code == 2 and "an estimate, from steps that were measured" in out and err
