"""What two choices of this package save, measured side by side in one run on the embedded profile's models.

    .venv/bin/python benchmarks/steps.py

Prints the median seconds of each way and their ratio: training steps of TRL's trainers as they are against
packed ones, and typed decisions by transformers' pipeline against one shared prefix a text.
"""

import copy
import statistics
import tempfile
import time
from pathlib import Path

from datasets import Dataset
from transformers.pipelines import DecisionPipeline
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from emo_utils import data, emotion, judge, models, packed, prompts, train

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


def training(name: str, make_trainer, examples: list[dict]) -> None:
    """One step of a stock trainer against the same trainer packed, on the same batch."""
    precision = models.choose_precision()
    steps = {}
    with tempfile.TemporaryDirectory() as folder:
        shared = train.arguments(Path(folder), learning_rate=1e-4, epochs=1, batch_size=4, seed=0, max_length=640, precision=precision)
        for packing in (False, True):
            model, tokenizer = models.load("SmolLM2-135M-Instruct", "float32")
            model.set_attn_implementation("grouped" if packing else "sdpa")
            trainer = make_trainer(model=model, shared=shared, train_dataset=Dataset.from_list(examples), processing_class=tokenizer, peft_config=train.lora(16))
            batch = next(iter(trainer.get_train_dataloader()))
            if packing:
                packed.pack(trainer)
            trainer.model.train()
            wrapped = trainer.accelerator.prepare(trainer.model)  # autocast, as in training

            def step(trainer=trainer, wrapped=wrapped, batch=batch):
                trainer.accelerator.backward(trainer.compute_loss(wrapped, dict(batch)))
                trainer.model.zero_grad()

            steps[packing] = step
            steps[packing]()
        compare(f"{name} step of 4 rows, {precision.dtype}", steps[False], steps[True])


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
    task, rows = prompts.text("task"), data.load("eqsr", 20)
    training("SFT", lambda shared, **kw: SFTTrainer(args=SFTConfig(**shared), **kw), data.sft_rows(rows, task))
    training("DPO", lambda shared, **kw: DPOTrainer(args=DPOConfig(**shared), **kw), data.dpo_rows(rows, task))
    training("KTO", lambda shared, **kw: KTOTrainer(args=KTOConfig(**shared), **kw), data.kto_rows(rows, task, 0, 4))
    judging()
