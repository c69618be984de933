"""Gates: what an instrument must be able to tell before a verdict rests on it.

A gate compares texts of which it is known which should score higher (`dialogues.REFERENCES` and the
`scoring.emotion_controls`), by the calls that score the systems. It is a record of the
table `gates`: `system` names the rule, `group` and `metric` the table and metric of which it is a
condition. A claim whose comparisons stand on a metric with a gate that is not passed cannot be
decided, whatever its intervals say: the experiment could not have come out the other way.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from emo_utils.experiment import results
from emo_utils.stats import intervals

TABLE = "gates"
SMALLEST = 0.05  # of emotion scores: the smallest difference that the book means to see


@dataclass(frozen=True)
class Rule:
    """What the record of a gate must show: the whole 95 % interval above `least` or below `most`.

    above: the systems (or controls) of which the second is taken from the first.
    says: the condition in words. limits: what a score that fails measures in place of what it is
    called; its claims are then decided of that. Empty: they cannot be decided.
    operator: of the comparisons that the rule is a condition of; empty: of all.
    """

    above: tuple[str, str]
    says: str
    least: float | None = None
    most: float | None = None
    limits: str = ""
    operator: str = ""


WORDS = "emotional words, not empathy"
RULES = {
    "reference above doctor": Rule(
        ("reference", "doctor"), "the warm answers score above the doctor's plain ones", least=0
    ),
    "reference above base": Rule(
        ("reference", "base"), "the warm answers score above the untuned model's", least=0
    ),
    "said twice": Rule(
        ("said twice", "reference"),
        f"a warm answer that is said twice gains less than {SMALLEST:.2f}",
        most=SMALLEST,
    ),
    "padding alone": Rule(
        ("padding alone", "reference"),
        "polite padding without an answer scores below the warm answers",
        most=0,
        limits=WORDS,
    ),
    "a polite refusal": Rule(
        ("a polite refusal", "reference"),
        "a polite refusal scores below the warm answers",
        most=0,
        limits=WORDS,
    ),
    "reference above another": Rule(
        ("reference", "another"), "the warm answers score above those to another question", least=0
    ),
    "doctor above another": Rule(
        ("doctor", "another"),
        "the doctor's answers score above warm ones to another question",
        least=0,
    ),
    "the least above another": Rule(
        ("the tuned system that keeps least", "another"),
        "each tuned system keeps more than warm answers to another question do: "
        "who keeps nothing has lost nothing",
        least=0,
        operator=">=",
    ),
}
EMOTION = (
    "reference above doctor",
    "reference above base",
    "said twice",
    "padding alone",
    "a polite refusal",
)
PASSED, FAILED, OPEN = "passed", "failed", "open"


def add_differences(
    run, scores: pd.DataFrame, rules: tuple[str, ...], table: str, scorer: str, signature: str
) -> None:
    """Record the gates of these rules on each metric: the mean difference between what is compared,
    question by question.

    scores: one row a question, columns (metric, system). table: whose claims rest on the metrics.
    scorer, signature: of the scores.
    """
    for metric in scores.columns.get_level_values(0).unique():
        for name in rules:
            first, second = RULES[name].above
            run.add_mean(
                scores[metric][first] - scores[metric][second],
                table=TABLE,
                system=name,
                metric=metric,
                group=table,
                kind="difference",
                scorer=scorer,
                signature=f"paired difference, question by question; {signature}",
            )


def add_drawn(run, drawn, rule: str, table: str, metrics, n: int, scorer: str) -> None:
    """Record the gate of a rule on metrics that belong to a whole corpus, such as BLEU.

    drawn: called with (table, system, metric), returns the value and its bootstrap draws, as for
    `ledger.add_combinations`. n: questions.
    """
    for metric in metrics:
        first, second = (drawn(table, system, metric) for system in RULES[rule].above)
        value = first[0] - second[0]
        low, high = intervals.drawn_estimate(value, first[1] - second[1], n).interval()
        run.add(
            table=TABLE,
            system=rule,
            metric=metric,
            group=table,
            value=value,
            ci_low=low,
            ci_high=high,
            n=n,
            kind="difference",
            scorer=scorer,
            signature="difference of corpus scores; error by bootstrap over the same test items",
        )


def add_least_kept(run, kept: pd.DataFrame, seed: int, scorer: str) -> None:
    """Record the gate of claims that knowledge is kept: what the tuned system that keeps least
    keeps, less what answers to another question keep.

    kept: share of the doctor's tokens, one row a question, one column a system.
    """
    tuned = results.SYSTEMS[2:]
    complete = kept[[*tuned, "another"]].dropna()
    if complete.empty:
        return
    above = complete[list(tuned)].sub(complete.another, axis=0)
    means = {system: intervals.mean_draws(above[system].to_numpy(), seed) for system in tuned}
    least = np.min([draws for _, draws in means.values()], axis=0)
    low, high = intervals.interval(least, len(complete))
    run.add(
        table=TABLE,
        system="the least above another",
        metric="kept",
        group="emodoctor.facts",
        value=min(value for value, _ in means.values()),
        ci_low=low,
        ci_high=high,
        n=len(complete),
        unscored=len(kept) - len(complete),
        kind="difference",
        scorer=scorer,
        signature="least of the paired mean differences of the tuned systems; bootstrap",
    )


def outcome(record) -> str:
    """What a gate's record says: `passed`, `failed` where its interval lies on the other side, and
    `open` where the interval does not tell, or there is none (too few items).
    """
    rule = RULES[record.system]
    if record.interval == "none":
        return OPEN
    if rule.least is not None:
        return PASSED if record.ci_low > rule.least else _not(record.ci_high <= rule.least)
    return PASSED if record.ci_high < rule.most else _not(record.ci_low >= rule.most)


def _not(certainly: bool) -> str:
    return FAILED if certainly else OPEN


def shown(records: pd.DataFrame) -> pd.DataFrame:
    """The gates among the records, as a chapter shows them: columns claims on, must hold,
    difference, n, outcome.
    """
    rows = [
        {
            "claims on": f"{r.group} {r.metric}",
            "must hold": RULES[r.system].says,
            "difference": (
                f"{r.value:+.2f}"
                if r.interval == "none"
                else f"{r.value:+.2f} [{r.ci_low:+.2f}, {r.ci_high:+.2f}]"
            ),
            "n": r.n,
            "outcome": outcome(r),
        }
        for r in records[records.table == TABLE].itertuples()
    ]
    return pd.DataFrame(rows, columns=["claims on", "must hold", "difference", "n", "outcome"])


def closed(comparisons, records: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Of the comparisons that a claim makes: the gates that are not passed, in words, and what the
    scores measure where only gates that limit them are not.
    """
    compared = {
        (table, metric, comparison.operator)
        for comparison in comparisons
        for _, table, _, metric in comparison.terms
    }
    barriers, limits = [], []
    for r in records[records.table == TABLE].itertuples():
        rule = RULES[r.system]
        concerned = any(
            (table, metric) == (r.group, r.metric) and rule.operator in ("", operator)
            for table, metric, operator in compared
        )
        if not concerned or (said := outcome(r)) == PASSED:
            continue
        if rule.limits:
            limits.append(rule.limits)
        else:
            barriers.append(f"{said} on {r.metric}: {rule.says}")
    return list(dict.fromkeys(barriers)), list(dict.fromkeys(limits))
