"""What pages say of a training holds in the trainer that they build, not only in the arguments that
it was given: the chapters up to their training, each with values that no default has.
"""

import json
from types import SimpleNamespace

import pytest
import torch
from peft.tuners.lora import LoraLayer
from played import home_in, play
from torch.utils.data import RandomSampler, SequentialSampler
from trial_sets import PAIRS

from emo_utils.models import loading

GIVEN = {
    "02_sft": {"lora_rank": 4, "device_batch": 2},
    "03_dpo": {"lora_rank": 4, "device_batch": 2, "beta": 0.3},
    "04_kto": {"lora_rank": 4, "beta": 0.3, "desirable_weight": 1.25, "undesirable_weight": 1.5},
    "09_emplifai_finetuning": {"lora_rank": 4, "device_batch": 2, "pairs": 3},
    "10_empathy_by_design": {
        "lora_rank": 4,
        "lora_alpha": 12,
        "lora_dropout": 0.25,
        "lora_targets": "q_proj o_proj",
        "device_batch": 2,
        "beta": 0.3,
    },
}
SHARED = {"learning_rate": 3e-3, "batch_size": 4, "epochs": 2.0, "seed": 7, "max_length": 3000}
STEPS = 12


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny):
    """The names of every training chapter when its trainer is built, by notebook; chapter 10 once
    more as it is by default.
    """
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("built")
        home_in(folder, patch)
        pairs = folder / "pairs.jsonl"
        pairs.write_text("".join(json.dumps(row) + "\n" for row in PAIRS * 2), encoding="utf-8")
        own = {"10_empathy_by_design": {"pairs_file": str(pairs)}}
        yield {
            notebook: play(
                notebook, before="fitting.fit(", **SHARED, **given, **own.get(notebook, {})
            )
            for notebook, given in GIVEN.items()
        } | {
            "10 by default": play(
                "10_empathy_by_design", before="fitting.fit(", pairs_file=str(pairs), batch_size=2
            )
        }


@pytest.fixture(params=GIVEN)
def chapter(request, built) -> SimpleNamespace:
    return built[request.param]


def adapter_layers(chapter) -> dict[str, LoraLayer]:
    layers = {
        name: module
        for name, module in chapter.trainer.model.named_modules()
        if isinstance(module, LoraLayer)
    }
    assert layers
    return layers


def dropout_of(layer: LoraLayer) -> float:
    return getattr(layer.lora_dropout["default"], "p", 0.0)  # without dropout it is an identity


def test_steps_are_adamws_with_two_warm_up_steps_and_a_cosine_to_zero(chapter):
    trainer = chapter.trainer
    optimizer = trainer.create_optimizer()
    schedule = trainer.create_scheduler(STEPS, optimizer)
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {group["initial_lr"] for group in optimizer.param_groups} == {3e-3}
    (share,) = set(schedule.lr_lambdas)
    assert [share(step) for step in (0, 1, 2, 7, STEPS)] == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_a_batch_is_what_the_parameter_says(chapter):
    trainer = chapter.trainer
    first = next(iter(trainer.get_train_dataloader()))
    sequences = first["input_ids"] if "input_ids" in first else first["completion_input_ids"]
    pair = 2 if chapter.run.notebook in ("03_dpo", "10_empathy_by_design") else 1
    assert len(sequences) * trainer.args.gradient_accumulation_steps == 4 * pair
    assert trainer.args.num_train_epochs == 2.0
    if hasattr(trainer, "beta"):  # the collators of DPO and KTO cut; SFT's rows are cut before
        assert trainer.data_collator.max_length == 3000


def test_rows_are_drawn_by_the_seed_and_ktos_stand_as_they_were_put(chapter):
    sampler = chapter.trainer._get_train_sampler()
    kto = chapter.run.notebook == "04_kto"
    assert isinstance(sampler, SequentialSampler if kto else RandomSampler)
    assert (chapter.trainer.args.seed, chapter.trainer.args.data_seed) == (7, 7)


def test_adapters_have_the_rank_the_scale_the_dropout_and_the_layers_that_are_claimed(chapter):
    layers = adapter_layers(chapter)
    scale, dropout, targets = 2, 0.0, None
    if chapter.run.notebook == "10_empathy_by_design":
        scale, dropout, targets = 3, 0.25, {"q_proj", "o_proj"}
    assert {layer.r["default"] for layer in layers.values()} == {4}
    assert {layer.scaling["default"] for layer in layers.values()} == {scale}
    assert {dropout_of(layer) for layer in layers.values()} == {dropout}
    linear, _ = loading.load("tiny-llama", "float32")
    every = {
        name.rpartition(".")[2]
        for name, module in linear.named_modules()
        if isinstance(module, torch.nn.Linear)
    } - {"lm_head"}
    assert {name.rpartition(".")[2] for name in layers} == (targets or every)


def test_weights_are_in_fp32_and_nothing_is_computed_twice(chapter):
    model = chapter.trainer.model
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained and all("lora_" in name for name in trained)


def test_objectives_have_the_values_that_are_claimed(built):
    for notebook in ("03_dpo", "10_empathy_by_design"):
        trainer = built[notebook].trainer
        assert (trainer.beta, trainer.loss_types, trainer.label_smoothing) == (0.3, ["sigmoid"], 0)
        assert trainer.ref_model is None and not trainer.precompute_ref_logps
    kto = built["04_kto"].trainer
    assert (kto.beta, kto.desirable_weight, kto.undesirable_weight) == (0.3, 1.25, 1.5)


def test_by_default_chapter_10_trains_without_dropout_as_the_authors_code_does(built):
    chapter = built["10 by default"]
    assert {dropout_of(layer) for layer in adapter_layers(chapter).values()} == {0.0}
    assert chapter.lora_dropout == 0.0


def test_dropout_that_is_asked_for_moves_the_policy_and_not_its_reference(built):
    trainer = built["10_empathy_by_design"].trainer
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.01)
        trainer.model.train()
        losses = {float(trainer.compute_loss(trainer.model, dict(batch))) for _ in range(3)}
        noisy = torch.cat(trainer.compute_ref_log_probs(trainer.model, batch))
        trainer.model.eval()
        still = torch.cat(trainer.compute_ref_log_probs(trainer.model, batch))
    assert len(losses) == 3
    assert torch.equal(noisy, still)
