"""A training of the book as files for LLaMA-Factory:
what they hold is what the notebook trains on.
"""

import json
import shlex

import pytest
import yaml

from emo import export
from emo.cli import main
from emo.graph import steps
from emo_utils import project
from emo_utils.data import dialogues, training_rows
from emo_utils.experiment import code, runs
from emo_utils.generation import prompts
from emo_utils.models import fetching, stand_in
from emo_utils.project import EmoError

TASK = prompts.text("task")
FIXED = {"precision": "fp32"}  # nothing is measured
RUNS = tuple(step.run for step in steps.STEPS if step.notebook in ("02_sft", "03_dpo", "04_kto"))
FROM_BASE = ("02_sft.er-sft", "02_sft.eqsr-sft", "03_dpo.eqsr-dpo", "04_kto.eqsr-kto")
FROM_ER = ("03_dpo.er-eqsr-dpo", "04_kto.er-eqsr-kto", "02_sft.er-eqsr-sft")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Checkpoints are looked for in an empty folder."""
    sources = project.NOTEBOOKS.parent / "emo_utils"
    for module in (project, code, runs):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "emo_utils").symlink_to(sources)
    return tmp_path


def checkpoint(home, name: str = "er-sft", starts_from: tuple[str, ...] = (), adapter: bool = True):
    """A folder as `model_cards.save` leaves it, without weights."""
    folder = home / "checkpoints" / "smoke" / name
    folder.mkdir(parents=True)
    (folder / "README.md").touch()
    (folder / "companion.json").write_text(json.dumps({"starts_from": list(starts_from)}))
    if adapter:
        (folder / "adapter_config.json").write_text("{}")
    return folder


def exported(run: str, folder, **given) -> tuple[dict, dict, list[dict]]:
    """Settings, entry of dataset_info.json and rows of a run."""
    written = export.write(run, "smoke", folder, FIXED | given)
    assert all(path.is_file() and path.parent == folder.resolve() for path in written)
    settings = yaml.safe_load(written[0].read_text(encoding="utf-8"))
    entry = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))[
        settings["dataset"]
    ]
    return settings, entry, json.loads((folder / entry["file_name"]).read_text(encoding="utf-8"))


def refusal(run: str, folder, profile: str = "smoke", **given) -> str:
    """The message of an export that is refused; it is one line, and nothing is written."""
    with pytest.raises(EmoError) as error:
        export.write(run, profile, folder, FIXED | given)
    assert "\n" not in str(error.value) and not list(folder.glob("*.yaml"))
    return str(error.value)


# Settings


def test_the_command_that_is_told_can_be_typed_as_it_stands(tiny, tmp_path, capsys):
    folder = tmp_path / "it's a folder"
    call = ["export", "03_dpo.eqsr-dpo", "--to", str(folder), "--profile", "smoke"]
    assert main([*call, "-p", "precision", "fp32"]) == 0
    command = capsys.readouterr().out.partition("train with: ")[2]
    assert shlex.split(command) == [
        "llamafactory-cli",
        "train",
        str(folder / "03_dpo.eqsr-dpo.yaml"),
    ]


@pytest.mark.parametrize("run", FROM_BASE)
def test_settings_carry_the_parameters_of_the_run_over(tiny, tmp_path, run):
    values = steps.values(steps.step(run), "smoke")
    settings, entry, _ = exported(run, tmp_path)
    stage = run[3:6]
    assert (
        settings["stage"] == stage
        and settings["model_name_or_path"] == str(tiny)
        and settings["template"] == "smollm2"
    )
    assert (settings["finetuning_type"], settings["lora_rank"], settings["lora_alpha"]) == (
        "lora",
        values["lora_rank"],
        2 * values["lora_rank"],
    )
    assert (settings["lora_target"], settings["lora_dropout"]) == ("all", 0.0)
    assert (
        settings["learning_rate"] == values["learning_rate"]
        and settings["num_train_epochs"] == values["epochs"]
    )
    assert (
        settings["per_device_train_batch_size"] * settings["gradient_accumulation_steps"]
        == values["batch_size"]
    )
    assert (
        settings["cutoff_len"] == values["max_length"]
        and settings["seed"] == settings["data_seed"] == values["seed"]
    )
    assert (settings["lr_scheduler_type"], settings["warmup_steps"], settings["bf16"]) == (
        "cosine",
        2,
        False,
    )
    assert (settings["logging_steps"], settings["save_strategy"], settings["report_to"]) == (
        1,
        "no",
        "none",
    )
    assert (
        settings["dataset_dir"] == str(tmp_path.resolve())
        and "eval_dataset" not in settings
        and "adapter_name_or_path" not in settings
    )
    assert (settings.get("pref_beta"), settings.get("pref_loss")) == {
        "sft": (None, None),
        "dpo": (values.get("beta"), "sigmoid"),
        "kto": (values.get("beta"), None),
    }[stage]
    assert entry["ranking"] == (stage == "dpo")


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("learning_rate", "1e-4", 1e-4),
        ("batch_size", "6", 3),
        ("beta", "0.35", 0.35),
        ("epochs", "3", 3.0),
        ("seed", "7", 7),
        ("lora_rank", "4", 4),
        ("max_length", "2048", 2048),
    ],
)
def test_a_parameter_given_as_text_replaces_the_runs_own(tiny, tmp_path, name, given, expected):
    key = {
        "batch_size": "gradient_accumulation_steps",
        "beta": "pref_beta",
        "epochs": "num_train_epochs",
        "max_length": "cutoff_len",
    }.get(name, name)
    assert exported("03_dpo.eqsr-dpo", tmp_path, **{name: given})[0][key] == expected


def test_without_adapters_all_weights_are_trained(tiny, tmp_path):
    settings, *_ = exported("03_dpo.eqsr-dpo", tmp_path, lora_rank=0)
    assert settings["finetuning_type"] == "full" and not [
        key for key in settings if key.startswith("lora")
    ]


def test_processes_share_the_batch(tiny, tmp_path):
    settings, *_ = exported("03_dpo.eqsr-dpo", tmp_path, batch_size=8, device_batch=2, processes=2)
    assert (settings["per_device_train_batch_size"], settings["gradient_accumulation_steps"]) == (
        2,
        2,
    )
    assert "NPROC_PER_NODE=2" in (tmp_path / "03_dpo.eqsr-dpo.yaml").read_text()


def test_kto_keeps_the_order_and_the_pairs_of_the_kl_term(tiny, tmp_path):
    settings, *_ = exported(
        "04_kto.eqsr-kto", tmp_path, desirable_weight=1.2, undesirable_weight=0.9
    )
    assert settings["disable_shuffling"] is True
    assert settings["preprocessing_batch_size"] == settings["per_device_train_batch_size"] == 4
    assert (settings["kto_chosen_weight"], settings["kto_rejected_weight"]) == (1.2, 0.9)


def test_what_cannot_be_expressed_is_said_in_a_comment(tiny, tmp_path):
    exported("02_sft.eqsr-sft", tmp_path)
    comments = [
        line
        for line in (tmp_path / "02_sft.eqsr-sft.yaml").read_text().splitlines()
        if line.startswith("#")
    ]
    assert (
        "02_sft.eqsr-sft (smoke profile)" in comments[0]
        and "llamafactory-cli train 02_sft.eqsr-sft.yaml" in comments[0]
    )
    assert len([line for line in comments if line.startswith("# differs: ")]) == len(export.DIFFERS)


@pytest.mark.parametrize(
    ("model", "template"),
    [
        ("Llama-3.2-1B-Instruct", "llama3"),
        ("SmolLM2-135M-Instruct", "smollm2"),
        ("Qwen2.5-7B-Instruct", "qwen"),
    ],
)
def test_the_template_follows_the_model(tiny, tmp_path, monkeypatch, model, template):
    monkeypatch.setattr(fetching, "fetch", lambda name: tiny)
    settings, *_ = exported("02_sft.eqsr-sft", tmp_path, base_model=model)
    assert settings["template"] == template
    assert ("lines on knowledge and date" in (tmp_path / "02_sft.eqsr-sft.yaml").read_text()) == (
        template == "llama3"
    )


# Rows


@pytest.mark.parametrize(("run", "name"), [("02_sft.er-sft", "er"), ("02_sft.eqsr-sft", "eqsr")])
def test_sft_rows_are_the_notebooks(tiny, tmp_path, run, name):
    _, _, rows = exported(run, tmp_path, train_rows=7)
    expected = training_rows.sft_rows(training_rows.split(name, 7)[0], TASK)
    assert [row["messages"] for row in rows] == [
        row["prompt"] + row["completion"] for row in expected
    ] and len(rows) == 7
    assert [m["role"] for m in rows[0]["messages"]] == ["system", "user", "assistant"] and rows[0][
        "messages"
    ][0]["content"] == TASK


def test_dpo_rows_are_the_notebooks(tiny, tmp_path):
    _, entry, rows = exported("03_dpo.eqsr-dpo", tmp_path, train_rows=6)
    expected = training_rows.dpo_rows(training_rows.split("eqsr", 6)[0], TASK)
    assert rows == [
        {"messages": row["prompt"], "chosen": row["chosen"][0], "rejected": row["rejected"][0]}
        for row in expected
    ]
    assert set(entry["columns"]) == set(rows[0])


def test_kto_rows_are_the_notebooks_in_their_order(tiny, tmp_path):
    _, entry, rows = exported("04_kto.eqsr-kto", tmp_path, train_rows=6, seed=3)
    expected = training_rows.kto_rows(training_rows.split("eqsr", 6)[0], TASK, 3, 4)
    assert (
        rows
        == [
            {"messages": row["prompt"] + row["completion"], "kto_tag": row["label"]}
            for row in expected
        ]
        and len(rows) == 12
    )
    assert set(entry["columns"]) == set(rows[0])


def test_all_rows_without_a_limit(tiny, tmp_path):
    assert len(exported("02_sft.er-sft", tmp_path, train_rows=0)[2]) == len(dialogues.load("er"))


@pytest.mark.parametrize(
    ("run", "per_row"), [("02_sft.eqsr-sft", 1), ("03_dpo.eqsr-dpo", 1), ("04_kto.eqsr-kto", 2)]
)
def test_held_out_rows_are_a_data_set_of_their_own(tiny, tmp_path, run, per_row):
    settings, *_ = exported(run, tmp_path, train_rows=6, validation_rows=5)
    held_out = json.loads((tmp_path / f"{run}.validation.json").read_text(encoding="utf-8"))
    questions = {row["emotional_question"] for row in training_rows.split("eqsr", 6, 5)[1]}
    assert settings["eval_dataset"] == f"{run}.validation" and settings["eval_strategy"] == "epoch"
    assert (
        len(held_out) == 5 * per_row
        and {row["messages"][1]["content"] for row in held_out} == questions
    )


def test_runs_share_a_folder(tiny, tmp_path):
    (tmp_path / "dataset_info.json").write_text('{"mine": {"file_name": "mine.json"}}')
    for run in FROM_BASE:
        exported(run, tmp_path)
    assert set(json.loads((tmp_path / "dataset_info.json").read_text())) == {"mine", *FROM_BASE}


def test_a_variant_is_named_without_signs_that_separate_names(tiny, tmp_path):
    settings, *_ = exported("03_dpo.eqsr-dpo@beta=0.05,seed=43", tmp_path)
    assert settings["dataset"] == "03_dpo.eqsr-dpo_beta=0.05_seed=43" and (
        settings["pref_beta"],
        settings["seed"],
    ) == (0.05, 43)


# Starting weights


@pytest.mark.parametrize("run", FROM_ER)
def test_er_eqsr_starts_from_the_er_sft_adapter(tiny, home, tmp_path, run):
    folder = checkpoint(home)
    settings, *_ = exported(run, tmp_path / "to")
    assert (
        settings["model_name_or_path"],
        settings["adapter_name_or_path"],
        settings["create_new_adapter"],
    ) == (str(tiny), str(folder), True)
    assert export.DIFFERS_ADAPTERS[0] in (tmp_path / "to" / f"{run}.yaml").read_text()


def test_adapters_are_merged_in_the_order_in_which_they_were_trained(tiny, home, tmp_path):
    checkpoint(home)
    checkpoint(home, "er-eqsr-sft", starts_from=("checkpoints/smoke/er-sft",))
    settings, *_ = exported("03_dpo.er-eqsr-dpo", tmp_path / "to", init="er-eqsr-sft")
    assert [path.rpartition("/")[2] for path in settings["adapter_name_or_path"].split(",")] == [
        "er-sft",
        "er-eqsr-sft",
    ]


def test_a_checkpoint_with_all_weights_takes_the_base_models_place(
    tiny, home, tmp_path, monkeypatch
):
    folder = checkpoint(home, adapter=False)
    for path in tiny.glob("*token*"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "chat_template.jinja").write_text(stand_in.CHATML)
    settings, *_ = exported("03_dpo.er-eqsr-dpo", tmp_path / "to", lora_rank=0)
    assert settings["model_name_or_path"] == str(folder) and "adapter_name_or_path" not in settings


# What is refused


@pytest.mark.parametrize("run", ["05_emotion_scoring", "10_empathy_by_design.ebd-dpo"])
def test_a_run_that_cannot_be_exported_names_those_that_can(tmp_path, run):
    message = refusal(run, tmp_path)
    assert (
        f"{run} cannot be exported" in message
        and all(f"{name}" in message for name in RUNS)
        and len(RUNS) == 7
    )


def test_an_unknown_run_names_the_nearest(tmp_path):
    assert "did you mean '03_dpo.eqsr-dpo'" in refusal("03_dpo.eqsr-dpoo", tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bta": 0.1}, "did you mean 'beta'"),
        ({"beta": -1}, "must be in (0, 10]"),
        ({"batch_size": 5}, "no multiple of device_batch"),
    ],
)
def test_a_wrong_parameter_is_refused_as_by_the_notebook(tiny, tmp_path, given, said):
    assert said in refusal("03_dpo.eqsr-dpo", tmp_path, **given)


def test_a_missing_checkpoint_names_the_command_that_makes_it(tiny, home, tmp_path):
    assert "emo make er-sft --profile smoke" in refusal("03_dpo.er-eqsr-dpo", tmp_path / "to")


@pytest.mark.parametrize("given", [{"lora_rank": 0}, {"quantization": "nf4"}])
def test_what_llama_factory_cannot_start_from_is_refused(tiny, home, tmp_path, given):
    checkpoint(home)
    assert "lora_rank above 0" in refusal("03_dpo.er-eqsr-dpo", tmp_path / "to", **given)


def test_rows_that_are_too_long_are_refused(tiny, tmp_path):
    assert "exceed max_length=200" in refusal("02_sft.eqsr-sft", tmp_path, max_length=200)
    assert "a question alone has as many" in refusal("02_sft.eqsr-sft", tmp_path, max_length=64)


def test_a_model_without_a_known_template_is_refused(tiny, tmp_path):
    assert "TEMPLATES" in refusal("02_sft.eqsr-sft", tmp_path, base_model="Emollama-chat-7b")


def test_a_broken_dataset_info_is_kept(tiny, tmp_path):
    (tmp_path / "dataset_info.json").write_text('{"mine": ')
    assert "not JSON" in refusal("02_sft.eqsr-sft", tmp_path)
    assert (tmp_path / "dataset_info.json").read_text() == '{"mine": '


def test_pref_loss_and_weights_belong_to_their_objective_only(tiny, tmp_path):
    keys = {run[3:6]: set(exported(run, tmp_path)[0]) for run in FROM_BASE[1:]}
    assert keys["dpo"] - keys["sft"] == {"pref_beta", "pref_loss"}
    assert keys["kto"] - keys["sft"] == {
        "pref_beta",
        "kto_chosen_weight",
        "kto_rejected_weight",
        "disable_shuffling",
        "preprocessing_batch_size",
    }
