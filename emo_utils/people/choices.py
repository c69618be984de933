"""What people chose between the answers of two systems (chapter 10.2): whether it was between the
answers that a page shows, and its records.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from emo_utils.experiment import results
from emo_utils.people import agreement, rating_kit


def returned(folder: Path | None) -> tuple[pd.DataFrame, list[str]]:
    """Choices of a folder of comparison sheets, and what was left out or should be looked at
    (`rating_kit.returned_of`).
    """
    choices, left_out, remarks = rating_kit.returned_of("comparisons", folder)
    return choices, left_out + remarks


def between(choices: pd.DataFrame, answers: pd.DataFrame) -> np.ndarray:
    """Whether each choice was made between the answers as they are now (columns id, system,
    answer); shape (choices,). A text that was made again since is another one.
    """
    now = answers.set_index(["id", "system"]).answer.to_dict()
    return np.array(
        [
            choice.texts
            == rating_kit.fingerprint(
                now.get((choice.id, choice.against)), now.get((choice.id, choice.system))
            )
            for choice in choices.itertuples()
        ],
        dtype=bool,
    )


def remark(choices: pd.DataFrame, answers: pd.DataFrame) -> list[str]:
    """A sentence on the questions that were compared with other answers than these; none where
    there are no such questions.
    """
    other = choices[~between(choices, answers)].id.nunique()
    if not other:
        return []
    return [
        f"{other} of {choices.id.nunique()} questions were compared with other answers "
        "than this page's: their choices are counted, and held against no score of it"
    ]


def records(
    choices: pd.DataFrame, answers: pd.DataFrame, measures: list[str], seed: int
) -> Iterator[dict]:
    """Fields of `Run.add` for what people chose, how far they agree, and how often the chosen
    answer has the higher score (`agreement.choices`, `agreement`, `against_scores`).

    answers: columns id, system, answer and the measures; scores of texts that were made again since
    they were compared are left out.
    """
    yield from _records(
        agreement.choices(choices).assign(group="chosen"),
        choices,
        "share of questions, no difference counts half",
        "share",
    )
    yield from _records(
        agreement.agreement(choices, seed).assign(group="alpha"),
        choices,
        "Krippendorff's alpha between raters, ordinal",
        "agreement",
    )
    same = choices[between(choices, answers)]
    if len(same):
        scores = answers.melt(["id", "system"], measures, "metric")
        yield from _records(
            agreement.against_scores(same, scores).rename(columns={"score": "group"}),
            choices,
            "share of decided questions in which the chosen answer has the higher score; "
            "undecided by people or score, or unscored, are left out",
            "share",
        )


def _records(
    table: pd.DataFrame, choices: pd.DataFrame, signature: str, kind: results.Kind
) -> Iterator[dict]:
    """A record for each row that has a value, without an interval where low and high are missing.

    table: columns metric, group, value, low, high, n, and where it has them unscored, undecided and
    no_difference. kind: a share with questions that count half is a mean.
    """
    system, against = choices.system.iloc[0], choices.against.iloc[0]
    for row in table.dropna(subset=["value"]).to_dict("records"):
        bounded = not np.isnan(row["low"])
        yield {
            "table": "ebd.people",
            "system": system,
            "metric": row["metric"],
            "group": row["group"],
            "value": row["value"],
            "ci_low": row["low"] if bounded else row["value"],
            "ci_high": row["high"] if bounded else row["value"],
            "n": row["n"],
            "unscored": row.get("unscored", 0) + row.get("undecided", 0),
            "kind": "mean" if row.get("no_difference") else kind,
            "interval": "items" if bounded else "none",
            "scorer": "people",
            "signature": f"{signature}; {choices.rater.nunique()} raters; against {against}",
        }
