"""What is measured of the dialogues that models wrote for sampled pairs of an emotion and a
situation (chapter 9.2), and what a run records of it.
"""

import pandas as pd
from rapidfuzz.distance import LCSseq

from emo_utils.data import emplifai


def likeness(text: str, others: list[str]) -> float:
    """Share of characters in common order with the most similar of other texts: the longest common
    subsequence over the longer one's length, in [0, 1].
    """
    return max(LCSseq.normalized_similarity(text, other) for other in others)


def beside_the_data(rows: list[dict], written: dict[str, pd.DataFrame]) -> list[dict[str, str]]:
    """Situation, emotion, what each system wrote for it, and the data's own dialogue, a dict a row
    of `emplifai`. written: of `emplifai_dialogues.write`, in the order of the rows.
    """
    return [
        {"situation": row["situation"], "emotion": row["emotion"]}
        | {system: dialogues.answer[k] for system, dialogues in written.items()}
        | {"data": emplifai.as_lines(row["turns"])}
        for k, row in enumerate(rows)
    ]


def add_measures(
    run,
    written: dict[str, pd.DataFrame],
    losses: dict[str, list[float]],
    of_pairs: list[list[str]],
) -> None:
    """Record how unlikely the data's dialogues are to each system, how like them its own are, and
    how many it ended by itself and kept in form (table `emplifai.finetuning`).

    written: of `emplifai_dialogues.write`, a row a pair. losses: nats a token of a dialogue of each
    pair. of_pairs: for each pair the data's dialogues, as lines.
    """
    for system, dialogues in written.items():
        like = [likeness(text, own) for text, own in zip(dialogues.answer, of_pairs, strict=True)]
        common = {"table": "emplifai.finetuning", "system": system, "unit": "pairs"}
        run.add_mean(
            losses[system],
            **common,
            metric="nats_per_token",
            scorer=system,
            signature="loss of the first dialogue of each sampled pair",
        )
        run.add_mean(
            like,
            **common,
            metric="likeness",
            scorer="counts",
            signature="longest common subsequence with the most similar dialogue of the pair "
            "over the longer one's length",
        )
        run.add_mean(
            dialogues.complete,
            **common,
            metric="ends_by_itself",
            kind="share",
            scorer="counts",
            signature="share of dialogues that the model ended before max_new_tokens",
        )
        run.add_mean(
            dialogues.turns.map(bool),
            **common,
            metric="keeps_form",
            kind="share",
            scorer="counts",
            signature="share of dialogues with the four turns asked for, and nothing before them",
        )
