"""Whether verdicts are right as often as they say: simulated books, of which the truth is known.

    .venv/bin/python benchmarks/verdicts.py [--books 500] [--keep]

A book is the item scores of the nine systems, of EmplifAI's two and of Empathy by Design's two:
skewed, with questions that are hard for all systems. Its records are made by what the chapters call
(`ledger.add_combinations` on items, on bootstrap draws for overlap, on several trainings; gates by
`claims.gates`), its verdicts by the ledger. A verdict is wrong where it is *supported* and the
claim is not true, or *contradicted* and the claim is not false; where nothing differs, a claim that
says more is neither.

- **Nothing differs**, for 10, 20 and 65 questions.
- **Trainings differ, methods do not**: each training moves its system's scores by chance. Verdicts
  of one checkpoint take that for a difference; verdicts over three seeds should not.
- **A known difference** of DPO to all other systems on the emotion scores: how often the claim that
  it beats the prompt is supported, beside the power computed for a paired t-test.
- **An instrument that does not tell**: the same, where texts of which the order is known score
  alike. Its gates are not passed, and hardly a claim has a verdict.

The table goes into `book/reference/verdicts.json`; the page of intervals and verdicts draws it.
"""

import argparse
import functools
import time

import numpy as np
import pandas as pd
import scipy.stats

from emo_utils.claims import deciding, gates
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import results, runs
from emo_utils.project import REFERENCE, ROOT
from emo_utils.stats import intervals

KEPT = REFERENCE / "verdicts.json"
UNTRAINED = ("base", "prompt")
EMOTION = ("empathetic", "comforting", "reassuring", "mean", "max")
OVERLAP = ("bleu", "bleu1", "rouge1", "rouge2", "rougeL")
JUDGED = ("er-eqsr-sft", "eqsr-sft", "er-eqsr-dpo", "eqsr-dpo", "er-eqsr-kto", "eqsr-kto")
RUBRICS = (
    *("comprehensibility", "general_empathy", "specific_empathy", "consistency"),
    *("fluency", "harmlessness", "security"),
)
PLANTED, AGAINST = "eqsr-dpo", "dpo-beats-prompt"
DIFFERENCES = (0.0, 0.02, 0.04, 0.06, 0.08, 0.12)
SPREAD = 0.04  # of a training's scores around its method's, as a standard deviation

# The tables of one chapter, which share their questions: table -> systems and metrics.
CHAPTERS = {
    "emotion": {"emodoctor.table1": (results.SYSTEMS, EMOTION)},
    "overlap": {
        "emodoctor.table2.doctor": (results.SYSTEMS, OVERLAP),
        "emodoctor.table2.modified": (results.SYSTEMS, OVERLAP),
    },
    "facts": {"emodoctor.facts": (results.SYSTEMS, ("kept",))},
    "preference": {
        "emodoctor.figure2.knowledge": (JUDGED, ("win_share",)),
        "emodoctor.figure2.emotion": (JUDGED, ("win_share",)),
    },
    "cases": {"emodoctor.table3": (results.SYSTEMS, ("opens_with_comfort", "comfort_share"))},
    "dialogues": {"emplifai.table4": (("emplifai-base", "emplifai-sft"), RUBRICS)},
    "care": {
        "ebd.semantic": (("ebd-base", "ebd-dpo"), ("cosine",)),
        "ebd.factual": (("ebd-base", "ebd-dpo"), ("correctness",)),
        "ebd.human": (("ebd-base", "ebd-dpo"), ("empathy", "politeness", "grade")),
    },
}


class Book:
    """Keeps records as a run does, by its own rule of what has an interval."""

    values = {"seed": 0}
    add, add_mean, records = runs.Run.add, runs.Run.add_mean, runs.Run.records

    def __init__(self):
        self._records: dict[tuple, results.Record] = {}

    def ledger(self) -> pd.DataFrame:
        return claims_ledger.ledger(results.frame([r.model_dump() for r in self.records]))


def latent(rng, systems, metrics, n: int, seeds: int, spread: float) -> np.ndarray:
    """Scores before their scale, shape (systems, metrics, seeds, n): what a question asks of all,
    what a system makes of it, what a training and a metric add; and where each training stands.
    """
    shape = (len(systems), len(metrics), seeds, n)
    question, of_system = rng.normal(size=(1, 1, 1, n)), rng.normal(size=(len(systems), 1, 1, n))
    training = rng.normal(size=(len(systems), 1, seeds, n))
    scores = question + 0.7 * of_system + 0.5 * training + 0.4 * rng.normal(size=shape)
    moved = spread * rng.normal(size=(len(systems), 1, seeds, 1))
    untrained = np.array([s in UNTRAINED or s.endswith("-base") for s in systems])
    scores[untrained], moved[untrained] = scores[untrained][:, :, :1], 0.0
    return 1 / (1 + np.exp(1 - scores)) + moved


def cells(rng, table: str, systems, metrics, n: int, seeds: int, spread: float, planted: float):
    """The item scores of one table: {(system, metric): shape (n,) or (seeds, n)}."""
    scores = latent(rng, systems, metrics, n, seeds, spread)
    if table.startswith("emodoctor.figure2"):  # the best of six wins the question
        scores = (scores == scores.max(axis=0)).astype(float)
    for k, metric in enumerate(metrics):
        if metric == "opens_with_comfort":  # as often as not: the edge of the claim
            scores[:, k] = rng.random(scores[:, k].shape) < 0.5
    if table == "emodoctor.table1" and planted:
        scores[systems.index(PLANTED)] += planted
    return {
        (system, metric): scores[i, k, 0]
        if seeds == 1 or system in UNTRAINED or system.endswith("-base")
        else scores[i, k]
        for i, system in enumerate(systems)
        for k, metric in enumerate(metrics)
    }


def add_gates(made: Book, rng, table: str, scores: dict, n: int, tells: bool) -> None:
    """The gates of the claims on a table: texts of which it is known which scores higher differ by
    half a unit more than they must, or are alike where the instrument does not tell.

    scores: of the table's systems, as `cells` gives them.
    """

    def texts(name: str, metrics: list[str]) -> pd.DataFrame:
        rule, (first, second) = gates.RULES[name], gates.RULES[name].above
        apart = (rule.most - 0.5 if rule.least is None else rule.least + 0.5) if tells else 0.0
        noise = rng.normal(scale=0.1, size=(2, len(metrics), n))
        higher = {(metric, first): apart + noise[0, k] for k, metric in enumerate(metrics)}
        return pd.DataFrame(
            higher | {(metric, second): noise[1, k] for k, metric in enumerate(metrics)}
        )

    rules = gates.NEEDED.get(table, {})
    if table == "emodoctor.table1":
        rules = dict.fromkeys(EMOTION, gates.EMOTION)
    elif table.startswith("emodoctor.table2"):
        name = f"{'doctor' if table.endswith('modified') else 'reference'} above another"
        rules = dict.fromkeys(OVERLAP, (name,))
    elif table == "emodoctor.facts":
        kept = {s: values if values.ndim == 1 else values[0] for (s, _), values in scores.items()}
        least = min(values.mean() for values in kept.values())
        another = rng.normal(least - (0.5 if tells else 0.0), 0.1, n)
        gates.add_least_kept(made, pd.DataFrame(kept).assign(another=another), 0, "simulated")
    for name in dict.fromkeys(name for names in rules.values() for name in names):
        of_rule = texts(name, [metric for metric, names in rules.items() if name in names])
        gates.add_differences(made, of_rule, (name,), table, "simulated", "simulated")


def book(
    rng,
    n: int,
    seeds: int = 1,
    spread: float = 0.0,
    planted: float = 0.0,
    chapters=CHAPTERS,
    tells: bool = True,
) -> pd.DataFrame:
    """The ledger of one simulated book. tells: whether its instruments pass their gates."""
    made = Book()
    [of_gates] = rng.spawn(1)  # gates take nothing from the stream of the scores
    for chapter, tables in chapters.items():
        scores = {
            table: cells(rng, table, *of_table, n, seeds, spread, planted)
            for table, of_table in tables.items()
        }
        drawn = chapter == "overlap" and seeds == 1
        if drawn:
            times = rng.multinomial(n, np.full(n, 1 / n), size=intervals.RESAMPLES) / n
            draws = {
                (table, *of): times @ values
                for table, of_table in scores.items()
                for of, values in of_table.items()
            }
        else:
            draws = {}

        def cell(table, system, metric, scores=scores, draws=draws):
            values = scores[table][system, metric]
            return float(values.mean()), draws.get((table, system, metric), values)

        claims_ledger.add_combinations(
            made, tuple(tables), cell, n=n, scorer="simulated", drawn=drawn
        )
        for table, of_table in scores.items():
            add_gates(made, of_gates, table, of_table, n, tells)
    return made.ledger()


def truths(planted: float) -> pd.DataFrame:
    """Of each claim whether it is true and whether it is false in a simulated world."""
    rows = {}
    for claim in claims_ledger.claims():
        tests = claim["tests"]["ours"] or ()
        holds, fails = [], []
        for test in tests:
            sums = [(c, _true_sum(c, planted)) for c in test.comparisons]
            above = [value > c.edge(value) + 1e-9 for c, value in sums]
            below = [value < c.edge(value) - 1e-9 for c, value in sums]
            holds.append(sum(above) >= test.needed)
            fails.append(len(sums) - sum(below) < test.needed)
        rows[claim["id"]] = {"true": bool(tests) and all(holds), "false": any(fails)}
    return pd.DataFrame.from_dict(rows, orient="index")


def _true_sum(comparison, planted: float) -> float:
    """What a sum of cells comes to where all systems are alike but for the planted difference."""
    moved = sum(
        weight * planted
        for weight, table, system, _ in comparison.terms
        if table == "emodoctor.table1" and system == PLANTED
    )
    alike = sum(weight for weight, *_ in comparison.terms)
    level = 0.5 if any(m == "opens_with_comfort" for *_, m in comparison.terms) else np.nan
    return moved + (alike * level if alike else 0.0)


def tried(books: list[pd.DataFrame], planted: float = 0.0) -> dict:
    """What became of the claims of many books: how often a verdict was wrong, claim by claim and
    book by book, before and after the correction.
    """
    truth = truths(planted)
    wrong = {}
    for column in ("ours", "corrected"):
        verdicts = pd.DataFrame([frame.set_index("id")[column] for frame in books])
        verdicts = verdicts.loc[:, (verdicts != "not measured").any()]
        true, false = (truth[name].reindex(verdicts.columns) for name in ("true", "false"))
        wrong[column] = ((verdicts == "supported") & ~true) | (
            (verdicts == "contradicted") & ~false
        )
    rates = wrong["ours"].mean()
    return {
        "books": len(books),
        "claims": wrong["ours"].shape[1],
        "wrong": round(float(rates.mean()), 4),
        "worst claim": rates.idxmax(),
        "its wrong": round(float(rates.max()), 4),
        "books with a wrong one": round(float(wrong["ours"].any(axis=1).mean()), 4),
        "after Holm": round(float(wrong["corrected"].any(axis=1).mean()), 4),
    }


def power(books: list[pd.DataFrame], rng, n: int, planted: float) -> dict:
    """How often the claim on the planted difference is supported, and how often a paired t-test
    would find it, by the noncentral t-distribution.
    """
    ours, corrected = (
        np.mean([(frame.set_index("id")[column][AGAINST] == "supported") for frame in books])
        for column in ("ours", "corrected")
    )
    systems = (PLANTED, "prompt")
    scores = latent(rng, systems, ("mean",), 200_000, 1, 0.0)[:, 0, 0]
    away = planted / (scores[0] - scores[1]).std() * np.sqrt(n)
    limit = scipy.stats.t.ppf(0.975, n - 1)
    return {
        "supported": round(float(ours), 4),
        "supported after Holm": round(float(corrected), 4),
        "computed": round(float(scipy.stats.nct.sf(limit, n - 1, away)), 4),
    }


def table(books: int, seed: int = 0) -> list[dict]:
    """A row a world."""
    rng, rows = np.random.default_rng(seed), []

    def many(*args, **options):
        return [book(rng, *args, **options) for _ in range(books)]

    for n in (10, 20, 65):
        rows.append({"world": "nothing differs", "n": n} | tried(many(n)))
    for seeds in (1, 3):
        made = many(65, seeds, SPREAD)
        about = {"world": "trainings differ, methods do not", "n": 65, "seeds": seeds}
        rows.append(about | tried(made))
    for planted in DIFFERENCES:
        made = many(65, planted=planted, chapters={"emotion": CHAPTERS["emotion"]})
        about = {"world": "a known difference", "n": 65, "difference": planted}
        rows.append(about | tried(made, planted) | power(made, rng, 65, planted))
    made = many(65, planted=DIFFERENCES[-1], chapters={"emotion": CHAPTERS["emotion"]}, tells=False)
    about = {"world": "an instrument that does not tell", "n": 65}
    rows.append(about | tried(made, DIFFERENCES[-1]))
    return rows


def read_once() -> None:
    """Files that do not change meanwhile, and what follows from the papers' numbers alone, are read
    and decided once.
    """
    for name in ("claims", "published"):
        setattr(claims_ledger, name, functools.cache(getattr(claims_ledger, name)))
    cells = deciding.printed_cells(claims_ledger.published())
    printed = {
        claim["id"]: deciding.printed_verdict(claim, cells) for claim in claims_ledger.claims()
    }
    deciding.printed_verdict = lambda claim, cells: printed[claim["id"]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--books", type=int, default=500, help="simulated books a world")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT.relative_to(ROOT)}")
    options = parser.parse_args()
    read_once()
    started = time.perf_counter()
    frame = pd.DataFrame(table(options.books))
    print(frame.to_string(index=False, na_rep=""))
    print(f"{time.perf_counter() - started:.0f} s")
    if options.keep:
        import clock  # beside this file; it imports transformers

        clock.keep_table(KEPT, frame.to_dict("records"), books=options.books, spread=SPREAD)


if __name__ == "__main__":
    main()
