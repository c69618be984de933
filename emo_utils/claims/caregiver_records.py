"""What chapter 10.1 records of its scores: means, what the tuning changed, the sums of cells that
claims ask for, checks on texts of which the order is known, and gates.

Scores are a table with a row an answer: columns id, system, and one a measure.
"""

from dataclasses import dataclass

import pandas as pd

from emo_utils.claims import gates, ledger
from emo_utils.data.caregiver import ELSEWHERE, REJECTED
from emo_utils.judging.decisions import Reader
from emo_utils.stats import comparisons, intervals


@dataclass(frozen=True)
class Measure:
    """The table that a measure's records stand in, who scores, and how."""

    table: str
    scorer: str
    how: str


def described(
    embedding_model: str, judge: Reader, bare: str = "", embedding_service: str = ""
) -> dict[str, Measure]:
    """Every measure of the chapter, by its column among the scores.

    bare: what the judge's levels are marked with (`caregiver_questions.flag`). embedding_service:
    a service's encoder whose cosine (`cosine_service`) is a measure, too; empty for none.
    """
    cosine = "cosine with the preferred answer by"
    level = f"{bare}{judge.signature}; expected level from 1 to 5"
    chance = f"{judge.signature}; probability that the reference"
    of_service = Measure(
        "ebd.semantic", embedding_service, f"{cosine} {embedding_service} of a service"
    )
    return (
        {"cosine": Measure("ebd.semantic", embedding_model, f"{cosine} {embedding_model}")}
        | ({"cosine_service": of_service} if embedding_service else {})
        | {
            "correctness": Measure("ebd.factual", judge.name, level),
            "entailment": Measure("ebd.factual", judge.name, f"{chance} entails the answer"),
            "contradiction": Measure("ebd.factual", judge.name, f"{chance} contradicts the answer"),
            "empathy": Measure("ebd.human", judge.name, level),
            "politeness": Measure("ebd.human", judge.name, level),
            "grade": Measure("ebd.human", "textstat 0.7.4", "Flesch-Kincaid grade"),
            "words": Measure("ebd.human", "counts", "words at spaces"),
        }
    )


# The measures that claims rest on, by table.
CLAIMED = {
    "ebd.semantic": ["cosine"],
    "ebd.factual": ["correctness"],
    "ebd.human": ["empathy", "politeness", "grade"],
}
# What must score above what: the reference's facts above none of them, a warm answer above a
# guideline.
MUST = dict.fromkeys(("cosine", "correctness", "entailment"), (REJECTED, ELSEWHERE))
MUST["empathy"] = (ELSEWHERE, REJECTED)


def by_question(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One measure, a row a question, a column a system."""
    return scores.pivot(index="id", columns="system", values=metric)


def add_means(run, scores: pd.DataFrame, measures: dict[str, Measure]) -> None:
    """Mean of each measure over the answers of each system."""
    for metric, measure in measures.items():
        for system in scores.system.unique():
            run.add_mean(
                scores[scores.system == system][metric],
                table=measure.table,
                system=system,
                metric=metric,
                scorer=measure.scorer,
                signature=measure.how,
            )


def add_changes(
    run, scores: pd.DataFrame, measures: dict[str, Measure], tuned: str, untuned: str
) -> None:
    """Tuned minus untuned on each measure, question by question, with a permutation test over signs
    and Holm's correction over the measures; nothing where one question has both.
    """
    gains = {
        metric: (wide := by_question(scores, metric))[tuned] - wide[untuned] for metric in measures
    }
    p_values = {
        metric: comparisons.permutation_p(gain.dropna(), run.values["seed"])
        for metric, gain in gains.items()
        if gain.notna().sum() > 1
    }
    adjusted = dict(zip(p_values, comparisons.holm([*p_values.values()]), strict=True))
    for metric, p in p_values.items():
        measure = measures[metric]
        run.add_mean(
            gains[metric],
            table=f"{measure.table}.differences",
            system=tuned,
            metric=metric,
            group=f"minus {untuned}",
            kind="difference",
            p=p,
            p_adjusted=adjusted[metric],
            scorer=measure.scorer,
            signature=(
                f"paired difference to {untuned}; sign-flip permutation test, "
                f"Holm over the scores; {measure.how}"
            ),
        )


def add_claims(
    run, scores: pd.DataFrame, measures: dict[str, Measure], systems: tuple[str, str]
) -> None:
    """The sums of cells that claims ask for, table by table, over the questions that have these
    measures of both systems; none with fewer than `intervals.ENOUGH` of them.
    """
    both = scores[scores.system.isin(systems)]
    for table, metrics in CLAIMED.items():  # what one measure lacks takes no question from others
        complete = both.pivot(index="id", columns="system", values=metrics).dropna()
        if len(complete) >= intervals.ENOUGH:  # with fewer an interval is narrow by chance
            ledger.add_combinations(
                run,
                (table,),
                ledger.item_values(complete.swaplevel(axis=1)),
                n=len(complete),
                scorer=", ".join(dict.fromkeys(measures[metric].scorer for metric in metrics)),
            )


def add_checks(run, scores: pd.DataFrame, measures: dict[str, Measure]) -> None:
    """Share of questions in which a measure puts the text above the other that it must (`MUST`),
    ties half.
    """
    for metric, (better, worse) in MUST.items():
        wide = by_question(scores, metric)[[better, worse]]
        above = (wide[better] > wide[worse]) + 0.5 * (wide[better] == wide[worse])
        run.add_mean(
            above.where(wide.notna().all(axis=1)),
            table="ebd.check",
            system=better,
            metric=metric,
            group=f"above {worse}",
            kind="share",
            scorer=measures[metric].scorer,
            signature=(
                f"share of questions in which it scores above {worse}, ties half; "
                f"{measures[metric].how}"
            ),
        )


def add_gates(run, scores: pd.DataFrame, measures: dict[str, Measure]) -> None:
    """The gates of the claims on each measure (`gates.NEEDED`), question by question."""
    for table, metrics in CLAIMED.items():
        for metric in metrics:
            of_texts = scores.pivot(index="id", columns="system", values=[metric])
            measure = measures[metric]
            gates.add_needed(run, of_texts, table, measure.scorer, measure.how)
