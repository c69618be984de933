"""What a task costs at the papers' scale: tokens, hours, dollars (chapter 13).

Hours on a GPU are computed, from the maker's figures and from shares of them that are assumed;
hours on two CPU cores rest on rates that were measured there.
"""

import json
from dataclasses import dataclass

from emo_utils.experiment import provenance
from emo_utils.project import PROFILES, REFERENCE, settings

# Passes over each token when all weights are trained: forward, backward to the activations and to
# the weights; the reference model's forward pass for DPO and KTO; both models once more for the
# mismatched answers of KTO's KL term. Adapters save the pass to the weights.
PASSES = {"sft": 3, "dpo": 4, "kto": 6}
# Bytes a parameter: weights, gradients and Adam's two moments in fp32; with adapters the weights in
# bf16 and what little is trained.
BYTES_HELD = {"all": 16, "adapters": 2.5}
# Models of the papers: parameters in billions, and bytes that are kept of a token:
# 2 x layers x key-value heads x head size x 2.
MODELS = {
    "Llama-3.2-1B": (1.24, 32_768),
    "Llama-3.1-8B": (8.03, 131_072),
    "Emollama-7B": (6.74, 524_288),
    "Qwen2.5-7B": (7.62, 57_344),
    "llm-jp-13B": (13.7, 819_200),
    "R1-Qwen-32B": (32.8, 262_144),
}
# Parameters of the models that were measured on two cores: SmolLM2-135M, Qwen2.5-Coder-1.5B.
_SMALL, _JUDGE = 134.5e6, 1.54e9
KEPT_TRAININGS = ("ebd_authors", "emplifai_sft", "emplifai_sft_seen")  # beside those of the book
OBJECTIVES = {
    "02_sft": "sft",
    "03_dpo": "dpo",
    "04_kto": "kto",
    "09_emplifai_finetuning": "sft",
    "10_empathy_by_design": "dpo",
}
# Parameters in billions of what the kept trainings start from.
STARTS = {
    "SmolLM2-135M-Instruct": 0.1345,
    "Qwen2.5-Coder-0.5B-Instruct": 0.494,
    "Qwen2.5-Coder-1.5B-Instruct": 1.544,
}
# How many systems answer in a run: er-sft's lets the untuned model answer in two ways besides, that
# of chapter 10 once.
_ANSWERING = {"er-sft": 3, "ebd-dpo": 2}


@dataclass(frozen=True)
class GpuRates:
    """A GPU by its data sheet, and what of it the work is taken to reach.

    tflops: 1e12 operations a second, dense bf16. bandwidth_tb: 1e12 bytes of memory a second.
    Shares: of the peak for training and reading, of the bandwidth for writing; in (0, 1]. batch:
    answers that are written at a time. The hours are equations of chapter 13.
    """

    tflops: float
    bandwidth_tb: float
    memory_gb: float
    dollars_hour: float
    training_share: float
    reading_share: float
    writing_share: float
    batch: int

    def training_hours(self, billions: float, tokens: float, passes: int) -> float:
        """Hours to train a model on so many tokens: 2 N p T over the peak's share."""
        operations = 2 * billions * 1e9 * passes * tokens
        return operations / (self.tflops * 1e12 * self.training_share) / 3600

    def reading_hours(self, billions: float, tokens: float) -> float:
        """Hours to read so many tokens of prompts: 2 N T over the peak's share."""
        operations = 2 * billions * 1e9 * tokens
        return operations / (self.tflops * 1e12 * self.reading_share) / 3600

    def writing_hours(
        self, billions: float, kept_bytes: float, tokens: float, context: float
    ) -> float:
        """Hours to write so many tokens: for each token of a batch the weights in bf16, and what
        is kept of the context (`kept_bytes` a token, `context` tokens an answer), cross the memory
        bus once.
        """
        bytes_a_step = 2 * billions * 1e9 + self.batch * context * kept_bytes
        bytes_a_second = self.bandwidth_tb * 1e12 * self.writing_share
        return tokens / self.batch * bytes_a_step / bytes_a_second / 3600


def machines() -> dict[str, dict[str, float]]:
    """GPUs by name with the makers' figures and a price: the first four fields of `GpuRates`."""
    return _table("machines.yaml")


def prices() -> dict[str, dict[str, float]]:
    """US dollars for a million tokens that a service's model reads (`input`) or writes
    (`output`).
    """
    return _table("prices.yaml")


def _table(name: str) -> dict:
    return settings(provenance.noted(PROFILES / name))


def cpu_speeds() -> dict[str, float]:
    """Operations a second on two cores, as the page on speed measured them: training with adapters
    by objective, `read` and `write`.
    """
    measured = _kept("speed")
    speeds = {
        row["objective"]: row["rate"] * (PASSES[row["objective"]] - 1) * 2 * _SMALL
        for row in measured["comparison"]["table"]
        if row["way"] == "ours"
    }
    read, written = (measured[name]["table"][-1] for name in ("judging growth", "generation"))
    return speeds | {
        "read": read["tokens_a_second"] * 2 * _JUDGE,
        "write": written["rate"] * 2 * _SMALL,
    }


def asked_line(
    item: str,
    model: str,
    rows: int,
    read: float,
    written: float,
    models: dict[str, tuple[float, int]],
    prices: dict[str, dict[str, float]],
    rates: GpuRates,
    cpu: dict[str, float],
) -> dict:
    """The bill's line for a task in which a model reads and writes so many tokens a row; a
    service's model costs money and no hours of ours.

    models: name -> (parameters in billions, bytes kept of a token); cpu: of `cpu_speeds`.
    """
    line = {
        "item": item,
        "model": model,
        "million tokens in": rows * read / 1e6,
        "million tokens out": rows * written / 1e6,
    }
    if model in prices:
        price = prices[model]
        dollars = (rows * read * price["input"] + rows * written * price["output"]) / 1e6
        return line | {"service, $": dollars}
    billions, kept_bytes = models[model]
    seconds = 2 * billions * 1e9 * rows * (read / cpu["read"] + written / cpu["write"])
    reading = rates.reading_hours(billions, rows * read)
    writing = rates.writing_hours(billions, kept_bytes, rows * written, read + written / 2)
    return line | {"2 cores, days": seconds / 86400, "GPU hours": reading + writing}


def trained_line(
    item: str,
    model: str,
    objective: str,
    rows: int,
    tokens: float,
    epochs: int,
    weights: str,
    models: dict[str, tuple[float, int]],
    rates: GpuRates,
    cpu: dict[str, float],
) -> dict:
    """The bill's line for a training on rows of so many tokens.

    objective: sft, dpo or kto; weights: `all`, or `adapters`; models, cpu: as for `asked_line`.
    """
    billions, total = models[model][0], rows * tokens * epochs
    passes = PASSES[objective] - (weights == "adapters")
    return {
        "item": item,
        "model": model,
        "million tokens in": total / 1e6,
        "GPU hours": rates.training_hours(billions, total, passes),
        "2 cores, days": 2 * billions * 1e9 * passes * total / cpu[objective] / 86400,
        "GB": billions * BYTES_HELD[weights],
    }


def _kept(name: str) -> dict:
    path = provenance.noted(REFERENCE / f"{name}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def kept_trainings() -> list[dict]:
    """Every kept run that trained, with what the formula needs and how long it took: run, system,
    objective, billions (parameters), rows, epochs, answers (that it wrote), answer_tokens (of each;
    missing where the run does not say), seconds (of the whole run, with loading and scoring).
    """
    book = {
        name: (run["fingerprint"]["parameters"], run)
        for name, run in _kept("book_embedded")["runs"].items()
    }
    longer = {
        f"{name} (longer run)": (kept["provenance"]["parameters"], kept["provenance"] | kept)
        for name, kept in ((name, _kept(name)) for name in KEPT_TRAININGS)
    }
    notebooks = {name: name.partition(".")[0] for name in book} | {
        name: run["provenance"]["notebook"].split("/")[-1].removesuffix(".ipynb")
        for name, (_, run) in longer.items()
    }
    return [
        _training(name, OBJECTIVES[notebooks[name]], parameters, run)
        for name, (parameters, run) in (book | longer).items()
        if notebooks[name] in OBJECTIVES
    ]


def _training(name: str, objective: str, parameters: dict, run: dict) -> dict:
    records, system = run["records"], parameters["system"]
    tokens = [r for r in records if r["metric"] == "answer_tokens"]
    written = tokens or [r for r in records if r["metric"] == "keeps_form"]
    return {
        "run": name,
        "system": system,
        "objective": objective,
        "billions": STARTS[parameters["base_model"]],
        "rows": parameters["train_rows"],
        "epochs": parameters["epochs"],
        "answers": sum(r["n"] for r in written) * (_ANSWERING.get(system, 1) if tokens else 1),
        "answer_tokens": tokens[0]["value"] if tokens else None,
        "seconds": run["seconds"],
    }


def seconds_on_cores(training: dict, row_tokens: float, answer_tokens: float, cpu: dict) -> float:
    """What the bill's formula says of a kept training on two cores: its steps with adapters, and
    the answers that it wrote; nothing for loading and scoring.

    training: of `kept_trainings`; row_tokens, answer_tokens: of a row, and of an answer where the
    run does not say.
    """
    operations = 2 * training["billions"] * 1e9
    passes = PASSES[training["objective"]] - 1
    trained = training["rows"] * training["epochs"] * row_tokens * passes
    written = training["answers"] * (training["answer_tokens"] or answer_tokens)
    return operations * (trained / cpu[training["objective"]] + written / cpu["write"])
