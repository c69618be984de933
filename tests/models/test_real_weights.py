"""The real SmolLM2 weights: fetched, checked, converted, judged and trained for a few steps."""

import copy
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
import torch

from emo_utils.data import dialogues, training_rows
from emo_utils.generation import prompts
from emo_utils.judging import decisions
from emo_utils.models import fetching, loading, registry
from emo_utils.models.precision import choose_precision
from emo_utils.training import fitting, recipe

NAME = "SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def gguf_file():
    """The checked GGUF, downloaded by the registry's own code."""
    return fetching._assemble(registry.entry(NAME), print)


@pytest.fixture(scope="module")
def loaded(gguf_file):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMO_MODELS", str(gguf_file.parent))
        fetching.fetch(NAME)
    return loading.load(NAME, "float32")


def test_converted_tensors_equal_an_independent_dequantization(gguf_file, loaded):
    tensors = {t.name: t for t in gguf.GGUFReader(gguf_file).tensors}
    state = loaded[0].state_dict()
    pairs = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
    }
    for source, target in pairs.items():
        expected = gguf.dequantize(tensors[source].data, tensors[source].tensor_type)
        np.testing.assert_array_equal(state[target].numpy(), expected)


def test_the_model_knows_english(loaded):
    model, tokenizer = loaded

    def loss(text):
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            return float(model(ids, labels=ids).loss)

    words = "The doctor asked the patient to drink more water and to rest for two days".split()
    assert loss(" ".join(words)) < 4.5 < loss(" ".join(reversed(words)))


def test_decisions_equal_the_library_pipeline(loaded, monkeypatch):
    from transformers.pipelines import DecisionPipeline

    model, tokenizer = loaded
    reader = decisions.Judge(NAME, "float32")
    twin = copy.deepcopy(model)
    twin.name_or_path = twin.config._name_or_path = ""
    pipe = DecisionPipeline(model=twin, tokenizer=copy.deepcopy(tokenizer))
    questions = {
        "kind": {
            "type": "score",
            "instructions": "How kind is this?",
            "criteria": ["cold", "polite", "warm"],
        },
        "thanks": {"type": "noul", "instructions": "Does the writer say thanks?"},
    }
    states = ["Thank you so much, you were lovely.", "No. Wait three weeks."]
    ours = reader.decide(states, questions)
    for index, state in enumerate(states):
        theirs = pipe({"state": state, "questions": questions})
        mine = ours[ours.state == index].set_index(["question", "option"]).probability
        assert mine["thanks", "true"] == pytest.approx(theirs["thanks"]["noul"], abs=1e-5)
        for option, probability in theirs["kind"]["probabilities"].items():
            assert mine["kind", option] == pytest.approx(probability, abs=1e-5)


@pytest.mark.night
def test_a_few_steps_of_sft_lower_the_loss(loaded, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    _, tokenizer = loaded
    model, _ = loading.load(NAME, "float32")
    shortest = sorted(
        dialogues.load("er", arm="subtle"),
        key=lambda row: len(row["question"] + row["empathetic_response"]),
    )[:2]
    rows = training_rows.sft_rows(shortest, prompts.text("task"))
    shared = recipe.shared(
        tmp_path,
        learning_rate=2e-3,
        epochs=3,
        batch_size=2,
        seed=0,
        max_length=640,
        precision=choose_precision("fp32"),
    )
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**shared),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=recipe.lora(8),
    )
    log = fitting.fit(trainer, SimpleNamespace(values={"processes": 1}))
    assert len(log) == 3 and log.loss.iloc[-1] < log.loss.iloc[0] - 0.3
