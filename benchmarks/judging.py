"""Typed decisions by transformers' pipeline, one at a time, and by this package, one shared prefix a text, in one run.

    .venv/bin/python benchmarks/judging.py

Prints the median seconds of both ways for three questions about each of ten answers, their ratio, and the largest difference of a probability.
"""

import argparse
import copy
import statistics
import time

from transformers.pipelines import DecisionPipeline

from emo_utils import data, emotion, judge, models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="SmolLM2-135M-Instruct", help="registered weights (default: the small one)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    dtype = models.choose_precision().dtype
    reader = judge.Judge(options.model, dtype)
    twin = copy.copy(reader.model)
    twin.name_or_path = twin.config._name_or_path = ""
    pipe = DecisionPipeline(model=twin, tokenizer=copy.deepcopy(reader.tokenizer))
    texts = [row["soothing_response"] for row in data.load("eqsr")[:10]]
    ways = {"pipeline": lambda: [pipe({"state": text, "questions": emotion.QUESTIONS}) for text in texts], "this package": lambda: reader.decide(texts, emotion.QUESTIONS)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            found = way()
            seconds[name].append(time.perf_counter() - started)
    usual, ours = (statistics.median(times) for times in seconds.values())
    theirs = ways["pipeline"]()
    mine = found.set_index(["state", "question", "option"]).probability
    apart = max(abs(p - mine[state, question, option]) for state, result in enumerate(theirs) for question, each in result.items() for option, p in each["probabilities"].items())
    print(f"{dtype}: pipeline {usual:.1f} s, this package {ours:.1f} s, ratio {usual / ours:.2f}; probabilities differ by {apart:.1e} at most")


if __name__ == "__main__":
    main()
