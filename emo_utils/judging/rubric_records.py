"""What a run records of a judge's ratings on rubrics: levels, lengths, two judges held against each
other, and planted cases.

Each `add_…` writes the records of one table (chapter 9.3); what they are computed from is in
`rubrics`.
"""

import numpy as np
import pandas as pd

from emo_utils.judging import rubrics
from emo_utils.stats import correlations, length_control

TABLE = "emplifai.table4"


def add_levels(
    run, ratings: pd.DataFrame, keeping_form: pd.DataFrame, scorer: str, how: str
) -> None:
    """Mean expected and most probable level of each system on each rubric, and the expected one of
    the dialogues that keep the form alone.

    ratings, keeping_form: as `rubrics.ratings` gives them. how: the signature behind each.
    """
    for (system, metric), part in ratings.groupby(["system", "metric"], sort=False):
        common = {"table": TABLE, "system": system, "metric": metric, "scorer": scorer}
        common["unit"] = "pairs"
        likeliest = "most probable level"
        run.add_mean(part.expected, **common, signature=f"expected level, {how}")
        run.add_mean(part.likeliest, **common, group=likeliest, signature=f"{likeliest}, {how}")
    for (system, metric), part in keeping_form.groupby(["system", "metric"], sort=False):
        run.add_mean(
            part.expected,
            table=TABLE,
            system=system,
            metric=metric,
            group="where the form is kept",
            scorer=scorer,
            signature=f"expected level of dialogues that keep the form, {how}",
            unit="pairs",
        )


def add_form(run, dialogues: pd.DataFrame) -> None:
    """Share of each system's dialogues that keep the form; dialogues: columns system, kept_form."""
    for system, part in dialogues.groupby("system", sort=False):
        run.add_mean(
            part.kept_form,
            table=TABLE,
            system=system,
            metric="keeps_form",
            kind="share",
            scorer="counts",
            signature="share of dialogues with four turns in the form asked for",
            unit="pairs",
        )


def add_length_controlled(run, ratings: pd.DataFrame, scorer: str, how: str) -> None:
    """Mean expected level of each system on each rubric at the mean log length of all; nothing
    where there are fewer than three times as many ratings as the regressions have unknowns.

    ratings: those of `rubrics.ratings` with the dialogues' characters.
    """
    rated = ratings.dropna(subset="expected")
    log_length = np.log(rated.characters + 1)
    rated = rated.assign(log_length=log_length - log_length.mean())
    unknowns = (rated.system.nunique() + 1) * ratings.metric.nunique()
    if rated.empty or len(rated) < 3 * unknowns:
        return
    for metric, part in rated.groupby("metric", sort=False):
        controlled = length_control.at_mean_length_intervals(
            part.expected, part.system, part.log_length, part.id, run.values["seed"]
        )
        all_of = ratings.system[ratings.metric == metric]
        for system, (value, low, high) in controlled.items():
            run.add(
                table=TABLE,
                system=system,
                metric=metric,
                group="length controlled",
                value=value,
                ci_low=low,
                ci_high=high,
                n=int((part.system == system).sum()),
                unscored=int((all_of == system).sum() - (part.system == system).sum()),
                scorer=scorer,
                signature=(
                    f"expected level at the mean log length (least squares), {how}; "
                    "bootstrap over pairs"
                ),
            )


def add_two_judges(run, both: pd.DataFrame, scorer: str, second: str) -> None:
    """For each rubric (`group`) how far two judges lie apart on the same dialogues (`mad`), and how
    far their levels agree within systems (`pearson`, of six dialogues and more).

    both: columns id, system, metric, expected, expected_second, missing where one did not answer.
    """
    apart = (both.expected - both.expected_second).abs()
    common = {"table": "emplifai.judges", "system": f"{scorer} and {second}", "scorer": scorer}
    for metric, dialogues in both.groupby("metric", sort=False):
        part = dialogues.dropna()
        run.add_mean(
            apart[dialogues.index].groupby(dialogues.id).mean(),
            **common,
            metric="mad",
            group=metric,
            signature="mean absolute difference of expected levels on dialogues that keep the form",
            unit="pairs",
        )
        if len(part) <= 5:
            continue
        value, low, high = correlations.pearson_within_groups(
            part.expected, part.expected_second, part.system, part.id, run.values["seed"]
        )
        if len(part) > 5 and np.isfinite(value):
            run.add(
                **common,
                metric="pearson",
                group=metric,
                kind="correlation",
                value=value,
                ci_low=low,
                ci_high=high,
                n=len(part),
                unscored=len(dialogues) - len(part),
                signature=(
                    "Pearson's r of expected levels less each system's mean; bootstrap over pairs"
                ),
            )


def add_planted(
    run, yes: pd.DataFrame, cases: pd.DataFrame, kinds: tuple[str, ...], scorer: str
) -> None:
    """Share of scenes in which a planted case stands out from each other version, as
    `rubrics.planted_above` counts it.
    """
    for asked, other, above in rubrics.planted_above(yes, cases, kinds):
        run.add_mean(
            above,
            table="emplifai.screening",
            system=f"asked for {asked}",
            metric="planted_above",
            group=other,
            kind="share",
            scorer=scorer,
            signature=(
                "share of scenes in which the planted case gets a higher probability of yes "
                f"than the version '{other}'"
            ),
            unit="scenes",
        )


def add_items(run, ratings: pd.DataFrame) -> None:
    """The expected level of each dialogue that was rated, as item scores."""
    levels = ratings.rename(columns={"expected": "value"})[["id", "system", "metric", "value"]]
    run.add_items(levels.dropna().assign(table=TABLE))
