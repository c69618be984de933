"""What steps ask of a cluster, and the calls that send them there.

The trial on a real Slurm is slurm_trial.py.
"""

import os
from pathlib import Path

import pytest
import yaml
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

from emo import cli
from emo.graph import cluster, steps, times
from emo_utils.experiment import bill, parameters
from emo_utils.models import registry
from emo_utils.models.precision import choose_precision
from emo_utils.project import PROFILE_NAMES, PROFILES, UNITS, EmoError
from emo_utils.training import recipe


@pytest.fixture
def asking(monkeypatch):
    """Sets the resources that a profile asks for."""

    def ask(**given):
        content = parameters.load_profile("embedded") | {"resources": given}
        monkeypatch.setattr(parameters, "load_profile", lambda name: content)

    return ask


DPO = steps.step("03_dpo.eqsr-dpo")


def test_without_a_word_a_step_asks_for_its_memory():
    assert cluster.resources(DPO, "embedded") == {"mem_mb": DPO.memory_mb}


def test_the_run_says_more_than_its_notebook_and_that_more_than_all(asking):
    asking(
        all={"mem_mb": 1000, "gpu": 1, "runtime": 5},
        **{
            "03_dpo": {"mem_mb": 2000, "runtime": 7},
            "03_dpo.eqsr-dpo": {"runtime": 9, "cpus_per_task": 4},
        },
    )
    assert cluster.resources(DPO, "embedded") == {
        "mem_mb": 2000,
        "gpu": 1,
        "runtime": 9,
        "cpus_per_task": 4,
    }
    assert cluster.resources(steps.step("03_dpo.eqsr-dpo@beta=0.2"), "embedded")["runtime"] == 9
    assert cluster.resources(steps.step("04_kto.eqsr-kto"), "embedded") == {
        "mem_mb": 1000,
        "gpu": 1,
        "runtime": 5,
    }


def test_nothing_is_asked_for_with_0(asking):
    asking(all={"gpu": 1}, **{"03_dpo": {"gpu": 0}})
    assert "gpu" not in cluster.resources(DPO, "embedded")


@pytest.mark.parametrize(
    "given, message",
    [
        ({"3_dpo": {"gpu": 1}}, "no step or notebook '3_dpo'; did you mean '03_dpo'"),
        ({"all": {"gpus": 1}}, "did you mean 'gpu'"),
        ({"all": {"gpu": "one"}}, "'gpu: one'"),
        ({"all": {"mem_mb": -1}}, "'mem_mb: -1'"),
        ({"all": {"runtime": 1.5}}, "'runtime: 1.5'"),
        ({"all": {"gpu": True}}, "'gpu: True'"),
    ],
)
def test_what_means_nothing_is_named(asking, given, message):
    asking(**given)
    with pytest.raises(EmoError, match=message) as error:
        cluster.resources(DPO, "embedded")
    assert "profiles/embedded.yaml" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_every_step_of_every_profile_asks_for_something_sensible(profile):
    for step in steps.steps(profile):
        asked = cluster.resources(step, profile)
        assert 500 <= asked["mem_mb"] <= 512_000
        processes = steps.values(step, profile).get("processes", 1)
        assert processes == 1 or asked["gpu"] == processes, step.run
        loads = bool(steps.step_models(step, profile)) or step.trains
        assert profile != "paper" or loads or "gpu" not in asked, step.run


@pytest.mark.parametrize("profile", [name for name in PROFILE_NAMES if name != "smoke"])
def test_trainings_of_a_profile_divide_their_batches_and_start_from_known_weights(
    profile, tmp_path
):
    """A dry run of what the trainers are told: on a GPU, where it would stop, an hour is dear."""
    trained = [step for step in steps.steps(profile) if step.notebook in bill.OBJECTIVES]
    assert {step.notebook for step in trained} == set(bill.OBJECTIVES)
    for step in trained:
        values = steps.values(step, profile)
        names = ("learning_rate", "epochs", "batch_size", "seed", "max_length")
        more = {name: values[name] for name in ("device_batch", "processes") if name in values}
        told = recipe.shared(
            tmp_path, **{n: values[n] for n in names}, **more, precision=choose_precision("bf16")
        )
        parts = told["per_device_train_batch_size"] * told["gradient_accumulation_steps"]
        assert parts * values["processes"] == values["batch_size"], step.run
        assert registry.entry(values["base_model"]).name in steps.step_models(step, profile)


def test_here_the_steps_share_the_machines_memory_and_gpus():
    call = cluster.command("paper", 3, None, ["book"])
    assert call[call.index("--cores") + 1] == "3" and call[-1] == "book"
    assert {"mem_mb=80000", "gpu=1"} < set(call) and "--workflow-profile" not in call


def test_on_a_cluster_its_own_profile_limits_them(tmp_path):
    (tmp_path / "config.yaml").write_text("executor: dryrun\njobs: 3\n")
    call = cluster.command("paper", 3, tmp_path, ["book"])
    assert (
        call[call.index("--workflow-profile") + 1] == str(tmp_path)
        and "--cores" not in call
        and "--resources" not in call
    )


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "there is no config.yaml in that folder; profiles/slurm has one"),
        (
            "executor: zzz\n",
            (
                "wants the executor 'zzz', which is not installed; "
                "install it with: pip install snakemake-executor-plugin-zzz"
            ),
        ),
        ("a: [", "is no YAML with a line"),
        ("- 1", "is no YAML with a line"),
        (b"\xff\xfe", "is no YAML with a line"),
    ],
)
def test_a_folder_that_is_no_profile_of_a_cluster_is_refused(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "config.yaml").write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    assert cli.main(["make", "12_sweeps", "--profile", "smoke", "--cluster", str(tmp_path)]) == 2
    told = capsys.readouterr().err.strip()
    assert message in told and len(told.splitlines()) == 1


def test_the_shipped_slurm_profile_names_what_it_needs():
    folder = PROFILES / "slurm"
    content = yaml.safe_load((folder / "config.yaml").read_text())
    assert content["executor"] == "slurm" and content["retries"] >= 1
    assert "snakemake-executor-plugin-slurm==" in (folder / "requirements.txt").read_text()


def test_accelerate_reads_the_shipped_fsdp_settings():
    """Read by accelerate's own parser; sharding itself wants accelerators."""
    file = PROFILES.parent / parameters.load_profile("paper")["launch"]
    read, *_ = _validate_launch_command(
        launch_command_parser().parse_args(
            ["--config_file", str(file), "--num_processes", "8", "training.py"]
        )
    )
    assert read.use_fsdp and not read.multi_gpu and read.num_processes == 8
    assert (str(read.fsdp_version), read.fsdp_state_dict_type) == (
        "2",
        "FULL_STATE_DICT",
    ) and read.fsdp_auto_wrap_policy == "TRANSFORMER_BASED_WRAP"


def test_a_profiles_launch_file_reaches_the_notebook(monkeypatch, tmp_path):
    import papermill

    monkeypatch.delenv("EMO_LAUNCH", raising=False)
    seen = []
    monkeypatch.setattr(
        papermill,
        "execute_notebook",
        lambda *args, **kwargs: (
            seen.append(os.environ.get("EMO_LAUNCH")) or Path(args[1]).write_text("{}")
        ),
    )
    for profile in ("embedded", "paper"):
        cli.runs.execute("03_dpo", tmp_path / "out.ipynb", {"profile": profile}, progress_bar=False)
    assert (
        seen[0] is None
        and seen[1].startswith("--config_file ")
        and seen[1].endswith("profiles/fsdp.yaml")
    )
    monkeypatch.delenv("EMO_LAUNCH", raising=False)


def test_a_profile_can_give_each_step_other_cores_than_it_declares():
    wide = next(step for step in steps.STEPS if step.threads == 2)
    profiles = ("embedded", "smoke", "overnight", "overnight-small", "overnight-tiny")
    assert [cluster.threads(wide, profile) for profile in profiles] == [2, 1, 2, 2, 2]
    assert [cluster.threads(DPO, profile) for profile in profiles] == [1, 1, 2, 2, 2]
    assert DPO.threads == 1


@pytest.mark.parametrize("profile", UNITS)
@pytest.mark.parametrize("cores", [2, 16])
def test_a_unit_of_the_edition_is_made_one_step_at_a_time(profile, cores):
    """Two trainings side by side take twice the memory that the profile asks for."""
    left = {"03_dpo.eqsr-dpo": 60.0, "04_kto.eqsr-kto": 40.0, "06_knowledge_scoring": 10.0}
    assert times.Schedule(left, profile, cores).seconds(left) == 110.0
    call = cluster.command(profile, cores, None, ["a"])
    limit = parameters.load_profile(profile)["memory_gb"] * 1000
    assert f"mem_mb={limit}" in call and cluster.resources(DPO, profile)["mem_mb"] >= limit
