"""What a run records of a judge's preferences: win shares, pairs, strengths, tricks and orders.

Each `add_…` writes the records of one table (chapter 7); what they are computed from is in
`preference` and `screens`.
"""

import itertools

import numpy as np
import pandas as pd

from emo_utils.judging import preference
from emo_utils.judging.decisions import Reader
from emo_utils.stats import paired_comparisons


def add_win_shares(run, picked: pd.DataFrame, ids, scorer: str, how: str) -> None:
    """Share of questions that each system won, and its mean probability (`strength`), for each of
    the judge's two questions; then the shares of ties and of unscored items.

    picked: of `preference.choices`. ids: of the items that were judged. how: the judge and how it
    was asked, for the signatures.
    """
    won = f"{how}; share of questions won"
    for (question, system), part in picked.groupby(["question", "system"]):
        by_item = part.set_index("id").reindex(ids)
        common = {"table": f"emodoctor.figure2.{question}", "system": system, "scorer": scorer}
        common["unit"] = ""
        run.add_mean(by_item.win, **common, metric="win_share", kind="share", signature=won)
        run.add_mean(
            by_item.share, **common, metric="strength", signature=f"{how}; mean probability"
        )
    for question, part in picked.groupby("question"):
        tied = part.groupby("id").win.max() < 1
        unscored = np.repeat([0, 1], [len(tied), len(ids) - len(tied)])
        common = {"table": f"emodoctor.figure2.{question}.none", "metric": "share"}
        common |= {"kind": "share", "scorer": scorer, "signature": won, "unit": ""}
        run.add_mean(tied, **common, system="tie (of scored)")
        run.add_mean(unscored, **common, system="unscored (of all)")


def described(judge: Reader, screened: str, second: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """Scorer and signature of the two judges of pairs, by the column of their choices.

    screened: what was taken out of the texts before, in words. second: the encoder and the reader
    of `scoring.second_judge`, by their registered names.
    """
    averaged = "log-odds averaged over both orders; share of pairs won"
    return {
        "win": (judge.name, f"{judge.signature}; {screened}; {averaged}"),
        "second_win": (
            " and ".join(second),
            "emotion: mean score of chapter 5; knowledge: words kept of chapter 6; "
            "the higher wins; share of pairs won",
        ),
    }


def add_pairs(run, duels: pd.DataFrame, ids, judges: dict[str, tuple[str, str]]) -> None:
    """Share of questions at which the first system of a pair wins, by each judge.

    duels: of `preference.duels`, with a column for each judge. ids: of the items that were shown.
    judges: column -> (scorer, signature).
    """
    for (question, a, b), part in duels.groupby(["question", "first", "second"], sort=False):
        by_item = part.set_index("id").reindex(ids)
        for column, (scorer, signature) in judges.items():
            run.add_mean(
                by_item[column],
                table=f"emodoctor.figure2.pairs.{question}",
                system=f"{a} over {b}",
                metric="win_share",
                group=column.removesuffix("_win"),
                kind="share",
                scorer=scorer,
                signature=signature,
                unit="",
            )


def add_judge_shares(run, duels: pd.DataFrame, measures: dict, scorer: str) -> None:
    """Mean of each measure of the judge over all pairs of a question; whole items are resampled.

    measures: name -> one value a row of duels, an array or a Series with their index, missing where
    it says nothing. One without any value (a second judge that prefers none of any pair) has no
    record.
    """
    for question, (name, values) in itertools.product(preference.QUESTIONS, measures.items()):
        clear = pd.Series(values, duels.index)[duels.question == question].dropna()
        if clear.empty:
            continue
        run.add_mean(
            clear,
            units=duels.id[clear.index],
            table="emodoctor.figure2.judges",
            system=name,
            metric="share",
            group=question,
            kind="share",
            scorer=scorer,
            signature="share of pairs",
            unit="test questions",
        )


def add_strengths(run, duels: pd.DataFrame, lengths: pd.DataFrame, scorer: str) -> None:
    """Bradley-Terry strengths for each question, and those from which the effect of the answers'
    lengths is taken out.

    lengths: in characters, one row an item that was shown, one column a system.
    """
    for question, pairs in duels.groupby("question"):
        first, second = preference.sides(pairs, lengths)
        log_ratios = np.log((first + 1) / (second + 1))
        for metric, controlled in (("strength", None), ("strength_length_controlled", log_ratios)):
            strengths = paired_comparisons.strength_intervals(
                pairs["first"],
                pairs["second"],
                pairs.win,
                preference.SYSTEMS,
                pairs.id,
                run.values["seed"],
                controlled,
            )
            for r in strengths.itertuples(index=False):
                run.add(
                    **r._asdict(),
                    table=f"emodoctor.figure2.tournament.{question}",
                    metric=metric,
                    n=pairs.id.nunique(),
                    unscored=len(lengths) - pairs.id.nunique(),
                    kind="other",
                    scorer=scorer,
                    signature=(
                        f"Bradley-Terry, log-odds with mean 0, {len(pairs)} pairs, "
                        "both orders averaged; bootstrap over test questions"
                    ),
                )


def add_canaries(run, duels: pd.DataFrame, ids, scorer: str, screened: bool) -> None:
    """Share of questions at which each attempt wins, and how far it moves the log-odds.

    duels: of `preference.duels` on `screens.attempts`, with the column pull of `screens.pulls`.
    ids: of the items that were shown.
    """
    for (form, question), part in duels.groupby(["first", "question"], sort=False):
        by_item = part.set_index("id").reindex(ids)
        for metric, values in {"wins": by_item.win, "pull": by_item.pull}.items():
            run.add_mean(
                values,
                table="validity.canaries.screened" if screened else "validity.canaries",
                system=form,
                metric=metric,
                group=question,
                kind="share" if metric == "wins" else "difference",
                scorer=scorer,
                signature=(
                    "wins: share of questions at which the wrong answer wins, "
                    "both orders averaged; pull: what that does to its log-odds, in nats"
                ),
                unit="",
            )


def add_orders(run, decisions: pd.DataFrame, scorer: str) -> None:
    """For each smaller number of orders: the share of questions at which it gives the winner that
    all orders give. decisions: of `preference.decide`.
    """
    picked = preference.choices(decisions)
    number = decisions.groupby("id").state.rank(method="dense")  # of the order, within its item
    orders = int(number.max())
    for k in range(1, orders):
        fewer = preference.choices(decisions[number <= k])
        for question in preference.QUESTIONS:
            same = preference.same_winner(picked, fewer, question)
            run.add_mean(
                same,
                table="emodoctor.figure2.orders",
                system=f"{k} of {orders} orders",
                metric="same_choice",
                group=question,
                kind="share",
                scorer=scorer,
                signature=f"share of questions with the winner that {orders} orders give",
                unit="",
            )


def add_items(run, picked: pd.DataFrame) -> None:
    """Keep what each system won and its share at every question; picked: of
    `preference.choices`.
    """
    items = picked.melt(["id", "question", "system"], var_name="metric")
    table = "emodoctor.figure2." + items.question
    run.add_items(items.assign(table=table).drop(columns="question"))
