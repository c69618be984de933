"""What a run records of named labels and of guesses (`emplifai.table2`, chapter 9.1); what the
records are computed from is in `labels`.
"""

import numpy as np
import pandas as pd

from emo_utils.scoring import labels

TABLE = "emplifai.table2"
SHARES = ("exact", "top3", "one of the 28")  # of what each dialogue has or has not


def add_means(
    run,
    values: dict[tuple[str, str], dict[str, np.ndarray]],
    situations: list[str],
    signatures: dict[str, str],
) -> None:
    """Means over dialogues; whole situations are resampled.

    values: (system, group) -> metric -> one value a dialogue, of all or of the first of them.
    situations: one a dialogue. signatures: how each metric is computed.
    """
    for (system, group), metrics in values.items():
        for metric, each in metrics.items():
            run.add_mean(
                each,
                units=situations[: len(each)],
                table=TABLE,
                system=system,
                metric=metric,
                group=group,
                kind="share" if metric in SHARES else "mean",
                scorer=system,
                signature=signatures[metric],
                unit="situations",
            )


def add_macro_f1(
    run, named: dict[tuple[str, str], np.ndarray], true, count: int, situations: list[str]
) -> None:
    """F1 averaged over the labels that occur, of each (system, group), and that of labels drawn at
    random (a floor without an interval).

    named, true: labels as numbers below `count`, one a dialogue.
    """
    common = {"table": TABLE, "metric": "macro_f1", "kind": "other", "n": len(true)}
    for (system, group), choice in named.items():
        value, low, high = labels.macro_f1_interval(
            choice, true, count, situations, run.values["seed"]
        )
        run.add(
            **common,
            system=system,
            group=group,
            value=value,
            ci_low=low,
            ci_high=high,
            scorer=system,
            signature="mean over the emotions that occur of F1; bootstrap over situations",
        )
    run.add(
        **common,
        system="floor",
        group="random label",
        value=labels.random_macro_f1(true, count, run.values["seed"]),
        scorer="floor",
        signature="mean of 400 random labellings",
        interval="none",
    )


def add_ranks(run, readings: dict[tuple[str, str], np.ndarray], true, dialogues: list[str]) -> None:
    """Keep at which rank each dialogue's true label stands, 1 the first, under each reading.

    readings: (system, group) -> scores of shape (dialogues, labels); dialogues: their ids.
    """
    items = [
        pd.DataFrame(
            {
                "table": TABLE,
                "id": dialogues,
                "system": f"{system}, {group}",
                "metric": "rank",
                "value": labels.ranks(table, true) + 1.0,
            }
        )
        for (system, group), table in readings.items()
    ]
    run.add_items(pd.concat(items, ignore_index=True))
