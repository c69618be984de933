"""Who computes answers on a CPU: torch, or OpenVINO with the same weights in 8 bits.

OpenVINO is chosen where it is installed (the extra `engine`), knows the model, has a processor with
units for 8 bits, would gain more than its preparation takes, and predicts what torch does; else one
line says why not, and torch answers. What each format changes is on the page on speed.
"""

import math
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

import torch

from emo_utils.experiment import provenance
from emo_utils.models import memory
from emo_utils.project import EmoError, first_line, processor

ENGINES = ("auto", "torch", "openvino")
UNITS = ("avx512_vnni", "avx_vnni", "amx_int8")  # one of these flags of a processor is needed
ARCHITECTURES = ("llama", "qwen2")  # that `openvino_graph` builds
LEAST = 3e8  # numbers of a model from which it was measured to gain
MOST = 24  # rows at once up to which it was measured to gain
PAYS = 100  # tokens, one after the other, from which the gain exceeds the seconds of preparing
HELD = 2.0  # bytes that preparing it takes for each number of a model, beside torch's
APART = 0.05  # nats a token of a prompt: more is another model, and not another format


@dataclass(frozen=True)
class Engine:
    """Who answers, as provenance names it; where there is something to say, why.

    writer: None for torch, else what has `generate` of `openvino_graph.Engine`.
    """

    name: str
    reason: str = ""
    writer: object | None = None


def choose(
    model, prompts: list[list[int]], tokens: int, batch_size: int, asked: str = "auto"
) -> Engine:
    """Who computes the answers to some prompts, noted for the run's provenance.

    model: as `loading.load` gives it. prompts: their token ids. tokens: longest answer. batch_size:
    answers at once. asked: one of ENGINES; `auto` takes torch without a word where nothing is to
    be gained. Raises EmoError for another name.
    """
    if asked not in ENGINES:
        raise EmoError(f"engine is {asked!r}; it must be one of {', '.join(ENGINES)}")
    chosen = Engine(f"torch {version('torch')}, {str(model.dtype).removeprefix('torch.')}")
    batches = math.ceil(len(prompts) / batch_size)
    rows = min(len(prompts), batch_size)
    if asked == "openvino" or (asked == "auto" and _gains(model, rows, batches * tokens)):
        chosen = _openvino(model, min(prompts, key=len), chosen.name)
    provenance.ENGINES.add(chosen.name)
    return chosen


def _gains(model, rows: int, steps: int) -> bool:
    """Whether OpenVINO would write so many tokens of so many rows at once faster, its preparation
    included.
    """
    return (
        model.device.type == "cpu"
        and model.dtype == torch.bfloat16  # else exact numbers are asked for
        and _numbers(model) >= LEAST
        and rows <= MOST
        and steps >= PAYS
    )


def _numbers(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _cannot(model) -> str:
    """Why OpenVINO cannot answer; empty where it may."""
    needed = memory.PROCESS + _numbers(model) * (model.dtype.itemsize + HELD)
    if not find_spec("openvino"):
        return "openvino is not installed: pip install openvino"
    if model.config.model_type not in ARCHITECTURES:
        return f"openvino is not used for {model.config.model_type}"
    if not any(unit in processor()[1] for unit in UNITS):
        return "openvino is not used: this processor has no units for products in 8 bits"
    if needed > memory.of_machine():
        return f"openvino is not used: it would take {needed / 1e9:.1f} GB of memory"
    return ""


def _openvino(model, prompt: list[int], today: str) -> Engine:
    """OpenVINO with a model's weights; torch and the reason where it cannot, fails, or predicts
    something else on a prompt.
    """
    if why := _cannot(model):
        return Engine(today, why)
    try:
        writer = _prepared(model)
        apart = _divergence(model, writer, prompt)
    except (RuntimeError, TypeError, ValueError, AttributeError, ImportError) as error:
        return Engine(today, f"openvino fails: {first_line(error)}")
    if not apart <= APART:  # not a number is no agreement
        return Engine(today, f"openvino predicts otherwise, {apart:.2f} nats a token from torch")
    name = f"openvino {version('openvino')}, int8 weights, bf16 products, activations in 8 bits"
    return Engine(name, f"{apart:.4f} nats a token from torch on a prompt", writer)


def _prepared(model):
    from emo_utils.models.openvino_graph import Engine as Graph

    return Graph(model, "int8", dynamic=True)


@torch.inference_mode()
def _divergence(model, writer, prompt: list[int]) -> float:
    """KL of the next token after each of a prompt, torch's from an engine's, in nats a token."""
    expected = model(torch.tensor([prompt])).logits[0].float().log_softmax(-1)
    total = len(prompt)
    seen = torch.ones(total, total, dtype=torch.bool).tril()
    places = list(range(total))
    found = writer.read(prompt, places, seen, places).log_softmax(-1)
    return (expected.exp() * (expected - found)).sum(-1).mean().item()
