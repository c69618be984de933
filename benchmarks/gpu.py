"""What a GPU makes of this package's trainings, at the shape of a 1.5 B model: gpu.sh runs it.

Weights are the registered ones where they are in the cache, else random ones of the same shape with
the tokenizer of the smoke profile: speed and memory do not ask what they say. Three parts, each
left out with a line once its time is up:

*notebooks*: chapters 2 to 4 by papermill, from the first cell to the written records; seconds and
the most memory of the device. *rates*: steps of SFT, DPO and KTO by this package and by stock TRL,
same rows, order and adapters; text tokens a second, peak memory, share of the best bf16 product of
8192 x 8192. *losses*: ten steps in fp32 on this device and on the CPU, from the same small random
model.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import torch
import training

from emo_utils.models import registry, stand_in
from emo_utils.project import NOTEBOOKS, write_atomic

SECONDS = 330  # for everything; gpu.sh ends what takes 360
CHAPTERS = {"sft": "02_sft", "dpo": "03_dpo", "kto": "04_kto"}
NAME = "Qwen2.5-Coder-1.5B-Instruct"
SHAPES = {
    "1.5 B": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
    },
    "small": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 8,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
    },
    "tiny": {name: size for name, size in stand_in.TINY.items() if name != "seed"}
    | {"vocab_size": 8192},
}


def random_weights(shape: str, dtype: torch.dtype, cache: Path) -> None:
    """Put random weights of a shape into a cache under the name of the registered ones."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    os.environ["EMO_CACHE"] = str(cache)
    folder = registry.folder(NAME)
    stand_in.build_tiny(folder)  # for its tokenizer
    config = Qwen2Config(
        **SHAPES[shape], max_position_embeddings=8192, tie_word_embeddings=False, eos_token_id=2
    )
    torch.manual_seed(0)
    (folder / "model.safetensors").unlink()
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen2ForCausalLM(config).to(dtype)
    model.save_pretrained(folder)
    about = {
        "name": NAME,
        "source": f"random weights of its shape ({shape}), by benchmarks/gpu.py",
        "sha256": None,
        "files": {},
    }
    write_atomic(folder / "manifest.json", json.dumps(about))


class Watched:
    """The most memory of the device in use while a block runs, in MB beyond what was before."""

    def __enter__(self):
        self.most, self.over = 0, threading.Event()
        self.before = self._in_use()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _watch(self):
        while not self.over.wait(0.2):
            self.most = max(self.most, self._in_use() - self.before)

    @staticmethod
    def _in_use() -> int:
        if not torch.cuda.is_available():
            return 0
        free, total = torch.cuda.mem_get_info()
        return round((total - free) / 1e6)


def notebook(stage: str, options, folder: Path) -> dict:
    """One chapter by papermill, with few rows and short answers."""
    chapter = CHAPTERS[stage]
    values = {
        "base_model": NAME,
        "train_rows": options.rows,
        "epochs": 1.0,
        "batch_size": options.batch,
        "save_steps": 0,
        "test_rows": 2,
        "movement_rows": 1,
        "max_new_tokens": 16,
        "max_length": 4096,  # random weights have a tokenizer with long rows
    }
    if stage != "kto":
        values["device_batch"] = options.batch
    given = [text for name, value in values.items() for text in ("-p", name, str(value))]
    out, started = folder / f"{chapter}.ipynb", time.perf_counter()
    command = [sys.executable, "-m", "papermill", f"{chapter}.ipynb", str(out), *given]
    with Watched() as watched:
        done = subprocess.run(
            [*command, "--no-progress-bar"], cwd=NOTEBOOKS, capture_output=True, text=True
        )
    if done.returncode:
        raise SystemExit(f"{chapter} failed:\n{done.stderr[-3000:]}")
    seconds = time.perf_counter() - started
    return {"part": "notebook", "objective": stage, "seconds": seconds, "memory_mb": watched.most}


def best_product() -> float:
    """Best rate of a bf16 product of 8192 x 8192 on the GPU, or of the processor's, in GFLOP/s."""
    if not torch.cuda.is_available():
        return training.peak()
    a = torch.randn(8192, 8192, dtype=torch.bfloat16, device="cuda")
    seconds = []
    for _ in range(10):
        torch.cuda.synchronize()
        started = time.perf_counter()
        a @ a
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return 2 * 8192**3 / min(seconds) / 1e9


def spec(stage: str, way: str, options, rows: int, **more) -> dict:
    chosen = training.dialogues(None, rows)
    examples = training.examples_of(
        stage, chosen[: rows // 2] if stage == "kto" else chosen, options.batch
    )
    return {
        "way": way,
        "stage": stage,
        "model": NAME,
        "batch": options.batch,
        "device_batch": options.batch,
        "max_length": 4096,
        "examples": examples,
    } | more


def rate(stage: str, way: str, options, folder: Path, best: float) -> dict:
    """Steps of one objective by one way, in a process of its own."""
    with Watched() as watched:
        result = training.run(spec(stage, way, options, options.rows), folder)
    tokens = sum(result["tokens"][1:]) / sum(result["seconds"][1:])
    products = 2 * training.PASSES[stage] * training.weights(NAME)
    return {
        "part": "rate",
        "objective": stage,
        "way": way,
        "tokens_a_second": tokens,
        "memory_mb": watched.most or result["memory_mb"],
        "share_of_peak": tokens * products / best / 1e9,
        "loss_first": result["losses"][0],
        "loss_last": result["losses"][-1],
    }


def losses(stage: str, options, folder: Path) -> dict:
    """Ten steps of a small model in fp32 here and on the CPU: the largest difference of a loss."""
    asked = spec(stage, "ours", options, 10 * options.batch, without="bf16")
    here = training.run(asked, folder)["losses"]
    visible = dict(os.environ)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    there = training.run(asked, folder)["losses"]
    del os.environ["CUDA_VISIBLE_DEVICES"]
    os.environ.update(visible)
    apart = max(abs(a - b) for a, b in zip(here, there, strict=True))
    return {"part": "losses", "objective": stage, "steps": len(here), "largest_difference": apart}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=("1.5 B", "tiny"), default="1.5 B")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rows", type=int, default=48, help="rows of a training (default: 48)")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--stages", nargs="+", choices=training.STAGES, default=training.STAGES)
    parser.add_argument("--keep", action="store_true", help="keep the table for the page on speed")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU is at hand; --shape tiny --device cpu tries the script without one")
    if options.device == "cpu":
        options.shape, SHAPES["small"] = "tiny", SHAPES["tiny"]
    started, table = time.monotonic(), []

    def keep(row: dict) -> None:
        table.append(row)
        print(
            *(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()),
            sep=", ",
            flush=True,
        )

    def part(work, *arguments) -> None:
        if time.monotonic() - started > SECONDS - 25:
            print(f"left out, as the time is up: {work.__name__} {arguments[0]}", flush=True)
        else:
            keep(work(*arguments))

    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        if options.shape == "tiny" or not registry.is_cached(NAME):
            random_weights(options.shape, torch.bfloat16, folder / "cache")
        best = best_product()
        print(f"best bf16 product: {best / 1e3:.3g} TFLOP/s", flush=True)
        for stage in options.stages:
            for way in ("ours", "stock TRL"):
                part(rate, stage, way, options, folder, best)
        for stage in options.stages:
            part(notebook, stage, options, folder)
        random_weights("small", torch.float32, folder / "small")
        for stage in options.stages:
            part(losses, stage, options, folder)
    print(f"{time.monotonic() - started:.0f} s")
    if options.keep:
        import clock

        clock.keep("gpu", table)


if __name__ == "__main__":
    main()
