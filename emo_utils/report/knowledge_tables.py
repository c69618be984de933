"""Tables of chapter 6: similarity, facts, what several tools call BLEU."""

import pandas as pd

from emo_utils.data import dialogues, published_numbers
from emo_utils.report import result_tables

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


def above_another(records: pd.DataFrame) -> str:
    """How many systems keep more of the doctor's answer than warm answers to another question do,
    where there are intervals; for the caption of the table of facts.
    """
    part = records[(records.table == "emodoctor.facts") & (records.metric == "kept")]
    zero = part[part.system == "another"].iloc[0]
    of_systems = part[~part.system.isin(dialogues.REFERENCES)]
    if (part.interval == "none").any():
        return "Too few questions to say which systems keep more than answers to another question"
    above = int((of_systems.ci_low > zero.ci_high).sum())
    return (
        f"{above} of {len(of_systems)} systems "
        "keep more than answers to another question do, interval above interval"
    )


def on_scale(records: pd.DataFrame) -> pd.DataFrame:
    """The systems between what an answer to another question keeps and what the reference does."""
    part = records[records.table == "emodoctor.facts.scale"]
    return result_tables.grid(part).rename(columns={"kept": "kept, from 0 to 1"})


def bleu_by_tool(records: pd.DataFrame) -> pd.DataFrame:
    """For each system the BLEU of each tool and its share of BLEU-1, with the share in the paper's
    Table 2; the doctor's answer is the reference.
    """
    tools = records[records.table == "emodoctor.bleu_by_tool"].pivot(
        index="system", columns="metric", values="value"
    )
    ours = records[(records.table == "emodoctor.table2.doctor") & (records.metric == "bleu1")]
    unigram = ours[ours.system.isin(tools.index)].set_index("system").value
    paper = published_numbers.emodoctor("emodoctor.table2.doctor")
    shares = tools.div(unigram, axis=0).assign(paper=paper.bleu / paper.bleu1)
    return pd.concat(
        {
            "BLEU": tools.reindex(unigram.index).round(2),
            "share of BLEU-1": shares.reindex(unigram.index).round(3),
        },
        axis=1,
    )
