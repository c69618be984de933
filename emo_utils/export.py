"""A training of the book as files for LLaMA-Factory 0.9.5: the same parameters, rows, order and starting weights.

`benchmarks/llamafactory.py` trains both ways and puts the losses side by side.
"""

import json
import re
from pathlib import Path

import yaml
from transformers import AutoTokenizer

from emo_utils import data, graph, models, parameters, prompts, results, train
from emo_utils.project import EmoError, write_atomic

TEMPLATES = {"SmolLM2": "smollm2", "tiny-llama": "smollm2", "Llama-3": "llama3", "Qwen2.5": "qwen"}  # by how a model's name begins
COLUMNS = {"sft": ("messages",), "dpo": ("messages", "chosen", "rejected"), "kto": ("messages", "kto_tag")}
TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant", "system_tag": "system"}


def write(run: str, profile: str, folder: Path, given: dict) -> list[Path]:
    """Write `<run>.yaml`, its rows and its entries in dataset_info.json (others are kept there); returns these files.

    given: parameters in place of the run's own. Raises EmoError for a run that trains nothing, a wrong parameter, a missing
    checkpoint, too many rows longer than max_length, and what LLaMA-Factory cannot do.
    """
    step = graph.step(run)
    if not graph.is_training(step):
        raise EmoError(f"{run} trains nothing; export one of: {', '.join(s.run for s in graph.STEPS if graph.is_training(s))}")
    values = parameters.resolve(step.notebook, graph.values(step, given.get("profile", profile)) | given)
    stage, name, folder = step.notebook.partition("_")[2], re.sub(r"[^\w.=-]+", "_", run), folder.expanduser().resolve()
    start, notes = _start(step.notebook, values)
    settings, more = _settings(stage, values, folder / name)
    train_rows, held_out = data.split("er" if values["system"] == "er-sft" else "eqsr", values["train_rows"], values["validation_rows"])
    sets = {name: _examples(stage, train_rows, values)} | ({f"{name}.validation": _examples(stage, held_out, values)} if held_out else {})
    train.check_lengths(sets[name], AutoTokenizer.from_pretrained(start["model_name_or_path"]), values["max_length"])
    about = folder / "dataset_info.json"
    try:
        entries = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
    except json.JSONDecodeError as error:
        raise EmoError(f"{about} is not JSON ({error}); mend or remove it, or export to another folder") from None
    for key, examples in sets.items():
        entries[key] = {"file_name": f"{key}.json", "formatting": "sharegpt", "ranking": stage == "dpo", "columns": {c: c for c in COLUMNS[stage]}, "tags": TAGS}
        write_atomic(folder / f"{key}.json", json.dumps([_row(e) for e in examples], indent=1, ensure_ascii=False))
    write_atomic(about, json.dumps(entries, indent=1))
    names = dict(zip(("dataset", "eval_dataset"), sets, strict=False)) | {"dataset_dir": str(folder)}
    lines = [f"{run} ({values['profile']} profile) for LLaMA-Factory 0.9.5: llamafactory-cli train {name}.yaml", *notes, *more]
    text = yaml.safe_dump({"stage": stage, "do_train": True} | start | names | settings, sort_keys=False, allow_unicode=True, width=1000)
    write_atomic(folder / f"{name}.yaml", "".join(f"# {line}\n" for line in lines) + text)
    return [folder / f"{name}.yaml", *(folder / f"{key}.json" for key in sets), about]


def _examples(stage: str, rows: list[dict], values: dict) -> list[dict]:
    order = (values["seed"], values["batch_size"] // values["processes"]) if stage == "kto" else ()
    return {"sft": data.sft_rows, "dpo": data.dpo_rows, "kto": data.kto_rows}[stage](rows, prompts.text("task"), *order)


def _row(example: dict) -> dict:
    """A row of a trainer of TRL in LLaMA-Factory's sharegpt form: system, question and, but for DPO, answer are the messages."""
    answers = {key: example[key][0] for key in ("chosen", "rejected") if key in example}
    return {"messages": example["prompt"] + example.get("completion", [])} | answers | ({"kto_tag": example["label"]} if "label" in example else {})


def _start(notebook: str, values: dict) -> tuple[dict, list[str]]:
    """Where training starts, and notes on it: adapters of an earlier training are merged into the last whole model, and a new one is trained."""
    template = next((t for begin, t in TEMPLATES.items() if values["base_model"].startswith(begin)), None)
    if template is None:
        raise EmoError(f"LLaMA-Factory's template for {values['base_model']} is not known here; add it to TEMPLATES in emo_utils/export.py")
    before = results.Run(notebook, values, values).start_checkpoints()
    whole = max((i for i, path in enumerate(before) if not (path / "adapter_config.json").is_file()), default=-1)
    settings = {"model_name_or_path": str(before[whole] if whole >= 0 else models.fetch(values["base_model"])), "template": template}
    adapters, notes = [str(path) for path in before[whole + 1 :]], []
    if adapters and (not values["lora_rank"] or values["quantization"] != "none" or "," in "".join(adapters)):
        raise EmoError(f"LLaMA-Factory starts from the adapter {adapters[-1]} only with lora_rank above 0, quantization 'none' and no comma in its path; "
                       "change that, or start from a checkpoint with all weights (init)")
    if adapters:  # without create_new_adapter it would go on training the last one, and take the model without it as the reference
        settings |= {"adapter_name_or_path": ",".join(adapters), "create_new_adapter": True}
    if template == "llama3":
        notes = ["differs: the template llama3 leaves out the lines on knowledge and date that this tokenizer's own template writes first",
                 "differs: with adapters, base weights keep the format that they are stored in; the notebook loads them in float32"]
    return settings, notes


def _settings(stage: str, values: dict, output: Path) -> tuple[dict, list[str]]:
    """Adapters, objective and trainer arguments, the last as `train.arguments` gives them to TRL, and notes on what differs."""
    precision, rank, held_out = models.choose_precision(values["precision"]), values["lora_rank"], values["validation_rows"]
    shared = train.arguments(output, precision=precision, device_batch=values.get("device_batch", 0), validation=bool(held_out),
                             **{k: values[k] for k in ("learning_rate", "epochs", "batch_size", "seed", "max_length", "processes")})
    tuning = {"finetuning_type": "lora", "lora_rank": rank, "lora_alpha": train.LORA_ALPHA_PER_RANK * rank, "lora_target": "all", "lora_dropout": 0.0}
    settings = (tuning if rank else {"finetuning_type": "full"}) | ({"quantization_bit": 4} if values["quantization"] == "nf4" else {})
    notes = [f"bf16: {precision.reason}", "differs: a sequence longer than cutoff_len loses the ends of prompt and answer, in TRL the end of the answer",
             "differs: no checkpoint is kept on the way, so a stopped training starts again; the test questions are not answered"]
    if stage == "dpo":
        settings |= {"pref_beta": values["beta"], "pref_loss": "sigmoid"}
    if stage == "kto":  # LLaMA-Factory pairs answers for the KL term within a group of preprocessing, TRL within a batch
        settings |= {"pref_beta": values["beta"], "kto_chosen_weight": values["desirable_weight"], "kto_rejected_weight": values["undesirable_weight"],
                     "disable_shuffling": True, "preprocessing_batch_size": shared["per_device_train_batch_size"]}
    if values["processes"] > 1:
        notes.append(f"start it in {values['processes']} processes: FORCE_TORCHRUN=1 NPROC_PER_NODE={values['processes']} llamafactory-cli …")
    settings |= {"cutoff_len": shared.pop("max_length"), "disable_gradient_checkpointing": not shared["gradient_checkpointing"], "overwrite_output_dir": True}
    return settings | shared | {"save_strategy": "no", "report_to": "none"}, notes
