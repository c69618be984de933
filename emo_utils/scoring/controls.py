"""Changes of an answer that a score should not reward, or should punish (chapter 11)."""

import pandas as pd

from emo_utils.models import embeddings
from emo_utils.scoring import emotion, emotion_controls, facts, overlap_scores
from emo_utils.scoring.instruments import Instruments
from emo_utils.scoring.planted_mistakes import key_words

ASIDE = (
    "Peel the potatoes and cut them into thin slices. Heat some oil in a wide pan. "
    "Turn them after ten minutes, and add salt at the end."
)


def without_facts(row: dict) -> str:
    """The sentences of a row's warm answer that share fewer than three longer words, and no number,
    with the doctor's answer (`key_words`).
    """
    known = key_words(row["answer"])
    kept = []
    for sentence in embeddings.sentences(row["soothing_response"]):
        shared = known & key_words(sentence)
        if len(shared) < 3 and not any(word.isdigit() for word in shared):
            kept.append(sentence)
    return " ".join(kept)


# What is done to the warm answer of a row; the other row is another patient's.
CHANGES = {
    "padded with empty warmth": lambda row, other: (
        row["soothing_response"] + emotion_controls.PADDING
    ),
    "said twice": lambda row, other: f"{row['soothing_response']} {row['soothing_response']}",
    "its facts removed": lambda row, other: without_facts(row),
    "another patient's answer": lambda row, other: other["soothing_response"],
    "the padding alone": lambda row, other: emotion_controls.PADDING.strip(),
    "the doctor's plain answer": lambda row, other: row["answer"],
    "a polite refusal": lambda row, other: emotion_controls.REFUSAL,
    "about something else": lambda row, other: ASIDE,
}


def every_score(texts: list[str], doctor: list[str], instruments: Instruments) -> pd.DataFrame:
    """Every score of chapters 5 and 6 for each text, the doctor's answer being the reference:
    columns contrast, decision, rougeL, kept, bleu1, similarity; a text without a word has none.
    """
    encoder = instruments.encoder
    decided = instruments.reader.decide(texts, emotion.QUESTIONS, "controls")
    vectors, theirs = embeddings.embed(encoder, texts), embeddings.embed(encoder, doctor)
    table = pd.DataFrame(
        {
            "contrast": emotion.scores_by_contrast(encoder, texts)["mean"],
            "decision": emotion.scores_from_decisions(decided)["mean"],
            "rougeL": overlap_scores.rouge_items(texts, doctor)["rougeL"],
            "kept": facts.kept(*instruments.language_model, doctor, texts),
            "bleu1": overlap_scores.bleu1_items(texts, doctor),
            "similarity": (vectors * theirs).sum(axis=1),
        }
    )
    return table[[bool(text.strip()) for text in texts]].reindex(table.index)


def add_shifts(run, rows: list[dict], changes: dict, instruments: Instruments) -> None:
    """Record what each change of the warm answers does to each score: its mean change, answer by
    answer (table `validity.controls`).

    changes: name -> function of a row and another one that gives a text. The doctor's plain answer
    is the reference of all scores but those of emotion, which alone are recorded for it.
    """
    doctor, others = [row["answer"] for row in rows], rows[1:] + rows[:1]
    before = every_score([row["soothing_response"] for row in rows], doctor, instruments)
    scorers = {
        "contrast": instruments.embedding_model,
        "decision": instruments.reader.name,
        "similarity": instruments.embedding_model,
        "kept": instruments.reader_model,
    }
    for name, change in changes.items():
        texts = [change(row, other) for row, other in zip(rows, others, strict=True)]
        shifts = every_score(texts, doctor, instruments) - before
        for metric in ("contrast", "decision") if texts == doctor else shifts:
            mean = before[metric].mean()
            run.add_mean(
                shifts[metric],
                table="validity.controls",
                system=name,
                metric=metric,
                group="shift",
                kind="difference",
                scorer=scorers.get(metric, "counts"),
                signature=f"score minus that of the soothing answer (mean {mean:.3f})",
                unit="",
            )
