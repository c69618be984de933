"""Saving what was trained, with a model card that says how."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd

from emo_utils.project import ROOT, relative
from emo_utils.training import fitting

CURVES = (
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
    "kl",
)


def save(trainer, tokenizer, run, *, data_name: str) -> Path:
    """Save adapter or model as safetensors with a model card; returns the folder."""
    folder = run.checkpoint
    unfinished = folder.parent / f".{folder.name}.saving"
    shutil.rmtree(unfinished, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    config = unfinished / "adapter_config.json"
    if config.is_file():  # the registry's name instead of a path of this machine
        settings = json.loads(config.read_text())
        settings["base_model_name_or_path"] = run.values["base_model"]
        config.write_text(json.dumps(settings, indent=1))
    start = run.start_checkpoints()
    names = [str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path) for path in start]
    (unfinished / "companion.json").write_text(
        json.dumps(
            {"base_model": run.values["base_model"], "starts_from": names, "run": run.name},
            indent=1,
        )
    )
    (unfinished / "README.md").write_text(
        model_card(run, start=names, data_name=data_name, history=trainer.state.log_history),
        encoding="utf-8",
    )
    (unfinished / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1))
    # Swapped as a whole, so that no file of an earlier adapter lies beside a whole model.
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(unfinished, folder)
    run.outputs += sorted(folder.glob("*.safetensors"))
    return folder


def model_card(run, *, start: list[str], data_name: str, history: list[dict]) -> str:
    """A model card: what it is, how it was trained and how that went,
    what it is for and what not.
    """
    log = fitting.training_log(history)
    columns = [c for c in (*CURVES, "learning_rate") if c in log]
    shown = (
        log.iloc[sorted({round(i * (len(log) - 1) / 9) for i in range(10)})][columns]
        .round(5)
        .reset_index()
    )
    values = "\n".join(
        f"- `{k}`: {relative(Path(v)) if k == 'init' and Path(v).is_absolute() else v}"
        for k, v in run.values.items()
    )
    rows = [shown.columns, ["---"] * shown.shape[1], *shown.to_numpy().tolist()]
    return (
        Path(__file__)
        .with_name("model_card.md")
        .read_text(encoding="utf-8")
        .format(
            **run.values,
            language="ja" if "emplifai" in run.notebook else "en",
            notebook=run.notebook,
            run=run.name,
            data=data_name,
            values=values,
            steps=len(log),
            start=" and ".join([run.values["base_model"], *start]),
            curves="\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows),
            order="after " + ", ".join(start) if start else "alone",
        )
    )


def describe(log: pd.DataFrame, path: Path) -> str:
    size = sum(p.stat().st_size for p in path.glob("*.safetensors")) / 1e6
    return (
        f"{len(log)} steps, loss {log.loss.iloc[0]:.3f} -> {log.loss.iloc[-1]:.3f}; "
        f"saved {size:.0f} MB to {relative(path)}"
    )
