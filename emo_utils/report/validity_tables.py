"""Tables of chapter 11: the gates of all chapters, scores and judges against people."""

import pandas as pd
from IPython.display import HTML

from emo_utils.claims import gates
from emo_utils.report import result_tables
from emo_utils.scoring import emotion_learnt

READ_IN_PART = ("supported, yes or no", "taught checker, statements read")


def _none(what: str) -> HTML:
    return HTML(f"<p>{what} among these records</p>")


def _order(part: pd.DataFrame, *columns: str) -> list:
    """The values of a column, or of several together, in the order in which the records have
    them.
    """
    values = part[columns[0]] if len(columns) == 1 else zip(*(part[name] for name in columns))
    return list(dict.fromkeys(values))


# The one figure for each instrument and label that says most: table, metric and group of the
# record, its form and who gave it ("" for any), and in words what was held against what.
WITH_PEOPLE = (
    ("emotion", "auc", "reassurance", "mean", "contrast", "replies marked as reassuring"),
    ("emotion", "auc", "feelings", "mean", "contrast", "replies that reflect feelings"),
    ("emotion", "auc", "caring", "mean", "contrast", "comments marked as caring"),
    ("emotion", "auc", "reassurance", "mean", "learnt", "replies marked as reassuring"),
    ("emotion", "auc", "caring", "mean", "learnt", "comments marked as caring"),
    ("emotion", "auc", "reassurance", "mean", "reader", "replies marked as reassuring"),
    ("emotion", "auc", "reassurance", "kind words (floor)", "", "replies marked as reassuring"),
    ("factual", "pearson", "recall", "facts kept", "", "people's count of facts that are there"),
    ("factual", "pearson", "precision", "details added", "", "people's count of facts right"),
    ("claims", "auc", "all", "details added", "", "right statements against wrong ones"),
    ("claims", "auc", "all", "supported, yes or no", "", "right statements against wrong ones"),
    ("judge", "accuracy", "llmbar", "first output shown first", "", "the better answer, one order"),
    ("judge", "accuracy", "llmbar", "both orders averaged", "", "the better answer"),
    ("judge", "consistency", "llmbar", "same choice in both orders", "", "itself, orders turned"),
)
GUESSED = {"auc": ".5", "pearson": "0", "accuracy": ".5", "consistency": ".5"}


def with_people(records: pd.DataFrame, source) -> HTML:
    """How each instrument agrees with people, a line an instrument and label: `WITH_PEOPLE`."""
    # Who scores emotion by contrast and who decides it: each has a form that nobody else has.
    who = {
        name: set(records.scorer[records.system == form])
        for name, form in (("contrast", "mean, one wording"), ("reader", "yes or no"))
    }
    who["learnt"] = {emotion_learnt.name(encoder) for encoder in who["contrast"]}
    rows = []
    for table, metric, group, form, by, what in WITH_PEOPLE:
        found = records[
            (records.table == f"validity.{table}")
            & (records.metric == metric)
            & (records.group == group)
            & (records.system == form)
        ]
        for r in found[found.scorer.isin(who[by])].itertuples() if by else found.itertuples():
            rows.append(
                {
                    "instrument": f"{r.system} ({r.scorer})",
                    "held against": what,
                    "measure": metric,
                    "found": result_tables.with_interval(r),
                    "a guess": GUESSED[metric],
                    "n": r.n,
                }
            )
    if not rows:
        return _none("no agreement with people")
    return result_tables.show(
        pd.DataFrame(rows),
        source,
        "Agreement of the instruments with people, 95 % intervals over texts, talks, sources or "
        "pairs; every other form and label is in the appendix.",
        index=False,
    )


def all_gates(records: pd.DataFrame, profile: str) -> HTML:
    """Every gate of a profile's runs, a line a rule and table: which of the metrics pass, are open
    and fail, and from what to what the values go.

    records: of `results.read`.
    """
    part = records[records.table == gates.TABLE]
    if part.empty:
        return _no_gates(profile)
    part = part.assign(outcome=[gates.outcome(r) for r in part.itertuples()])
    rows = []
    for (run, table, rule), some in part.groupby(["run", "group", "system"], sort=False):
        ends = [gates.in_words(r).partition(" ")[0] for r in some.sort_values("value").itertuples()]
        rows.append(
            {
                "chapter": run.partition("_")[0].lstrip("0"),
                "claims on": table,
                "must hold": gates.RULES[rule].says,
                "found": ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}",
                "n": f"{some.n.min()}" if some.n.nunique() == 1 else f"{some.n.min()} or more",
                "outcome": "; ".join(
                    f"{outcome}: {', '.join(metrics)}"
                    for outcome in (gates.FAILED, gates.OPEN, gates.PASSED)
                    if len(metrics := some.metric[some.outcome == outcome])
                ),
            }
        )
    counts = part.outcome.value_counts()
    counted = ", ".join(
        f"{counts.get(outcome, 0)} {outcome}"
        for outcome in (gates.PASSED, gates.OPEN, gates.FAILED)
    )
    return result_tables.show_of_runs(
        pd.DataFrame(rows),
        profile,
        list(dict.fromkeys(part.run)),
        f"The gates of this profile: {counted}. A claim that rests on one that is not passed "
        "cannot be decided here. Open: the interval does not tell, or there are fewer than ten "
        "items.",
    )


def every_gate(records: pd.DataFrame, profile: str) -> HTML:
    """Every gate of a profile's runs, a line each (`gates.shown`). records: of `results.read`."""
    part = records[records.table == gates.TABLE]
    if part.empty:
        return _no_gates(profile)
    names = list(dict.fromkeys(part.run))
    caption = "Each gate by itself, with its 95 % interval."
    return result_tables.show_of_runs(gates.shown(part), profile, names, caption)


def _no_gates(profile: str) -> HTML:
    return HTML(f"<p>no run of the {profile} profile has written gates yet</p>")


def agreement(records: pd.DataFrame, source) -> HTML:
    """Each form of the emotion score against each human label.

    records: of a run or kept; source: the run, or `kept_runs.kept_source`.
    """
    part = records[records.table == "validity.emotion"]
    if part.empty:
        return _none("no agreement")
    part = part.assign(cell=[result_tables.with_interval(r) for r in part.itertuples()])
    grid = part.pivot(index=["scorer", "system"], columns="group", values="cell")
    return result_tables.show(
        grid.reindex(_order(part, "scorer", "system"))[_order(part, "group")],
        source,
        f"validity.emotion: {', '.join(part.metric.unique())} with 95 % intervals, "
        f"n = {part.n.min()} to {part.n.max()} texts, {part.unscored.max()} unscored at most.",
    )


def calibration(records: pd.DataFrame, source) -> HTML:
    """Brier scores of the two scorers whose scores are meant as probabilities."""
    part = records[(records.table == "validity.calibration") & (records.metric == "brier")]
    if part.empty:
        return _none("no calibration")
    part = part.assign(cell=[result_tables.with_interval(r, digits=3) for r in part.itertuples()])
    return result_tables.show(
        part.pivot(index=["scorer", "system"], columns="group", values="cell").fillna(""),
        source,
        "validity.calibration: Brier scores with 95 % intervals, "
        f"n = {part.n.min()} to {part.n.max()}; always saying .5 gives .25.",
    )


def counts_of_facts(records: pd.DataFrame, source) -> HTML:
    """Scores of facts against people's counts: correlations, and kappa for shares."""
    part = records[records.table == "validity.factual"]
    if part.empty:
        return _none("no factual agreement")
    part = part.sort_values("group", ascending=False, kind="stable")
    part = part.assign(
        cell=[result_tables.with_interval(r) for r in part.itertuples()], label=part.group
    )
    rows = ["label", "scorer", "system", "n"]
    grid = part.pivot(index=rows, columns="metric", values="cell")
    return result_tables.show(
        grid.reindex(_order(part, *rows))[_order(part, "metric")].fillna(""),
        source,
        "validity.factual: 95 % intervals over talks, n summaries, "
        f"or pairs of equal ones; {part.unscored.max()} unscored at most.",
    )


def statements(records: pd.DataFrame, source) -> HTML:
    """Right statements against wrong ones of each kind, by every measure and the checker."""
    claims = records[records.table == "validity.claims"]
    cell = ["scorer", "system", "group"]
    wrong = claims[claims.metric == "wrong"].rename(columns={"value": "wrong"})
    part = claims[claims.metric == "auc"].merge(wrong[[*cell, "wrong"]], on=cell)
    if part.empty:
        return _none("no statement")
    part["wrong"] = part.wrong.astype(int)
    counts = part[part.system == "details added"].set_index("group").wrong
    part["cell"] = [result_tables.with_interval(r) + _counted(r) for r in part.itertuples()]
    grid = part.pivot(index="group", columns=["scorer", "system"], values="cell")
    grid = grid.reindex(index=_order(part, "group"), columns=_order(part, "scorer", "system"))
    grid.index = [f"{kind} ({counts[kind]} wrong)" for kind in grid.index]
    return result_tables.show(
        grid.fillna(""),
        source,
        "validity.claims: AUC with 95 % intervals over sources. "
        "Each row: the wrong statements of a kind against all right ones.",
    )


def _counted(record) -> str:
    """How many statements a cell of `statements` rests on, where the row does not say it."""
    if record.group == "all":
        return f", n = {record.n}"
    return f", {record.wrong} wrong" if record.system in READ_IN_PART else ""


def alarms(records: pd.DataFrame) -> list[str]:
    """In how many right and wrong statements the rules see a detail that the source lacks."""
    part = records[(records.table == "validity.claims") & (records.metric == "alarm")]
    return [
        f"a detail that the source lacks: in {result_tables.with_interval(r)} "
        f"of the {r.group} statements, n = {r.n}"
        for r in part.itertuples()
    ]


def planted(records: pd.DataFrame, source) -> HTML:
    """In how many answers each measure finds each planted mistake."""
    part = records[records.table == "validity.planted"]
    if part.empty:
        return _none("no planted mistake")
    part = part.assign(cell=[result_tables.with_interval(r) for r in part.itertuples()])
    grid = part.pivot(index="system", columns="metric", values="cell")
    measures = ["added", "opposed", "decision", "kept", "rougeL"]
    return result_tables.show(
        grid.reindex(index=_order(part, "system"), columns=measures, fill_value="").fillna(""),
        source,
        "validity.planted: share of answers in which a measure finds the planted mistake "
        "(first line: in which it raises an alarm without one), "
        f"n = {part.n.min()} to {part.n.max()} answers.",
    )


def controls(records: pd.DataFrame, source) -> HTML:
    """What each change of an answer does to each score; BLEU-1 is on a scale of its own."""
    part = records[records.table == "validity.controls"]
    if part.empty:
        return _none("no control")
    cells = [
        result_tables.with_interval(r, 1 if r.metric == "bleu1" else 3, "+")
        for r in part.itertuples()
    ]
    grid = part.assign(cell=cells).pivot(index="system", columns="metric", values="cell")
    grid = grid.reindex(index=_order(part, "system"), columns=_order(part, "metric"))
    return result_tables.show(
        grid.fillna("is the reference"),
        source,
        f"validity.controls: 95 % intervals over n = {part.n.min()} to {part.n.max()} answers.",
    )


def judge(records: pd.DataFrame, source) -> HTML:
    """The judge against people's choices, in each order and averaged."""
    part = records[records.table == "validity.judge"]
    if part.empty:
        return _none("no comparison")
    part = part.assign(value=[result_tables.with_interval(r) for r in part.itertuples()])
    return result_tables.show(
        part[["system", "metric", "value", "n", "unscored"]],
        source,
        f"validity.judge: 95 % intervals over pairs. Judge: {part.scorer.iloc[0]}.",
        index=False,
    )
