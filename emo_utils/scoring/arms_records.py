"""What chapter 1.1 records of the arms of the data: how many texts say comfort in so many words,
and how far above the doctors' plain answers each kind of text scores.
"""

import pandas as pd

from emo_utils.scoring import comfort
from emo_utils.stats import correlations


def add_phrases(run, texts_of_arms: dict[tuple[str, str], list[str]], phrases) -> None:
    """Record the share of texts with a phrase of comfort (table `arms.phrases`), for each arm and
    kind of text. phrases: of `dialogues.comfort_phrases`.
    """
    for (arm, kind), texts in texts_of_arms.items():
        run.add_mean(
            [comfort.says_comfort(text, phrases) for text in texts],
            table="arms.phrases",
            system=arm,
            metric=kind,
            kind="share",
            scorer="list of phrases",
            signature="share of texts with a phrase of explicit_comfort.txt",
            unit="texts",
        )


def add_warmth(run, scores: dict[str, pd.Series], **about) -> None:
    """Record the mean score of each kind of text, and its AUC against the doctors' answers to the
    same questions (`real doctor` for kinds that begin with `real`).

    scores: kind -> one score a question, missing where there is none. about: table, scorer and
    signature.
    """
    for kind, warmth in scores.items():
        run.add_mean(warmth, system=kind, metric="mean", unit="", **about)
        plain = scores["real doctor" if kind.startswith("real") else "doctor"]
        both = pd.DataFrame({"warm": warmth, "plain": plain}).dropna()
        if warmth is plain or both.empty:
            continue
        value, low, high = correlations.auc_interval(both.warm, both.plain, run.values["seed"])
        of_auc = {"value": value, "ci_low": low, "ci_high": high, "kind": "auc", "n": len(both)}
        run.add(system=kind, metric="auc", unscored=len(warmth) - len(both), **of_auc, **about)


def add_items(run, of_tables: dict[str, dict[str, pd.Series]]) -> None:
    """Keep the score of every text; of_tables: table -> kind -> one score a question."""
    items = [
        pd.DataFrame({"table": table, "id": s.index, "system": kind, "metric": "mean", "value": s})
        for table, scores in of_tables.items()
        for kind, s in scores.items()
    ]
    run.add_items(pd.concat(items, ignore_index=True).dropna())
