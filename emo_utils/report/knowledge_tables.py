"""Tables of chapter 6: similarity, facts, what several tools call BLEU."""

import pandas as pd
from IPython.display import HTML

from emo_utils.data import dialogues, published_numbers
from emo_utils.report import figures, kept_runs, result_tables
from emo_utils.scoring import readability

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


def shown_overlap(records: pd.DataFrame, run, table: str, behind: tuple[str, ...] = ()) -> HTML:
    """Table 2 against one reference, published and ours; behind: as of `result_tables.show`."""
    return result_tables.show(
        result_tables.side_by_side(records, table),
        run,
        result_tables.caption(records, table),
        behind=behind,
    )


def shown_similarity(records: pd.DataFrame, run, references: pd.DataFrame) -> HTML:
    """Similarity and readability of every system, with the grades that the references ask for.

    references: texts, columns doctor and modified, a row an answer.
    """
    grid, caption = beyond_words(records, "emodoctor.similarity", "emodoctor.readability")
    grades = references[["doctor", "modified"]].map(readability.grade).mean()
    return result_tables.show(
        grid,
        run,
        f"{caption}. The doctor's answers ask for grade {grades.doctor:.1f}, "
        f"the modified ones for {grades.modified:.1f}.",
    )


def shown_facts(records: pd.DataFrame, run) -> HTML:
    """What every system keeps, adds and opposes, and how far the measures follow people."""
    grid, caption = beyond_words(records, "emodoctor.facts")
    agreed = kept_runs.facts_agreement(run.values["reader_model"])
    return result_tables.show(grid, run, f"{caption}. {above_another(records)}. {agreed}.")


def shown_scale(records: pd.DataFrame, run) -> HTML:
    """The table of `on_scale`."""
    return result_tables.show(
        on_scale(records),
        run,
        "Words kept, from an answer to another question (0) to the warm answer of the data (1). "
        f"{result_tables.CHECKPOINT}.",
    )


def shown_bleu_by_tool(records: pd.DataFrame, run) -> HTML:
    """The table of `bleu_by_tool`."""
    counted = result_tables.questions(records[records.table == "emodoctor.bleu_by_tool"])
    return result_tables.show(
        bleu_by_tool(records),
        run,
        f"With the doctor's answer as reference, {counted}; "
        "one corpus number each, without interval.",
    )


def shown_lengths(texts: pd.DataFrame, run) -> HTML:
    """Mean words of each system's answers and of the references; texts: columns system, answer,
    doctor, modified.
    """
    words = texts.set_index("system")[["answer", "doctor", "modified"]]
    words = words.map(lambda text: len(text.split()))
    return result_tables.show(
        words.groupby("system", sort=False).answer.mean().round(1).to_frame("words an answer"),
        run,
        f"Mean length; the doctor's answers have {words.doctor.mean():.0f} words, "
        f"the modified ones {words.modified.mean():.0f}.",
    )


def most_found(scores: pd.DataFrame, added: list[list], opposed: list[list]) -> str:
    """What was added and what is opposed in the three answers with the most of each, in lines.

    scores: columns id, system, added, opposed (counts), a row an answer. added: the details of each
    (of `facts.added`). opposed: its pairs of sentences, the doctor's first (of `facts.opposed`).
    """
    lines = [
        f"{figures.named(scores.system[i])}, {scores.id[i]}: {', '.join(added[i][:12])}"
        for i in scores[scores.added > 0].nlargest(3, "added").index
    ]
    for i in scores[scores.opposed > 0].nlargest(3, "opposed").index:
        lines.append(f"\n{figures.named(scores.system[i])}, {scores.id[i]}")
        lines += [f"  doctor: {theirs}\n  answer: {ours}" for theirs, ours in opposed[i][:2]]
    return "\n".join(lines)


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
