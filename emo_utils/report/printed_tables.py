"""Tables of chapter 8.1: what our scores and marks say of the answers that EmoDoctor prints."""

import pandas as pd
from IPython.display import HTML

from emo_utils.data import files
from emo_utils.project import DATA, REFERENCE
from emo_utils.report import figures, result_tables
from emo_utils.scoring import printed_marks

KEPT = REFERENCE / "emodoctor_table3.json"
READING = DATA / "published" / "emodoctor_table3.csv"
# As the columns name them, in their order.
METRICS = {
    "mean": "warmth (mean)",
    "comfort_share": "sentences of comfort",
    "knowledge_share": "sentences of knowledge",
    "opens_with_comfort": "opens with comfort",
    "explicit_comfort": "comfort in so many words",
    "prescribes": "prescribes",
    "discourages": "discourages",
    "claims": "claims",
    "words": "words",
}


def answers(records: pd.DataFrame) -> pd.DataFrame:
    """A row a printed answer, by case and method, then the yardsticks, a column each of METRICS;
    what is yes or no of a single answer in words.
    """
    part = records[(records.table == printed_marks.TABLE) & records.metric.isin(METRICS)]
    part = part[part.group.str.startswith(f"{printed_marks.PRINTED}, case") | _yardstick(part)]
    row = part.group.str.removeprefix(f"{printed_marks.PRINTED}, ")
    system = part.system.str.removeprefix("printed.").str.upper()
    part = part.assign(
        row=(row + ", " + system).where(~_yardstick(part), part.system.map(figures.named)),
        cell=[_cell(r) for r in part.itertuples()],
    )
    wide = part.pivot(index="row", columns="metric", values="cell")
    return wide.reindex(index=part.row.unique(), columns=list(METRICS)).rename(columns=METRICS)


def _yardstick(records: pd.DataFrame) -> pd.Series:
    return records.group == printed_marks.YARDSTICK


def _cell(record) -> str:
    if record.n == 1 and record.metric in printed_marks.SHARES:
        return "yes" if record.value else "no"
    if record.n == 1:
        return f"{record.value:.0f}" if record.metric == "words" else f"{record.value:.2f}"
    return result_tables.with_interval(record, 0 if record.metric == "words" else 2)


def agreement(records: pd.DataFrame) -> pd.DataFrame:
    """A row a mark and colour of the paper; without colours at hand none."""
    part = records[records.metric.isin(["kappa", "recall", "precision"])]
    return result_tables.grid(part, counts=True)


def by_eye(records: pd.DataFrame) -> pd.DataFrame:
    """What a language model read in each answer beside what the marks say, a row an answer."""
    read = files.table(READING)
    shown = records[records.group.str.startswith(f"{printed_marks.PRINTED}, case")]
    marks = shown.set_index(["group", "system", "metric"]).value

    def of_program(mark: str) -> list[str]:
        keys = [
            (f"{printed_marks.PRINTED}, case {r.case}", f"printed.{r.system}", mark)
            for r in read.itertuples()
        ]
        return ["yes" if marks.get(key) else "no" for key in keys]

    columns = {
        "answer": [f"case {r.case}, {r.system.upper()}" for r in read.itertuples()],
        "in our words": read.reading,
    }
    for mark in ("prescribes", "claims"):
        columns[f"{mark}, read"] = read[mark]
        columns[f"{mark}, marked"] = of_program(mark)
    return pd.DataFrame(columns | {"comforts falsely, read": read.comforts_falsely})


def agreed(table: pd.DataFrame) -> str:
    """How often mark and reading say the same of an answer, in a sentence; table: of `by_eye`."""
    same = {
        mark: int((table[f"{mark}, read"] == table[f"{mark}, marked"]).sum())
        for mark in ("prescribes", "claims")
    }
    said = "; ".join(f"{mark}: {count} of {len(table)}" for mark, count in same.items())
    return f"Answers of which mark and reading say the same: {said}."


def order(records: pd.DataFrame) -> str:
    """In how many cases DPO's answer has the highest warmth, and the largest share of comfort, of
    the three methods, in a sentence.
    """
    said = []
    for metric in ("mean", "comfort_share"):
        of_cases = records[
            (records.metric == metric) & records.group.str.startswith(printed_marks.PRINTED + ", c")
        ].pivot(index="group", columns="system", values="value")
        first = of_cases["printed.dpo"] > of_cases.drop(columns="printed.dpo").max(axis=1)
        said.append(f"{METRICS[metric]}: {int(first.sum())} of {len(of_cases)} cases")
    return f"DPO's answer is the highest of the three in {'; '.join(said)}."


def show(records: pd.DataFrame, source) -> tuple[HTML, HTML, HTML] | None:
    """The three tables: the answers, marks against colours, and what was read by eye; None where
    no printed answers were given and none are kept. source: the run, or what it is kept as.
    """
    if not len(records):
        return None
    of_answers = records[records.table == printed_marks.TABLE]
    beside = int(of_answers[_yardstick(of_answers)].n.max())
    read = by_eye(records)
    return (
        result_tables.show(
            answers(records),
            source,
            "The six printed answers, each by itself (one answer has no interval), and means over "
            f"{beside} test questions of our data. {order(records)} Scorer: "
            f"{of_answers.scorer.iloc[0]}. What the marks are worth: chapter 8.",
        ),
        result_tables.show(
            agreement(records),
            source,
            "Our marks against the paper's colours, over sentences; n is that of kappa. "
            "Fewer than ten sentences have no interval.",
        ),
        result_tables.show(
            read,
            source,
            "The six printed answers as a language model reads them (data/published), beside our "
            f"marks. {agreed(read)}",
            index=False,
        ),
    )
