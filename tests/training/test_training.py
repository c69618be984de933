"""The three training chapters as a kernel executes them, on the tiny model:
what is repeated, resumed, held out, shared and saved.
"""

import copy
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import psutil
import pytest
import torch
from played import START, as_a_step, home_in, play
from transformers import TrainerCallback

from emo import cli
from emo.graph import steps
from emo_utils import project
from emo_utils.data import dialogues, files, training_rows
from emo_utils.data.arms import in_arm
from emo_utils.experiment import provenance, runs
from emo_utils.generation import answering, prompts
from emo_utils.models import loading, registry, stand_in
from emo_utils.models.precision import Precision
from emo_utils.project import EmoError
from emo_utils.report import figures
from emo_utils.training import fitting, movement, recipe, row_checks

METHODS = {"02_sft": "eqsr-sft", "03_dpo": "eqsr-dpo", "04_kto": "eqsr-kto"}


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    return home_in(tmp_path, monkeypatch)


def weights(folder) -> dict[str, bytes]:
    found = {p.name: p.read_bytes() for p in sorted(folder.glob("*.safetensors"))}
    assert found
    return found


def train_only(notebook: str, **given) -> SimpleNamespace:
    """A chapter up to its saved checkpoint."""
    return play(notebook, until="model_cards.save(", **given)


# The same again


@pytest.mark.parametrize(
    "notebook, rank",
    [("02_sft", 4), ("03_dpo", 4), ("04_kto", 4), ("03_dpo", 0)],
    ids=["sft", "dpo", "kto", "dpo-full"],
)
def test_a_seed_gives_the_same_bytes_and_another_seed_others(home, notebook, rank):
    made = [weights(train_only(notebook, lora_rank=rank, seed=seed).path) for seed in (42, 42, 43)]
    assert made[0] == made[1]
    assert made[0].keys() == made[2].keys() and made[0] != made[2]


# Stopped and started again


class Stop(TrainerCallback):
    """Ends a training as a crash does, after a step."""

    def __init__(self, step: int):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise ConnectionError("the machine went away")


LONG = {"train_rows": 24, "save_steps": 2, "epochs": 1.0, "device_batch": 2}  # six steps


def stopped(notebook: str, step: int, **given) -> SimpleNamespace:
    names = play(notebook, before="fitting.fit(", **given)
    names.trainer.add_callback(Stop(step))
    with pytest.raises(ConnectionError):
        fitting.fit(names.trainer, names.run)
    return names


def same_curve(log: pd.DataFrame, other: pd.DataFrame) -> None:
    assert len(log) == len(other) and log.index.tolist() == other.index.tolist()
    assert log.loss.iloc[-1] == pytest.approx(other.loss.iloc[-1], abs=1e-4)
    assert log.loss.tolist() == pytest.approx(other.loss.tolist(), abs=1e-4)


@pytest.mark.parametrize("notebook", METHODS)
def test_a_stopped_training_goes_on_and_ends_as_one_that_was_not(home, capsys, notebook):
    given = {k: v for k, v in LONG.items() if k != "device_batch" or notebook != "04_kto"} | (
        {"train_rows": 12} if notebook == "04_kto" else {}
    )
    whole = train_only(notebook, **given)
    expected = weights(whole.path)
    assert len(whole.log) == 6 and "going on" not in capsys.readouterr().out
    whole.run.finish()
    stopped(notebook, 5, **given)
    capsys.readouterr()
    again = train_only(notebook, **given)
    assert "going on from step 4\n" in capsys.readouterr().out
    same_curve(again.log, whole.log)
    assert weights(again.path) == expected
    assert fitting.scratch(again.run).is_dir()
    again.run.finish()
    assert [p.name for p in again.path.parent.iterdir()] == [again.path.name]


def test_a_training_of_the_book_that_is_killed_goes_on(home, capsys, monkeypatch):
    """`emo run` is killed without a chance to tidy up, and the same run started again."""
    given = LONG | {"save_steps": 1, "train_rows": 48, "precision": "fp32"}
    run = play("03_dpo", before="fitting.scratch", **given).run
    whole = train_only("03_dpo", **given)
    whole.run.finish()
    shutil.rmtree(whole.path)
    command = [sys.executable, "-m", "emo", "run", "03_dpo"]
    for name, value in (START | given).items():
        command += ["-p", name, str(value)]
    folder = run.unfinished
    child = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not list(folder.glob("checkpoint-*/trainer_state.json")):
            assert child.poll() is None and time.monotonic() < deadline, child.stdout.read()
            time.sleep(0.02)
    finally:
        # The kernel is a process of its own, which would finish the training.
        killed = [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]
        for process in killed:
            process.kill()
        psutil.wait_procs(
            killed, timeout=30
        )  # the kernel holds the lock of its training until it is gone
    done = max(int(p.name.split("-")[1]) for p in folder.glob("checkpoint-*"))
    assert 0 < done < 12 and not whole.path.exists()
    capsys.readouterr()
    again = train_only("03_dpo", **given)
    assert re.search(r"going on from step (\d+)\n", capsys.readouterr().out)
    same_curve(again.log, whole.log)
    again.run.finish()
    assert not folder.exists()


def test_a_checkpoint_that_was_cut_off_is_passed_over(home, capsys):
    """A kill may hit the saving itself; the state of the training is written last."""
    folder = fitting.scratch(stopped("03_dpo", 5, **LONG).run)
    (folder / "checkpoint-4" / "trainer_state.json").unlink()
    capsys.readouterr()
    log = play("03_dpo", until="fitting.fit(", **LONG).log
    assert len(log) == 6 and "going on" not in capsys.readouterr().out


def scratch_of(**given):
    run = play("03_dpo", before="fitting.scratch", system="eqsr-dpo", **given).run
    return fitting.scratch(run), run


@pytest.mark.parametrize("changed", ["nothing", "beta", "seed", "code", "prompt", "data"])
def test_only_the_same_run_goes_on(home, monkeypatch, tmp_path, changed):
    """A run of the book keeps its place whatever its parameters are,
    so what lies there may be another's.
    """
    as_a_step(monkeypatch, "03_dpo.eqsr-dpo")
    folder, _ = scratch_of()
    (folder / "checkpoint-4").mkdir()
    given = {"beta": {"beta": 0.2}, "seed": {"seed": 7}}.get(changed, {})
    if changed == "code":
        path = home / "emo_utils/training/fitting.py"
        path.write_text(path.read_text() + "\n# changed\n")
    if changed == "prompt":
        (home / "emo_utils/generation/prompt_texts/task.txt").write_text("Be brief.")
    if changed == "data":
        path = tmp_path / "eqsr_train.jsonl"
        there = in_arm(path, "overt")
        there.parent.mkdir()
        rows = in_arm(dialogues.FILES["eqsr"], "overt").read_text()
        there.write_text(rows.replace("the", "a", 1))
        monkeypatch.setitem(dialogues.FILES, "eqsr", path)
    again, _ = scratch_of(**given)
    assert again == folder
    assert (folder / "checkpoint-4").exists() == (changed == "nothing")


def test_another_start_does_not_go_on(home, monkeypatch, er_sft):
    as_a_step(monkeypatch, "03_dpo.er-eqsr-dpo")
    folder = fitting.scratch(play("03_dpo", before="fitting.scratch", system="er-eqsr-dpo").run)
    (folder / "checkpoint-4").mkdir()
    path = next(er_sft.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-4] + b"\1\1\1\1")
    fitting.scratch(play("03_dpo", before="fitting.scratch", system="er-eqsr-dpo").run)
    assert not (folder / "checkpoint-4").exists()


def test_without_save_steps_nothing_is_kept_to_go_on_from(home, capsys):
    names = stopped("03_dpo", 3, **LONG | {"save_steps": 0})
    assert not list(fitting.scratch(names.run).glob("checkpoint-*"))


# Where training starts


def book_checkpoint(system: str, **given):
    """A system's checkpoint in the smoke profile's book:
    three steps, as the first of the warm-up moves nothing.
    """
    with pytest.MonkeyPatch.context() as patch:
        as_a_step(patch, f"02_sft.{system}")
        return train_only(
            "02_sft", system=system, train_rows=6, batch_size=2, learning_rate=0.01, **given
        ).path


@pytest.fixture(scope="module")
def er_made(tmp_path_factory, tiny):
    with pytest.MonkeyPatch.context() as patch:
        home_in(tmp_path_factory.mktemp("er"), patch)
        return book_checkpoint("er-sft")


@pytest.fixture
def er_sft(er_made, home):
    return shutil.copytree(er_made, home / "checkpoints/smoke/er-sft")


def run_with(**given) -> runs.Run:
    return play("03_dpo", before="torch.manual_seed", **given).run


def test_init_names_base_a_system_or_a_folder(home, er_sft):
    mine = shutil.copytree(er_sft, home / "checkpoints/adhoc/mine")
    assert run_with(init="base", system="er-eqsr-dpo").start_checkpoints() == []
    assert run_with().start_checkpoints() == []
    assert run_with(system="er-eqsr-dpo").start_checkpoints() == [er_sft]
    assert run_with(init="er-sft").start_checkpoints() == [er_sft]
    for written in ("checkpoints/adhoc/mine", str(mine)):
        assert [p.resolve() for p in run_with(init=written).start_checkpoints()] == [mine]


@pytest.mark.parametrize(
    "init, right", [("er-sfd", "er-sft"), ("eqsr_dpo", "eqsr-dpo"), ("ereqsr-kto", "er-eqsr-kto")]
)
def test_a_misspelt_start_is_answered_with_the_nearest(home, init, right):
    with pytest.raises(
        EmoError, match=f"parameter 'init' is '{init}'.*did you mean '{right}'"
    ) as error:
        run_with(init=init).start_checkpoints()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "init, made_by",
    [
        ("er-sft", "02_sft.er-sft"),
        ("eqsr-sft", "02_sft.eqsr-sft"),
        ("er-eqsr-kto", "04_kto.er-eqsr-kto"),
    ],
)
def test_a_missing_start_names_the_command_that_makes_it(home, init, made_by):
    with pytest.raises(
        EmoError,
        match=(
            rf"checkpoint of {init} \(smoke profile\) is missing; "
            rf"make it with: emo make {init} --profile smoke$"
        ),
    ):
        run_with(init=init).start_checkpoints()
    assert steps.making(init).run == made_by


def test_a_folder_that_is_no_checkpoint_is_refused(home):
    (home / "checkpoints/adhoc/empty").mkdir(parents=True)
    with pytest.raises(EmoError, match="does not say what it starts from"):
        run_with(init="checkpoints/adhoc/empty").start_checkpoints()
    (
        home / "checkpoints/adhoc/empty/README.md"
    ).touch()  # such as one of before these folders told their start
    with pytest.raises(EmoError, match="companion.json"):
        run_with(init="checkpoints/adhoc/empty").start_checkpoints()


def test_a_folder_beside_the_notebook_is_found_again_by_what_starts_from_it(
    home, er_sft, monkeypatch
):
    """A notebook in Jupyter runs in notebooks/, from where ../checkpoints/... is a folder too."""
    mine = shutil.copytree(er_sft, home / "checkpoints/adhoc/mine")
    (home / "elsewhere").mkdir()
    monkeypatch.chdir(home / "elsewhere")
    second = train_only("03_dpo", init="../checkpoints/adhoc/mine", train_rows=4).path
    assert [p.resolve() for p in run_with(init=str(second)).start_checkpoints()] == [mine, second]


def test_a_system_that_is_not_trained_is_no_start(home):
    with pytest.raises(EmoError, match="no trained system"):
        run_with(init="prompt").start_checkpoints()


def test_a_chain_of_starts_is_applied_in_order(home, er_sft):
    """An adapter on the base, all weights after it, and DPO from there:
    the whole model replaces what came before it.
    """
    second = book_checkpoint("er-eqsr-sft", lora_rank=0)
    assert json.loads((second / "companion.json").read_text()) == {
        "base_model": "tiny-llama",
        "starts_from": ["checkpoints/smoke/er-sft"],
        "run": "02_sft.er-eqsr-sft",
    }
    names = train_only("03_dpo", init="er-eqsr-sft", train_rows=4)
    assert names.before == [er_sft, second]
    start = {
        n: p for n, p in loading.load("tiny-llama", checkpoints=[second])[0].named_parameters()
    }
    frozen = {
        n.replace("base_model.model.", "").replace(".base_layer", ""): p
        for n, p in names.trainer.model.named_parameters()
        if "lora" not in n
    }
    assert frozen.keys() == start.keys() and all(
        torch.equal(p, start[n]) for n, p in frozen.items()
    )
    assert json.loads((names.path / "companion.json").read_text())["starts_from"] == [
        "checkpoints/smoke/er-sft",
        "checkpoints/smoke/er-eqsr-sft",
    ]
    assert names.log["rewards/margins"].iloc[0] == pytest.approx(0, abs=1e-6)
    # Adapters on adapters: each adds to what came before.
    third = run_with(init=str(names.path)).start_checkpoints()
    assert third == [er_sft, second, names.path]
    end = loading.load("tiny-llama", checkpoints=third)[0].state_dict()
    merged = names.trainer.model.merge_and_unload().state_dict()
    assert all(torch.allclose(end[n], merged[n], atol=1e-6) for n in end)


@pytest.mark.parametrize("notebook, loss", [("03_dpo", 0.6931), ("04_kto", 0.5)])
def test_the_margin_at_step_0_is_0_wherever_training_starts(home, er_sft, notebook, loss):
    mine = shutil.copytree(er_sft, home / "checkpoints/adhoc/mine")
    first = {}
    for init, rank in (("base", 4), ("er-sft", 4), (str(mine), 0)):
        log = play(notebook, until="fitting.fit(", init=init, lora_rank=rank, train_rows=4).log
        assert log["rewards/margins"].iloc[0] == pytest.approx(0, abs=1e-6)
        assert log.loss.iloc[0] == pytest.approx(loss, abs=1e-4)
        first[init] = log["logps/chosen"].iloc[0]
    # It does start elsewhere: the adapter moved the answers' probabilities.
    assert (
        first["er-sft"] == pytest.approx(first[str(mine)], abs=1e-3)
        and abs(first["er-sft"] - first["base"]) > 1
    )


# Held-out rows


def ids(rows) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("count", [5, 20])
def test_held_out_rows_are_balanced_and_trained_on_by_nobody(count):
    everything = dialogues.load("eqsr")
    rows, held_out = training_rows.split("eqsr", 40, count)
    emotions = pd.Series([r["emotion"] for r in held_out]).value_counts()
    assert len(rows) == 40 and emotions.tolist() == [count // 5] * 5
    assert not set(ids(rows)) & set(ids(held_out)) and set(ids(rows) + ids(held_out)) <= set(
        ids(everything)
    )
    assert pd.Series([r["emotion"] for r in rows]).value_counts().tolist() == [8] * 5
    for train_rows in (0, 5, 60):
        assert training_rows.split("eqsr", train_rows, count)[1] == held_out
    rest, _ = training_rows.split("eqsr", 0, count)
    assert len(rest) == len(everything) - count and sorted(ids(rest) + ids(held_out)) == sorted(
        ids(everything)
    )
    assert training_rows.split("eqsr", 25) == (dialogues.load("eqsr", 25), [])


def test_rows_that_cannot_be_had_are_refused():
    everything = len(dialogues.load("er"))
    with pytest.raises(files.DataError):
        training_rows.split("er", everything, 1)
    with pytest.raises(files.DataError):
        training_rows.split("er", 0, everything + 1)


@pytest.mark.parametrize(
    "notebook, scores",
    [
        ("02_sft", {"loss"}),
        ("03_dpo", {"loss", "margin", "accuracy"}),
        ("04_kto", {"loss", "margin"}),
    ],
)
def test_held_out_rows_are_scored_and_answered_in_place_of_the_test(home, notebook, scores):
    names = play(notebook, validation_rows=5, train_rows=8, epochs=2.0)
    assert not any("test" in name for name in provenance.FILES_READ), "the test questions were read"
    held_out, test = ids(training_rows.split("eqsr", 8, 5)[1]), set(ids(dialogues.load("test")))
    answers = pd.read_parquet(next((home / "results/adhoc/answers").glob("*.parquet")))
    assert answers.id.tolist() == held_out and not test & set(answers.id)
    found = {r.metric: r for r in names.run.records}
    assert {m.removeprefix("validation_") for m in found if m.startswith("validation_")} == scores
    history = [e for e in names.trainer.state.log_history if "eval_loss" in e]
    assert len(history) == 2, "one score an epoch"
    record = found["validation_loss"]
    assert (
        record.value == pytest.approx(history[-1]["eval_loss"])
        and record.n == 5
        and record.interval == "none"
    )
    assert "held-out" in found["answer_tokens"].signature
    if notebook == "02_sft":  # the same number by one forward pass a row over the saved weights
        model, tokenizer = loading.load("tiny-llama", "float32", [names.path])
        losses, tokens = 0.0, 0
        for row in training_rows.sft_rows(training_rows.split("eqsr", 8, 5)[1], names.task):
            prompt = tokenizer.apply_chat_template(
                row["prompt"], add_generation_prompt=True, return_dict=True
            )["input_ids"]
            whole = tokenizer.apply_chat_template(
                row["prompt"] + row["completion"], return_dict=True
            )["input_ids"]
            with torch.inference_mode():
                scored = (
                    model(torch.tensor([whole])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
                )
            losses -= scored.gather(1, torch.tensor(whole[len(prompt) :])[:, None]).sum().item()
            tokens += len(whole) - len(prompt)
        assert record.value == pytest.approx(
            losses / tokens, abs=0.02
        )  # the trainer averages over batches


def test_the_end_of_a_training_is_a_tenth_of_its_steps(home):
    log = pd.DataFrame({"loss": range(27)})
    assert [movement.last_tenth(log.head(n)).loss.tolist() for n in (1, 7, 19, 20, 27)] == [
        [0],
        [6],
        [18],
        [18, 19],
        [25, 26],
    ]
    names = play("03_dpo", train_rows=8, epochs=2.0, until="run.finish()")
    found = {r.metric: r for r in names.run.records}
    assert len(names.log) == 4 and found["steps"].value == 4
    for metric, column in (("last_loss", "loss"), ("last_margin", "rewards/margins")):
        record = found[metric]
        assert (record.value, record.n) == (names.log[column].iloc[-1], 1)
        assert "over the last 1 of 4 steps" in record.signature and record.interval == "none"


# What a row becomes


@pytest.fixture
def example():
    return training_rows.sft_rows(dialogues.load("er", 1), "Be a doctor.")[0]


def with_template(tokenizer, template: str):
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


def test_the_tiny_template_can_be_trained_on(tiny, example, capsys):
    tokenizer = loading.load("tiny-llama")[1]
    for row in (example, training_rows.dpo_rows(dialogues.load("eqsr", 1), "Be a doctor.")[0]):
        row_checks.check_tokens(row, tokenizer)
        said = capsys.readouterr().out
        prompt = (
            "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in row["prompt"])
            + "<|im_start|>assistant\n"
        )
        (answer,) = row.get("completion") or row["chosen"]
        length = [
            len(tokenizer(text, add_special_tokens=False).input_ids)
            for text in (prompt, f"{answer['content']}<|im_end|>\n")
        ]
        assert (
            said.startswith(f"first row: {length[0]} tokens of prompt")
            and f"a loss on the {length[1]} of its answer, <|im_end|> included" in said
        )


@pytest.mark.parametrize(
    "template, says",
    [
        (stand_in.CHATML.replace("<|im_end|>", ""), "does not end the answer"),
        ("{{ bos_token }}{{ bos_token }}" + stand_in.CHATML, "writes the first token twice"),
        (
            stand_in.CHATML.replace("<|im_start|>assistant\n", "<|im_start|>doctor\n"),
            "prompt is not how prompt and answer begin",
        ),
        (
            "{% if not add_generation_prompt %}whole: {% endif %}" + stand_in.CHATML,
            "prompt is not how prompt and answer begin",
        ),
    ],
    ids=["no end", "first token twice", "another generation prompt", "another beginning"],
)
def test_a_template_that_teaches_something_else_is_refused(tiny, example, template, says):
    tokenizer = with_template(loading.load("tiny-llama")[1], template)
    tokenizer.bos_token = "<|endoftext|>"
    with pytest.raises(EmoError, match=f"cannot be trained on: .*{says}") as error:
        row_checks.check_tokens(example, tokenizer)
    assert "\n" not in str(error.value)


def test_a_question_that_leaves_no_token_for_its_answer_is_named_before_training(tiny):
    """TRL drops such a row; one of many is under the limit of too long ones."""
    tokenizer = loading.load("tiny-llama")[1]
    rows = dialogues.load("eqsr", 30)
    rows[7] = rows[7] | {"emotional_question": "Why does it hurt " + "so much " * 400 + "?"}
    made = (
        training_rows.sft_rows(rows, "Be a doctor."),
        training_rows.dpo_rows(rows, "Be a doctor."),
        training_rows.kto_rows(rows, "Be a doctor.", 1, 4),
    )
    for examples in made:
        with pytest.raises(EmoError, match="'Why does it hurt so much.*raise|set -p") as error:
            row_checks.check_lengths(examples, tokenizer, 700)
        assert "\n" not in str(error.value) and "-p max_length above" in str(error.value)
        assert row_checks.check_lengths(examples, tokenizer, 100_000).too_long.sum() == 0
    names = [row["id"] for row in rows]
    with pytest.raises(EmoError, match=rf"for its answer: {names[7]} \(\d+\);"):
        row_checks.check_questions(made[0], tokenizer, 700, names)


def test_the_command_names_the_row_whose_question_is_too_long(tiny, tmp_path, capsys):
    rows = dialogues.load("eqsr", 4)
    rows[2] = rows[2] | {"emotional_question": "Why does it hurt " + "so much " * 900 + "?"}
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["check-rows", str(path), "--profile", "smoke"]
    assert cli.main([*command, "-p", "max_length", "500"]) == 2
    assert f"row 3, '{rows[2]['id']}' (" in capsys.readouterr().err
    assert cli.main([*command, "-p", "max_length", "100000"]) == 0


UNGUARDED = "Today Date: {{ strftime_now('%d %b %Y') }}\n"
# As Llama-3.2's.
GUARDED = (
    "{%- if not date_string is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}"
    "{%- endif %}"
    "Today Date: {{ date_string }}\n"
)


@pytest.mark.parametrize("dated", [GUARDED, UNGUARDED], ids=["of a variable", "of a call"])
def test_a_date_in_the_prompt_is_pinned(tiny, tmp_path, monkeypatch, example, dated):
    """What was trained on one day would be asked something else on the next."""
    import transformers.utils.chat_template_utils as clock

    monkeypatch.setenv("EMO_CACHE", str(tmp_path))
    folder = registry.folder("tiny-llama")
    shutil.copytree(tiny, folder)
    (folder / "chat_template.jinja").write_text(dated + stand_in.CHATML)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["chat_template.jinja"] = project.sha256_file(folder / "chat_template.jinja")
    (folder / "manifest.json").write_text(
        json.dumps(manifest)
    )  # else the changed template would be refused

    def on_two_days(tokenizer):
        texts = []
        for year in (2024, 2031):
            monkeypatch.setattr(
                clock, "datetime", SimpleNamespace(now=lambda year=year: datetime(year, 5, 6))
            )
            for cached in vars(clock).values():  # a compiled template keeps its clock
                getattr(cached, "cache_clear", lambda: None)()
            texts.append(
                tokenizer.apply_chat_template(
                    example["prompt"], tokenize=False, add_generation_prompt=True
                )
            )
        return texts

    loaded = loading.load("tiny-llama")[1]
    before, after = on_two_days(with_template(loaded, dated + stand_in.CHATML))
    assert "06 May 2024" in before and "06 May 2031" in after, "this test cannot tell"
    first, second = on_two_days(loaded)
    assert first == second and first.startswith("Today Date: 26 Jul 2024\n")


# Several processes


@pytest.mark.parametrize(
    "notebook, given",
    [
        ("02_sft", {"train_rows": 12, "validation_rows": 4, "device_batch": 1}),
        ("03_dpo", {"train_rows": 12, "init": "er-sft", "validation_rows": 4, "device_batch": 1}),
        ("04_kto", {"train_rows": 8, "lora_rank": 0}),
    ],
    ids=["sft", "dpo", "kto"],
)
@pytest.mark.night
def test_two_processes_take_the_steps_of_one(home, er_sft, notebook, given):
    one = train_only(notebook, **given)
    one.run.finish()  # else the next would go on where it ended
    two = train_only(notebook, **given | {"processes": 2})
    assert two.log.index.tolist() == one.log.index.tolist()
    assert two.log.loss.tolist() == pytest.approx(one.log.loss.tolist(), abs=1e-3)
    # What is saved is what the processes trained, not what this one started with.
    model, other = (
        loading.load("tiny-llama", checkpoints=[*n.before, n.path])[0].state_dict()
        for n in (two, one)
    )
    start = loading.load("tiny-llama", checkpoints=one.before)[0].state_dict()
    moved = max((model[n] - start[n]).abs().max().item() for n in model)
    assert (
        moved > 1e-5 and max((model[n] - other[n]).abs().max().item() for n in model) < 0.2 * moved
    )
    if "validation_rows" in given:
        both = [
            movement.validation_scores(n.trainer.state.log_history).loss.tolist()
            for n in (one, two)
        ]
        assert len(both[0]) == 1 and both[1] == pytest.approx(both[0], abs=1e-2)
    two.run.finish()
    assert not list((home / "checkpoints/adhoc").glob(".*"))


BREAK = """
from transformers import TrainerCallback
class Break(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 5:
            raise ConnectionError("a machine went away")
trainer.add_callback(Break())
"""


@pytest.mark.night
@pytest.mark.parametrize("first, then", [(1, 2), (2, 1)])
def test_a_training_goes_on_with_another_number_of_processes(
    home, monkeypatch, capsys, first, then
):
    """Stopped at step 5 with a checkpoint at 4, then started with more or fewer processes:
    steps, losses and weights of one that was not stopped.
    """
    given = LONG | {"precision": "fp32"}
    whole = train_only("03_dpo", **given)
    other, start = (
        loading.load("tiny-llama", checkpoints=paths)[0].state_dict()
        for paths in ([whole.path], [])
    )
    whole.run.finish()
    if first == 1:
        stopped("03_dpo", 5, **given)
    else:
        cells = project.notebook_cells
        with (
            monkeypatch.context() as patch,
            pytest.raises(EmoError, match="ConnectionError: a machine went away"),
        ):
            names = play("03_dpo", before="fitting.fit(", **given | {"processes": first})
            patch.setattr(
                fitting,
                "notebook_cells",
                lambda path: [
                    (
                        kind,
                        BREAK + text if "training" in tags else text,
                        tags,
                    )
                    for kind, text, tags in cells(path)
                ],
            )
            fitting.fit(names.trainer, names.run)
        del names
    capsys.readouterr()
    again = train_only("03_dpo", **given | ({"processes": then} if then > 1 else {}))
    told = (
        capsys.readouterr().out + (fitting.scratch(again.run) / "processes.log").read_text()
        if then > 1
        else capsys.readouterr().out
    )
    assert "going on from step 4\n" in told
    same_curve(again.log, whole.log)
    model = loading.load("tiny-llama", checkpoints=[again.path])[0].state_dict()
    moved = max((model[n] - start[n]).abs().max().item() for n in model)
    assert (
        moved > 1e-5 and max((model[n] - other[n]).abs().max().item() for n in model) < 1e-3 * moved
    )
    again.run.finish()
    assert not list((home / "checkpoints/adhoc").glob(".*"))


def test_a_second_process_does_not_train_the_same_run(home):
    """Two at once would write the same checkpoints."""
    folder, run = scratch_of(train_rows=8)
    other = "from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(timeout=0)"
    assert subprocess.run(
        [sys.executable, "-c", f"import sys; {other}", f"{folder}.lock"], capture_output=True
    ).returncode
    run.held.release(force=True)
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; {other}; print('held', flush=True); sys.stdin.read()",
            f"{folder}.lock",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert held.stdout.readline() == "held\n"
        with pytest.raises(
            EmoError,
            match=r"03_dpo.eqsr-dpo.*is being trained by another process.*it goes on from there",
        ) as error:
            fitting.scratch(run)
        assert "\n" not in str(error.value)
    finally:
        held.communicate()
    assert fitting.scratch(run) == folder


@pytest.mark.parametrize(
    "given",
    [
        {"batch_size": 3, "device_batch": 2},
        {"batch_size": 5, "processes": 2},
        {"batch_size": 4, "device_batch": 2, "processes": 3},
        {"batch_size": 1, "processes": 2},
    ],
)
def test_a_batch_that_cannot_be_divided_is_refused(tmp_path, given):
    with pytest.raises(
        EmoError,
        match=(
            f"batch_size {given['batch_size']} is no multiple of device_batch .*; choose divisors"
        ),
    ) as error:
        recipe.shared(
            tmp_path,
            learning_rate=1e-3,
            epochs=1.0,
            seed=1,
            max_length=64,
            precision=Precision("float32", ""),
            **given,
        )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "batch, device, processes, parts",
    [
        (4, 0, 1, (4, 1)),
        (4, 2, 1, (2, 2)),
        (4, 0, 2, (2, 1)),
        (8, 1, 2, (1, 4)),
        (32, 4, 8, (4, 1)),
    ],
)
def test_a_batch_is_divided_over_parts_and_processes(tmp_path, batch, device, processes, parts):
    made = recipe.shared(
        tmp_path,
        learning_rate=1e-3,
        epochs=1.0,
        batch_size=batch,
        seed=1,
        max_length=64,
        precision=Precision("float32", ""),
        device_batch=device,
        processes=processes,
    )
    assert (made["per_device_train_batch_size"], made["gradient_accumulation_steps"]) == parts


def test_parts_of_a_batch_give_the_step_of_the_whole(home):
    """device_batch decides the memory, not the result."""
    logs = [
        play("03_dpo", until="fitting.fit(", train_rows=8, device_batch=size).log for size in (1, 4)
    ]
    assert (
        logs[0].loss.tolist() == pytest.approx(logs[1].loss.tolist(), abs=1e-5)
        and len(logs[0]) == 2
    )


@pytest.fixture(scope="module")
def failure(tmp_path_factory, tiny):
    """The error of a training whose processes fail, and their log."""
    with pytest.MonkeyPatch.context() as patch:
        home_in(tmp_path_factory.mktemp("failing"), patch)
        names = play("03_dpo", before="fitting.fit(", processes=2, train_rows=8)
        broken = [
            ("markdown", "here nothing runs", []),
            ("code", "raise MemoryError('no room left')", ["training"]),
            ("code", "never", []),
        ]
        patch.setattr(fitting, "notebook_cells", lambda path: broken)
        with pytest.raises(EmoError, match="training in 2 processes failed") as error:
            fitting.fit(names.trainer, names.run)
        log = fitting.scratch(names.run) / "processes.log"
        return str(error.value), log.read_text(), project.relative(log)


def test_processes_that_fail_are_answered_with_their_log(failure):
    message, log, name = failure
    assert name in message and "MemoryError: no room left" in log


def test_the_answer_is_one_line_with_the_cause(failure):
    message, _, _ = failure
    assert "\n" not in message and "no room left" in message


# What is saved and shown


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny):
    """The three chapters to their end, with more steps than a card shows."""
    with pytest.MonkeyPatch.context() as patch:
        home_in(tmp_path_factory.mktemp("trained"), patch)
        yield {
            notebook: play(notebook, batch_size=2, train_rows=12 if notebook == "04_kto" else 24)
            for notebook in METHODS
        }


@pytest.mark.parametrize("notebook", METHODS)
def test_the_card_says_what_it_is_and_how_it_was_made(trained, notebook):
    names = trained[notebook]
    card = (names.path / "README.md").read_text(encoding="utf-8")
    assert len(names.log) == 12
    about = f"(run `{names.run.name}`) from tiny-llama on {len(names.rows)} "
    assert (
        about in card
        and f"`notebooks/{notebook}.ipynb`" in card
        and card.startswith("---\nbase_model: tiny-llama\n")
    )
    for name, value in names.run.values.items():
        assert f"- `{name}`: {value}\n" in card
    headings = re.findall(r"^## (.+)$", card, re.MULTILINE)
    assert headings == ["Parameters", "Curves", "Intended use", "Limits"]
    table = [line for line in card.splitlines() if line.startswith("| ")]
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert (
        head[:2] == ["step", "loss"]
        and ("rewards/margins" in head) == (notebook != "02_sft")
        and rows[0] == ["---"] * len(head)
    )
    assert len(rows) - 1 <= 10 and [float(r[0]) for r in (rows[1], rows[-1])] == [1, 12]
    shown = {int(float(r[0])): float(r[1]) for r in rows[1:]}
    assert all(
        loss == pytest.approx(names.log.loss[step], abs=1e-5) for step, loss in shown.items()
    )
    assert "Not a medical device" in card and "synthetic" in card
    for path in (project.NOTEBOOKS.parent, names.path.parents[2], "/home/", "/root/", "/tmp/"):
        assert str(path) not in card, "a path of this machine"


def test_the_card_of_a_start_in_a_folder_holds_no_path_of_this_machine(home, er_sft):
    mine = shutil.copytree(er_sft, home / "checkpoints/adhoc/mine")
    path = train_only("03_dpo", init=str(mine), train_rows=4).path
    assert (
        "checkpoints/adhoc/mine" in (path / "README.md").read_text()
        and str(home) not in (path / "README.md").read_text()
    )


@pytest.mark.parametrize("notebook", METHODS)
def test_what_is_saved_loads_elsewhere(trained, notebook):
    names = trained[notebook]
    assert (
        json.loads((names.path / "adapter_config.json").read_text())["base_model_name_or_path"]
        == "tiny-llama"
    )
    assert list(names.path.glob("*.safetensors")) and not [
        p for p in names.path.iterdir() if p.suffix in (".bin", ".pt", ".pkl")
    ]
    assert len([e for e in json.loads((names.path / "log.json").read_text()) if "loss" in e]) == 12
    model, tokenizer = loading.load("tiny-llama", "float32", [names.path])
    again = answering.answer_questions(
        model,
        tokenizer,
        dialogues.load("test", START["test_rows"]),
        prompts.text("task"),
        names.system,
        max_new_tokens=START["max_new_tokens"],
        temperature=0.0,
        batch_size=START["test_rows"],
        seed=42,
    )
    assert again.answer.tolist() == names.answers.answer.tolist()
    assert {r.metric for r in names.run.records} == {
        "steps",
        "last_loss",
        "answer_tokens",
        "kl_per_token",
        "gain_per_token",
        "test_accuracy",
    } | (set() if notebook == "02_sft" else {"last_margin"})


@pytest.mark.parametrize(
    "notebook, panels",
    [
        ("02_sft", ["training loss"]),
        (
            "03_dpo",
            [
                "training loss",
                "rewards",
                "log-probability of an answer",
                "share of pairs with a positive margin",
            ],
        ),
        ("04_kto", ["training loss", "rewards", "log-probability of an answer", "KL term"]),
    ],
)
def test_the_figure_has_the_panels_of_its_method(trained, notebook, panels):
    log, beta = trained[notebook].log, trained[notebook].run.values.get("beta", 0.0)
    figure = figures.training_figure(log, beta)
    titles = [axis.get_title().replace("\n", " ") for axis in figure.axes]
    assert len(titles) == len(panels) and all(
        title.startswith(start) for title, start in zip(titles, panels)
    )
    first = figure.axes[0].lines[0]
    assert (
        first.get_xdata().tolist() == log.index.tolist()
        and first.get_ydata().tolist() == log.loss.tolist()
    )
    if len(panels) > 1:
        # A reward is beta times the log-ratio: the third panel is the second without beta.
        legends = [
            [text.get_text() for text in axis.get_legend().get_texts()] for axis in figure.axes[1:3]
        ]
        assert legends == [["chosen", "rejected", "margin"], ["chosen", "rejected"]]
        reward, nats = (figure.axes[i].lines[0].get_ydata() for i in (1, 2))
        assert nats == pytest.approx(reward / beta)
    plt.close(figure)


@pytest.mark.parametrize("notebook", METHODS)
def test_movement_is_that_of_one_plain_pass_a_text(trained, notebook):
    """Against logits of the whole vocabulary from one ordinary pass for each text."""
    names = trained[notebook]
    start, tokenizer = loading.load("tiny-llama", "float32")
    tuned, _ = loading.load("tiny-llama", "float32", [names.path])
    rows, task = dialogues.load("test", START["test_rows"]), prompts.text("task")
    moved = movement.movement(tuned, start, tokenizer, rows, task, names.answers)
    assert moved.id.tolist() == names.answers.id.tolist() and (moved.kl > 0).all()
    for row, answer, found in zip(rows, names.answers.answer, moved.itertuples(), strict=True):
        question = row.get("emotional_question") or row["question"]
        prompt = tokenizer.apply_chat_template(
            training_rows.messages(task, question), add_generation_prompt=True, tokenize=False
        )
        sums = {}
        for name, text in {
            "own": answer,
            "wanted": row.get("soothing_response"),
            "doctor": row["answer"],
        }.items():
            ids = tokenizer(
                prompt + text + tokenizer.eos_token, return_tensors="pt", add_special_tokens=False
            ).input_ids
            begin = len(tokenizer(prompt, add_special_tokens=False).input_ids)
            with torch.no_grad():
                after, before = (
                    model(ids).logits[0, begin - 1 : -1].log_softmax(-1) for model in (tuned, start)
                )
            gain = (after - before).gather(1, ids[0, begin:, None]).sum()
            sums[name] = (
                float((after.exp() * (after - before)).sum()) if name == "own" else float(gain)
            )
        assert [found.kl, found.wanted, found.doctor] == pytest.approx(
            list(sums.values()), abs=2e-4
        )


def test_a_model_has_not_moved_from_itself(trained):
    names = trained["03_dpo"]
    start, tokenizer = loading.load("tiny-llama", "float32")
    moved = movement.movement(
        start,
        start,
        tokenizer,
        dialogues.load("test", START["test_rows"]),
        prompts.text("task"),
        names.answers,
    )
    assert moved.kl.tolist() == [0.0] * len(
        moved
    ) and moved.wanted.tolist() == moved.doctor.tolist() == [0.0] * len(moved)
    assert {
        metric: items.mean() for metric, (items, _) in movement.movement_records(moved).items()
    } == {"kl_per_token": 0.0, "gain_per_token": 0.0, "test_accuracy": 0.0}


# Four bits


@pytest.mark.parametrize("notebook", ["02_sft", "03_dpo", "04_kto"])
def test_adapters_are_trained_on_weights_of_four_bits(home, notebook):
    """The linear layers hold 4 bits a weight and stay as they are; the adapters move.

    A preference starts at its reference: log 2, or 1/2 for KTO.
    """
    before = play(notebook, until="loading.load(", quantization="nf4", lora_rank=4).model
    names = play(notebook, until="fitting.fit(", quantization="nf4", lora_rank=4, train_rows=12)
    packed = {
        n: m.weight
        for n, m in names.trainer.model.named_modules()
        if type(m).__name__ == "Linear4bit"
    }
    kept = {n: m.weight for n, m in before.named_modules() if type(m).__name__ == "Linear4bit"}
    assert len(kept) == 14 and all(
        w.dtype is torch.uint8 and w.quant_state.quant_type == "nf4" for w in kept.values()
    )
    for name, weight in packed.items():
        (same,) = [w for n, w in kept.items() if name.removesuffix(".base_layer").endswith(n)]
        assert (weight == same).all() and weight.numel() == math.prod(weight.quant_state.shape) // 2
    assert [
        n
        for n, p in names.trainer.model.named_parameters()
        if p.requires_grad and "lora_B" in n and p.abs().sum() > 0
    ]
    if notebook != "02_sft":
        assert names.log.loss.iloc[0] == pytest.approx(
            math.log(2) if notebook == "03_dpo" else 0.5, abs=1e-6
        )


def test_gradients_through_four_bits_are_those_of_the_weights_they_stand_for(tiny):
    """Against the same model with its linear weights replaced by what the 4 bits mean, in fp32;
    the products of the first are in bf16.

    After a pass without gradients, too, which would let bitsandbytes change to a kernel that has
    none.
    """
    from bitsandbytes.functional import dequantize_4bit
    from peft import get_peft_model

    small, tokenizer = loading.load("tiny-llama", quantization="nf4")
    plain = loading.load("tiny-llama")[0]
    for name, module in small.named_modules():
        if type(module).__name__ == "Linear4bit":
            plain.get_submodule(name).weight.data = dequantize_4bit(
                module.weight.data, module.weight.quant_state
            ).float()
    inputs = tokenizer("Rest, and drink a glass of water.", return_tensors="pt").input_ids
    with torch.no_grad():
        close = (small(inputs).logits - plain(inputs).logits).abs().max()
    assert close < 0.02
    found = []
    for model in (small, plain):
        torch.manual_seed(0)
        adapted = get_peft_model(model, recipe.lora(4)).train()
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.05)
        adapted(inputs, labels=inputs).loss.backward()
        found.append(
            {n: p.grad.float().flatten() for n, p in adapted.named_parameters() if p.requires_grad}
        )
    assert len(found[0]) == 28 and set(found[0]) == set(found[1])
    for name, ours in found[0].items():
        theirs = found[1][name]
        assert theirs.norm() > 0 and torch.cosine_similarity(ours, theirs, dim=0) > 0.99, name
        assert float(ours.norm()) == pytest.approx(float(theirs.norm()), rel=0.1), name


def test_four_bits_without_adapters_or_without_the_package_are_refused(home, monkeypatch):
    with pytest.raises(
        EmoError,
        match=(
            "parameter 'quantization' is 'nf4', and weights in 4 bits are not trained themselves: "
            "give 'lora_rank' above 0"
        ),
    ):
        play("03_dpo", until="loading.load(", quantization="nf4", lora_rank=0)
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        EmoError, match="needs the package bitsandbytes, which is not installed here"
    ) as error:
        loading.load("tiny-llama", quantization="nf4")
    assert "\n" not in str(error.value)


# A notebook whose cells are changed and run again


def test_a_trainer_that_changed_does_not_go_on_and_one_that_divides_its_batches_does(home, capsys):
    """Another loss, or other rows, in the same run: the checkpoints are those of neither."""
    names = stopped("03_dpo", 3, **LONG)
    folder = fitting.scratch(names.run)
    assert list(folder.glob("checkpoint-*"))
    fitting._forget_another_training(names.trainer, names.run)
    assert list(folder.glob("checkpoint-*")) and "begins anew" not in capsys.readouterr().out
    names.trainer.args.per_device_train_batch_size = 1
    names.trainer.args.gradient_accumulation_steps = 4
    fitting._forget_another_training(names.trainer, names.run)
    assert list(folder.glob("checkpoint-*")) and "begins anew" not in capsys.readouterr().out
    names.trainer.args.beta = 0.5
    fitting._forget_another_training(names.trainer, names.run)
    assert not list(folder.glob("checkpoint-*")) and "begins anew" in capsys.readouterr().out
    (folder / "checkpoint-2").mkdir()
    names.trainer.train_dataset = names.trainer.train_dataset.select(range(2))
    fitting._forget_another_training(names.trainer, names.run)
    assert not list(folder.glob("checkpoint-*"))


def test_a_parameter_that_a_cell_changed_stops_before_it_is_recorded(home):
    names = play("03_dpo", before="fitting.fit(", beta=0.1)
    names.run.namespace["beta"] = 0.2
    with pytest.raises(EmoError, match="'beta' is 0.2 now, and this run began with 0.1"):
        fitting.fit(names.trainer, names.run)
    with pytest.raises(EmoError, match="'beta' is 0.2 now"):
        names.run.finish()
    names.run.namespace["beta"] = 0.1
    names.run.check_parameters()
