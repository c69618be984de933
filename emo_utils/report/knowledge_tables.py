"""Tables of chapter 6: similarity, facts and their yardsticks, what several tools call BLEU."""

import pandas as pd

from emo_utils.data import published_numbers
from emo_utils.report import result_tables

YARDSTICKS = "emodoctor.facts.yardsticks"
_NAMES = {
    "doctor": "similarity to the doctor's answer",
    "modified": "similarity to the modified answer",
    "grade": "school grade",
    "kept": "kept (share of tokens)",
    "added": "added (details an answer)",
    "opposed": "opposed (sentences an answer)",
}


def beyond_words(records: pd.DataFrame, *tables: str) -> tuple[pd.DataFrame, str]:
    """Records of these tables, a row a system, and the beginning of a caption: how many questions,
    how many of them unscored, and what the intervals cover.
    """
    part = records[records.table.isin(tables)]
    caption = (
        f"{result_tables.questions(part)}, {part.unscored.max()} unscored at most. "
        f"{result_tables.CHECKPOINT}"
    )
    return result_tables.grid(part).rename(columns=_NAMES), caption


def beside_yardsticks(records: pd.DataFrame) -> str:
    """What the modified answers keep of the doctor's and what they keep of another question's, and
    how many systems keep more than the latter; for the caption of the table of facts.
    """
    yardsticks = records[records.table == YARDSTICKS]
    known = "; ".join(f"{r.system} keep {result_tables.cell(r)}" for r in yardsticks.itertuples())
    zero = yardsticks[yardsticks.system.str.endswith("next question")].iloc[0]
    part = records[records.table == "emodoctor.facts"]
    above = int((part[part.metric == "kept"].ci_low > zero.ci_high).sum())
    return (
        f"Beside them, {known}. {above} of {part.system.nunique()} systems "
        "keep more than answers to another question do, interval above interval"
    )


def bleu_by_tool(records: pd.DataFrame) -> pd.DataFrame:
    """For each system the BLEU of each tool and its share of BLEU-1, with the share in the paper's
    Table 2; the doctor's answer is the reference.
    """
    tools = records[records.table == "emodoctor.bleu_by_tool"].pivot(
        index="system", columns="metric", values="value"
    )
    ours = records[(records.table == "emodoctor.table2.doctor") & (records.metric == "bleu1")]
    unigram = ours.set_index("system").value
    paper = published_numbers.emodoctor("emodoctor.table2.doctor")
    shares = tools.div(unigram, axis=0).assign(paper=paper.bleu / paper.bleu1)
    return pd.concat(
        {
            "BLEU": tools.reindex(unigram.index).round(2),
            "share of BLEU-1": shares.reindex(unigram.index).round(3),
        },
        axis=1,
    )
