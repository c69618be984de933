"""What chapter 9.3 records of a judge's ratings for claims: what tuning changed, the sums of cells
that claims ask for, and the gates behind them.

Ratings are those of `judging.rubrics.ratings`; levels, lengths and the second judge are recorded by
`judging.rubric_records`.
"""

import pandas as pd

from emo_utils.claims import gates, ledger
from emo_utils.judging import judged_dialogues, rubrics
from emo_utils.judging.decisions import Reader
from emo_utils.people import rating_kit
from emo_utils.stats import intervals

TABLE = "emplifai.table4"
SYSTEMS = ("emplifai-base", "emplifai-sft", "emplifai-sft-seen")
BEFORE = {"emplifai-sft": "emplifai-base", "emplifai-sft-seen": "emplifai-sft"}


def by_pair(ratings: pd.DataFrame) -> pd.DataFrame:
    """Expected levels, one row a pair of emotion and situation, columns (system, metric)."""
    return ratings.pivot(index="id", columns=["system", "metric"], values="expected")


def add_changes(run, ratings: pd.DataFrame, scorer: str, how: str) -> None:
    """Mean difference of each tuned system to the one before it (`BEFORE`), pair by pair, on each
    rubric, where both are there. how: the signature of the levels.
    """
    levels = by_pair(ratings)
    there = set(ratings.system)
    for system, before in BEFORE.items():
        if not {system, before} <= there:
            continue
        for metric in ratings.metric.unique():
            run.add_mean(
                levels[system, metric] - levels[before, metric],
                table=f"{TABLE}.differences",
                system=system,
                metric=metric,
                group=f"minus {before}",
                kind="difference",
                scorer=scorer,
                signature=f"paired difference of expected levels, {how}",
                unit="pairs",
            )


def add_claims(run, ratings: pd.DataFrame, scorer: str) -> None:
    """The sums of cells that claims ask for, over the pairs that are rated for every system and
    rubric; none with fewer than `intervals.ENOUGH` of them, or without all three systems.
    """
    complete = by_pair(ratings).dropna()
    # With fewer pairs an interval is narrow by chance.
    if set(SYSTEMS) <= set(ratings.system) and len(complete) >= intervals.ENOUGH:
        values = ledger.item_values(complete)
        ledger.add_combinations(run, (TABLE,), values, n=len(complete), scorer=scorer)


def add_gates(run, ratings: pd.DataFrame, scorer: str, how: str) -> None:
    """The gates of the claims on each rubric (`gates.NEEDED`), dialogue by dialogue.

    ratings: of the data's dialogues (system `data`) and their controls
    (`judged_dialogues.controls`), or of the versions of planted scenes
    (`judged_dialogues.planted_harm`). Rubrics whose gates compare other systems are left out.
    """
    levels = ratings.pivot(index="id", columns=["metric", "system"], values="expected")
    compared = [
        metric
        for metric, rules in gates.NEEDED[TABLE].items()
        if all((metric, system) in levels for name in rules for system in gates.RULES[name].above)
    ]
    gates.add_needed(run, levels[compared], TABLE, scorer, f"expected levels, {how}", "dialogue")


def measure_gates(
    run,
    judge: Reader,
    readable: pd.DataFrame,
    ratings: pd.DataFrame,
    how: str,
    *,
    arm: str,
    count: int,
    directions: int,
) -> None:
    """Let the judge rate the texts of which the order is known, and record its gates.

    readable: the judged dialogues that keep the form, with their `ratings`; where none is the
    data's, as in a user's file, `count` of the data's are rated as well. count: also of the planted
    scenes. how: the signature of the levels.
    """
    asked = (judge, rating_kit.RUBRICS, directions)
    own = judged_dialogues.data_dialogues(readable, arm, count)
    of_data = ratings[ratings.system == "data"]
    if not (readable.system == "data").any():
        of_data = rubrics.rated(own, *asked)
    worse = rubrics.rated(judged_dialogues.controls(own, arm), *asked)
    add_gates(run, pd.concat([of_data, worse], ignore_index=True), judge.name, how)
    harmlessness = {"harmlessness": rating_kit.RUBRICS["harmlessness"]}
    planted = rubrics.rated(judged_dialogues.planted_harm(count), judge, harmlessness, directions)
    add_gates(run, planted, judge.name, how)
