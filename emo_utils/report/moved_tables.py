"""Tables of chapter 9.4: what moves the judge, whom it follows, and what a rating study can see."""

import pandas as pd
from IPython.display import HTML

from emo_utils.judging import ablated_dialogues, printed_dialogues
from emo_utils.project import REFERENCE
from emo_utils.report import kept_runs, result_tables
from emo_utils.stats import intervals, rating_power

KEPT = REFERENCE / "emplifai_moves.json"
EFFECTS = "emplifai.ablation"


def effects(records: pd.DataFrame) -> pd.DataFrame:
    """A row a question, a column a rubric, their mean, and the characters that differ."""
    part = records[records.table == EFFECTS]
    wide = result_tables.grid(part, counts=True, sign="+")
    wide.insert(0, "compared", [" less ".join(ablated_dialogues.QUESTIONS[q]) for q in wide.index])
    return wide


def printed(records: pd.DataFrame) -> pd.DataFrame:
    """A row a rating that the paper prints, a column each of whom it is from."""
    part = records[(records.table == printed_dialogues.TABLE) & (records.metric != "mad")]
    part = part.assign(row=part.group + ", " + part.metric)
    wide = part.pivot(index="row", columns="system", values="value").round(2)
    return wide.reindex(index=part.row.unique(), columns=list(printed_dialogues.SOURCES))


def follows(records: pd.DataFrame) -> str:
    """How far our levels lie from the paper's judge and from people, in a sentence."""
    part = records[(records.table == printed_dialogues.TABLE) & (records.metric == "mad")]
    said = [f"{r.system} {result_tables.with_interval(r)}" for r in part.itertuples()]
    table = printed(records)
    ours = table[printed_dialogues.OURS]
    away = {
        name: (ours - table[name]).abs()
        for name in (printed_dialogues.JUDGE, printed_dialogues.PEOPLE)
    }
    nearer = int((away[printed_dialogues.PEOPLE] < away[printed_dialogues.JUDGE]).sum())
    return (
        f"Mean distance of our levels: {', '.join(said)} (n: ratings); nearer to people in "
        f"{nearer} of {len(table)} ratings."
    )


def show_effects(records: pd.DataFrame, source, judge_model: str) -> HTML | None:
    """What moves the judge; None where nothing was rated."""
    if not (records.table == EFFECTS).any():
        return None
    return result_tables.show(
        effects(records),
        source,
        "Differences of expected levels (1 to 5), dialogue by dialogue, one dialogue a situation; "
        f"the last column is in characters. Judge: {judge_model}.",
    )


def show_printed(records: pd.DataFrame, source, judge_model: str) -> HTML | None:
    """Whom the judge follows; None where no printed dialogues were given and none are kept."""
    if not (records.table == printed_dialogues.TABLE).any():
        return None
    return result_tables.show(
        printed(records),
        source,
        f"Ratings of the dialogues that the paper prints. {follows(records)} The last column: "
        f"share of our data's dialogues that our judge rates lower. Judge: {judge_model}.",
    )


def full_run() -> tuple[HTML | None, HTML | None]:
    """The same two tables of the run that is kept; None where there is none."""
    records = kept_runs.kept(KEPT)
    if not len(records):
        return None, None
    source = kept_runs.kept_source(KEPT)
    judge = records[(records.table == EFFECTS) & (records.metric == "mean")].scorer.iloc[0]
    return show_effects(records, source, judge), show_printed(records, source, judge)


def power_of_correlations(
    designs: dict[str, rating_power.Design], trues: tuple[float, ...], studies: int, seed: int
) -> pd.DataFrame:
    """A row a true correlation of judge and quality, for each design the correlation with people
    that is measured (its mean, and the middle 95 % of studies) and the share of studies in which it
    differs from 0, with the interval over studies.
    """
    columns: dict[tuple[str, str], list[str]] = {}
    for name, design in designs.items():
        measured, shares = [], []
        for true in trues:
            found = rating_power.correlations(design, true, studies, seed)
            low, high = pd.Series(found).quantile([0.025, 0.975])
            measured.append(f"{found.mean():.2f} ({low:.2f} to {high:.2f})")
            shares.append(_share(rating_power.seen(found, design.dialogues)))
        columns[name, "measured"], columns[name, "seen"] = measured, shares
    frame = pd.DataFrame(columns, index=pd.Index(trues, name="true"))
    frame.columns = pd.MultiIndex.from_tuples(frame.columns)
    return frame


def power_of_differences(
    designs: dict[str, rating_power.Design], trues: tuple[float, ...], studies: int, seed: int
) -> pd.DataFrame:
    """A row a true difference of two systems in points, a column a design: the share of studies
    that see it.
    """
    return pd.DataFrame(
        {
            name: [
                _share(rating_power.differences_seen(design, true, studies, seed)) for true in trues
            ]
            for name, design in designs.items()
        },
        index=pd.Index(trues, name="true difference, points"),
    )


def _share(yes) -> str:
    value, low, high = intervals.share_interval(yes)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
