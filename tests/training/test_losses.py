"""The losses as they stand in chapters 2 to 4 against what TRL's trainers compute,
in fp32 on the tiny model.

The chapters' functions are taken out of the notebooks and run here on log-probabilities of our own:
one plain forward pass a sequence, from tokens that this file joins by hand.
"""

import math
from types import SimpleNamespace

import nbformat
import pytest
import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from emo_utils import project
from emo_utils.data import dialogues, training_rows
from emo_utils.models import loading
from emo_utils.models.precision import Precision
from emo_utils.training import fitting, model_cards, packed, recipe, trainer_losses

TASK = "Be a doctor."
BETA = 0.3
CLOSE = 1e-5
RANKS = pytest.mark.parametrize("rank", [0, 4], ids=["full", "lora"])
PRECOMPUTE = pytest.mark.parametrize(
    "precompute", [False, True], ids=["reference in each step", "reference before"]
)


def cell(notebook: str, part: str) -> str:
    """The one code cell of a notebook that holds `part`."""
    cells = nbformat.read(project.NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells
    (source,) = [c.source for c in cells if c.cell_type == "code" and part in c.source]
    return source


def chapter(notebook: str, function: str):
    """The function that a notebook defines, from the one cell that defines it."""
    namespace: dict = {}
    exec(cell(notebook, f"def {function}("), namespace)
    return namespace[function]


sft_loss, dpo_loss, kto_loss = (
    chapter("02_sft", "sft_loss"),
    chapter("03_dpo", "dpo_loss"),
    chapter("04_kto", "kto_loss"),
)


@pytest.fixture(scope="module")
def rows(tiny) -> list[dict]:
    """Six rows of the shipped data, cut to different lengths, so that sums stay exact to 1e-5."""
    cut = [
        {k: v if k in ("id", "topic", "emotion") else v[: 90 + 27 * i] for k, v in row.items()}
        for i, row in enumerate(dialogues.load("eqsr", 6))
    ]
    return [row | {"answer": row["answer"][:75]} for row in cut]


def make(kind, rows, folder, *, rank=0, precompute=False, checkpoints=(), batch_size=4):
    """A trainer built as its notebook builds it."""
    model, tokenizer = loading.load("tiny-llama", "float32", checkpoints)
    shared = recipe.shared(
        folder / "out.tmp",
        learning_rate=1e-3,
        epochs=1.0,
        batch_size=batch_size,
        seed=42,
        max_length=4096,
        precision=Precision("float32", ""),
    )
    trainer_class, config = {
        "sft": (SFTTrainer, lambda: SFTConfig(**shared)),
        "dpo": (
            DPOTrainer,
            lambda: DPOConfig(
                **shared, beta=BETA, loss_type=["sigmoid"], precompute_ref_log_probs=precompute
            ),
        ),
        "kto": (
            KTOTrainer,
            lambda: KTOConfig(
                **shared,
                beta=BETA,
                desirable_weight=1.0,
                undesirable_weight=1.0,
                precompute_ref_log_probs=precompute,
            ),
        ),
    }[kind]
    examples = (
        training_rows.kto_rows(rows, TASK, 42, batch_size)
        if kind == "kto"
        else getattr(training_rows, f"{kind}_rows")(rows, TASK)
    )
    reference = {} if kind == "sft" else {"ref_model": recipe.reference(model, rank)}
    trainer = trainer_class(
        model=model,
        **reference,
        args=config(),
        train_dataset=Dataset.from_list(examples),
        processing_class=tokenizer,
        peft_config=recipe.lora(rank),
    )
    return trainer, examples


def shift(trainer, seed: int = 0) -> None:
    """Move the policy away from its reference: random B matrices, or noise on all weights."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if parameter.requires_grad and "lora_A" not in name:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def learn(trainer, pairs) -> None:
    """A few plain gradient steps that make these answers likelier."""
    for _ in range(5):
        found = gradients(
            trainer, -log_probabilities(trainer.model, trainer.processing_class, pairs).mean()
        )
        size = torch.stack([g.norm() for g in found.values()]).norm()
        with torch.no_grad():
            for name, parameter in trainer.model.named_parameters():
                if name in found:
                    parameter.sub_(0.4 * found[name] / size)
    trainer.model.zero_grad()


def batch_of(trainer, count: int) -> dict:
    return dict(trainer.data_collator([trainer.train_dataset[i] for i in range(count)]))


def tokens(tokenizer, prompt: list[dict], answer: list[dict]) -> tuple[list[int], list[int]]:
    """Tokens of prompt and answer, from the text that ChatML asks for."""
    text = (
        "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in prompt)
        + "<|im_start|>assistant\n"
    )
    return [
        tokenizer(part, add_special_tokens=False).input_ids
        for part in (text, f"{answer[0]['content']}<|im_end|>\n")
    ]


def log_probability(model, tokenizer, prompt, answer) -> torch.Tensor:
    """Log-probability of an answer, summed over its tokens: one forward pass, nothing padded."""
    start, end = tokens(tokenizer, prompt, answer)
    logits = model(input_ids=torch.tensor([start + end])).logits[0]
    return (
        logits[len(start) - 1 : -1]
        .double()
        .log_softmax(-1)
        .gather(1, torch.tensor(end)[:, None])
        .sum()
    )


def log_probabilities(model, tokenizer, pairs) -> torch.Tensor:
    return torch.stack(
        [log_probability(model, tokenizer, prompt, answer) for prompt, answer in pairs]
    )


def gradients(trainer, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    trainer.model.zero_grad()
    loss.backward()
    return {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None}


def assert_same_gradients(first: dict, second: dict) -> None:
    assert first.keys() == second.keys() and first
    largest = max(g.abs().max() for g in second.values())
    assert largest > 1e-4
    for name in first:
        assert (first[name] - second[name]).abs().max() <= 1e-4 * largest, name


@pytest.fixture(scope="module")
def reference(tiny):
    """The model before training, loaded once more:
    the trainers must arrive at the same one by themselves.
    """
    return loading.load("tiny-llama", "float32")


# Equation (1)


@RANKS
def test_sft_loss_is_the_trainers(rows, tmp_path, rank):
    trainer, examples = make("sft", rows, tmp_path, rank=rank)
    shift(trainer)
    theirs = trainer.compute_loss(trainer.model, batch_of(trainer, 4))
    parts = [tokens(trainer.processing_class, e["prompt"], e["completion"]) for e in examples[:4]]
    width = max(len(a) + len(b) for a, b in parts)
    ids = torch.tensor([a + b + [0] * (width - len(a) - len(b)) for a, b in parts])
    labels = torch.tensor(
        [[-100] * len(a) + b + [-100] * (width - len(a) - len(b)) for a, b in parts]
    )
    ours = sft_loss(trainer.model(input_ids=ids).logits, labels)
    assert ours.item() == pytest.approx(theirs.item(), abs=CLOSE)
    # The mean over all answer tokens of the batch, not a mean of means;
    # and not the loss of the untouched model.
    pairs = [(e["prompt"], e["completion"]) for e in examples[:4]]
    by_hand = -log_probabilities(trainer.model, trainer.processing_class, pairs).sum() / sum(
        len(b) for _, b in parts
    )
    assert float(by_hand.detach()) == pytest.approx(theirs.item(), abs=CLOSE)
    assert_same_gradients(
        gradients(trainer, ours),
        gradients(trainer, trainer.compute_loss(trainer.model, batch_of(trainer, 4))),
    )


def test_the_notebooks_own_check_of_sft_holds_in_fp32(rows, tmp_path):
    """Chapter 2 hands the trainer's collated batch to its function:
    the labels must stand where the prompt ends.
    """
    trainer, examples = make("sft", rows, tmp_path)
    batch = batch_of(trainer, 2)
    for row, example in zip(batch["labels"], examples):
        assert (
            row[row != -100].tolist()
            == tokens(trainer.processing_class, example["prompt"], example["completion"])[1]
        )
    ours = sft_loss(
        trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits,
        batch["labels"],
    )
    assert ours.item() == pytest.approx(
        trainer.compute_loss(trainer.model, dict(batch)).item(), abs=CLOSE
    )


# Equation (2)


def our_dpo(trainer, examples, reference):
    policy, tokenizer = (trainer.model, trainer.processing_class), trainer.processing_class
    chosen, rejected = (
        [(e["prompt"], e[field]) for e in examples] for field in ("chosen", "rejected")
    )
    with torch.no_grad():
        before = [log_probabilities(reference[0], tokenizer, pairs) for pairs in (chosen, rejected)]
    return dpo_loss(
        *(log_probabilities(*policy, pairs) for pairs in (chosen, rejected)), *before, BETA
    )


@RANKS
@PRECOMPUTE
def test_dpo_loss_is_the_trainers(rows, tmp_path, reference, rank, precompute):
    trainer, examples = make("dpo", rows, tmp_path, rank=rank, precompute=precompute)
    shift(trainer)
    theirs = trainer.compute_loss(trainer.model, batch_of(trainer, 4))
    ours = our_dpo(trainer, examples[:4], reference)
    assert ours.item() == pytest.approx(theirs.item(), abs=CLOSE)
    assert abs(ours.item() - math.log(2)) > 0.01, "the policy hardly differs from its reference"
    assert_same_gradients(
        gradients(trainer, ours),
        gradients(trainer, trainer.compute_loss(trainer.model, batch_of(trainer, 4))),
    )


def test_dpo_loss_by_hand():
    """One pair: margin 2 x ((-1 - -2) - (-5 - -4)) = 4, loss log(1 + e^-4);
    two pairs: their mean.
    """
    value = dpo_loss(
        torch.tensor([-1.0]), torch.tensor([-5.0]), torch.tensor([-2.0]), torch.tensor([-4.0]), 2.0
    )
    assert float(value) == pytest.approx(math.log1p(math.exp(-4)), abs=1e-7)
    both = dpo_loss(
        torch.tensor([-1.0, 0]),
        torch.tensor([-5.0, 0]),
        torch.tensor([-2.0, 0]),
        torch.tensor([-4.0, 0]),
        2.0,
    )
    assert float(both) == pytest.approx((math.log1p(math.exp(-4)) + math.log(2)) / 2, abs=1e-7)


@RANKS
def test_chapter_3s_check_fails_for_a_turned_sign_and_without_reference(rows, tmp_path, rank):
    trainer, _ = make("dpo", rows, tmp_path, rank=rank)
    shift(trainer)
    names = {"trainer": trainer, "trainer_losses": trainer_losses, "beta": BETA, "rounding": 0.02}
    check = cell("03_dpo", "trainer_losses.of_dpo(")
    exec(check, names | {"dpo_loss": dpo_loss})

    def turned(chosen, rejected, reference_chosen, reference_rejected, beta):
        return dpo_loss(rejected, chosen, reference_rejected, reference_chosen, beta)

    def without_reference(chosen, rejected, reference_chosen, reference_rejected, beta):
        return -torch.nn.functional.logsigmoid(beta * (chosen - rejected)).mean()

    for fault in (turned, without_reference):
        with pytest.raises(AssertionError, match="what is shown is not what was trained"):
            exec(check, names | {"dpo_loss": fault})


# Equations (3) to (6)


def our_kto(trainer, examples, reference):
    """Our loss, and the KL estimate before it is clipped:
    each question with the answer of the row before it in the batch.
    """
    tokenizer = trainer.processing_class
    matched = [(e["prompt"], e["completion"]) for e in examples]
    mismatched = [(e["prompt"], examples[i - 1]["completion"]) for i, e in enumerate(examples)]
    ratios = []
    for pairs in (matched, mismatched):
        with torch.no_grad():
            before = log_probabilities(reference[0], tokenizer, pairs)
        ratios.append(log_probabilities(trainer.model, tokenizer, pairs) - before)
    desirable = torch.tensor([e["label"] for e in examples])
    return kto_loss(ratios[0], desirable, ratios[1], BETA), ratios[1].mean().item()


@RANKS
@PRECOMPUTE
def test_kto_loss_is_the_trainers(rows, tmp_path, reference, rank, precompute):
    trainer, examples = make("kto", rows, tmp_path, rank=rank, precompute=precompute, batch_size=4)
    start = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
    clipped = set()
    for seed, learned in ((0, False), (1, True)):
        trainer.model.load_state_dict(start, strict=False)
        shift(trainer, seed)
        if learned:  # answers of all kinds become likelier, so the KL term is above zero
            learn(trainer, [(e["prompt"], e["completion"]) for e in examples[:4]])
        theirs = trainer.compute_loss(trainer.model, batch_of(trainer, 4))
        ours, kl = our_kto(trainer, examples[:4], reference)
        assert ours.item() == pytest.approx(theirs.item(), abs=CLOSE), f"KL {kl}"
        assert abs(ours.item() - 0.5) > 1e-3 and abs(kl) > 0.1, (
            "the policy hardly differs from its reference"
        )
        clipped.add(kl < 0)
        assert_same_gradients(
            gradients(trainer, ours),
            gradients(trainer, trainer.compute_loss(trainer.model, batch_of(trainer, 4))),
        )
    assert False in clipped, "a KL term that counts is wanted"


@RANKS
def test_every_batch_of_kto_pairs_within_itself(rows, tmp_path, reference, rank):
    """The last batch (rows 8 to 11 of 12) takes its mismatched answers from itself,
    in the order that data.kto_rows made.
    """
    trainer, examples = make("kto", rows, tmp_path, rank=rank, batch_size=4)
    assert len(trainer.train_dataset) == len(examples) == 12
    shift(trainer, 1)
    loader = iter(trainer.get_train_dataloader())
    for start in (0, 4, 8):
        batch = dict(next(loader))
        part = examples[start : start + 4]
        assert batch["label"].tolist() == [e["label"] for e in part]
        ours, _ = our_kto(trainer, part, reference)
        assert ours.item() == pytest.approx(
            trainer.compute_loss(trainer.model, batch).item(), abs=CLOSE
        )


def test_kto_loss_by_hand():
    """z0 = mean(1, 3) = 2; desirable with ratio 3: 1 - s(.5),
    undesirable with ratio -1: 1 - s(1.5); weights 1 and 1.5.
    """

    def s(x):
        return 1 / (1 + math.exp(-x))

    ratio, desirable = torch.tensor([3.0, -1.0]), torch.tensor([True, False])
    value = kto_loss(ratio, desirable, torch.tensor([1.0, 3.0]), 0.5, 1.0, 1.5)
    assert float(value) == pytest.approx(((1 - s(0.5)) + 1.5 * (1 - s(1.5))) / 2, abs=1e-7)
    clipped = kto_loss(ratio, desirable, torch.tensor([-4.0, 1.0]), 0.5)
    assert float(clipped) == pytest.approx(((1 - s(1.5)) + (1 - s(0.5))) / 2, abs=1e-7)


@RANKS
def test_chapter_4s_check_fails_for_turned_labels_and_without_reference(rows, tmp_path, rank):
    trainer, _ = make("kto", rows, tmp_path, rank=rank)
    shift(trainer)
    names = {"trainer": trainer, "trainer_losses": trainer_losses, "beta": BETA, "rounding": 0.02}
    names |= {"desirable_weight": 1.0, "undesirable_weight": 1.0}
    check = cell("04_kto", "trainer_losses.of_kto(")
    exec(check, names | {"kto_loss": kto_loss})
    turned = lambda ratio, desirable, *others: kto_loss(ratio, ~desirable, *others)  # noqa: E731
    with pytest.raises(AssertionError, match="what is shown is not what was trained"):
        exec(check, names | {"kto_loss": turned})
    without = check.replace("after - before", "after")
    assert without != check
    with pytest.raises(AssertionError, match="what is shown is not what was trained"):
        exec(without, names | {"kto_loss": kto_loss})


# The packed computation


@RANKS
@pytest.mark.parametrize("kind", ["sft", "dpo", "kto"])
def test_packing_changes_neither_loss_nor_gradients_nor_what_is_logged(rows, tmp_path, kind, rank):
    trainer, _ = make(kind, rows, tmp_path, rank=rank)
    shift(trainer)
    trainer.model.train()
    widths, results = [], []
    backbone = trainer.accelerator.unwrap_model(trainer.model)
    backbone = (backbone.get_base_model() if rank else backbone).model
    backbone.register_forward_pre_hook(
        lambda module, args, kwargs: widths.append(
            (kwargs.get("input_ids") if not args else args[0]).numel()
        ),
        with_kwargs=True,
    )
    for is_packed in (False, True):
        if is_packed:
            assert packed.pack(trainer)
        widths.clear()
        trainer._metrics["train"].clear()
        loss = trainer.compute_loss(trainer.model, batch_of(trainer, 4))
        results.append(
            (
                float(loss.detach()),
                gradients(trainer, loss),
                {k: v[-1] for k, v in trainer._metrics["train"].items() if k != "num_tokens"},
                sum(widths),
            )
        )
    stock, ours = results
    assert ours[0] == pytest.approx(stock[0], abs=CLOSE)
    assert_same_gradients(ours[1], stock[1])
    assert ours[2] == pytest.approx(stock[2], rel=1e-5, abs=2e-5) and {"entropy"} < set(ours[2])
    # A pair shares its prompt; the other two only lose their padding.
    assert ours[3] < (0.75 if kind == "dpo" else 1) * stock[3]


def test_packing_rounds_frozen_layers_once_to_what_autocast_rounds_them_to(rows, tmp_path):
    """bf16 with adapters: the frozen layers are kept in bf16,
    the adapters and everything else stay in fp32.
    """
    trainer, _ = make("dpo", rows, tmp_path, rank=4)
    trainer.args.bf16 = True
    shift(trainer)
    before = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
    assert packed.pack(trainer)
    kept = {n for n, p in trainer.model.named_parameters() if p.dtype == torch.bfloat16}
    assert kept and all("proj" in n and "lora" not in n for n in kept)
    assert all(torch.equal(p, before[n].to(p.dtype)) for n, p in trainer.model.named_parameters())


# Where training starts


def run_in(folder) -> SimpleNamespace:
    """What training and saving ask of a run."""
    values = {"base_model": "tiny-llama", "system": "er-sft", "processes": 1, "profile": "smoke"}
    return SimpleNamespace(
        checkpoint=folder / "er-sft",
        outputs=[],
        temporary=[],
        values=values,
        notebook="02_sft",
        profile="smoke",
        name="x",
        start_checkpoints=lambda: [],
    )


@pytest.fixture(scope="module")
def er_checkpoints(rows, tmp_path_factory) -> dict[str, list]:
    """The upstream checkpoint of `er-…` systems:
    none, an adapter, or a whole model, saved as chapter 2 saves it.
    """
    made = {"base": []}
    for name, rank in (("after an adapter", 4), ("after a whole model", 0)):
        folder = tmp_path_factory.mktemp("er")
        trainer, _ = make("sft", rows, folder, rank=rank)
        shift(trainer, 7)
        trainer.state.log_history = [{"step": 1, "loss": 1.0}]
        made[name] = [
            model_cards.save(trainer, trainer.processing_class, run_in(folder), data_name="rows")
        ]
    return made


@RANKS
@pytest.mark.parametrize("start", ["base", "after an adapter", "after a whole model"])
@pytest.mark.parametrize("kind, loss", [("dpo", math.log(2)), ("kto", 0.5)])
def test_the_first_margin_is_zero(rows, tmp_path, er_checkpoints, kind, loss, start, rank):
    """Before the first update policy and reference are one model,
    whatever the run starts from and however it trains.
    """
    trainer, _ = make(kind, rows, tmp_path, rank=rank, checkpoints=er_checkpoints[start])
    log = fitting.fit(trainer, run_in(tmp_path))
    assert log["rewards/margins"].iloc[0] == pytest.approx(0, abs=1e-4)
    assert log["rewards/chosen"].iloc[0] == pytest.approx(0, abs=1e-4)
    assert log.loss.iloc[0] == pytest.approx(loss, abs=1e-4)
    assert len(log) == (2 if kind == "dpo" else 3) and log.index[0] == 1
