"""Ways to score emotion, against people's labels and on texts of which it is known what they are:

    .venv/bin/python benchmarks/emotion.py --trial-data FOLDER [--learn | --keep]

Each way was chosen, and its regression taught, on the half `human_labels.CHOOSE` of three public
sets (EPITOME, ESConv, GoEmotions); what is printed is of the other half. `--keep` puts it where an
appendix of chapter 11 reads it. `--learn` writes the coefficients of the scorer `learnt` and ends;
only GoEmotions' labels (Apache-2.0) and this project's own sentences teach them. Reading the
sentences takes ten minutes on two cores.
"""

import argparse
import json

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from emo_utils.data import dialogues, human_labels, marked_sentences
from emo_utils.models import embeddings
from emo_utils.models.precision import choose_precision
from emo_utils.project import given_path, write_atomic
from emo_utils.report import emotion_ways
from emo_utils.scoring import comfort, emotion, emotion_controls, emotion_learnt, word_counts
from emo_utils.stats import intervals, label_agreement

SEED, DRAWS = 42, 1000
TODAY = "contrast, mean (the default)"
REASSURES, REFLECTS = "Affirmation and Reassurance", "Reflection of feelings"


def labelled(folder, half: int) -> dict[str, pd.DataFrame]:
    """What people labelled, by what they marked: columns text, label, conversation."""
    comments = human_labels.goemotions(folder, half)
    return {
        "EPITOME: any emotional reaction": human_labels.epitome(folder, half),
        "ESConv: reassurance": human_labels.esconv(folder, REASSURES, half),
        "ESConv: reflected feelings": human_labels.esconv(folder, REFLECTS, half),
        "GoEmotions: caring": comments.assign(conversation=range(len(comments))),
    }


def taught(vectors: list[np.ndarray], labels: list[np.ndarray]) -> LogisticRegression:
    """A regression on several sources; in each the sentences with the label weigh as much together
    as those without, and each source as much as any other.
    """
    weights = [
        np.where(label == 1, 0.5 / (label == 1).sum(), 0.5 / (label == 0).sum()) for label in labels
    ]
    weight = np.concatenate(weights)
    return LogisticRegression(C=1, max_iter=3000).fit(
        np.concatenate(vectors), np.concatenate(labels), sample_weight=weight / weight.mean()
    )


def taught_regressions(encoder, folder) -> dict[str, LogisticRegression]:
    """By what taught them: GoEmotions' half to choose on, our own sentences, and both."""
    comments = human_labels.goemotions(folder, human_labels.CHOOSE)
    reported = set(human_labels.goemotions(folder, human_labels.REPORT).text)
    comments = comments[~comments.text.isin(reported)]
    flat = comments.assign(text=comments.text.map(emotion.pieces)).explode("text").dropna()
    marked = [r for r in marked_sentences.load("comfort_knowledge") if r["part"] == "train"]
    chat = marked_sentences.load("chat")
    vectors, labels = [], []
    for texts, label in (
        (flat.text.tolist(), flat.label.to_numpy()),
        ([r["text"] for r in marked], np.array([r["comfort"] for r in marked])),
        ([r["text"] for r in chat], np.array([r["warm"] for r in chat])),
    ):
        vectors.append(embeddings.embed(encoder, texts))
        labels.append(label.astype(int))
    return {
        "GoEmotions": taught(vectors[:1], labels[:1]),
        "our sentences": taught(vectors[1:], labels[1:]),
        "both": taught(vectors, labels),
    }


def by_sentence(texts: list[str], chances, pooled) -> np.ndarray:
    """A score a text from the chances of its sentences, shape (sentences,).

    chances: of a list of sentences. pooled: of their means and maxima by text; an empty text has 0.
    """
    pieces = pd.Series([emotion.pieces(text) for text in texts]).explode().dropna()
    groups = pd.Series(chances(pieces.tolist()), pieces.index).groupby(level=0)
    return pooled(groups.mean(), groups.max()).reindex(range(len(texts)), fill_value=0.0).to_numpy()


def ways(encoder, regressions: dict[str, LogisticRegression]) -> dict:
    """Name -> function that scores a list of texts."""
    chat = marked_sentences.load("chat")
    warm, plain = ([r["text"] for r in chat if r["warm"] == mark] for mark in (1, 0))
    anchors = [text for texts in emotion.ANCHORS.values() for text in texts]

    def longer(sentences):
        near, far = (
            embeddings.embed(encoder, texts).mean(axis=0)
            for texts in (anchors + warm, [*emotion.PLAIN, *plain])
        )
        found = embeddings.embed(encoder, sentences) @ (near - far)
        return 1 / (1 + np.exp(-emotion.SLOPE * (found - emotion.CENTRE)))

    def contrast(sentences):
        return emotion.chances(encoder, sentences).mean(axis=1)

    def regression(name):
        model = regressions[name]
        return lambda texts: model.predict_proba(embeddings.embed(encoder, texts))[:, 1]

    coefficients = regressions["both"].coef_[0], float(regressions["both"].intercept_[0])
    mean, highest, both = (
        lambda mean, most: mean,
        lambda mean, most: most,
        lambda mean, most: (mean + most) / 2,
    )
    return {
        TODAY: lambda t: by_sentence(t, contrast, mean),
        "contrast, warmest sentence": lambda t: by_sentence(t, contrast, highest),
        "contrast with 120 more sentences, warmest": lambda t: by_sentence(t, longer, highest),
        "regression on GoEmotions": lambda t: by_sentence(t, regression("GoEmotions"), both),
        "regression on our sentences, warmest": lambda t: by_sentence(
            t, regression("our sentences"), highest
        ),
        "regression on both": lambda t: by_sentence(t, regression("both"), both),
        "learnt (two parts contrast, one regression)": lambda t: emotion_learnt.scores(
            encoder, t, *coefficients
        )["mean"].to_numpy(),
        "words (floor)": lambda t: np.array([float(len(text.split())) for text in t]),
        "kind words (floor)": lambda t: np.array([float(word_counts.kind_words(x)) for x in t]),
    }


def against_people(scorers: dict, sets: dict[str, pd.DataFrame]) -> list[dict]:
    """AUC of each way on each set, and how much it is above that of the contrast."""
    rows = []
    for name, table in sets.items():
        texts, label = table.text.tolist(), table.label.to_numpy()
        units = table.conversation.to_numpy()
        today, samples = scorers[TODAY](texts), intervals.resample_units(units, SEED, DRAWS)
        of_today = [label_agreement.agreement(today[some], label[some]) for some in samples]
        for way, scorer in scorers.items():
            score = scorer(texts)
            value = label_agreement.agreement(score, label)
            draws = [label_agreement.agreement(score[some], label[some]) for some in samples]
            low, high = intervals.interval(draws, len(set(units)))
            above = intervals.interval(np.subtract(draws, of_today), len(set(units)))
            common = {"way": way, "on": name, "n": len(table), "with the label": int(label.sum())}
            rows.append(common | {"measure": "auc", "value": value, "ci_low": low, "ci_high": high})
            rows.append(
                common
                | {
                    "measure": "auc above the contrast",
                    "value": value - label_agreement.agreement(today, label),
                    "ci_low": above[0],
                    "ci_high": above[1],
                }
            )
    return rows


def on_both_arms(scorers: dict) -> list[dict]:
    """What each way makes of warm answers, as they are and without the sentences that hold a listed
    phrase, of the doctor's, of padding alone and of a polite refusal: mean paired differences.
    """
    phrases, rows = dialogues.comfort_phrases(), []
    for arm in ("overt", "subtle"):
        test = dialogues.load("test", arm=arm)
        warm = [row["soothing_response"] for row in test]
        texts = {
            "warm": warm,
            "cut": [comfort.without_phrases(text, phrases) for text in warm],
            "doctor": [row["answer"] for row in test],
            "padding": [emotion_controls.PADDING.strip()] * len(test),
            "refusal": [emotion_controls.REFUSAL] * len(test),
            "twice": [f"{text} {text}" for text in warm],
            "shuffled": [emotion_controls.shuffled(text) for text in warm],
        }
        for way, scorer in scorers.items():
            if way.endswith("(floor)"):
                continue
            score = {name: scorer(several) for name, several in texts.items()}
            for measure, difference in (
                ("warm answer above the doctor's", score["warm"] - score["doctor"]),
                ("the same without listed phrases", score["cut"] - score["doctor"]),
                ("warm answer above padding alone", score["warm"] - score["padding"]),
                ("warm answer above a polite refusal", score["warm"] - score["refusal"]),
                ("said twice above once", score["twice"] - score["warm"]),
                ("warm answer above its words shuffled", score["warm"] - score["shuffled"]),
            ):
                value, low, high = intervals.mean_interval(difference)
                rows.append(
                    {"way": way, "on": arm, "measure": measure, "n": len(test)}
                    | {"value": value, "ci_low": low, "ci_high": high}
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trial-data", required=True, help="folder with the three public sets")
    parser.add_argument(
        "--learn", action="store_true", help="write the learnt coefficients and end"
    )
    parser.add_argument("--keep", action="store_true", help="keep the table for chapter 11")
    options = parser.parse_args()
    folder = given_path(options.trial_data)
    encoder = embeddings.load(emotion_learnt.ENCODER, choose_precision().dtype)
    regressions = taught_regressions(encoder, folder)
    if options.learn:
        model = regressions["both"]
        content = {
            "about": {
                "encoder": emotion_learnt.ENCODER,
                "taught on": "caring in every other comment of GoEmotions' development set "
                "(labels Apache-2.0, Google Research; no text of it is here) and the sentences "
                "of data/sentences: comfort_knowledge (part train) and chat",
                "made by": "benchmarks/emotion.py --learn",
                "licence": "CC BY 4.0",
            },
            "intercept": float(np.float16(model.intercept_[0])),
            "coefficients": [round(float(np.float16(c)), 4) for c in model.coef_[0]],
        }
        write_atomic(emotion_learnt.KEPT, json.dumps(content) + "\n")
        return
    scorers = ways(encoder, regressions)
    rows = against_people(scorers, labelled(folder, human_labels.REPORT)) + on_both_arms(scorers)
    for row in rows:
        print(
            f"{row['on']:32} {row['measure']:36} {row['way']:44} "
            f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]",
            flush=True,
        )
    if options.keep:
        import clock  # beside this file; it imports transformers

        clock.keep_table(emotion_ways.KEPT, rows, draws=DRAWS)


if __name__ == "__main__":
    main()
