"""How empathetic, comforting and reassuring an answer is, in [0, 1] (EmoDoctor, Table 1).

Two scorers: a typed decision over described levels by any chat model, and the regression prompt that
Emollama was trained on, which the paper used. Their levels are not comparable with each other.
"""

import re

import pandas as pd
import torch
from tqdm import tqdm

EMOTIONS = ("empathetic", "comforting", "reassuring")
METRICS = (*EMOTIONS, "mean", "max")

# Each level is described in a sentence: models separate warm from cold answers better so than by a bare number
# or by levels of a few words.
QUESTIONS = {
    "empathetic": {
        "type": "score",
        "instructions": "How empathetic is this doctor's answer?",
        "criteria": ["Facts only; the patient's feelings are ignored.", "Polite, with a passing word about feelings.",
                     "It names how the patient feels and shows real understanding."],
    },
    "comforting": {
        "type": "score",
        "instructions": "How comforting is this doctor's answer?",
        "criteria": ["Cold or curt; it gives no comfort.", "Friendly, with a little comfort.", "Warm and gentle; it eases distress."],
    },
    "reassuring": {
        "type": "score",
        "instructions": "How reassuring is this doctor's answer?",
        "criteria": ["It leaves the worry as it is, or adds to it.", "It calms the worry a little.", "It takes the worry seriously and calms it with good reasons."],
    },
}


def scores_from_decisions(decisions: pd.DataFrame) -> pd.DataFrame:
    """Expected level divided by the highest level, one row a text: columns empathetic, comforting, reassuring, mean, max.

    decisions: as `judge.Judge.decide` returns them for `QUESTIONS`. A text without probabilities gives missing values.
    """
    levels = decisions.assign(level=decisions.option.astype(int))
    top = levels.groupby("question")["level"].transform("max")
    levels["part"] = levels.probability * levels["level"] / top
    table = levels.groupby(["state", "question"]).part.sum(min_count=1).unstack("question")
    return with_mean_and_max(table[list(EMOTIONS)])


def with_mean_and_max(table: pd.DataFrame) -> pd.DataFrame:
    """Add the mean and the maximum of the three emotions for each text; missing if one of them is."""
    complete = table.notna().all(axis=1)
    return table.assign(mean=table.mean(axis=1).where(complete), max=table.max(axis=1).where(complete))


def emollama_prompt(text: str, emotion: str) -> str:
    """The input format that Emollama documents for emotion intensity, to the letter."""
    return (
        "Human: \nTask: Assign a numerical value between 0 (least E) and 1 (most E) to represent the intensity of emotion E expressed in the text.\n"
        f"Text: {text}\nEmotion: {emotion}\nIntensity Score:\n\nAssistant:\n"
    )


def parse_emollama(text: str) -> float | None:
    """The number of an answer such as `>>0.896`; None when there is no number in [0, 1]."""
    match = re.match(r"\s*(?:>>)?\s*([01](?:\.\d+)?)(?![\d.])", text)
    value = float(match[1]) if match else None
    return value if value is not None and 0 <= value <= 1 else None


def score_with_emollama(model, tokenizer, texts: list[str], batch_size: int = 8) -> pd.DataFrame:
    """Emollama's number for each text and emotion (greedy, as the paper's evaluator); columns as `scores_from_decisions`."""
    asked = [(i, e, emollama_prompt(t, e)) for i, t in enumerate(texts) for e in EMOTIONS]
    asked.sort(key=lambda item: len(item[2]))
    tokenizer.padding_side = "left"
    values: dict[tuple[int, str], float | None] = {}
    for start in tqdm(range(0, len(asked), batch_size), desc="Emollama", leave=False):
        batch = asked[start : start + batch_size]
        inputs = tokenizer([p for _, _, p in batch], return_tensors="pt", padding=True).to(model.device)
        with torch.inference_mode():
            output = model.generate(**inputs, max_new_tokens=10, do_sample=False, pad_token_id=tokenizer.pad_token_id)
        answers = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        values |= {(i, e): parse_emollama(a) for (i, e, _), a in zip(batch, answers, strict=True)}
    table = pd.DataFrame([[values[i, e] for e in EMOTIONS] for i in range(len(texts))], columns=list(EMOTIONS), dtype=float)
    return with_mean_and_max(table)
