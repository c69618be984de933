"""Training: in this process or in several, from the last checkpoint where there is one."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch
from filelock import FileLock, Timeout
from peft import set_peft_model_state_dict
from safetensors.torch import load_file
from tqdm import tqdm
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils.notebook import NotebookProgressCallback

from emo_utils.experiment import provenance, runs
from emo_utils.models import checkpoints
from emo_utils.project import (
    NOTEBOOKS,
    ROOT,
    EmoError,
    notebook_cells,
    relative,
    sha256_file,
    sha256_json,
    write_atomic,
)
from emo_utils.training import packed

TRAINS = "training"  # tag of the cell of a notebook that trains


class Progress(TrainerCallback):
    """A plain progress bar over optimizer steps; the notebook widgets of transformers do not
    survive in a book.
    """

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, desc="training", unit="step", leave=False)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def fit(trainer, run) -> pd.DataFrame:
    """Train, from the last checkpoint if the same run was stopped before,
    and return one row an optimizer step, as TRL logs it.

    Columns: loss, learning_rate, grad_norm, entropy, epoch; SFT and DPO mean_token_accuracy; DPO
    and KTO rewards/chosen, rewards/rejected, rewards/margins, logps/chosen, logps/rejected; DPO
    rewards/accuracies; KTO kl.

    With parameter `processes` above 1 the training is done by as many processes that
    `accelerate launch` starts; their result is then in this trainer's model.
    """
    if "WORLD_SIZE" not in os.environ:
        if trainer.args.save_strategy != "no":
            _forget_another_training(trainer, run)
        if run.values["processes"] > 1:
            return _launch(trainer, run)
    packed.pack(trainer)
    trainer.remove_callback(NotebookProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress())
    last = _last_checkpoint(scratch(run)) if trainer.args.save_strategy != "no" else None
    if last:
        print(f"going on from step {last.name.partition('-')[2]}")
    trainer.train(resume_from_checkpoint=last)
    if "WORLD_SIZE" in os.environ:
        trainer.save_model(scratch(run) / "final")
        if trainer.is_world_process_zero():
            write_atomic(scratch(run) / "final" / "log.json", json.dumps(trainer.state.log_history))
        # What follows in the notebook is done by the process that launched this one.
        raise SystemExit
    return training_log(trainer.state.log_history)


# What of a trainer's arguments does not change what is trained: places, and how a batch is divided.
UNTRAINED = re.compile(r".*_dir|run_name|per_device_.*|gradient_accumulation_steps|dataloader_.*")


def _forget_another_training(trainer, run) -> None:
    """Remove checkpoints of a trainer with other arguments or rows than this one, which a changed
    cell leaves behind: to go on from them would give the numbers of neither.
    """
    run.check_parameters()
    arguments = {
        name: str(value)
        for name, value in trainer.args.to_dict().items()
        if not UNTRAINED.fullmatch(name)
    }
    same = sha256_json([arguments, [sha256_json(row) for row in trainer.train_dataset]])
    mark = scratch(run) / "trainer.sha256"
    if mark.is_file() and mark.read_text() != same:
        print("the trainer has changed since this run was stopped: it begins anew")
        for path in mark.parent.glob("checkpoint-*"):
            shutil.rmtree(path, ignore_errors=True)
    write_atomic(mark, same)


def _last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint: its state is what the trainer writes last.

    A half-written one is removed.
    """
    for path in sorted(
        folder.glob("checkpoint-*"), key=lambda path: -int(path.name.partition("-")[2])
    ):
        if checkpoints.unbroken(path):
            return path
        shutil.rmtree(path, ignore_errors=True)
    return None


def training_log(history: list[dict]) -> pd.DataFrame:
    return pd.DataFrame([entry for entry in history if "loss" in entry]).set_index("step")


def _launch(trainer, run) -> pd.DataFrame:
    """Run this notebook's cells up to the training as a script in several processes.

    EMO_LAUNCH adds options of `accelerate launch`; with `--config_file` among them the file says
    all but the number of processes. With `--num_machines N --main_process_ip HOST` the others join
    by `sh launch.sh RANK` in this run's scratch folder, which all machines must share.
    """
    options = shlex.split(os.environ.get("EMO_LAUNCH", ""))
    if "--config_file" not in options:
        options = [
            "--multi_gpu",
            "--mixed_precision",
            "no",
            "--dynamo_backend",
            "no",
            "--num_machines",
            "1",
            *options,
        ]
    folder, final = scratch(run), scratch(run) / "final"
    (folder / "training.py").write_text(_program(run.notebook), encoding="utf-8")
    known = {
        "EMO_VALUES": json.dumps(run.values),
        "EMO_SCRATCH": str(folder),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": str(max(torch.get_num_threads() // run.values["processes"], 1)),
    }
    command = shlex.join(
        [
            sys.executable,
            "-m",
            "accelerate.commands.launch",
            "--num_processes",
            str(run.values["processes"]),
            *options,
        ]
    )
    lines = [f"export {name}={shlex.quote(value)}" for name, value in known.items()]
    (folder / "launch.sh").write_text(
        "\n".join(
            [
                *lines,
                (
                    f"exec {command} --machine_rank ${{1:-0}} "
                    f"{shlex.quote(str(folder / 'training.py'))}\n"
                ),
            ]
        )
    )
    device = trainer.model.device
    trainer.model.to("cpu")  # room for the processes where they share its device
    with open(folder / "processes.log", "w") as log:
        done = subprocess.run(["sh", folder / "launch.sh"], stdout=log, stderr=subprocess.STDOUT)
    if done.returncode or not (final / "log.json").is_file():
        told = [
            line
            for line in Path(log.name).read_text().splitlines()
            if re.search(r"(Error|Exception)\b.*: ", line) and "ChildFailedError" not in line
        ]
        raise EmoError(
            f"training in {run.values['processes']} processes failed: "
            f"{told[-1] if told else 'no reason was given'} (see {relative(Path(log.name))})"
        )
    adapter = final / "adapter_model.safetensors"
    if adapter.is_file():
        set_peft_model_state_dict(trainer.model, load_file(adapter))
    else:
        trainer.model.load_state_dict(load_file(final / "model.safetensors"), strict=False)
        trainer.model.tie_weights()
    trainer.model.to(device)
    trainer.state.log_history = json.loads((final / "log.json").read_text())
    return training_log(trainer.state.log_history)


def _program(notebook: str) -> str:
    """What each process of a training runs: the code of a notebook up to and with the cell that
    has the tag `training`.
    """
    program = []
    for kind, text, tags in notebook_cells(NOTEBOOKS / f"{notebook}.ipynb"):
        if kind == "code":
            program.append(text)
        if TRAINS in tags:
            return "\n\n".join(program)
    raise EmoError(
        f"{notebook}.ipynb has no cell with the tag '{TRAINS}', so several processes cannot know "
        "what to run; tag the cell that trains"
    )


def scratch(run) -> Path:
    """Where a trainer keeps checkpoints to resume from, until the run is finished.

    What another run left there is removed.

    A run is the same when its parameters, code, data and starting checkpoints are; over how many
    processes and parts a batch is divided does not count, so that it goes on with more or fewer.
    Raises EmoError while another process trains the same run.
    """
    if "EMO_SCRATCH" in os.environ:  # a process started by `_launch`
        return Path(os.environ["EMO_SCRATCH"])
    folder = run.unfinished
    folder.parent.mkdir(parents=True, exist_ok=True)
    run.held = FileLock(
        f"{folder}.lock", is_singleton=True
    )  # until the run is finished or its process ends
    try:
        run.held.acquire(timeout=0)
    except Timeout:
        raise EmoError(
            f"{run.name} is being trained by another process or an open notebook; "
            "wait for its end or stop it, and start this one again: it goes on from there"
        ) from None
    before = {
        relative(path): sha256_file(path)
        for start in run.start_checkpoints()
        for path in sorted(start.glob("*.safetensors"))
    }
    values = {name: value for name, value in run.values.items() if name not in runs.DIVIDED}
    same = sha256_json(
        [values, run.code_sha256, provenance.FILES_READ, provenance.MODELS_LOADED, before]
    )
    mark = folder / "run.sha256"
    if not mark.is_file() or mark.read_text() != same:
        shutil.rmtree(folder, ignore_errors=True)
        write_atomic(mark, same)
    if folder not in run.temporary:
        run.temporary.append(folder)
    return folder
