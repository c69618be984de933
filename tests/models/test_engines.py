"""Who computes answers: the choice, and what happens where an engine is missing or wrong.

The engine here is a stand-in that computes with the model itself: openvino is no dependency.
"""

import pytest
import torch

from emo_utils.experiment import provenance
from emo_utils.generation import answering
from emo_utils.models import engines, loading, memory
from emo_utils.project import EmoError

ASKED = [[{"role": "user", "content": text}] for text in ("My knee hurts.", "Why do I cough?")]
SAMPLING = {"max_new_tokens": 8, "temperature": 0.0, "batch_size": 2, "seed": 1, "desc": "answers"}


class StandIn:
    """Answers one row after the other, without a cache; `shift` is added to its logits."""

    def __init__(self, model, shift: float = 0.0):
        self.model, self.shift, self.written = model, shift, 0

    @torch.inference_mode()
    def read(self, ids, positions, seen, wanted):
        logits = self.model(torch.tensor([ids])).logits[0, wanted].float()
        return logits + self.shift * torch.arange(logits.shape[-1])

    def generate(self, prompts, tokens, end, pick):
        answers = []
        for prompt in prompts:
            answer = []
            while len(answer) < tokens and end not in answer:
                ids = prompt + answer
                answer.append(int(pick(self.read(ids, None, None, [len(ids) - 1]))[0]))
            answers.append(answer)
            self.written += len(answer)
        return answers


@pytest.fixture
def loaded(monkeypatch):
    """The tiny model, for which an engine is worth its while, on a machine that has one."""
    monkeypatch.setattr(provenance, "ENGINES", set())
    monkeypatch.setattr(engines, "_gains", lambda *about: True)
    monkeypatch.setattr(engines, "find_spec", lambda name: name)
    monkeypatch.setattr(engines, "version", lambda name: "1.2")
    monkeypatch.setattr(engines, "processor", lambda: ("one", "fma avx512_vnni"))
    monkeypatch.setattr(engines, "_prepared", StandIn)
    model, tokenizer = loading.load("tiny-llama", "float32")
    torch.manual_seed(3)
    with torch.no_grad():  # as built, its logits are almost level and rounding could choose
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model, tokenizer


def answers(loaded, engine: str = "auto", **changes) -> list:
    return answering.complete(*loaded, ASKED, **SAMPLING | changes, engine=engine)


def test_an_engine_that_agrees_answers_and_is_named(loaded, capsys):
    expected = answers(loaded, "torch")
    assert provenance.ENGINES == {"torch 1.2, float32"} and not capsys.readouterr().out
    assert answers(loaded) == expected
    assert "answers by openvino 1.2, int8 weights" in capsys.readouterr().out
    assert len(provenance.ENGINES) == 2
    assert provenance.libraries() == (*provenance.LIBRARIES, "openvino")


def test_an_engine_draws_as_the_model_does(loaded):
    """Of one row both draw with the same random numbers from the same probabilities."""
    sampled = {"temperature": 0.8, "batch_size": 1}
    assert answers(loaded, **sampled) == answers(loaded, "torch", **sampled)


def missing(monkeypatch, model):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)


def another_architecture(monkeypatch, model):
    monkeypatch.setattr(model.config, "model_type", "mamba")


def no_units(monkeypatch, model):
    monkeypatch.setattr(engines, "processor", lambda: ("one", "fma avx2"))


def little_memory(monkeypatch, model):
    monkeypatch.setattr(memory, "of_machine", lambda: memory.PROCESS)


def a_fault(monkeypatch, model):
    def prepared(model):
        raise RuntimeError("no such kernel\nmore")

    monkeypatch.setattr(engines, "_prepared", prepared)


def other_numbers(monkeypatch, model):
    monkeypatch.setattr(engines, "_prepared", lambda model: StandIn(model, shift=0.01))


def no_numbers(monkeypatch, model):
    monkeypatch.setattr(engines, "_prepared", lambda model: StandIn(model, shift=float("nan")))


@pytest.mark.parametrize(
    "lacking,line",
    [
        (missing, "openvino is not installed: pip install"),
        (another_architecture, "openvino is not used for mamba"),
        (no_units, "no units for products in 8 bits"),
        (little_memory, "it would take 0.7 GB of memory"),
        (a_fault, "openvino fails: no such kernel)"),
        (other_numbers, "openvino predicts otherwise"),
        (no_numbers, "openvino predicts otherwise, nan"),
    ],
)
def test_torch_answers_where_an_engine_cannot(loaded, monkeypatch, capsys, lacking, line):
    expected = answers(loaded, "torch")
    lacking(monkeypatch, loaded[0])
    assert answers(loaded) == expected
    printed = capsys.readouterr().out
    assert printed.startswith("answers by torch 1.2, float32 (") and line in printed
    assert printed.count("\n") == 1 and provenance.ENGINES == {"torch 1.2, float32"}


def test_small_exact_wide_or_short_work_stays_with_torch(monkeypatch):
    model, _ = loading.load("tiny-llama", "bfloat16")
    assert not engines._gains(model, 1, 1000), "the model is small"
    monkeypatch.setattr(engines, "LEAST", 1)
    assert engines._gains(model, 1, engines.PAYS) and engines._gains(model, engines.MOST, 1000)
    assert not engines._gains(model, 1, engines.PAYS - 1), "the answer is short"
    assert not engines._gains(model, engines.MOST + 1, 1000), "there it was not measured"
    assert not engines._gains(model.float(), 1, 1000), "fp32 was asked for"


def test_steps_are_counted_over_batches(loaded, monkeypatch):
    asked = []
    monkeypatch.setattr(engines, "_gains", lambda model, *counts: asked.append(counts) or False)
    answers(loaded, batch_size=1)
    answers(loaded, batch_size=64)
    assert asked == [(1, 2 * 8), (2, 8)]


def test_an_engine_that_nobody_knows_is_refused(loaded):
    with pytest.raises(EmoError, match="engine is 'vino'; it must be one of auto, torch, openvino"):
        answers(loaded, "vino")
