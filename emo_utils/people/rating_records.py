"""What a run records of people's ratings of dialogues (EmplifAI, Table 5; chapter 9)."""

import pandas as pd

TABLE = "emplifai.table5"


def add_agreement(run, agreed: pd.DataFrame) -> None:
    """Record how far raters agree on each rubric; nothing where no dialogue was rated twice.

    agreed: of `agreement.agreement`.
    """
    for r in agreed.dropna(subset="value").itertuples():
        run.add(
            table=TABLE,
            system="raters",
            metric=r.metric,
            group="alpha",
            kind="agreement",
            value=r.value,
            ci_low=r.low,
            ci_high=r.high,
            n=r.n,
            scorer=f"{r.raters} people",
            signature="Krippendorff's alpha, ordinal; bootstrap over dialogues",
        )


def add_means(run, ratings: pd.DataFrame) -> None:
    """Record each system's mean rating on each rubric: of the raters of a dialogue first, then over
    dialogues.

    ratings: one row a rating, columns rater, system, id, metric, value.
    """
    for (system, metric), part in ratings.groupby(["system", "metric"], sort=False):
        run.add_mean(
            part.groupby("id").value.mean(),
            table=TABLE,
            system=f"{system}.human",
            metric=metric,
            scorer=f"{part.rater.nunique()} people",
            signature="mean of raters, mean over dialogues",
            unit="dialogues",
        )
