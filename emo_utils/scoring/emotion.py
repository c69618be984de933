"""How empathetic, comforting and reassuring an answer is, in [0, 1] (EmoDoctor, Table 1).

Three scorers: a contrast of sentence embeddings, a typed decision over described levels by any chat
model, and the regression prompt that Emollama was trained on, which the paper used. Their levels
are not comparable with each other.
"""

import re

import numpy as np
import pandas as pd
from tqdm import tqdm

from emo_utils.models import embeddings

EMOTIONS = ("empathetic", "comforting", "reassuring")

# Sentences of one kind each. A sentence of an answer shows an emotion as far as it lies nearer to
# those that do than to the plain ones. Half of the plain ones are medical, half are about anything
# else: with medical ones alone, text about trains scored like comfort.
PLAIN = (
    "How long has this been going on?",
    "What happened then?",
    "Take one tablet twice a day after food.",
    "A blood test and an ultrasound are needed to find the cause.",
    "It is caused by a virus.",
    "You should see a specialist.",
    "Hello, how are you today?",
    "So the pain started last week.",
    "I work in an office and live alone.",
    "The website has more information about it.",
    "We went there on Sunday with two friends.",
    "It costs about forty dollars.",
    "The weather was cold and windy.",
    "He reads a lot of books.",
    "The shop closes at six.",
    "There are three kinds of it.",
)
ANCHORS = {
    "empathetic": (
        "I can hear how frightened you are.",
        "That must be so painful for you.",
        "You sound exhausted and alone with this.",
        "I understand how upsetting this is for you.",
        "I am so sorry that you have to go through this.",
        "It hurts to be treated like that.",
        "No wonder that you feel angry and disappointed.",
        "It is embarrassing to talk about this, and you did it anyway.",
    ),
    "comforting": (
        "I am here for you, and I care about you.",
        "Please be gentle with yourself, and take all the time you need.",
        "You are not alone with this.",
        "You are safe, and we will look after you.",
        "It is okay to cry; it will be all right.",
        "Take good care of yourself.",
        "I hope that you feel better soon.",
        "I wish you strength and peace.",
    ),
    "reassuring": (
        "You are doing the right thing, and this will get better.",
        "It is completely normal to feel this way, and you are not alone.",
        "You are strong enough to get through this, and we will help you.",
        "You did nothing wrong; you did the best you could.",
        "There is good reason to hope.",
        "Please do not worry: this is common and it passes.",
        "I am confident that you will recover well.",
        "You can be proud of how you are dealing with this.",
    ),
}
# A logistic curve with these turns a contrast into a probability: rounded fits, both labels
# weighted alike, on the half of the human labels that chapter 11 leaves out of its figures
# (reassurance 11.2 and .118, reflected feelings 11.4 and .110, caring 16.7 and .076).
SLOPE, CENTRE = 13.0, 0.1

# Each level is described in a sentence: models separate warm from cold answers better so than
# by a bare number or by levels of a few words.
QUESTIONS = {
    "empathetic": {
        "type": "score",
        "instructions": "How empathetic is this doctor's answer?",
        "criteria": [
            "Facts only; the patient's feelings are ignored.",
            "Polite, with a passing word about feelings.",
            "It names how the patient feels and shows real understanding.",
        ],
    },
    "comforting": {
        "type": "score",
        "instructions": "How comforting is this doctor's answer?",
        "criteria": [
            "Cold or curt; it gives no comfort.",
            "Friendly, with a little comfort.",
            "Warm and gentle; it eases distress.",
        ],
    },
    "reassuring": {
        "type": "score",
        "instructions": "How reassuring is this doctor's answer?",
        "criteria": [
            "It leaves the worry as it is, or adds to it.",
            "It calms the worry a little.",
            "It takes the worry seriously and calms it with good reasons.",
        ],
    },
}


def contrasts(encoder, texts: list[str], wordings: int | None = None) -> np.ndarray:
    """Cosine similarity of each text to the anchors of an emotion,
    less that to the plain sentences, means over both; shape (texts, 3).

    wordings: how many sentences of each list are used; None: all.
    """
    found = embeddings.embed(encoder, texts)
    plain = embeddings.embed(encoder, list(PLAIN[:wordings])).mean(axis=0)
    return np.stack(
        [
            found @ (embeddings.embed(encoder, list(ANCHORS[e][:wordings])).mean(axis=0) - plain)
            for e in EMOTIONS
        ],
        axis=1,
    )


def pieces(text: str) -> list[str]:
    """What of a text is scored: its sentences, all of it where it has none, nothing where empty."""
    return embeddings.sentences(text) or [text] * bool(text.strip())


def chances(encoder, texts: list[str], wordings: int | None = None) -> np.ndarray:
    """The probability that each text, a sentence, shows each emotion; as `contrasts`."""
    return 1 / (1 + np.exp(-SLOPE * (contrasts(encoder, texts, wordings) - CENTRE)))


def scores_by_contrast(encoder, texts: list[str], wordings: int | None = None) -> pd.DataFrame:
    """Mean over the sentences of each text of the probability that the sentence shows the emotion;
    columns as `scores_from_decisions`.

    encoder: of `embeddings.load`. A text without a sentence counts as one;
    an empty text shows nothing: 0.
    """
    several = [pieces(text) for text in texts]
    flat = [piece for of_text in several for piece in of_text]
    owner = np.repeat(np.arange(len(texts)), [len(of_text) for of_text in several])
    of_pieces = chances(encoder, flat, wordings)
    table = pd.DataFrame(of_pieces, columns=list(EMOTIONS)).groupby(owner).mean()
    return with_mean_and_max(table.reindex(range(len(texts)), fill_value=0.0))


def scores_from_decisions(decisions: pd.DataFrame) -> pd.DataFrame:
    """Expected level divided by the highest level, one row a text:
    columns empathetic, comforting, reassuring, mean, max.

    decisions: as `decisions.Reader.decide` returns them for `QUESTIONS`.
    A text without probabilities gives missing values.
    """
    levels = decisions.assign(level=decisions.option.astype(int))
    top = levels.groupby("question")["level"].transform("max")
    levels["part"] = levels.probability * levels["level"] / top
    table = levels.groupby(["state", "question"]).part.sum(min_count=1).unstack("question")
    return with_mean_and_max(table[list(EMOTIONS)])


def with_mean_and_max(table: pd.DataFrame) -> pd.DataFrame:
    """Add the mean and the maximum of the three emotions for each text;
    missing if one of them is.
    """
    complete = table.notna().all(axis=1)
    return table.assign(
        mean=table.mean(axis=1).where(complete), max=table.max(axis=1).where(complete)
    )


def emollama_prompt(text: str, emotion: str) -> str:
    """The input format that Emollama documents for emotion intensity, to the letter."""
    task = (
        "Assign a numerical value between 0 (least E) and 1 (most E) "
        "to represent the intensity of emotion E expressed in the text."
    )
    return (
        f"Human: \nTask: {task}\nText: {text}\nEmotion: {emotion}\nIntensity Score:\n\nAssistant:\n"
    )


def parse_emollama(text: str) -> float | None:
    """The number of an answer such as `>>0.896`; None when there is no number in [0, 1]."""
    match = re.match(r"\s*(?:>>)?\s*([01](?:\.\d+)?)(?![\d.])", text)
    value = float(match[1]) if match else None
    return value if value is not None and 0 <= value <= 1 else None


def score_with_emollama(model, tokenizer, texts: list[str], batch_size: int = 8) -> pd.DataFrame:
    """Emollama's number for each text and emotion (greedy, as the paper's evaluator);
    columns as `scores_from_decisions`.
    """
    import torch

    asked = [(i, e, emollama_prompt(t, e)) for i, t in enumerate(texts) for e in EMOTIONS]
    asked.sort(key=lambda item: len(item[2]))
    tokenizer.padding_side = "left"
    values: dict[tuple[int, str], float | None] = {}
    for start in tqdm(range(0, len(asked), batch_size), desc="Emollama", leave=False):
        batch = asked[start : start + batch_size]
        inputs = tokenizer([p for _, _, p in batch], return_tensors="pt", padding=True).to(
            model.device
        )
        with torch.inference_mode():
            output = model.generate(
                **inputs, max_new_tokens=10, do_sample=False, pad_token_id=tokenizer.pad_token_id
            )
        answers = tokenizer.batch_decode(
            output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        values |= {(i, e): parse_emollama(a) for (i, e, _), a in zip(batch, answers, strict=True)}
    table = pd.DataFrame(
        [[values[i, e] for e in EMOTIONS] for i in range(len(texts))],
        columns=list(EMOTIONS),
        dtype=float,
    )
    return with_mean_and_max(table)
