"""Engines that answer on a CPU, side by side in one run: today's path beside OpenVINO's runtime
with the same weights in several formats; what each gains, and what each changes.

    .venv/bin/pip install openvino==2026.4.1           the runtime: no other package is needed
    .venv/bin/python benchmarks/engines.py             Qwen2.5-Coder-0.5B, some minutes
    .venv/bin/python benchmarks/engines.py --batches 1 8 24 64 --tokens 64 --texts 50
        --models SmolLM2-135M-Instruct Qwen2.5-Coder-0.5B-Instruct Qwen2.5-Coder-1.5B-Instruct
                                                       the whole comparison: hours on two cores

A format is WEIGHTS:PRODUCTS, such as int8:bf16 (see models/openvino_graph.py), with `:dynamic`
where activations are rounded to 8 bits too. *Rates*: the ways take turns at the same questions and
answer greedily, at most so many tokens; wall seconds, and the process's own seconds on all cores,
which other work on the machine disturbs less. *What changes*, against the same weights in fp32: KL
of the next token on the doctor's warm answers, in nats a token; the share of their tokens at which
the likeliest next token is the same; by how much the probabilities of typed decisions move. A
format whose decisions move by more than .02 in the mean or whose answers differ by more than .02
nats a token is no candidate for a default.
"""

import argparse
import copy
import gc
import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers.decision import label_token_ids

from emo_utils.data import dialogues, training_rows
from emo_utils.generation import answering, prompts
from emo_utils.judging import decisions
from emo_utils.models import attention, loading
from emo_utils.models.precision import choose_precision
from emo_utils.scoring import emotion

LIMIT = 0.02  # nats a token, and of a probability


def memory_gb(field: str) -> float:
    """What Linux says of this process: RssAnon (its own memory) or VmHWM (its peak, files too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1e6


def conversations(count: int) -> list[list[dict]]:
    task = prompts.text("task")
    rows = dialogues.load("test", count)
    return [training_rows.messages(task, row["emotional_question"]) for row in rows]


def token_ids(tokenizer, messages: list[dict]) -> list[int]:
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return tokenizer(prompt, add_special_tokens=False)["input_ids"]


def today(model, tokenizer, asked: list[list[dict]], tokens: int) -> list[int]:
    """Numbers of tokens of this package's answers, all questions in one batch."""
    answers = answering.complete(
        model,
        tokenizer,
        asked,
        max_new_tokens=tokens,
        temperature=0.0,
        batch_size=len(asked),
        seed=0,
        desc="answers",
    )
    return [written + ended for _, written, ended in answers]


def by_engine(engine, tokenizer, asked: list[list[dict]], tokens: int) -> list[int]:
    ids = [token_ids(tokenizer, messages) for messages in asked]
    return [len(answer) for answer in engine.generate(ids, tokens, tokenizer.eos_token_id, greedy)]


def greedy(logits: torch.Tensor) -> torch.Tensor:
    return logits.argmax(-1)


def rates(ways: dict, options) -> list[dict]:
    """Answer tokens a second of each way at each batch; the first way is what others are beside."""
    table, first = [], next(iter(ways))
    for batch in options.batches:
        asked, found = conversations(batch), {name: [0.0, 0.0, 0] for name in ways}
        for way in ways.values():
            way(asked, 2)  # what the first call prepares is not timed
        for _ in range(options.rounds):
            for name, way in ways.items():
                wall, own = time.perf_counter(), time.process_time()
                written = sum(way(asked, options.tokens))
                wall, own = time.perf_counter() - wall, time.process_time() - own
                found[name] = [a + b for a, b in zip(found[name], (wall, own, written))]
        for name, (wall, own, written) in found.items():
            row = {
                "batch": batch,
                "way": name,
                "tokens_a_second": written / wall,
                "tokens_an_own_second": written / own,
            }
            base = table[-list(ways).index(name)] if name != first else row
            row["times"] = row["tokens_a_second"] / base["tokens_a_second"]
            row["own_times"] = row["tokens_an_own_second"] / base["tokens_an_own_second"]
            table.append(row)
            print(
                f"batch {batch:2}  {name:16} {row['tokens_a_second']:7.1f} tokens/s "
                f"({row['times']:.2f} times), {row['tokens_an_own_second']:6.1f} a second of its "
                f"own ({row['own_times']:.2f} times)",
                flush=True,
            )
    return table


@dataclass
class Pass:
    """One pass over a row of tokens: their positions, what each may see, shape (total, total), and
    the places whose logits are wanted.
    """

    ids: list[int]
    positions: list[int]
    seen: torch.Tensor
    wanted: list[int]


def in_line(ids: list[int], wanted: list[int]) -> Pass:
    total = len(ids)
    return Pass(ids, list(range(total)), torch.ones(total, total, dtype=torch.bool).tril(), wanted)


def as_tree(prompts: list[list[int]]) -> Pass:
    """Prompts with the same beginning, which is read once; wanted: the last token of each."""
    shared = decisions.common_prefix(prompts)
    ids, positions, parts = list(prompts[0][:shared]), list(range(shared)), [0] * shared
    wanted = []
    for number, prompt in enumerate(prompts, start=1):
        ids += prompt[shared:]
        positions += range(shared, len(prompt))
        parts += [number] * (len(prompt) - shared)
        wanted.append(len(ids) - 1)
    return Pass(ids, positions, attention.tree_mask(torch.tensor(parts)) == 0, wanted)


class Texts:
    """What a format is judged by: answers and typed decisions, as fp32 sees them."""

    def __init__(self, model, tokenizer, options):
        self.answers, self.decisions, self.labels = [], [], []
        rows = dialogues.load("test", options.texts)
        for messages, row in zip(conversations(options.texts), rows, strict=True):
            prompt = token_ids(tokenizer, messages)
            answer = tokenizer(row["soothing_response"], add_special_tokens=False)["input_ids"]
            answer = answer[: options.read_tokens]
            before = list(range(len(prompt) - 1, len(prompt) + len(answer) - 1))
            self.answers.append(in_line(prompt + answer, before))
        config, tokenizer = decisions.DecisionConfig(), copy.deepcopy(tokenizer)
        for row in rows[: options.decided]:
            state = {"state": row["soothing_response"], "questions": emotion.QUESTIONS}
            prepared = config.prepare_inputs(state, tokenizer)
            self.decisions.append(
                as_tree([inputs["input_ids"][0].tolist() for inputs, _ in prepared])
            )
            self.labels.append(
                [list(label_token_ids(tokenizer, tuple(q.labels))) for _, (q,) in prepared]
            )
        self.likely = self._likely(lambda asked: read(model, asked))
        self.chosen = self._chosen(lambda asked: read(model, asked))

    def _likely(self, reads) -> list[torch.Tensor]:
        return [reads(answer).log_softmax(-1) for answer in self.answers]

    def _chosen(self, reads) -> list[torch.Tensor]:
        return [
            logits[labels].softmax(-1)
            for asked, of_each in zip(self.decisions, self.labels, strict=True)
            for logits, labels in zip(reads(asked), of_each, strict=True)
        ]

    def changes(self, reads) -> dict:
        """How far a way of reading is from fp32. reads: Pass -> logits of its wanted places."""
        kl, same = [], []
        for before, after in zip(self.likely, self._likely(reads), strict=True):
            kl.append((before.exp() * (before - after)).sum(-1))
            same.append((before.argmax(-1) == after.argmax(-1)).float())
        moved = torch.cat(
            [(a - b).abs() for a, b in zip(self.chosen, self._chosen(reads), strict=True)]
        )
        found = {
            "nats_a_token": torch.cat(kl).mean().item(),
            "same_token": torch.cat(same).mean().item(),
            "decisions_mean": moved.mean().item(),
            "decisions_worst": moved.max().item(),
            "tokens": sum(map(len, kl)),
            "answers": len(self.answers),
            "decisions": len(self.chosen),
        }
        return found | {"passes": max(found["nats_a_token"], found["decisions_mean"]) <= LIMIT}

    def seconds(self, readers: dict, rounds: int) -> dict[str, float]:
        """Wall seconds in which each way reads the decisions about a text, by turns, in the mean
        over up to three; the first text prepares. Of each the best of `rounds` counts.
        """
        asked = self.decisions[:4]
        best = {name: [float("inf")] * len(asked) for name in readers}
        for _ in range(rounds):
            for number, one in enumerate(asked):
                for name, reads in readers.items():
                    started = time.perf_counter()
                    reads(one)
                    taken = time.perf_counter() - started
                    best[name][number] = min(best[name][number], taken)
        return {name: sum(values[1:]) / len(values[1:]) for name, values in best.items()}


@torch.inference_mode()
def read(model, asked: Pass) -> torch.Tensor:
    unseen = ~asked.seen
    mask = torch.zeros(unseen.shape, dtype=model.dtype).masked_fill(unseen, float("-inf"))
    hidden = model.base_model(
        torch.tensor([asked.ids]),
        position_ids=torch.tensor([asked.positions]),
        attention_mask=mask[None, None],
        use_cache=False,
    ).last_hidden_state[0, asked.wanted]
    return model.get_output_embeddings()(hidden).float()


def measure(name: str, options) -> tuple[list[dict], list[dict]]:
    """Rates and changes of all ways with one model."""
    print(name, flush=True)
    texts = None
    if options.texts:
        texts = Texts(*loading.load(name, "float32"), options)
        gc.collect()
    dtype = choose_precision().dtype
    model, tokenizer = loading.load(name, dtype)
    today_is = f"today {dtype}"
    ways = {today_is: lambda asked, tokens: today(model, tokenizer, asked, tokens)}
    readers = {today_is: lambda asked: read(model, asked)}
    installed = importlib.util.find_spec("openvino")
    if not installed:
        print("openvino is not installed and left out: pip install openvino==2026.4.1")
    for form in options.formats if installed else ():
        from emo_utils.models.openvino_graph import Engine

        weights, products, *more = form.split(":")
        held, started = memory_gb("RssAnon"), time.perf_counter()
        engine = Engine(model, weights, products, dynamic=bool(more))
        print(
            f"{form}: ready after {time.perf_counter() - started:.1f} s, "
            f"{memory_gb('RssAnon') - held:.2f} GB beside the loaded model",
            flush=True,
        )
        ways[form] = lambda asked, tokens, engine=engine: by_engine(
            engine, tokenizer, asked, tokens
        )
        readers[form] = lambda asked, engine=engine: engine.read(
            asked.ids, asked.positions, asked.seen, asked.wanted
        )
    changes = []
    for way, reads in readers.items() if texts else ():
        found = {"model": name, "way": way} | texts.changes(reads)
        changes.append(found)
        print(
            f"{way:16} {found['nats_a_token']:.5f} nats a token from fp32 "
            f"({found['tokens']} tokens), likeliest the same at {found['same_token']:.3f}; "
            f"{found['decisions']} decisions moved by {found['decisions_mean']:.4f} in the "
            f"mean, {found['decisions_worst']:.3f} at worst: "
            f"{'passes' if found['passes'] else 'does not pass'}",
            flush=True,
        )
    if texts:
        seconds = texts.seconds(readers, options.rounds)
        for row in changes:
            row["seconds_a_text"] = seconds[row["way"]]
            row["decisions_times"] = seconds[today_is] / seconds[row["way"]]
            print(
                f"{row['way']:16} decisions about a text in {row['seconds_a_text']:.2f} s "
                f"({row['decisions_times']:.2f} times as fast)",
                flush=True,
            )
    table = [{"model": name} | row for row in rates(ways, options)]
    print(f"peak of the process with all ways in it: {memory_gb('VmHWM'):.1f} GB")
    return table, changes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", default=["Qwen2.5-Coder-0.5B-Instruct"], help="registered weights"
    )
    parser.add_argument(
        "--formats",
        nargs="*",
        default=["int8:bf16", "int8:bf16:dynamic", "int4:bf16", "bf16:bf16"],
        help="WEIGHTS:PRODUCTS[:dynamic] (default: int8:bf16, with dynamic, int4:bf16, bf16:bf16)",
    )
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--tokens", type=int, default=32, help="longest answer (default: 32)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--texts", type=int, default=4, help="answers by which formats are judged (0: none)"
    )
    parser.add_argument("--read-tokens", type=int, default=200, help="of each answer, at most")
    parser.add_argument("--decided", type=int, default=4, help="texts that are decided about")
    parser.add_argument(
        "--keep", action="store_true", help="put the tables into book/reference/speed.json"
    )
    options = parser.parse_args()
    measured = [measure(name, options) for name in options.models]
    if options.keep:
        from clock import keep

        for name, tables in zip(("engines", "formats"), zip(*measured, strict=True), strict=True):
            keep(name, [row for table in tables for row in table])


if __name__ == "__main__":
    main()
