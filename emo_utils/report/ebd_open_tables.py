"""Tables of chapter 10.2: this run's, and those of the longer run that the repository keeps."""

from dataclasses import dataclass

import pandas as pd
from IPython.display import HTML

from emo_utils.report import figures, kept_runs, result_tables, sweep_tables
from emo_utils.stats.intervals import ENOUGH

KEPT, AUTHORS = (kept_runs.REFERENCE / name for name in ("ebd_open.json", "ebd_authors.json"))


@dataclass(frozen=True)
class Shown:
    """Records that the page shows, and the run (or kept run) that they come from."""

    records: pd.DataFrame
    origin: object
    full: bool = False

    @property
    def name(self) -> str:
        return "full run" if self.full else f"{self.origin.profile} profile"

    def part(self, table: str) -> pd.DataFrame:
        return self.records[self.records.table == table]


def shown_runs(run) -> list[Shown]:
    """This run, which is finished, and behind it the full one where that was kept."""
    shown, full = [Shown(run.table(), run)], kept_runs.kept(KEPT)
    if len(full):
        shown.append(Shown(full, kept_runs.kept_source(KEPT), full=True))
    return shown


def fullest(shown: list[Shown], table: str) -> Shown | None:
    """The last of the runs that has records of a table; None where none has."""
    return next((one for one in reversed(shown) if len(one.part(table))), None)


def _with(shown: list[Shown], table: str) -> list[tuple[Shown, pd.DataFrame]]:
    """The runs that have records of a table, with these."""
    return [(one, one.part(table)) for one in shown if len(one.part(table))]


def _html(one: Shown, wide: pd.DataFrame, caption: str) -> HTML:
    caption = f"{'Full run. ' if one.full else ''}{caption} {result_tables.CHECKPOINT}."
    return result_tables.show(wide, one.origin, caption)


def simplicity(shown: list[Shown]) -> list[HTML]:
    """How plain the answers are and what they keep, a table a run;
    a cell says its n where some items were not scored.
    """
    return [
        _html(
            one,
            result_tables.grid(figures.labelled(part)),
            "Grade level, letters a word, words, warmth, cosine with the reference, "
            "share of the reference kept, and of its calls for help at once; "
            f"no interval under {ENOUGH} answers; n = {part.n.max()}.",
        )
        for one, part in _with(shown, "ebd.simplicity")
    ]


def caveats(shown: list[Shown]) -> list[HTML]:
    """What is kept of each kind of sentence, and how training changed it; a table a run."""
    tables = []
    for one, part in _with(shown, "ebd.caveats"):
        named = part.assign(
            which=part.system.map(figures.named).where(part.metric == "kept", "change by training"),
            group=[f"{r.group} (n = {r.n})" for r in part.itertuples()],
            unscored=0,  # n stands above
        )
        tables.append(
            _html(
                one,
                result_tables.grid(named, "which", "group"),
                "Share of the tokens of the reference's sentences of a kind "
                "that an answer gives away; n questions whose reference has such a sentence; "
                f"no interval under {ENOUGH}; not corrected for the {len(part)} cells.",
            )
        )
    return tables


def questions_of(part: pd.DataFrame) -> str:
    """The number of questions of each test, in words for a caption."""
    largest = part.groupby("group", sort=False).n.max()
    return ", ".join(f"n = {n} of {name}" for name, n in largest.items())


def _named(part: pd.DataFrame, between: str) -> pd.DataFrame:
    """The records with a column `answers`: the system's name and the group."""
    return part.assign(answers=part.system.map(figures.named) + between + part.group)


def transfer(shown: list[Shown]) -> list[HTML]:
    """Both trainings on both tests, less the untuned model; a table a run."""
    return [
        _html(
            one,
            result_tables.grid(_named(part, " on "), "answers"),
            f"Tuned minus untuned on the same questions, {questions_of(part)}; "
            f"no interval under {ENOUGH}.",
        )
        for one, part in _with(shown, "ebd.transfer")
    ]


def voices(shown: list[Shown]) -> list[HTML]:
    """Answers in other voices less those to the original question; a table a run."""
    return [
        _html(
            one,
            result_tables.grid(_named(part, ", "), "answers"),
            "Answers to a question in another voice minus answers to the original, "
            f"n = {part.n.max()} questions. "
            f"95 % intervals over questions from {ENOUGH} on, "
            f"not corrected for the {len(part)} cells; compare them with 'original again'.",
        )
        for one, part in _with(shown, "ebd.voices")
    ]


def probes(shown: list[Shown]) -> list[HTML]:
    """How well a rule that knows one thing picks the preferred answer; this run's table alone."""
    return [
        result_tables.show(
            result_tables.grid(part),
            one.origin,
            "Share of the shipped test pairs whose preferred answer a rule picks "
            "that was learnt on the training pairs; 0.5 is chance; "
            f"n = {part.n.max()} pairs, 95 % intervals over them.",
        )
        for one, part in _with(shown[:1], "ebd.probes")
    ]


def people(shown: list[Shown], choices: pd.DataFrame) -> HTML:
    """What people chose, how far raters agree, and how often a higher score goes with a choice.

    choices: of `choices.returned`, at least one.
    """
    part = shown[0].part("ebd.people")
    return result_tables.show(
        result_tables.grid(part, "metric", "group"),
        shown[0].origin,
        f"{figures.named(choices.system.iloc[0])} against "
        f"{figures.named(choices.against.iloc[0])}: "
        "share of questions in which people chose it; agreement between raters; "
        "how often the chosen answer has the higher score "
        "(0.5 is chance; where the lower one is chosen, under 0.5). "
        f"n = {part.n.max()} questions, "
        "less where a cell says so (people or score undecided, or no score), "
        f"{choices.rater.nunique()} raters; no interval under {ENOUGH}.",
    )


def sweep(shown: list[Shown], name: str) -> tuple[pd.DataFrame, object]:
    """Records of a sweep that this run scored, or else that was kept, with the variants' parameters
    as columns, and where they come from; no rows where there are none of either.
    """
    frame, origin = shown[0].part(f"ebd.{name}"), shown[0].origin
    if not len(frame):
        path = kept_runs.REFERENCE / f"{name}.json"
        frame = kept_runs.kept(path)
        if not len(frame):
            return frame, None
        origin = kept_runs.kept_source(path)
    return sweep_tables.with_parameters(frame), origin


def shortcuts(records: pd.DataFrame, origin) -> HTML:
    """Measures by the pairs that were trained on (column pairs_as), mean and range over seeds."""
    spread = records.groupby(["pairs_as", "metric"], sort=False).value.agg(["mean", "min", "max"])
    cells = pd.Series(
        [f"{mean:.2f} ({low:.2f} to {high:.2f})" for mean, low, high in spread.to_numpy()],
        index=spread.index,
    )
    return result_tables.show(
        cells.unstack("pairs_as").reindex(records.metric.unique()),
        origin,
        f"Mean over {records.groupby('pairs_as').system.nunique().max()} training seeds, "
        "lowest and highest. "
        f"Answers: {records[records.metric == 'words'].n.max()} test questions each; "
        "what the trainings say of themselves: "
        f"{records[records.metric == 'kl_per_token'].n.max()}.",
    )


def broken_trainings(records: pd.DataFrame) -> str:
    """How many trainings of a grid made the preferred answers less likely, and how many test pairs
    these order rightly, in a sentence.
    """
    lost = records[(records.metric == "gain_per_token") & (records.value < 0)]
    right = records[(records.metric == "test_accuracy") & records.system.isin(lost.system)]
    trainings = records.system.nunique()
    sentence = f"{len(lost)} of {trainings} trainings made the preferred answers less likely"
    if not len(lost):
        return sentence
    rates = ", ".join(sorted(lost.learning_rate.unique(), key=float))
    return (
        f"{sentence}, at learning rates of {rates}; "
        f"each of them orders at least {right.value.min():.0%} of the test pairs rightly "
        f"(n = {right.n.max()})"
    )


def grid(records: pd.DataFrame, origin) -> HTML:
    """A row a variant of the grid, a column a measure."""
    wide = records.pivot(index="system", columns="metric", values="value")[
        ["test_accuracy", "gain_per_token", "kl_per_token", "warmth", "cosine", "words", "repeated"]
    ].round(2)
    wide.index = [name.partition("@")[2].replace(",", ", ") for name in wide.index]
    return result_tables.show(
        wide,
        origin,
        "The same as a table; "
        f"n = {records[records.metric == 'words'].n.max()} test questions for answers, "
        f"{records[records.metric == 'kl_per_token'].n.max()} for the first three; "
        "one seed, no intervals in the cells.",
    )


def authors() -> HTML | None:
    """The authors' pairs and a training on them; None where no such run was kept."""
    records = kept_runs.kept(AUTHORS)
    if not len(records):
        return None
    part = records[records.table.isin(["ebd.pairs", "ebd.training"])]
    part = part.assign(cell=[result_tables.cell(r) for r in part.itertuples()])
    return result_tables.show(
        part[["table", "metric", "cell", "n"]],
        kept_runs.kept_source(AUTHORS),
        f"{figures.named(records.system.iloc[0])}: the pairs, and a training on them. "
        f"{result_tables.CHECKPOINT}.",
        index=False,
    )
