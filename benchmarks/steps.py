"""What two choices of this package save, measured side by side in one run on the embedded profile's models.

    .venv/bin/python benchmarks/steps.py

Prints the median seconds of each way and their ratio: training steps with TRL's head on every position
against answers only, and typed decisions by transformers' pipeline against one shared prefix a text.
"""

import copy
import statistics
import tempfile
import time
from pathlib import Path

import trl.trainer.utils
from datasets import Dataset
from transformers.pipelines import DecisionPipeline
from trl import SFTConfig, SFTTrainer

from emo_utils import data, emotion, judge, models, prompts, train

ROUNDS = 3


def compare(name: str, usual, ours) -> None:
    """Run both ways in turn and print medians and ratio."""
    seconds = {"usual": [], "ours": []}
    for _ in range(ROUNDS):
        for label, way in (("usual", usual), ("ours", ours)):
            started = time.perf_counter()
            way()
            seconds[label].append(time.perf_counter() - started)
    usual_s, ours_s = (statistics.median(seconds[k]) for k in ("usual", "ours"))
    print(f"{name}: usual {usual_s:.1f} s, ours {ours_s:.1f} s, ratio {usual_s / ours_s:.2f}")


def training() -> None:
    rows = data.sft_rows(data.load("eqsr")[:16], prompts.text("task"))
    precision = models.choose_precision()
    every_position = trl.trainer.utils._use_triton
    with tempfile.TemporaryDirectory() as folder:
        shared = train.arguments(Path(folder), learning_rate=1e-4, epochs=1, batch_size=4, seed=0, max_length=640, precision=precision)
        model, tokenizer = models.load("SmolLM2-135M-Instruct", "float32")
        trainer = SFTTrainer(model=model, args=SFTConfig(**shared), train_dataset=Dataset.from_list(rows), processing_class=tokenizer, peft_config=train.lora(16))
        batch = next(iter(trainer.get_train_dataloader()))

        def step(everywhere: bool) -> None:
            if everywhere:
                trl.trainer.utils._use_triton = every_position
            else:
                train.project_answers_only()
            trainer.training_step(trainer.model, dict(batch))

        trainer.model.train()
        step(True)
        compare(f"SFT step of 4 rows, {precision.dtype}", lambda: step(True), lambda: step(False))


def judging() -> None:
    dtype = models.choose_precision().dtype
    reader = judge.Judge("SmolLM2-135M-Instruct", dtype)
    twin = copy.copy(reader.model)
    twin.name_or_path = twin.config._name_or_path = ""
    pipe = DecisionPipeline(model=twin, tokenizer=copy.deepcopy(reader.tokenizer))
    texts = [row["soothing_response"] for row in data.load("eqsr")[:10]]
    compare(f"3 questions about each of 10 answers, {dtype}",
            lambda: [pipe({"state": text, "questions": emotion.QUESTIONS}) for text in texts], lambda: reader.decide(texts, emotion.QUESTIONS))


if __name__ == "__main__":
    training()
    judging()
