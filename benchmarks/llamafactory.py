"""The same trainings by LLaMA-Factory 0.9.5 and by the notebooks' way, step by step.

    .venv/bin/python benchmarks/llamafactory.py

Exports one run of each objective (`emo export`), trains a few steps both ways in fp32 on the same
rows, and prints the losses of each step side by side. Before the first update the two must agree:
DPO's loss is log 2 = 0.693 and KTO's 0.5, whatever the model; SFT's says that rows, template, order
and starting weights are the same. The last run starts from an adapter, so that its first loss says
that the reference does too. Later losses agree as well, but in the last run, whose new adapter
begins from other random numbers.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import datasets
import torch
import yaml
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from emo import export
from emo.graph import steps
from emo_utils.data import training_rows
from emo_utils.experiment import parameters
from emo_utils.generation import prompts
from emo_utils.models import loading
from emo_utils.models.precision import choose_precision
from emo_utils.training import packed, recipe

LLAMAFACTORY = "llamafactory==0.9.5"
LEFT_OUT = (
    "torch",
    "torchvision",
    "torchaudio",
)  # torchvision and torchaudio would bring another torch
RUNS = (
    "02_sft.eqsr-sft",
    "03_dpo.eqsr-dpo",
    "04_kto.eqsr-kto",
    "03_dpo.er-eqsr-dpo",
)  # the last starts from the first's adapter
EXPECTED = {"02_sft": None, "03_dpo": 0.6931, "04_kto": 0.5}
SHOWN = ("rewards/margins", "logps/chosen", "kl")
TOLERANCE = 2e-3
REQUIREMENTS = (
    "\nimport re\n"
    "from importlib.metadata import requires\n"
    'print(*(r for r in requires("llamafactory") if "extra ==" not in r '
    'and re.match("[\\w-]+", r)[0] not in {}), sep="\\n")\n'
).format(LEFT_OUT)


def command(*words, **variables) -> str:
    """Run a command to its end and return what it printed;
    ends this script with its last lines where it fails.
    """
    done = subprocess.run(
        [*map(str, words)], env=os.environ | variables, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(
            f"{' '.join(map(str, words))} failed:\n{(done.stdout + done.stderr)[-2000:]}"
        )
    return done.stdout


def environment(folder: Path) -> Path:
    """A virtual environment with LLaMA-Factory on this project's version of torch;
    made once, returns its folder of commands.
    """
    binaries = folder / "bin"
    if (folder / "ready").is_file():
        return binaries
    print(f"installing {LLAMAFACTORY} into {folder}", flush=True)
    command(sys.executable, "-m", "venv", "--clear", folder)
    pip, torch_itself = (
        (binaries / "pip", "install", "--quiet"),
        f"torch=={version('torch').partition('+')[0]}",
    )
    command(*pip, torch_itself)
    command(*pip, "--no-deps", LLAMAFACTORY)
    command(*pip, torch_itself, *command(binaries / "python", "-c", REQUIREMENTS).splitlines())
    site = Path(
        command(binaries / "python", "-c", "import site; print(site.getsitepackages()[0])").strip()
    )
    (site / "torchaudio").mkdir(exist_ok=True)  # imported, and not used for text
    (site / "torchaudio" / "__init__.py").touch()
    (folder / "ready").touch()
    return binaries


def theirs(binaries: Path, settings: Path, steps: int) -> list[dict]:
    """What LLaMA-Factory logs for each step."""
    command(
        binaries / "llamafactory-cli",
        "train",
        settings,
        f"max_steps={steps}",
        DISABLE_VERSION_CHECK="1",
        HF_HUB_OFFLINE="1",
        PATH=f"{binaries}{os.pathsep}{os.environ['PATH']}",
    )
    output = Path(yaml.safe_load(settings.read_text(encoding="utf-8"))["output_dir"])
    return [
        entry
        for entry in json.loads((output / "trainer_state.json").read_text())["log_history"]
        if "loss" in entry
    ]


def ours(run: str, values: dict, folder: Path, steps: int):
    """The trainer of the run's notebook after its steps."""
    torch.manual_seed(values["seed"])
    precision = choose_precision(values["precision"])
    model, tokenizer = loading.load(
        values["base_model"], "float32", [Path(values["init"])] if values["init"] else ()
    )
    task, rows = prompts.text("task"), training_rows.split("eqsr", values["train_rows"])[0]
    shared = recipe.shared(
        folder / "ours",
        precision=precision,
        device_batch=values.get("device_batch", 0),
        **{k: values[k] for k in ("learning_rate", "epochs", "batch_size", "seed", "max_length")},
    )
    shared["max_steps"] = steps
    if run.startswith("02_sft"):
        make, arguments, examples = (
            SFTTrainer,
            SFTConfig(**shared),
            training_rows.sft_rows(rows, task),
        )
    elif run.startswith("03_dpo"):
        make, arguments, examples = (
            DPOTrainer,
            DPOConfig(**shared, beta=values["beta"], loss_type=["sigmoid"]),
            training_rows.dpo_rows(rows, task),
        )
    else:
        weights = {k: values[k] for k in ("beta", "desirable_weight", "undesirable_weight")}
        make, arguments, examples = (
            KTOTrainer,
            KTOConfig(**shared, **weights),
            training_rows.kto_rows(rows, task, values["seed"], values["batch_size"]),
        )
    trainer = make(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_list(examples),
        processing_class=tokenizer,
        peft_config=recipe.lora(values["lora_rank"]),
    )
    trainer.remove_callback(PrinterCallback)
    packed.pack(trainer)
    trainer.train()
    return trainer


def keep(trainer, folder: Path) -> Path:
    """Save an adapter for another run to start from."""
    trainer.save_model(folder)
    (folder / "README.md").touch()
    (folder / "companion.json").write_text('{"starts_from": []}')
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--venv",
        type=Path,
        help=(
            "folder of LLaMA-Factory's virtual environment, made where it is missing "
            "(default: a temporary one)"
        ),
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=3,
        help=(
            "optimizer steps; the learning rate of the first is 0, "
            "so that the third shows the first change (default: 3)"
        ),
    )
    parser.add_argument("--rows", type=int, default=8, help="training rows (default: 8)")
    parser.add_argument(
        "--profile",
        choices=("smoke", "embedded"),
        default="embedded",
        help="scale of the models (default: embedded)",
    )
    options = parser.parse_args()
    datasets.disable_progress_bars()
    wrong, start = 0, ""
    with tempfile.TemporaryDirectory() as folder:
        binaries = environment((options.venv or Path(folder) / "venv").resolve())
        for run in RUNS:
            step = steps.step(run)
            given = {"precision": "fp32", "train_rows": options.rows} | (
                {"init": start} if ".er-" in run else {}
            )
            values = parameters.resolve(step.notebook, steps.values(step, options.profile) | given)
            settings, *_ = export.write(run, options.profile, Path(folder) / "export", given)
            other_log = theirs(binaries, settings, options.steps)
            trainer = ours(run, values, Path(folder), options.steps)
            start = start or str(keep(trainer, Path(folder) / "start"))
            own_log = [entry for entry in trainer.state.log_history if "loss" in entry]
            for number, (other, own) in enumerate(zip(other_log, own_log, strict=True), start=1):
                more = "".join(
                    f"; {key} {other[key]:.4f}, {own[key]:.4f}"
                    for key in SHOWN
                    if key in other and key in own
                )
                print(
                    (
                        f"{run} step {number}: loss {other['loss']:.4f} in LLaMA-Factory, "
                        f"{own['loss']:.4f} in the notebook{more}"
                    ),
                    flush=True,
                )
            first = EXPECTED[step.notebook] or own_log[0]["loss"]
            wrong += (
                max(abs(other_log[0]["loss"] - first), abs(own_log[0]["loss"] - first)) > TOLERANCE
            )
    print(
        "the first losses agree" if not wrong else f"{wrong} first losses are not what they must be"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
