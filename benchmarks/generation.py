"""Answers of nine systems to the same questions: this package beside the text-generation pipeline
of transformers, in one run.

    .venv/bin/python benchmarks/generation.py

The pipeline is used as its own example shows: it gets the saved model and a question, one at a
time. This package reads the base once, puts each system's adapters (random ones here, as large as
trained ones) into it, and answers in batches of similar length. Both decode greedily. Rates are
answer tokens a second without loading, which has a line of its own; the pipeline does fewer systems
and questions, as it would take too long (--systems, --questions).
Answers are compared in fp32, where batching changes the last digits only;
in bf16 it may change a word.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from peft import get_peft_model

from emo_utils.data import dialogues, training_rows
from emo_utils.experiment import results
from emo_utils.generation import answering, prompts
from emo_utils.models import loading
from emo_utils.training import recipe

BASE = "SmolLM2-135M-Instruct"


def make_adapters(folder: Path) -> dict[str, list[Path]]:
    """A chain of checkpoints for each system: adapters with random weights,
    as large as trained ones; `er-eqsr-...` start from `er-sft`.
    """
    chains: dict[str, list[Path]] = {"base": [], "prompt": []}
    for number, system in enumerate(results.SYSTEMS[2:]):
        torch.manual_seed(number)
        model = get_peft_model(loading.load(BASE)[0], recipe.lora(16))
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.01)
        model.save_pretrained(folder / system)
        chains[system] = [folder / "er-sft"] * system.startswith("er-eqsr") + [folder / system]
    return chains


def instruction(system: str) -> str:
    return prompts.text("comfort" if system == "prompt" else "task")


def pipeline_way(chains, rows, dtype: str, tokens: int, folder: Path) -> dict:
    """One pipeline a system, one question at a time."""
    from transformers import pipeline

    answers = {}
    for system, chain in chains.items():
        merged = folder / f"{system}-{dtype}"
        if not merged.is_dir():  # a user of the pipeline has merged models on the disk: not timed
            model, tokenizer = loading.load(BASE, dtype, chain)
            model.save_pretrained(merged)
            tokenizer.save_pretrained(merged)
        answer = pipeline("text-generation", model=str(merged), dtype=getattr(torch, dtype))
        started = time.perf_counter()
        texts = [
            answer(
                training_rows.messages(instruction(system), row["emotional_question"]),
                max_new_tokens=tokens,
                do_sample=False,
            )[0]["generated_text"][-1]["content"]
            for row in rows
        ]
        answers[system] = {
            "seconds": time.perf_counter() - started,
            "texts": [text.strip() for text in texts],
            "tokenizer": answer.tokenizer,
        }
    return answers


def our_way(chains, rows, dtype: str, tokens: int) -> dict:
    answers = {}
    for system, model, tokenizer in loading.each(BASE, dtype, chains):
        started = time.perf_counter()
        table = answering.answer_questions(
            model,
            tokenizer,
            rows,
            instruction(system),
            system,
            max_new_tokens=tokens,
            temperature=0.0,
            batch_size=64,
            seed=0,
        )
        answers[system] = {"seconds": time.perf_counter() - started, "texts": table.answer.tolist()}
    return answers


def rate(found: dict, tokenizer) -> float:
    counts = sum(
        len(tokenizer(text, add_special_tokens=False)["input_ids"])
        for each in found.values()
        for text in each["texts"]
    )
    return counts / sum(each["seconds"] for each in found.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tokens", type=int, default=64, help="new tokens of an answer at most (default: 64)"
    )
    parser.add_argument(
        "--questions",
        type=int,
        default=5,
        help="questions that the pipeline answers (default: 5; this package answers 20)",
    )
    parser.add_argument(
        "--systems",
        type=int,
        default=3,
        help="systems that the pipeline answers for (default: 3 of 9)",
    )
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument(
        "--keep", action="store_true", help="put the table into book/reference/speed.json"
    )
    options = parser.parse_args()
    table = []
    rows = dialogues.load("test", 20)
    with tempfile.TemporaryDirectory() as folder:
        chains = make_adapters(Path(folder))
        for dtype in options.dtypes:
            ours = our_way(chains, rows, dtype, options.tokens)
            few = dict(list(chains.items())[-options.systems :])
            theirs = pipeline_way(
                few, rows[: options.questions], dtype, options.tokens, Path(folder)
            )
            tokenizer = next(iter(theirs.values()))["tokenizer"]
            same = [
                a == b
                for system in few
                for a, b in zip(theirs[system]["texts"], ours[system]["texts"], strict=False)
            ]
            mine, other = rate(ours, tokenizer), rate(theirs, tokenizer)
            print(
                f"{dtype}: pipeline {other:.1f} tokens/s, this package {mine:.1f} tokens/s "
                f"over nine systems, {mine / other:.1f} times; "
                f"{sum(same)} of {len(same)} answers are the same",
                flush=True,
            )
            started = time.perf_counter()
            for chain in chains.values():
                loading.load(BASE, dtype, chain)
            again = time.perf_counter() - started
            started = time.perf_counter()
            for _ in loading.each(BASE, dtype, chains):
                pass
            swapped = time.perf_counter() - started
            print(
                f"{dtype}: nine systems loaded one by one {again:.1f} s, "
                f"from one base {swapped:.1f} s",
                flush=True,
            )
            table.append(
                {
                    "format": dtype,
                    "pipeline_rate": other,
                    "rate": mine,
                    "questions": options.questions,
                    "systems": options.systems,
                    "same": sum(same),
                    "compared": len(same),
                    "load_each_s": again,
                    "one_base_s": swapped,
                }
            )
    if options.keep:
        from clock import keep

        keep("generation", table)


if __name__ == "__main__":
    main()
