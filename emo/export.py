"""A training of the book as files for LLaMA-Factory 0.9.5:
the same parameters, rows, order and starting weights.

`benchmarks/llamafactory.py` trains both ways and puts the losses side by side.
"""

import json
import re
from pathlib import Path

import yaml
from transformers import AutoTokenizer

from emo.graph import steps
from emo_utils.data import training_rows
from emo_utils.experiment import parameters, runs
from emo_utils.generation import prompts
from emo_utils.models import fetching
from emo_utils.models.precision import Precision, choose_precision
from emo_utils.project import EmoError, write_atomic
from emo_utils.training import recipe, row_checks

TEMPLATES = {
    "SmolLM2": "smollm2",
    "tiny-llama": "smollm2",
    "Llama-3": "llama3",
    "Qwen2.5": "qwen",
}  # by how a model's name begins
ROWS = {"sft": training_rows.sft_rows, "dpo": training_rows.dpo_rows, "kto": training_rows.kto_rows}
COLUMNS = {
    "sft": ("messages",),
    "dpo": ("messages", "chosen", "rejected"),
    "kto": ("messages", "kto_tag"),
}
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
DIFFERS = (
    (
        "a sequence longer than cutoff_len is cut at the end of its prompt, its answer or both, "
        "in the notebook at the end of the answer"
    ),
    (
        "no checkpoint is kept on the way, so a stopped training starts again; "
        "the test questions are not answered"
    ),
)
DIFFERS_ADAPTERS = ("the new adapter begins from other random numbers than in the notebook",)
DIFFERS_LLAMA = (
    (
        "the template llama3 leaves out the lines on knowledge and date "
        "with which this model's own template begins"
    ),
    (
        "frozen weights (under adapters, and the reference) "
        "keep the format in which they are stored, "
        "in the notebook they are float32"
    ),
)


def write(run: str, profile: str, folder: Path, given: dict) -> list[Path]:
    """Write `<run>.yaml`, its rows and its entries in dataset_info.json (others there are kept);
    returns these files.

    given: parameters in place of the run's own. Raises EmoError for a run that trains nothing, a
    wrong parameter, a missing checkpoint, more than 5 % of the rows longer than max_length, and
    what LLaMA-Factory cannot do.
    """
    step = steps.step(run)
    if step.notebook.partition("_")[2] not in ROWS:
        raise EmoError(
            f"{run} cannot be exported; export one of: "
            f"{', '.join(s.run for s in steps.STEPS if s.notebook.partition('_')[2] in ROWS)}"
        )
    values = parameters.resolve(
        step.notebook, steps.values(step, given.get("profile", profile)) | given
    )
    stage, name, folder = (
        step.notebook.partition("_")[2],
        re.sub(r"[^\w.=-]+", "_", run),
        folder.expanduser().resolve(),
    )
    order = (values["seed"], values["batch_size"] // values["processes"]) if stage == "kto" else ()
    train_rows, held_out = training_rows.split(
        "er" if values["system"] == "er-sft" else "eqsr",
        values["train_rows"],
        values["validation_rows"],
        values["rows_file"],
        values["arm"],
    )
    examples = {
        key: ROWS[stage](rows, prompts.text("task"), *order)
        for key, rows in ((name, train_rows), (f"{name}.validation", held_out))
        if rows
    }
    settings = (
        {"stage": stage, "do_train": True}
        | _start(step.notebook, values)
        | dict(zip(("dataset", "eval_dataset"), examples, strict=False))
    )
    row_checks.check_lengths(
        examples[name],
        AutoTokenizer.from_pretrained(settings["model_name_or_path"]),
        values["max_length"],
    )
    precision = choose_precision(values["precision"])
    settings |= {"dataset_dir": str(folder)} | _training(stage, values, precision, folder / name)
    about = folder / "dataset_info.json"
    try:
        entries = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
    except json.JSONDecodeError as error:
        raise EmoError(
            f"{about} is not JSON ({error}); mend or remove it, or export to another folder"
        ) from None
    for key, rows in examples.items():
        entries[key] = {
            "file_name": f"{key}.json",
            "formatting": "sharegpt",
            "ranking": stage == "dpo",
            "columns": {c: c for c in COLUMNS[stage]},
            "tags": TAGS,
        }
        write_atomic(
            folder / f"{key}.json",
            json.dumps([_row(row) for row in rows], indent=1, ensure_ascii=False),
        )
    write_atomic(about, json.dumps(entries, indent=1))
    launch = (
        f"FORCE_TORCHRUN=1 NPROC_PER_NODE={values['processes']} " if values["processes"] > 1 else ""
    )
    notes = [
        (
            f"{run} ({values['profile']} profile) for LLaMA-Factory 0.9.5: "
            f"{launch}llamafactory-cli train {name}.yaml"
        ),
        f"number format: {precision.reason}",
    ]
    notes += [
        f"differs: {text}"
        for text in DIFFERS
        + DIFFERS_ADAPTERS * ("adapter_name_or_path" in settings)
        + DIFFERS_LLAMA * (settings["template"] == "llama3")
    ]
    write_atomic(
        folder / f"{name}.yaml",
        "".join(f"# {note}\n" for note in notes)
        + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=1000),
    )
    return [folder / f"{name}.yaml", *(folder / f"{key}.json" for key in examples), about]


def _row(example: dict) -> dict:
    """A row as TRL reads it in LLaMA-Factory's sharegpt form:
    the messages are system, question and, but for DPO, the answer.
    """
    answers = {key: example[key][0] for key in ("chosen", "rejected") if key in example}
    return (
        {"messages": example["prompt"] + example.get("completion", [])}
        | answers
        | ({"kto_tag": example["label"]} if "label" in example else {})
    )


def _start(notebook: str, values: dict) -> dict:
    """Weights, template and adapters that training starts from.

    Adapters are merged into the weights, and a new one is trained on top.
    """
    template = next(
        (known for begin, known in TEMPLATES.items() if values["base_model"].startswith(begin)),
        None,
    )
    if template is None:
        raise EmoError(
            f"which template of LLaMA-Factory {values['base_model']} needs is not known; "
            "add it to TEMPLATES in emo/export.py"
        )
    before = runs.Run(notebook, values, values).start_checkpoints()
    whole = max(
        (i for i, path in enumerate(before) if not (path / "adapter_config.json").is_file()),
        default=-1,
    )
    settings = {
        "model_name_or_path": str(
            before[whole] if whole >= 0 else fetching.fetch(values["base_model"])
        ),
        "template": template,
    }
    adapters = [str(path) for path in before[whole + 1 :]]
    if adapters and (
        not values["lora_rank"] or values["quantization"] != "none" or "," in "".join(adapters)
    ):
        raise EmoError(
            f"LLaMA-Factory starts from an adapter ({adapters[-1]}) only with lora_rank above 0, "
            "quantization none and no comma in its path; "
            "change that, or start from a checkpoint with all weights (parameter init)"
        )
    # Without create_new_adapter the last adapter itself is trained on, and the reference is the
    # model without it.
    return settings | (
        {"adapter_name_or_path": ",".join(adapters), "create_new_adapter": True} if adapters else {}
    )


def _training(stage: str, values: dict, precision: Precision, output: Path) -> dict:
    """What is trained, towards what, and how: the last as `recipe.shared` gives it to TRL."""
    shared = recipe.shared(
        output,
        precision=precision,
        device_batch=values.get("device_batch", 0),
        validation=values["validation_rows"] > 0,
        **{
            k: values[k]
            for k in ("learning_rate", "epochs", "batch_size", "seed", "max_length", "processes")
        },
    )
    for name in ("save_steps", "save_total_limit", "disable_tqdm"):
        del shared[name]
    rank, settings = (
        values["lora_rank"],
        {"finetuning_type": "lora" if values["lora_rank"] else "full"},
    )
    if rank:
        settings |= {
            "lora_rank": rank,
            "lora_alpha": recipe.LORA_ALPHA_PER_RANK * rank,
            "lora_target": "all",
            "lora_dropout": 0.0,
        }
    if values["quantization"] == "nf4":
        settings |= {"quantization_bit": 4, "quantization_type": "nf4", "double_quantization": True}
    if stage != "sft":
        settings |= {"pref_beta": values["beta"]} | (
            {"pref_loss": "sigmoid"} if stage == "dpo" else {}
        )
    # For the KL term LLaMA-Factory pairs answers within a group of preprocessing,
    # TRL within a batch.
    if stage == "kto":
        settings |= {
            "kto_chosen_weight": values["desirable_weight"],
            "kto_rejected_weight": values["undesirable_weight"],
            "disable_shuffling": True,
            "preprocessing_batch_size": shared["per_device_train_batch_size"],
        }
    return (
        settings
        | {
            "cutoff_len": shared.pop("max_length"),
            "disable_gradient_checkpointing": True,
            "overwrite_output_dir": True,
        }
        | shared
        | {"report_to": "none"}
    )
