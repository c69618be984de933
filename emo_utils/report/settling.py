"""What it would take to settle the papers' claims: experiments at the papers' scale, and what they
cost by the bill of chapter 13 (page "What would have to be true").
"""

import fnmatch
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import yaml

from emo_utils.claims import deciding
from emo_utils.experiment import bill
from emo_utils.project import DATA, EmoError
from emo_utils.report import bill_tables, bill_tasks
from emo_utils.stats import intervals

EXPERIMENTS = DATA / "published" / "experiments.yaml"
COSTS = ("rows", "GPU hours", "service, $")


@dataclass(frozen=True)
class Bill:
    """The lines of the bill (index: the task; columns COSTS), how many times as long as computed
    the work took where that could be checked, and the price of an hour on the GPU.
    """

    lines: pd.DataFrame
    factor: float
    dollars_hour: float


def whole_bill(parameters: dict) -> Bill:
    """The bill as chapter 13 makes it; parameters: the chapter's, of its run."""
    sizes = bill_tasks.Sizes(
        *(parameters[name] for name in ("question_tokens", "answer_tokens", "growth"))
    )
    shares = {
        name: parameters[name]
        for name in ("training_share", "reading_share", "writing_share", "batch")
    }
    rates = bill.GpuRates(**bill.machines()[parameters["gpu"]], **shares)
    cpu, prices = bill.cpu_speeds(), bill.prices()
    asked, trained = bill_tasks.asked(sizes), bill_tasks.trained(sizes)
    lines = [bill.asked_line(*task, bill.MODELS, prices, rates, cpu) for task in asked]
    lines += [bill.trained_line(*task, bill.MODELS, rates, cpu) for task in trained]
    frame = pd.DataFrame(lines).set_index("item")
    frame["rows"] = [task.rows for task in (*asked, *trained)]
    own_runs = bill_tables.own_runs(bill_tasks.computed_trainings(sizes, cpu))
    of_paper = bill_tasks.stated_by_emplifai(trained, rates, cpu)
    factor = max(own_runs["times"].max(), of_paper["times"].max())
    return Bill(frame[list(COSTS)].fillna(0), factor, rates.dollars_hour)


def experiments(tasks: list[str]) -> list[dict]:
    """The experiments in the order of the file, `once` and `again` with the names of tasks that
    their patterns stand for; tasks: all names of the bill.

    Raises EmoError for a pattern that stands for no task.
    """
    found = yaml.safe_load(EXPERIMENTS.read_text(encoding="utf-8"))
    return [
        experiment
        | {
            when: [
                task
                for pattern in experiment[when]
                for task in _matching(pattern, tasks, experiment["id"])
            ]
            for when in ("once", "again")
        }
        for experiment in found
    ]


def _matching(pattern: str, tasks: list[str], where: str) -> list[str]:
    if matching := fnmatch.filter(tasks, pattern):
        return matching
    raise EmoError(
        f"{EXPERIMENTS.name}, {where}: '{pattern}' is no task of the bill; "
        f"there are: {', '.join(tasks)}"
    )


def times_paid(experiment: dict) -> pd.Series:
    """How many times each task of an experiment is paid: once, or for every training seed."""
    once = dict.fromkeys(experiment["once"], 1)
    return pd.Series(once | dict.fromkeys(experiment["again"], experiment["seeds"]), dtype=float)


def together(found: list[dict]) -> pd.Series:
    """How often each task is paid by whoever makes all of these experiments: they share tasks."""
    return pd.concat([times_paid(e) for e in found], axis=1).max(axis=1)


def cost(times: pd.Series, of: Bill) -> dict[str, str]:
    """What so many payments of each task come to, as readers see it: rows that a model reads,
    writes or learns from, hours on one GPU and US dollars, from the formula's figure to the one
    that is `factor` times as long; services are paid by the token and do not grow.
    """
    sums = of.lines.loc[times.index].mul(times, axis=0).sum()
    hours, service = sums["GPU hours"], sums["service, $"]
    dollars = [hours * of.dollars_hour * by + service for by in (1, of.factor)]
    return {
        "rows": f"{sums['rows']:,.0f}",
        "hours on one GPU": _range(hours, of.factor * hours),
        "US dollars": _range(*dollars),
    }


def _range(low: float, high: float) -> str:
    ends = dict.fromkeys((bill_tables.rounded(low), bill_tables.rounded(high)))
    return " to ".join(ends)


def half_widths(claim: dict, records: pd.DataFrame, questions: int) -> tuple[float, int, float]:
    """Half of the widest 95 % interval among a claim's comparisons by our records, its n, and what
    it would be over so many questions: the spread of these answers, the error by the root of n.

    NaN, 0 and NaN where no record has an interval. Over questions only: trainings add their own.
    """
    keys = {
        name
        for test in claim["tests"]["ours"] or ()
        for c in test.comparisons
        for name in (c.key, c.sum)
    }
    of_claim = records[(records.table == deciding.TABLE) & records.system.isin(keys)]
    of_claim = of_claim[of_claim.n >= intervals.ENOUGH]
    halves = (of_claim.ci_high - of_claim.ci_low).dropna() / 2
    if halves.empty:
        return math.nan, 0, math.nan
    n = int(of_claim.n[halves.idxmax()])
    return float(halves.max()), n, float(halves.max() * np.sqrt(n / questions))
