"""Scores of texts against labels that people gave them (chapter 11)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from emo_utils.stats import label_agreement


def agreement(score: pd.Series, table: pd.DataFrame, seed: int) -> dict:
    """How a score agrees with people's labels, as fields of a record: metric (`auc` for labels 0
    and 1, else `spearman`), kind, value, ci_low, ci_high, n, unscored, signature.

    score: by the rows of the table that were to be scored, missing where they got no score.
    table: columns text, label, and conversation where texts belong together: they are resampled so.
    """
    scored = score.dropna()
    labels = table.label[scored.index]
    together = "conversation" in table
    units = table.conversation[scored.index] if together else range(len(scored))
    value, low, high = label_agreement.agreement_interval(scored, labels, units, seed)
    two_classes = set(np.unique(table.label)) == {0, 1}
    return {
        "metric": "auc" if two_classes else "spearman",
        "kind": "auc" if two_classes else "correlation",
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": len(scored),
        "unscored": len(score) - len(scored),
        "signature": f"bootstrap over {'conversations' if together else 'texts'}",
    }


def agreements(scores: dict, table: pd.DataFrame, seed: int, reader, **fields) -> Iterator[dict]:
    """`agreement` of each score, as the fields of a record.

    scores: (who, form) -> score. reader: who answered typed decisions; its signature is put behind
    that of its own scores. fields: what all the records share.
    """
    for (who, form), score in scores.items():
        found = agreement(score, table, seed)
        if who == reader.name:
            found["signature"] += f"; {reader.signature}"
        yield {"system": form, "scorer": who, **fields, **found}


def add_calibration(run, score: pd.Series, label: pd.Series, group: str, **fields) -> None:
    """Record a score's Brier score, the mean of (score - label)^2, and the share of labelled texts
    in each fifth of [0, 1] that holds any (table `validity.calibration`).

    score: in [0, 1], missing where a text was not scored. label: 0 or 1, by the same rows.
    group: the label's name. fields: system and scorer of the records.
    """
    score = score.dropna()
    label = label[score.index].astype(float)
    about = {"table": "validity.calibration"} | fields
    run.add_mean(
        (score - label) ** 2,
        **about,
        metric="brier",
        group=group,
        signature="mean of (score - label)^2",
        unit="texts",
    )
    for mean_score, labels in label_agreement.by_fifths(score, label).items():
        run.add_mean(
            labels,
            **about,
            metric="observed",
            kind="share",
            group=f"{group}, score {mean_score:.3f}",
            signature="share of texts with the label in a fifth of the scale",
            unit="",
        )


def told_apart(score: pd.Series, statements: pd.DataFrame, seed: int) -> Iterator[dict]:
    """How often a right statement scores above a wrong one (AUC), and how many wrong ones it rests
    on (metric `wrong`), as fields of records for all of them and for each kind of wrong ones (the
    group); sources are resampled with their statements.

    score: by the rows that were to be scored, missing where they got none.
    statements: columns name (of its source), supported (1 or 0), change (the kind, empty where
    right). A kind without a scored statement on both sides is left out.
    """
    table = statements.loc[score.index]
    for kind in ("", *sorted(set(statements.change) - {""})):
        meant = (table.supported == 1) | (table.change == kind if kind else True)
        here = table[meant & score.notna()]
        right = int(here.supported.sum())
        if not 0 < right < len(here):
            continue
        value, low, high = label_agreement.agreement_interval(
            score[here.index], here.supported, here["name"], seed
        )
        wrong = len(here) - right
        common = {
            "group": kind or "all",
            "n": len(here),
            "unscored": int(meant.sum()) - len(here),
        }
        yield common | {
            "metric": "auc",
            "value": value,
            "ci_low": low,
            "ci_high": high,
            "kind": "auc",
            "signature": f"{wrong} wrong statements against {right} right ones; "
            "bootstrap over sources with their statements",
        }
        yield common | {
            "metric": "wrong",
            "value": wrong,
            "kind": "count",
            "interval": "none",
            "signature": "wrong statements among those that have a score",
        }
