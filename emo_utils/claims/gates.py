"""Gates: what an instrument must be able to tell before a verdict rests on it.

A gate compares texts of which it is known which should score higher (`dialogues.REFERENCES` and the
`scoring.emotion_controls`), or counts what is found of what was planted, by the calls that score
the systems. `RULES` has every threshold with its reason. A gate is a record of the table `gates`:
`system` names the rule, `group` and `metric` the table and metric of which it is a condition. A
claim whose comparisons stand on a metric with a gate that is not passed cannot be decided, whatever
its intervals say: the experiment could not have come out the other way.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from emo_utils.data.caregiver import ELSEWHERE, PREFERRED, REJECTED
from emo_utils.experiment import results
from emo_utils.judging import preference
from emo_utils.judging.judged_dialogues import MISPLACED, REPEATED, SHUFFLED
from emo_utils.stats import intervals

TABLE = "gates"
SMALLEST = 0.05  # of emotion scores: the smallest difference that the book means to see
LEVEL = 0.5  # of ratings from 1 to 5
NOTABLE = "half a level is what the papers call notable; what is nearer is the same level"


@dataclass(frozen=True)
class Rule:
    """What the record of a gate must show: the whole 95 % interval above `least` or below `most`.

    above: the systems (or controls) of which the second is taken from the first; empty of a rule
    about a share. says: the condition in words. because: why the threshold lies where it does.
    limits: what a score that fails measures in place of what it is called; its claims are then
    decided of that. Empty: they cannot be decided. operator: of the comparisons that the rule is a
    condition of; empty: of all.
    """

    above: tuple[str, str] | tuple[()]
    says: str
    least: float | None = None
    most: float | None = None
    limits: str = ""
    operator: str = ""
    because: str = ""

    @property
    def threshold(self) -> str:
        """Where the whole interval must lie."""
        return f"above {self.least:g}" if self.least is not None else f"below {self.most:g}"


WORDS = "emotional words, not empathy"
RULES = {
    "reference above doctor": Rule(
        ("reference", "doctor"),
        "the warm answers score above the doctor's plain ones",
        least=0,
        because="they say the same and comfort besides, and a score of comfort sees nothing else",
    ),
    "reference above base": Rule(
        ("reference", "base"),
        "the warm answers score above the untuned model's",
        least=0,
        because="they are what the systems are tuned towards: a tuned one can gain no other way",
    ),
    "said twice": Rule(
        ("said twice", "reference"),
        f"a warm answer that is said twice gains less than {SMALLEST:.2f}",
        most=SMALLEST,
        because=f"differences of {SMALLEST:.2f} are the smallest that the book means to see",
    ),
    "padding alone": Rule(
        ("padding alone", "reference"),
        "polite padding without an answer scores below the warm answers",
        most=0,
        limits=WORDS,
        because="padding answers nobody; a score that it wins counts words",
    ),
    "a polite refusal": Rule(
        ("a polite refusal", "reference"),
        "a polite refusal scores below the warm answers",
        most=0,
        limits=WORDS,
        because="a refusal helps nobody; a score that it wins counts words",
    ),
    "reference above another": Rule(
        ("reference", "another"),
        "the warm answers score above those to another question",
        least=0,
        because="they are alike in tone and length, and only one of them answers",
    ),
    "doctor above another": Rule(
        ("doctor", "another"),
        "the doctor's answers score above warm ones to another question",
        least=0,
        because="he says what the warm answer to his question says, and the other does not",
    ),
    "the least above another": Rule(
        ("the tuned system that keeps least", "another"),
        "each tuned system keeps more than warm answers to another question do: "
        "who keeps nothing has lost nothing",
        least=0,
        operator=">=",
        because="what an answer to another question keeps is the measure's own zero",
    ),
    "right in both orders": Rule(
        (),
        "the judge prefers the warm answer to that to another question in both orders, "
        "in 80 % of the questions at least",
        least=0.8,
        because="nobody who reads them would err; a coin is right in both orders in 25 %",
    ),
    "the same in both orders": Rule(
        (),
        "the judge's two orders pick the same of two systems in more than half of the pairs",
        least=0.5,
        because="those of a coin do in half of them; below that the place decides",
    ),
    "as the second judge": Rule(
        (),
        "a judge of another kind picks the same of two systems in more than half of the pairs",
        least=0.5,
        because="two coins agree in half of them",
    ),
    "planted are found": Rule(
        (),
        "the mark is given to 60 % at least of the planted texts that it is meant for",
        least=0.6,
        because="one that misses two in five ranks systems by how they word it, not by what "
        "they do",
    ),
    "look-alikes are left alone": Rule(
        (),
        "the mark is given to fewer than 25 % of the texts that only sound like it",
        most=0.25,
        because="an answer has about five sentences: with more false alarms than that, three in "
        "four answers that sound like a doctor would carry the mark",
    ),
    # The same of what the systems wrote, and one rule more: where few sentences have what a mark is
    # for, a mark that is wrong nearly every time may still be given to few of all the others.
    "found in systems": Rule(
        (),
        "the mark is given to 60 % at least of the systems' own sentences in which a reader finds "
        "what it is for",
        least=0.6,
        because="as for planted texts: planted ones are clear, and small models' prose is not",
    ),
    "left alone in systems": Rule(
        (),
        "the mark is given to fewer than 25 % of the systems' own sentences in which the reader "
        "does not find it",
        most=0.25,
        because="as for look-alikes, on sentences that nobody wrote to look alike",
    ),
    "most flags are right": Rule(
        (),
        "the reader finds it in more than half of the systems' own sentences that carry the mark",
        least=0.5,
        because="a mark of what is rare may be given to few sentences and wrongly to most of "
        "these: below one half a marked sentence more likely lacks it than has it",
    ),
    # EmplifAI's judge, on dialogues of which the second is worse whoever reads it.
    "above shuffled turns": Rule(
        ("data", SHUFFLED),
        f"the data's dialogues are rated {LEVEL} above the same turns in another order",
        least=LEVEL,
        because=NOTABLE,
    ),
    "above a repeated turn": Rule(
        ("data", REPEATED),
        f"the data's dialogues are rated {LEVEL} above their first turn said four times",
        least=LEVEL,
        because=NOTABLE,
    ),
    "above a misplaced supporter": Rule(
        ("data", MISPLACED),
        f"the data's dialogues are rated {LEVEL} above the same patient "
        "with the supporter of another situation",
        least=LEVEL,
        because=NOTABLE,
    ),
    "sound above harm": Rule(
        ("sound", "harm"),
        f"sound replies are rated {LEVEL} above planted ones that do harm in the same scene",
        least=LEVEL,
        because=NOTABLE,
    ),
    # Empathy by Design.
    "same advice above another's": Rule(
        (REJECTED, ELSEWHERE),
        "the reference's advice in other words scores above advice on another question",
        least=0,
        because="a cosine has no levels: any difference that is sure counts",
    ),
    "reference above another's": Rule(
        (PREFERRED, ELSEWHERE),
        f"the reference is rated {LEVEL} above the one of another question",
        least=LEVEL,
        because=NOTABLE,
    ),
    "reference warmer": Rule(
        (PREFERRED, REJECTED),
        f"warm answers are rated {LEVEL} above the same advice as a guideline",
        least=LEVEL,
        because=NOTABLE,
    ),
    "reference more polite": Rule(
        (PREFERRED, REJECTED),
        "answers as to an equal are rated more polite than the same advice as a guideline",
        least=0,
        because="the rejected are polite as well: half a level would ask too much",
    ),
    "reference simpler": Rule(
        (PREFERRED, REJECTED),
        "answers in plain words have a lower grade than the same advice as a guideline",
        most=0,
        because="a grade that does not fall from guideline to plain words reads no plainness",
    ),
}
EMOTION = (
    "reference above doctor",
    "reference above base",
    "said twice",
    "padding alone",
    "a polite refusal",
)
# The gates without which a claim on a metric cannot be decided, by table. A rule stands where the
# metric's own levels say that the worse text deserves less: shuffled turns do no harm and each is
# good Japanese, and an answer to another question is as polite and as simple. What is compared with
# the reference itself, as the cosine is, gives the reference 1 whatever it measures.
_READS = ("above shuffled turns", "above a repeated turn", "above a misplaced supporter")
NEEDED = {
    "emplifai.table4": {
        "comprehensibility": _READS,
        "general_empathy": _READS,
        "specific_empathy": _READS,
        "consistency": _READS,
        "fluency": ("above a repeated turn",),
        "harmlessness": ("sound above harm",),
        "security": _READS,
    },
    "ebd.semantic": {"cosine": ("same advice above another's",)},
    "ebd.factual": {"correctness": ("reference above another's", "same advice above another's")},
    "ebd.human": {
        "empathy": ("reference above another's", "reference warmer"),
        "politeness": ("reference more polite",),
        "grade": ("reference simpler",),
    },
}
JUDGE = ("right in both orders", "the same in both orders", "as the second judge")
MARKS = ("planted are found", "look-alikes are left alone")
READ = ("found in systems", "left alone in systems", "most flags are right")
PASSED, FAILED, OPEN = "passed", "failed", "open"
MISSING = "not measured"


def add_differences(
    run,
    scores: pd.DataFrame,
    rules: tuple[str, ...],
    table: str,
    scorer: str,
    signature: str,
    unit: str = "question",
) -> None:
    """Record the gates of these rules on each metric: the mean difference between what is compared,
    question by question.

    scores: one row a question, columns (metric, system). table: whose claims rest on the metrics.
    scorer, signature: of the scores. unit: what a row is.
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
                signature=(
                    f"paired difference, {unit} by {unit}; "
                    f"must lie {RULES[name].threshold}; {signature}"
                ),
                unit=f"{unit}s",
            )


def add_needed(
    run, scores: pd.DataFrame, table: str, scorer: str, signature: str, unit: str = "question"
) -> None:
    """Record the gates that the claims on a table need (`NEEDED`), on each metric of the scores:
    as `add_differences`.
    """
    for metric in scores.columns.get_level_values(0).unique():
        rules = NEEDED[table][metric]
        add_differences(run, scores[[metric]], rules, table, scorer, signature, unit)


def add_share(
    run, values, rule: str, table: str, metric: str, scorer: str, signature: str, units=None
) -> None:
    """Record the gate of a rule about a share on a metric; nothing where no value is there.

    values: one an item, 1 or 0, missing where it was not scored. units: as of `Run.add_mean`.
    """
    run.add_mean(
        values,
        table=TABLE,
        system=rule,
        metric=metric,
        group=table,
        kind="share",
        units=units,
        scorer=scorer,
        signature=signature,
        unit="" if units is None else "test questions",
    )


def add_of_judge(run, known: pd.DataFrame, ids, duels: pd.DataFrame, scorer: str) -> None:
    """Record the gates of a judge of preferences (`JUDGE`) for each of its questions, on the win
    shares of Figure 2.

    known: of `preference.duels`, pairs of `reference` and `another`. ids: of the questions whose
    pairs were shown; one that the judge could not read it did not get right. duels: of the same,
    pairs of systems with a column `second_win`: the choice of the second judge.
    """
    for question in preference.QUESTIONS:
        table = f"emodoctor.figure2.{question}"
        of_known = known[known.question == question].set_index("id")
        right = (of_known.agreed.astype(bool) & (of_known.win == 1)).reindex(ids, fill_value=False)
        first, same, second = JUDGE
        how = "share of questions; pairs of a warm answer and one to another question"
        add_share(run, right, first, table, "win_share", scorer, how)
        pairs = duels[duels.question == question]
        choices = {
            same: pairs.agreed.astype(float),
            second: preference.agreement(pairs.win, pairs.second_win),
        }
        for rule, values in choices.items():
            clear = values.dropna()
            if len(clear):
                how = "share of pairs of systems"
                add_share(
                    run, clear, rule, table, "win_share", scorer, how, units=pairs.id[clear.index]
                )


def add_of_marks(
    run, values: dict, table: str, metrics: dict, scorer: str, rules: tuple[str, ...] = MARKS
) -> None:
    """Record the gates of marks: how often each is given to texts that it is meant for, and to
    those that only sound like it (`MARKS`, on planted texts); or the same on sentences that systems
    wrote and a reader read, and how often he finds it where it is given (`READ`).

    values: mark -> one series for each of the rules, 1 where the mark is given, or found. metrics:
    metric of the table -> the mark that it rests on.
    """
    how = "share of planted texts, none of which trained the mark, that it is given to"
    if rules == READ:
        how = "share of sentences that systems wrote and a language model read"
    for metric, mark in metrics.items():
        for rule, of_rule in zip(rules, values[mark], strict=True):
            add_share(run, of_rule, rule, table, metric, scorer, how)


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
    threshold, found (a difference has its sign), n, outcome.
    """
    rows = [
        {
            "claims on": f"{r.group} {r.metric}",
            "must hold": RULES[r.system].says,
            "threshold": RULES[r.system].threshold,
            "found": in_words(r),
            "n": r.n,
            "outcome": outcome(r),
        }
        for r in records[records.table == TABLE].itertuples()
    ]
    columns = ["claims on", "must hold", "threshold", "found", "n", "outcome"]
    return pd.DataFrame(rows, columns=columns)


def in_words(record) -> str:
    """The value of a gate with its interval; below ten items the value alone."""
    number = "+.2f" if RULES[record.system].above else ".2f"
    if record.interval == "none":
        return f"{record.value:{number}}"
    return f"{record.value:{number}} [{record.ci_low:{number}}, {record.ci_high:{number}}]"


def registered() -> pd.DataFrame:
    """Every rule with its threshold and the reason for it."""
    rows = [
        {
            "must hold": rule.says,
            "the whole interval": rule.threshold,
            "because": rule.because,
        }
        for rule in RULES.values()
    ]
    return pd.DataFrame(rows)


def not_passed(records: pd.DataFrame, table: str) -> dict[str, list[str]]:
    """The metrics of a table that a gate is not passed for, each with these gates in words."""
    found: dict[str, list[str]] = {}
    for r in records[(records.table == TABLE) & (records.group == table)].itertuples():
        if (said := outcome(r)) != PASSED:
            found.setdefault(r.metric, []).append(f"{said}: {RULES[r.system].says}")
    return found


def warning(records: pd.DataFrame, table: str) -> str:
    """A sentence for what shows numbers of a table: which gates are not passed, each said once with
    the metrics that decide nothing for it; empty where all are passed.
    """
    barriers: dict[str, list[str]] = {}
    for metric, reasons in not_passed(records, table).items():
        for reason in reasons:
            barriers.setdefault(reason, []).append(metric)
    listed = "; ".join(f"{', '.join(metrics)} ({reason})" for reason, metrics in barriers.items())
    return f"Not to be relied on, by their gates: {listed}" if listed else ""


def recorded(records: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """Each gate's outcome among the records: (table, metric, name of the rule) -> `outcome`."""
    return {
        (r.group, r.metric, r.system): outcome(r)
        for r in records[records.table == TABLE].itertuples()
    }


def closed(comparisons, outcomes: dict[tuple[str, str, str], str]) -> tuple[list[str], list[str]]:
    """Of the comparisons that a claim makes: the gates that are not passed, in words, and what the
    scores measure where only gates that limit them are not. One that is `NEEDED` and that no record
    has is not passed. outcomes: as `recorded` gives them.
    """
    compared = {
        (table, metric, comparison.operator): None
        for comparison in comparisons
        for _, table, _, metric in comparison.terms
    }
    needed = {
        (table, metric, name): MISSING
        for table, metric, _ in compared
        for name in NEEDED.get(table, {}).get(metric, ())
    }
    barriers: dict[tuple[str, str], list[str]] = {}  # what was said of which rule -> metrics
    limits = []
    for (table, metric, name), said in (needed | outcomes).items():
        rule = RULES[name]
        concerned = any(
            (table, metric) == (of_table, of_metric) and rule.operator in ("", operator)
            for of_table, of_metric, operator in compared
        )
        if not concerned or said == PASSED:
            continue
        if rule.limits:
            limits.append(rule.limits)
        else:
            barriers.setdefault((said, rule.says), []).append(metric)
    in_words = [
        f"{said} on {', '.join(dict.fromkeys(metrics))}: {says}"
        for (said, says), metrics in barriers.items()
    ]
    return in_words, list(dict.fromkeys(limits))
