"""Mistakes planted in right answers, and whether the measures of facts see them (chapter 11)."""

import re

import numpy as np
import pandas as pd

from emo_utils.judging import decisions
from emo_utils.models import embeddings
from emo_utils.scoring import facts, opposites, overlap_scores, statements
from emo_utils.scoring.instruments import Instruments

INVENTED_DRUG = " Please also take clarithromycin 500 mg twice a day for ten days."
BOTH_TRUE = decisions.yes_or_no("Could both statements be true of the same patient?")


def another_dose(text: str) -> str | None:
    """The text with its first number of two digits and more ten times as large; None if there is
    none.
    """
    changed, numbers = re.subn(r"\d{2,}", lambda number: number[0] + "0", text, count=1)
    return changed if numbers else None


def key_words(text: str) -> set[str]:
    """The words of five letters and more, and the numbers, of a text."""
    return set(re.findall(r"[a-z]{5,}|\d+", text.lower()))


def without_a_fact(text: str, doctor: str) -> str:
    """The text without the sentence that shares most `key_words` with the doctor's answer."""
    known = key_words(doctor)
    sentences = embeddings.sentences(text)
    return text.replace(max(sentences, key=lambda s: len(known & key_words(s))), "")


def planted(encoder) -> dict:
    """The mistakes that are planted: name -> function of a row that gives its warm answer with the
    mistake, or None where there is no place for it. encoder: of `embeddings.load`.
    """
    return {
        "a drug invented": lambda row: row["soothing_response"] + INVENTED_DRUG,
        "a number ten times as large": lambda row: another_dose(row["soothing_response"]),
        "a sentence turned into its opposite": lambda row: opposites.negated(encoder, row),
        "the sentence with most facts dropped": lambda row: without_a_fact(
            row["soothing_response"], row["answer"]
        ),
    }


def measures(rows: list[dict], texts: list[str], instruments: Instruments) -> pd.DataFrame:
    """Four measures of the facts of texts in the place of the rows' warm answers, more being
    better: minus the details added to question and answer (`added`), minus the sentences opposed to
    the doctor's (`opposed`), what is kept of his answer (`kept`), and overlap with it (`rougeL`).
    """
    doctor = [row["answer"] for row in rows]
    told = [f"{row['question']} {row['answer']}" for row in rows]
    return pd.DataFrame(
        {
            "added": statements.minus_added(told, texts),
            "opposed": [-len(pairs) for pairs in facts.opposed(instruments.encoder, doctor, texts)],
            "kept": facts.kept(*instruments.language_model, doctor, texts),
            "rougeL": overlap_scores.rouge_items(texts, doctor)["rougeL"],
        }
    )


def alarms(plain: pd.DataFrame) -> pd.DataFrame:
    """For each answer without a mistake whether a measure raises an alarm all the same: 1 or 0.

    plain: `measures` of the rows' answers as they are.
    """
    return (plain[["added", "opposed"]] < 0).astype(float)


def hits(rows, texts: list[str | None], plain: pd.DataFrame, instruments) -> pd.DataFrame:
    """For each row whether each measure moves down, as it should: 1 or 0, missing where the row
    could not be changed (its text is None) or not be measured.

    plain: `measures` of the rows' answers as they are.
    """
    changed = [k for k, text in enumerate(texts) if text is not None]
    found = pd.DataFrame(np.nan, index=plain.index, columns=plain.columns)
    if changed:
        after = measures(
            [rows[k] for k in changed], [texts[k] for k in changed], instruments
        ).set_axis(changed)
        before = plain.loc[changed]
        found.loc[changed] = (after < before).astype(float).where(after.notna() & before.notna())
    return found


def denials(reader, trios: list[tuple[str, str, str]]) -> np.ndarray:
    """Probability that the doctor's sentence and ours cannot both be true, shape (trios, 2): ours
    as it was, and turned round; missing where it was not answered.

    trios: of `opposites.to_oppose`. reader: of `remote.reader`.
    """
    states = [
        f"First statement: {theirs}\nSecond statement: {second}"
        for theirs, ours, turned in trios
        for second in (ours, turned)
    ]
    found = reader.decide(states, {"q": BOTH_TRUE}, "opposites")
    return decisions.probability(found, "q", "no").to_numpy().reshape(-1, 2)


def add_hits(run, rows: list[dict], planted: dict, instruments: Instruments) -> None:
    """Record in how many answers each measure finds each mistake, and in how many it raises an
    alarm without one (table `validity.planted`).

    planted: name -> function of a row that gives its warm answer with the mistake, or None.
    """
    plain = measures(rows, [row["soothing_response"] for row in rows], instruments)
    tables = {"nothing": alarms(plain)}
    for name, plant in planted.items():
        tables[name] = hits(rows, [plant(row) for row in rows], plain, instruments)
    scorers = {
        "added": "rules",
        "opposed": instruments.embedding_model,
        "kept": instruments.reader_model,
        "rougeL": "counts",
    }
    for name, table in tables.items():
        for metric, found in table.items():
            run.add_mean(
                found,
                table="validity.planted",
                system=name,
                metric=metric,
                group="found",
                kind="share",
                scorer=scorers[metric],
                signature="share of answers in which the measure moves as it should",
                unit="",
            )


def add_denials(run, rows: list[dict], instruments: Instruments) -> None:
    """Record in how many pairs of sentences *no* becomes likelier for the chat model when ours is
    turned into its opposite (`denials`).
    """
    reader = instruments.reader
    trios = [found for row in rows if (found := opposites.to_oppose(instruments.encoder, row))]
    before, after = denials(reader, trios).T
    rises = np.where(np.isnan(before + after), np.nan, after > before)
    run.add_mean(
        rises,
        table="validity.planted",
        system="a sentence turned into its opposite",
        metric="decision",
        group="found",
        kind="share",
        scorer=reader.name,
        signature=f"share of pairs of sentences in which no becomes likelier; {reader.signature}",
        unit="",
    )
