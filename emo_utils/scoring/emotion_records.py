"""What a run records of emotion scores (EmoDoctor, Table 1; chapters 5 and 5.1): means, by emotion,
too, paired differences, and two scorers beside each other. Who scores is in `emotion_scorers`.
"""

import pandas as pd

from emo_utils.experiment import results
from emo_utils.scoring.emotion_scorers import Scored
from emo_utils.stats import correlations, intervals

TABLE = "emodoctor.table1"
PLAIN = "emodoctor.plain"  # of answers to questions without their feeling
EMOTIONAL = f"{PLAIN}.emotional"  # of the same systems' answers to the same questions with it


def add_means(run, table: str, scores: pd.DataFrame, metrics: list[str], scored: Scored) -> None:
    """Record the mean of each metric of every system over the questions that it has a score for.

    scores: one row an answer, columns system and the metrics.
    """
    for metric in metrics:
        for system, part in scores.groupby("system", sort=False):
            run.add_mean(
                part[metric],
                table=table,
                system=system,
                metric=metric,
                scorer=scored.scorer,
                signature=scored.signature,
                unit="",
            )


def add_by_emotion(run, scores: pd.DataFrame, scored: Scored) -> None:
    """Record the mean score of every system for each emotion that patients voiced.

    scores: one row an answer, columns system, emotion, mean.
    """
    for (system, felt), part in scores.groupby(["system", "emotion"], sort=False):
        run.add_mean(
            part["mean"],
            table=TABLE,
            system=system,
            metric="mean",
            group=f"emotion={felt}",
            scorer=scored.scorer,
            signature=scored.signature,
            unit="",
        )


def add_differences(run, against: pd.DataFrame, scored: Scored) -> None:
    """Record paired differences of the mean score, and the smallest that would have been found.

    against: of `comparisons.paired_differences`. Below `intervals.ENOUGH` questions nobody can say
    what would have been found, and that record is left out.
    """
    for r in against.itertuples():
        common = {
            "table": f"{TABLE}.differences",
            "system": r.system,
            "group": f"minus {r.minus}",
            "n": r.n,
            "scorer": scored.scorer,
        }
        run.add(
            **common,
            metric="mean",
            kind="difference",
            value=r.value,
            ci_low=r.ci_low,
            ci_high=r.ci_high,
            p=r.p,
            p_adjusted=r.p_holm,
            signature="paired difference of the mean score; sign-flip permutation test, "
            f"Holm over all lines; {scored.signature}",
        )
        if r.n >= intervals.ENOUGH:
            run.add(
                **common,
                metric="detectable",
                kind="other",
                value=r.detectable,
                signature="smallest true difference found with 80 % power, paired t-test",
                interval="none",
            )


def add_plain_differences(
    run, scores: pd.DataFrame, systems: tuple[str, ...], scored: Scored
) -> None:
    """Record the paired differences between systems on plain questions: of each tuned one to the
    untuned model and to the prompt, and of each that started from `er-sft` to the same method from
    the untuned model, as far as both were asked.

    scores: one row a question, columns (metric, system).
    """
    tuned = [system for system in systems if system not in results.UNTUNED]
    pairs = [(system, less) for system in tuned for less in results.UNTUNED if less in systems]
    pairs += [(f"er-{system}", system) for system in tuned if f"er-{system}" in tuned]
    for more, less in pairs:
        for metric in scores.columns.get_level_values(0).unique():
            run.add_mean(
                scores[metric, more] - scores[metric, less],
                table=f"{PLAIN}.differences",
                system=f"{more} less {less}",
                metric=metric,
                kind="difference",
                scorer=scored.scorer,
                signature=scored.signature,
            )


def add_less_emotional(run, plain: pd.DataFrame, emotional: pd.DataFrame, scored: Scored) -> None:
    """Record of each system the mean score of its answers to plain questions less that to the same
    questions with their feeling, question by question.

    plain, emotional: one row an answer, columns id, system, mean; the systems of the second.
    """
    without, with_feeling = (t.set_index(["id", "system"])["mean"] for t in (plain, emotional))
    change = (without.reindex(with_feeling.index) - with_feeling).reset_index()
    for system, part in change.groupby("system", sort=False):
        run.add_mean(
            part["mean"],
            table=f"{PLAIN}.less_emotional",
            system=system,
            metric="mean",
            kind="difference",
            scorer=scored.scorer,
            signature=f"plain less emotional, question by question; {scored.signature}",
        )


def add_evaluators(run, both: pd.DataFrame, first: Scored, second: Scored) -> None:
    """Record each scorer's mean of every system over the answers that both were given, and how far
    they agree on single answers: their rank correlation, questions resampled.

    both: of `emotion_scorers.means_of_both`.
    """
    table = f"{TABLE}.evaluators"
    for column, scored in (("first", first), ("second", second)):
        for system, part in both.groupby("system", sort=False):
            run.add_mean(
                part[column],
                table=table,
                system=system,
                metric="mean",
                group=f"scorer={scored.kind}",
                scorer=scored.scorer,
                signature=scored.signature,
                unit="",
            )
    value, low, high = correlations.spearman_interval(
        both, "first", "second", "id", run.values["seed"]
    )
    complete = len(both.dropna())
    run.add(
        table=table,
        system="agreement",
        metric="spearman",
        value=value,
        ci_low=low,
        ci_high=high,
        n=complete,
        unscored=len(both) - complete,
        group="all answers",
        kind="correlation",
        scorer=f"{first.scorer} and {second.scorer}",
        signature="rank correlation over single answers; bootstrap over questions",
    )
