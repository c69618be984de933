"""Tables of the chapters on Empathy by Design: pairs, scores, checks, differences, slips."""

from pathlib import Path

import pandas as pd
from IPython.display import HTML

from emo_utils.claims import caregiver_records, ledger
from emo_utils.judging import caregiver_questions
from emo_utils.report import figures, kept_runs, result_tables
from emo_utils.stats import intervals

CLAIMED = tuple(caregiver_records.CLAIMED)  # the tables that claims rest on
KEPT = kept_runs.REFERENCE / "ebd_scores.json"


def listed(
    records: pd.DataFrame, table: str, columns: tuple[str, ...], digits: int = 3
) -> pd.DataFrame:
    """The records of a table, one a line: these columns, the value with its interval, n."""
    part = figures.labelled(records[records.table == table])
    cells = [result_tables.cell(record, digits) for record in part.itertuples()]
    return part.assign(value=cells)[[*columns, "value", "n"]]


def shown_pair(pairs: list[dict], run) -> HTML | None:
    """The first of the pairs that are trained on, for reading; a printed line where the run's pairs
    are of a file that was given, which may not be passed on.
    """
    if run.values["pairs_file"]:
        print("pairs of a file that was given are not shown")
        return None
    fields = {"question": "prompt", "preferred": "chosen", "rejected": "rejected"}
    texts = {name: pairs[0][field] for name, field in fields.items()}
    return result_tables.side_by_side_texts(texts, run)


def shown_first(written: dict[str, pd.DataFrame], run) -> HTML:
    """The first question with the answer of each system, for reading.

    written: system -> its answers (columns question, answer), all to the same questions.
    """
    firsts = {system: answers.iloc[0] for system, answers in written.items()}
    question = next(iter(firsts.values())).question
    answers = {figures.named(system): first.answer for system, first in firsts.items()}
    return result_tables.side_by_side_texts({"question": question} | answers, run)


def shown_pairs(run, source: str, count: int) -> HTML:
    """What tells the two answers of pairs apart; source: where they are from; count: how many."""
    return result_tables.show(
        listed(run.table(), "ebd.pairs", ("system", "metric")),
        run,
        f"Pairs of {source}, n = {count}; 95 % intervals over pairs.",
        index=False,
    )


def shown_quantization(run) -> HTML | None:
    """What 4 bits cost; a printed line where that was not measured."""
    costs = listed(run.table(), "ebd.quantization", ("metric",))
    if costs.empty:
        print("not part of this run")
        return None
    return result_tables.show(
        costs,
        run,
        f"The untuned {run.values['base_model']} plain and in 4 bits on {costs.n.max()} preferred "
        "answers, per token; 95 % intervals over them.",
        index=False,
    )


def questions() -> pd.DataFrame:
    """What the judge is asked about an answer: a row a rating, its question and five levels."""
    rows = {name: [asked, *levels] for name, (asked, levels) in caregiver_questions.LEVELS.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["asked", *range(1, 6)])


def note(records: pd.DataFrame, judge: str) -> str:
    """What a caption of the scores says of intervals, and of the judge that the records name
    (`judge` where none was scored).
    """
    scorers = records[records.metric == "correctness"].scorer
    by = scorers.iloc[0] if len(scorers) else judge
    return (
        f"{result_tables.CHECKPOINT}; no interval under {intervals.ENOUGH} questions. "
        f"Judge: {by}, whose agreement with people on such answers nobody has measured. "
        f"On instructions: {kept_runs.agreement('validity.judge', 'both orders averaged', by)}"
    )


def shown_scores(run, count: int, note: str) -> HTML:
    """Every score of every system; count: of the questions; note: of `note`, for all captions."""
    return result_tables.show(
        scores(run.table(), CLAIMED),
        run,
        "Expected levels from 1 to 5, cosines and probabilities from 0 to 1, grade levels and "
        f"words; n = {count} questions of data/caregiver, arm {run.values['arm']}. {note}.",
    )


def shown_questions(run) -> HTML:
    """The table of `questions`."""
    caption = "What the judge was asked of each answer; the lowest level is 1."
    return result_tables.show(questions(), run, caption)


def shown_checks(run) -> HTML:
    """The table of `checks`."""
    return result_tables.show(
        checks(run.table()),
        run,
        "Share of questions in which a score puts the text above the other that it must; "
        f"0.5 is chance; no interval under {intervals.ENOUGH} questions. "
        f"Judge: {run.values['judge_model']}.",
        index=False,
    )


def shown_gains(run, systems: tuple[str, str], note: str) -> HTML | None:
    """Tuned minus untuned (the two `systems`); a printed line where there is none."""
    changes = gains(run.table())
    if changes.empty:
        print("too few questions for a difference")
        return None
    names = map(figures.named, systems)
    caption = f"{' minus '.join(names)}, question by question. {note}."
    return result_tables.show(changes, run, caption, index=False)


def shown_claims(run, note: str) -> HTML | None:
    """The paper's sentences by this run; a printed line where their sums were not recorded."""
    records = run.table()
    sums = records[records.metric == "combination"]
    if sums.empty:
        print(
            f"no verdict with fewer than {intervals.ENOUGH} questions: "
            "an interval over so few is narrow by chance"
        )
        return None
    return result_tables.show(
        ledger.verdicts(records, CLAIMED),
        run,
        f"The paper's sentences by ours in the {run.profile} profile, n = {sums.n.max()} "
        "questions: another model, other questions and another judge than the paper's. "
        f"{note}.",
        index=False,
    )


def shown_slips(run, bare: str) -> HTML | None:
    """The table of `slips`; a printed line where they were not measured. bare: of
    `authors_slips.measure`.
    """
    part = run.table()
    part = part[part.table == "ebd.slips"]
    if part.empty:
        print("not part of this run")
        return None
    return result_tables.show(
        slips(part),
        run,
        "The same answers as the score is meant and as the slip computes it; "
        f"n = {part.n.max()} questions. {bare}Asked: {run.values['judge_model']}.",
    )


def shown_answers(
    pairs: list[dict], answers: pd.DataFrame, systems: tuple[str, ...], run
) -> list[HTML]:
    """Questions with the systems' answers and the preferred one, for reading.

    pairs: of `caregiver.load`. answers: columns id, system, answer.
    """
    shown = []
    for pair in pairs:
        own = answers[answers.id == pair["id"]].set_index("system").answer
        columns = {"question": pair["prompt"]}
        columns |= {figures.named(system): own[system] for system in systems}
        columns["preferred in the data"] = pair["chosen"]
        shown.append(result_tables.side_by_side_texts(columns, run))
    return shown


def scores(records: pd.DataFrame, tables: tuple[str, ...]) -> pd.DataFrame:
    """A row a system, a column a score."""
    return result_tables.grid(figures.labelled(records[records.table.isin(tables)]))


def checks(records: pd.DataFrame) -> pd.DataFrame:
    """How often each score puts the text above the other that it must: a row a score."""
    return pd.DataFrame(
        [
            {
                "score": record.metric,
                "must be higher": record.system,
                "than": record.group.removeprefix("above "),
                "is, in a share of": result_tables.cell(record),
                "n": record.n,
            }
            for record in records[records.table == "ebd.check"].itertuples()
        ]
    )


def gains(records: pd.DataFrame) -> pd.DataFrame:
    """Tuned minus untuned: a row a score, with p-values before and after Holm's correction."""
    part = records[records.table.str.fullmatch(r"ebd\..*\.differences")]
    return pd.DataFrame(
        {
            "score": part.metric,
            "tuned minus untuned": [result_tables.cell(record) for record in part.itertuples()],
            "p": part.p.map("{:.4f}".format, na_action="ignore"),
            "after Holm": part.p_adjusted.map("{:.4f}".format, na_action="ignore"),
            "n": part.n,
        }
    )


def slips(records: pd.DataFrame) -> pd.DataFrame:
    """Each score as meant and as a slip computes it, untuned beside tuned."""
    part = figures.labelled(records[records.table == "ebd.slips"])
    return result_tables.grid(
        part.assign(row=part.metric + ", " + part.group), rows="row", columns="system"
    )


def full_run(kept: pd.DataFrame, tables: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """The tables of a longer run that was kept, by what their captions say of content and n."""
    n, n_slips = (kept[kept.table == table].n.max() for table in ("ebd.semantic", "ebd.slips"))
    return {
        f"Scores, full run; n = {n} questions": scores(kept, tables),
        f"What each score can tell, full run; n = {n} questions": checks(kept).set_index("score"),
        f"Tuned minus untuned, full run; n = {n} questions": gains(kept).set_index("score"),
        f"Slips, full run; n = {n_slips} questions": slips(kept),
    }


def full_run_shown(path: Path, judge: str) -> list[HTML]:
    """The tables of the kept longer run and the paper's sentences by it; empty where none was kept.

    judge: what captions name where the run's records name none.
    """
    kept = kept_runs.kept(path)
    if kept.empty:
        return []
    said, origin = note(kept, judge), kept_runs.kept_source(path)
    shown = [
        result_tables.show(part, origin, f"{caption}. {said}.")
        for caption, part in full_run(kept, CLAIMED).items()
    ]
    n = kept[kept.table == "ebd.semantic"].n.max()
    caption = f"The paper's sentences by the full run, n = {n} questions. {said}."
    verdicts = ledger.verdicts(kept, CLAIMED, "longer run")
    return [*shown, result_tables.show(verdicts, origin, caption, index=False)]
