"""What memory a run takes, computed beforehand: against measured peaks, and what is refused."""

from types import SimpleNamespace

import pytest

from emo import cli
from emo_utils.experiment import parameters
from emo_utils.models import loading, memory, registry
from emo_utils.project import EmoError

SMALL = memory.Sizes(134_515_008, 0, 30, 576, 1536, 192, 49152)  # SmolLM2-135M
LARGE = memory.Sizes(1_777_088_000, 233_373_696, 28, 1536, 8960, 256, 151936)  # Qwen2.5 1.5 B
# Peaks of resident memory of single steps on two cores in November 2026, in GB, with the tokens
# that have gradients at once; a tenth of them is the most that a computed one may lie above.
PEAKS = {
    "1.5 B, SFT": (LARGE, "bfloat16", "sft", 2149, 7.33),
    "1.5 B, DPO": (LARGE, "bfloat16", "dpo", 2610, 8.14),
    "135 M, SFT": (SMALL, "float32", "sft", 1306, 3.16),
}


@pytest.mark.parametrize("measured", PEAKS)
def test_computed_peaks_hold_the_measured_ones(measured):
    model, dtype, objective, tokens, peak = PEAKS[measured]
    assert peak <= memory.training(model, dtype, objective, tokens, 16) / 1e9 <= 1.1 * peak


def values(notebook: str, **given) -> dict:
    return parameters.resolve(notebook, {"base_model": "Qwen2.5-Coder-1.5B-Instruct"} | given)


def test_a_larger_batch_and_longer_rows_take_more():
    def peak(**given):
        return memory.of_run("03_dpo", values("03_dpo", **given), LARGE, "bfloat16")

    plain = peak(device_batch=4)
    assert peak(device_batch=4, max_length=1280) > plain < peak(device_batch=4, lora_rank=256)
    # Where all weights are trained DPO holds the model, its gradients and moments, and a reference.
    assert peak(lora_rank=0) > 20 * LARGE.numbers


@pytest.mark.parametrize(
    "machine,given,way_out",
    [
        (9e9, {"device_batch": 4}, "lower max_length or device_batch"),
        (6e9, {}, "choose a smaller base_model"),
        (20e9, {"lora_rank": 0}, "lora_rank 16"),
    ],
)
def test_a_run_that_cannot_fit_is_refused_with_what_it_needs(monkeypatch, machine, given, way_out):
    monkeypatch.setattr(memory, "of_machine", lambda: machine)
    asked = values("03_dpo", **given)
    needed = memory.of_run("03_dpo", asked, LARGE, "bfloat16") / 1e9
    with pytest.raises(
        EmoError, match=rf"up to {needed:.1f} GB .* has {machine / 1e9:.1f}.*{way_out}"
    ):
        memory.need("03_dpo", asked, LARGE, "bfloat16")


def test_a_run_that_fits_says_what_it_takes(monkeypatch):
    monkeypatch.setattr(memory, "of_machine", lambda: 16e9)
    run = SimpleNamespace(notebook="02_sft", values=values("02_sft", base_model="tiny-llama"))
    assert memory.check(run, "float32") == "memory: up to 1.0 GB of this machine's 16.0"


def test_a_plan_of_one_run_says_its_memory_or_refuses_it(tiny, monkeypatch, capsys):
    asked = ["plan", "02_sft", "-p", "base_model", "tiny-llama"]
    monkeypatch.setattr(memory, "of_machine", lambda: 16e9)
    assert cli.main(asked) == 0
    assert "memory: up to 1.0 GB of this machine's 16.0" in capsys.readouterr().out
    monkeypatch.setattr(memory, "of_machine", lambda: 1e8)
    assert cli.main(asked) != 0
    assert "takes up to 1.0 GB of memory" in capsys.readouterr().err
    assert cli.main(["plan", "05_emotion_scoring", "-p", "profile", "smoke"]) == 0
    assert "tiny-llama: 0 million" in capsys.readouterr().out


def test_weights_larger_than_the_machine_are_not_loaded(monkeypatch):
    monkeypatch.setattr(memory, "of_machine", lambda: memory.PROCESS)
    with pytest.raises(EmoError, match="tiny-llama takes 0.7 GB .* so it is not loaded"):
        loading.load("tiny-llama")


def test_sizes_are_those_of_the_loaded_model(tiny):
    model, _ = loading.load("tiny-llama")
    sizes = memory.sizes("tiny-llama")
    assert sizes.numbers == memory.numbers(registry.folder("tiny-llama")) == model.num_parameters()
    assert sizes.keys == model.model.layers[0].self_attn.k_proj.out_features
    assert sizes.looked_up == 0, "its table is the head as well"


def test_a_container_has_what_it_is_allowed(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CONTAINER", tmp_path / "memory.max")
    whole = memory.of_machine()
    for text, expected in (("max", whole), ("1000000", 1e6)):
        memory.CONTAINER.write_text(text)
        assert memory.of_machine() == expected
