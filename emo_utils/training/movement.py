"""What a training changed: on held-out rows, and on questions that it never saw."""

from __future__ import annotations

import pandas as pd
import torch
from tqdm import tqdm

from emo_utils.data import training_rows
from emo_utils.models import four_bits
from emo_utils.stats import intervals
from emo_utils.training import fitting, packed


def last_tenth(log: pd.DataFrame) -> pd.DataFrame:
    """The last tenth of a training's steps, one at least: the end of a training, of which a mean
    over more steps would tell its middle.
    """
    return log.tail(max(1, len(log) // 10))


def validation_scores(history: list[dict]) -> pd.DataFrame:
    """What the held-out rows gave after each epoch: columns epoch, loss,
    and for DPO and KTO margins and accuracies; empty without such rows.
    """
    found = [entry for entry in history if "eval_loss" in entry]
    names = {
        "epoch": "epoch",
        "eval_loss": "loss",
        "eval_rewards/margins": "margin",
        "eval_rewards/accuracies": "accuracy",
    }
    return pd.DataFrame(
        [{short: entry[name] for name, short in names.items() if name in entry} for entry in found]
    )


def movement(
    tuned, start, tokenizer, rows: list[dict], system_prompt: str, answers: pd.DataFrame
) -> pd.DataFrame:
    """What a training changed on questions that it never saw: one row a question, in nats.

    Columns `wanted` (the row's warm answer) and `doctor` (the plain one): log-probability under the
    tuned model minus that under its start; `kl`: KL(tuned || start) of the next token, exact over
    the vocabulary, summed over the places of the tuned model's own answer; `wanted_tokens`,
    `own_tokens`. rows: those of the first answers, in their order.
    """
    table = []
    for row, own in tqdm(
        list(zip(rows, answers.answer, strict=False)), desc="movement", leave=False
    ):
        question = training_rows.messages(
            system_prompt, row.get("emotional_question") or row["question"]
        )
        prompt = tokenizer.apply_chat_template(
            question, add_generation_prompt=True, tokenize=True, return_dict=True
        )["input_ids"]
        texts = [own, row.get("soothing_response") or row["empathetic_response"], row["answer"]]
        ends = [
            tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
            for text in texts
        ]
        batch = tokenizer.pad(
            {"input_ids": [prompt + end for end in ends]}, return_tensors="pt", padding_side="right"
        ).to(tuned.device)
        labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
        labels[:, : len(prompt)] = -100
        place = packed.layout(batch.input_ids, batch.attention_mask, labels)
        with torch.inference_mode():
            if packed.changes_logits(tuned):
                logits = [
                    model(**batch).logits[place.row, place.column].float()
                    for model in (tuned, start)
                ]
            else:
                logits = [packed.answer_logits(model, place) for model in (tuned, start)]
            after, before = (each.log_softmax(-1) for each in logits)
        gains = (after - before).gather(1, place.target[:, None])[:, 0]
        here = place.row == 0
        kl = (after[here].exp() * (after[here] - before[here])).sum()
        table.append(
            {
                "id": row["id"],
                "wanted": float(gains[place.row == 1].sum()),
                "doctor": float(gains[place.row == 2].sum()),
                "kl": float(kl),
                "wanted_tokens": len(ends[1]),
                "own_tokens": len(ends[0]),
            }
        )
    return pd.DataFrame(table)


def answer_loss(model, tokenizer, prompt: list[dict], answer: str) -> float:
    """How unlikely an answer is to a model: mean negative log-probability of its tokens and of the
    end behind them, given the prompt's messages; nats a token.
    """
    logits, tokens = four_bits.answer_logits(model, tokenizer, prompt, answer, ended=True)
    return torch.nn.functional.cross_entropy(logits, tokens).item()


# What kind of number the records of a training are; those not named are means.
KINDS = {
    "gain_per_token": "difference",
    "test_accuracy": "share",
    "validation_accuracy": "share",
}


def movement_records(moved: pd.DataFrame) -> dict[str, tuple[pd.Series, str]]:
    """`movement` as values a question for each metric, with how each was computed."""
    return {
        "kl_per_token": (
            moved.kl / moved.own_tokens,
            "KL(tuned || start) of the next token along the model's own answer, nats a token",
        ),
        "gain_per_token": (
            moved.wanted / moved.wanted_tokens,
            "rise of the log-probability of the warm reference answer over the start, nats a token",
        ),
        "test_accuracy": (
            (moved.wanted > moved.doctor).astype(float),
            (
                "share of questions whose warm reference answer gained more log-probability "
                "than the doctor's answer"
            ),
        ),
    }


def add_records(
    run, trainer, answers: pd.DataFrame, moved: pd.DataFrame, table: str = "emodoctor.training"
) -> None:
    """Record the training's loss (and reward margin) in the last tenth of its steps, the number of
    its steps, the scores of held-out rows, the length of the answers, and what `movement` gave on
    the questions it answered, with intervals where items allow.
    """
    log, held_out = (
        fitting.training_log(trainer.state.log_history),
        validation_scores(trainer.state.log_history),
    )
    validation = held_out.iloc[-1].drop("epoch") if len(held_out) else {}
    system = run.values["system"]
    common = {"table": table, "system": system, "scorer": "trainer"}
    run.add(
        **common,
        metric="steps",
        value=len(log),
        n=len(log),
        kind="count",
        interval="none",
        signature="optimizer steps of the training",
    )
    last = last_tenth(log)
    for metric, column in (("last_loss", "loss"), ("last_margin", "rewards/margins")):
        if column in log:
            run.add(
                **common,
                metric=metric,
                value=last[column].mean(),
                n=len(last),
                interval="none",
                signature=(
                    f"mean of {column} over the last {len(last)} of {len(log)} steps "
                    "(a tenth, one at least), each on the rows of its own batch"
                ),
            )
    for name, score in validation.items():
        run.add(
            **common,
            metric=f"validation_{name}",
            value=score,
            n=run.values.get("validation_rows", 0),
            kind=KINDS.get(f"validation_{name}", "mean"),
            interval="none",
            signature=f"{name} over training rows that were held out, after the last epoch",
        )
    questions = f"{'held-out' if run.values.get('validation_rows') else 'test'} questions"
    for metric, (items, how) in (
        {"answer_tokens": (answers.tokens, "tokens of an answer")} | movement_records(moved)
    ).items():
        value, low, high = intervals.mean_interval(items)
        scorer = "tokenizer" if metric == "answer_tokens" else "log-probabilities"
        run.add(
            **common | {"scorer": scorer},
            metric=metric,
            value=value,
            ci_low=low,
            ci_high=high,
            n=len(items),
            kind=KINDS.get(metric, "mean"),
            signature=f"{how}; mean over {questions}, interval over them",
        )


def records_table(run, table: str = "emodoctor.training") -> pd.DataFrame:
    """This run's records of a training as readers see them."""
    frame = run.table()
    frame = frame[frame.table == table].reset_index(drop=True)
    frame["95 % interval"] = [f"[{r.ci_low:.3f}, {r.ci_high:.3f}]" for r in frame.itertuples()]
    return frame[["metric", "value", "95 % interval", "n", "signature"]].round({"value": 3})
