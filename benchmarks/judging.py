"""Three emotions of an answer as numbers, four ways on the same texts and, but for the last,
with the same model, in one run:

    .venv/bin/python benchmarks/judging.py           the judge of the embedded profile, some minutes
    .venv/bin/python benchmarks/judging.py --model SmolLM2-135M-Instruct --rounds 3

*generated*: text by text and emotion by emotion the model writes a number, as Emollama's own script
does; no probability comes with it. *pipeline*: `pipeline("decision")` of transformers, one question
at a time. *this package*: all questions about a text in one pass over it. *contrast*: chapter 5's
default, no language model. The ways take turns; medians of the rounds. Then how the third grows
with the number of answers, its share of the machine's best matrix product, and what a whole test
set would take at that rate.
"""

import argparse
import copy
import statistics
import time

import clock
import torch
from training import peak
from transformers.pipelines import DecisionPipeline

from emo_utils.data import dialogues
from emo_utils.judging import decisions
from emo_utils.models import embeddings
from emo_utils.models.precision import choose_precision
from emo_utils.scoring import emotion

WHOLE = (
    9 * 7000
)  # answers of nine systems to 7,000 questions; three emotions each are 189,000 judgements


def generated(reader, texts: list[str]) -> list[str]:
    """What the model writes when it is asked for a number, greedily,
    one request after the other.
    """
    answers = []
    for text in texts:
        for name in emotion.EMOTIONS:
            inputs = reader.tokenizer(emotion.emollama_prompt(text, name), return_tensors="pt").to(
                reader.model.device
            )
            with torch.inference_mode():
                output = reader.model.generate(
                    **inputs,
                    max_new_tokens=10,
                    do_sample=False,
                    pad_token_id=reader.tokenizer.pad_token_id or 0,
                )
            answers.append(
                reader.tokenizer.decode(
                    output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
                )
            )
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        default="Qwen2.5-Coder-1.5B-Instruct",
        help="registered weights (default: the judge of the embedded profile)",
    )
    parser.add_argument(
        "--texts", type=int, default=10, help="answers that all ways score (default: 10)"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--encoder",
        default="all-mpnet-base-v2",
        help="registered encoder of the contrast (default: all-mpnet-base-v2)",
    )
    parser.add_argument(
        "--keep", action="store_true", help="put the tables into book/reference/speed.json"
    )
    options = parser.parse_args()
    dtype = choose_precision().dtype
    reader = decisions.Judge(options.model, dtype)
    twin = copy.copy(reader.model)
    twin.name_or_path = twin.config._name_or_path = ""
    pipe = DecisionPipeline(model=twin, tokenizer=copy.deepcopy(reader.tokenizer))
    encoder = embeddings.load(options.encoder, dtype)
    rows = [row["soothing_response"] for row in dialogues.load("eqsr")]
    texts = rows[: options.texts]
    for warm in (
        lambda: generated(reader, texts[:1]),
        lambda: reader.decide(texts[:1], emotion.QUESTIONS),
        lambda: emotion.scores_by_contrast(encoder, texts[:1]),
    ):
        warm()
    ways = {
        "generated": lambda: generated(reader, texts),
        "pipeline": lambda: [
            pipe({"state": text, "questions": emotion.QUESTIONS}) for text in texts
        ],
        "this package": lambda: reader.decide(texts, emotion.QUESTIONS),
        "contrast": lambda: emotion.scores_by_contrast(encoder, texts),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found = {}
    for _ in range(options.rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            found[name] = way()
            seconds[name].append(time.perf_counter() - started)
    times = {name: statistics.median(each) for name, each in seconds.items()}
    ours = times["this package"]
    for name, value in times.items():
        print(
            f"{name:13} {value:7.2f} s for {len(texts)} answers, "
            f"{value / ours:.2f} times this package's, "
            f"{WHOLE * value / len(texts) / 3600:.1f} h for {WHOLE:,} answers"
        )
    mine = found["this package"].set_index(["state", "question", "option"]).probability
    apart = max(
        abs(p - mine[state, question, option])
        for state, result in enumerate(found["pipeline"])
        for question, each in result.items()
        for option, p in each["probabilities"].items()
    )
    numbers = sum(emotion.parse_emollama(a) is not None for a in found["generated"])
    print(
        f"{dtype}; probabilities of pipeline and this package differ by {apart:.1e} at most; "
        f"{numbers} of {len(found['generated'])} generated answers begin with a number in [0, 1]"
    )
    growth, best = [], peak()
    for count in (10, 20, 40):
        tokens = passed(reader, rows[:count])
        started = time.perf_counter()
        reader.decide(rows[:count], emotion.QUESTIONS)
        took = time.perf_counter() - started
        work = (
            2
            * tokens
            * sum(
                p.numel()
                for name, p in reader.model.named_parameters()
                if "embed_tokens" not in name and "lm_head" not in name
            )
        )
        rate = work / took / 1e9
        print(
            (
                f"{count} answers: {took:.1f} s, {took / count:.2f} s an answer, "
                f"{tokens / took:.0f} tokens a second, {rate:.0f} GFLOP/s, "
                f"{rate / best:.0%} of the best matrix product"
            ),
            flush=True,
        )
        growth.append(
            {
                "answers": count,
                "seconds": took,
                "seconds_an_answer": took / count,
                "tokens_a_second": round(tokens / took),
                "share_of_the_best_matrix_product": rate / best,
            }
        )
    whole = work / count * WHOLE
    if options.keep:
        names = {
            "this package": f"this package, {options.model}",
            "pipeline": f"pipeline, {options.model}",
            "generated": f"a generated number, {options.model}",
            "contrast": f"contrast, {options.encoder}",
        }
        clock.keep(
            "judging",
            [
                {
                    "way": names[name],
                    "answers": len(texts),
                    "seconds": value,
                    "times_this_package": value / ours,
                    f"hours_for_{WHOLE:,}_answers": WHOLE * value / len(texts) / 3600,
                }
                for name, value in times.items()
            ],
        )
        clock.keep("judging growth", growth)
    print(
        f"{WHOLE:,} answers ask for {whole / 1e15:.0f} PFLOP: "
        f"{whole / 990e12 * 3 / 60:.0f} minutes at a third of an H100's 990 bf16 TFLOP/s "
        "(an estimate; no GPU was used)"
    )


def passed(reader, texts: list[str]) -> int:
    """Tokens that a pass over each text and its questions computes:
    the shared beginning once, less the chat template's, and each question's own.
    """
    header, total = len(reader.header[0]), 0
    for text in texts:
        prompts = [
            inputs["input_ids"][0].tolist()
            for inputs, _ in reader.config.prepare_inputs(
                {"state": text, "questions": emotion.QUESTIONS}, reader.tokenizer
            )
        ]
        shared = decisions.common_prefix(prompts)
        total += shared - header + sum(len(p) - shared for p in prompts)
    return total


if __name__ == "__main__":
    main()
