"""What slips in the public code of Empathy by Design do to its scores: the same answers, scored as
the score is meant and as the slip computes it (chapter 10.1).

That code calls G-Eval with prediction and reference exchanged, computes politeness with the
correctness metric, and looks for ENTAILMENT inside NOT_ENTAILMENT.
"""

import pandas as pd

from emo_utils.judging import caregiver_questions, geval, table_decisions
from emo_utils.judging.caregiver_questions import LEVELS, NLI
from emo_utils.judging.decisions import Reader

MEANT, EXCHANGED = "as meant", "exchanged"
BARE = "BARE NUMBER, the service gave no log-probabilities; "
Scores = dict[tuple[str, str], pd.Series]


def in_authors_words(relations: pd.DataFrame) -> pd.Series:
    """The likeliest relation of each row; missing where the judge gave no probability."""
    words = dict.fromkeys(NLI, "NOT_ENTAILMENT") | {"entailment": "ENTAILMENT"}
    return table_decisions.likeliest(relations).map(words)


def scores(judge: Reader, rows: pd.DataFrame, relations: pd.DataFrame) -> Scores:
    """One value a row for each score and way of computing it, by (score, way).

    rows: columns question, reference, answer, and the judged correctness and politeness. relations:
    those of `caregiver_questions.judged`, which have these rows. judge: one that `geval.possible`
    allows.
    """
    exchanged = rows.rename(columns={"answer": "reference", "reference": "answer"})
    right = geval.scores(judge, rows, LEVELS["correctness"][1])
    wrong = geval.scores(judge, exchanged, LEVELS["correctness"][1])
    turned = caregiver_questions.relations_of(judge, exchanged, "NLI, exchanged")
    label, wrong_label = in_authors_words(relations.loc[rows.index]), in_authors_words(turned)

    def share(labels, test):
        return labels.map(lambda text: float(test(text)), na_action="ignore")

    return {
        ("correctness by G-Eval", MEANT): right.value,
        ("correctness by G-Eval", EXCHANGED): wrong.value,
        ("correctness by G-Eval", "the likeliest number alone"): right.bare,
        ("probability of a number", MEANT): right.mass,
        ("politeness", MEANT): rows.politeness,
        ("politeness", "by the correctness metric"): rows.correctness,
        ("entailed", MEANT): share(label, lambda text: text == "ENTAILMENT"),
        ("entailed", "ENTAILMENT sought in the label"): share(
            label, lambda text: "ENTAILMENT" in text
        ),
        ("entailed", EXCHANGED): share(wrong_label, lambda text: text == "ENTAILMENT"),
    }


def measure(run, judge: Reader, rows: pd.DataFrame, relations: pd.DataFrame, endpoint: str) -> str:
    """Score answers as meant and as the slips do, and record both; returns the `flag` that a
    caption needs. Nothing of no rows, nor by a judge that `geval.possible` does not allow, which is
    printed.

    rows, relations: as `scores` has them, with the rows' systems.
    """
    if rows.empty:
        return ""
    if not geval.possible(judge):
        print(
            "G-Eval needs a model in this process or a chat service (chat+http://...); "
            "the slips are not measured"
        )
        return ""
    slips = scores(judge, rows, relations)
    bare = flag(slips, endpoint)
    add_records(run, slips, rows.system, judge.name, f"{bare}{judge.signature}")
    return bare


def flag(slips: Scores, endpoint: str) -> str:
    """What to say where a service gave no log-probabilities; empty where it did."""
    unknown = slips["probability of a number", MEANT].isna().any()
    return BARE if endpoint and unknown else ""


def add_records(run, slips: Scores, systems: pd.Series, scorer: str, signature: str) -> None:
    """Mean of each score and way over the rows of each system (table `ebd.slips`).

    systems: of the rows.
    """
    for system in systems.unique():
        for (metric, group), values in slips.items():
            run.add_mean(
                values[systems == system],
                table="ebd.slips",
                system=system,
                metric=metric,
                group=group,
                kind="share" if metric == "entailed" else "mean",
                scorer=scorer,
                signature=signature,
            )
