"""Which of 28 emotions: the log-probability of every label as the answer to a dialogue,
two ways with the same model and the same texts, in one run:

    .venv/bin/python benchmarks/labels.py  the Japanese model of the embedded profile, some minutes
    .venv/bin/python benchmarks/labels.py --dialogues 8 --rounds 3 --keep

*plain*: a pass over prompt and label for each of the 28 labels. *one pass*:
`decisions.word_scores`, the 28 labels behind one prompt, and what all prompts begin with once.
Everything in fp32, so that the scores can be compared to 1e-4. The ways take turns; medians of the
rounds. Then how the second grows in the run's own number format, and what the paper's 4,125
dialogues would take.
"""

import argparse
import statistics
import time

import clock
import numpy as np
import torch

from emo_utils.data import emplifai
from emo_utils.judging import decisions, label_choice
from emo_utils.models import loading
from emo_utils.models.precision import choose_precision

LABELS = [japanese for _, japanese, _ in emplifai.EMOTIONS]
PAPER = 4125  # dialogues of EmplifAI


def asked(tokenizer, row: dict) -> str:
    """The prompt of notebook 09_emplifai_prediction, with the labels in the order of Table 1."""
    scene = emplifai.as_scene(row["situation"], row["turns"])
    return label_choice.question(tokenizer, scene, LABELS)


@torch.inference_mode()
def plain(model, tokenizer, questions: list[str]) -> np.ndarray:
    """One pass for each prompt and label, as a loop over labels would do it;
    only the label's tokens meet the vocabulary.
    """
    found = np.zeros((len(questions), len(LABELS)))
    for row, prompt in enumerate(questions):
        before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        for column, label in enumerate(LABELS):
            after = [
                *tokenizer(label, add_special_tokens=False)["input_ids"],
                tokenizer.eos_token_id,
            ]
            output = (
                model(
                    torch.tensor([before + after], device=model.device),
                    logits_to_keep=len(after) + 1,
                )
                .logits[0, :-1]
                .float()
                .log_softmax(-1)
            )
            found[row, column] = output[range(len(after)), after].sum().item()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        default="Qwen2.5-Coder-0.5B-Instruct",
        help="registered weights (default: the Japanese model of the embedded profile)",
    )
    parser.add_argument(
        "--dialogues", type=int, default=6, help="dialogues that both ways read (default: 6)"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--keep", action="store_true", help="put the tables into book/reference/speed.json"
    )
    options = parser.parse_args()
    rows = emplifai.load()
    model, tokenizer = loading.load(options.model, "float32")
    questions = [
        asked(tokenizer, row)
        for row in rows[:: max(len(rows) // options.dialogues, 1)][: options.dialogues]
    ]
    ways = {
        "plain": lambda: plain(model, tokenizer, questions),
        "one pass": lambda: decisions.word_scores(model, tokenizer, questions, LABELS),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    decisions.word_scores(model, tokenizer, questions[:2], LABELS)
    for _ in range(options.rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            found[name] = way()
            seconds[name].append(time.perf_counter() - started)
    times = {name: statistics.median(each) for name, each in seconds.items()}
    apart = np.abs(found["plain"] - found["one pass"]).max()
    for name, value in times.items():
        print(
            (
                f"{name:9} {value:7.2f} s for {len(questions)} dialogues, "
                f"{value / times['one pass']:.1f} times the one pass"
            ),
            flush=True,
        )
    print(
        f"fp32; the scores differ by {apart:.1e} at most, "
        f"of {np.ptp(found['plain']):.0f} nats between the likeliest and the least likely"
    )
    del model
    dtype = choose_precision().dtype
    model, tokenizer = loading.load(options.model, dtype)
    growth = []
    decisions.word_scores(model, tokenizer, [asked(tokenizer, row) for row in rows[:2]], LABELS)
    for count in (8, 16, 32):
        started = time.perf_counter()
        decisions.word_scores(
            model, tokenizer, [asked(tokenizer, row) for row in rows[:count]], LABELS
        )
        took = time.perf_counter() - started
        growth.append(
            {
                "dialogues": count,
                "seconds": took,
                "seconds_a_dialogue": took / count,
                f"hours_for_{PAPER:,}": PAPER * took / count / 3600,
            }
        )
        print(
            (
                f"{count} dialogues in {dtype}: {took:.1f} s, {took / count:.2f} s a dialogue, "
                f"{PAPER * took / count / 3600:.1f} h for {PAPER:,}"
            ),
            flush=True,
        )
    tokens = np.mean(
        [
            len(tokenizer(asked(tokenizer, row), add_special_tokens=False)["input_ids"])
            for row in rows[:32]
        ]
    )
    weights = sum(p.numel() for name, p in model.named_parameters() if "embed_tokens" not in name)
    print(
        "13 B weights on one H100 at a third of its 990 bf16 TFLOP/s: "
        f"{2 * 13e9 * tokens * PAPER / 330e12 / 60:.0f} minutes for {PAPER:,} dialogues "
        f"(an estimate from {tokens:.0f} tokens a prompt; "
        f"no GPU was used, and this model has {weights / 1e9:.2f} B)"
    )
    if options.keep:
        names = {"plain": "a pass for each label", "one pass": "one pass for 28 labels"}
        clock.keep(
            "labels",
            [
                {
                    "way": f"{names[name]}, {options.model}, fp32",
                    "dialogues": len(questions),
                    "seconds": value,
                    "times_the_one_pass": value / times["one pass"],
                    "largest_difference_of_scores": f"{apart:.0e} nats",
                }
                for name, value in times.items()
            ],
        )
        clock.keep("labels growth", growth)


if __name__ == "__main__":
    main()
