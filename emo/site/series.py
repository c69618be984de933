"""What more rows and larger models change: the same numbers by every source that is kept."""

import html
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emo import drift, edition
from emo.site import html_tables
from emo_utils.claims import ledger as claims_ledger
from emo_utils.data import dialogues
from emo_utils.experiment import results
from emo_utils.report import descriptions, figures

PANELS = {
    ("emodoctor.table1", "mean"): "mean emotion score",
    ("emodoctor.facts", "kept"): "doctor's words kept",
    ("emodoctor.safety", "any"): "answers with a safety mark",
}
TRAINED = "02_sft.eqsr-sft"  # the training that says with which model and rows a source was made
COLOURS = ("#999999", "#56B4E9", "#0072B2", "#D55E00")  # by source, the smallest first


@dataclass(frozen=True)
class Source:
    """Records of one way to make the book: what model on how many rows, and the numbers."""

    label: str
    records: pd.DataFrame


def sources() -> list[Source]:
    """The kept miniature book and the units of the edition that can be read, smallest first."""
    kept = drift.read(drift.reference("embedded"))
    books = [("", kept)]
    units = [unit for unit in edition.states().values() if isinstance(unit, edition.Unit)]
    books += [(unit.name, unit.runs) for unit in reversed(units)]
    found = []
    for name, runs in books:
        records = results.frame([r for run in runs.values() for r in run["records"]])
        found.append(Source(_label(name, runs), records))
    return found


def _label(name: str, runs: dict[str, dict]) -> str:
    """The model and the rows of a source's trainings; the unit's name where it has none yet."""
    if TRAINED not in runs:
        return name
    asked = runs[TRAINED]["fingerprint"]["parameters"]
    return f"{asked['base_model']}, {asked['train_rows'] or 'all'} rows"


def series_figure(made: list[Source], path: Path) -> None:
    """A panel a measure, a line a system, a point with its interval for each source. A source whose
    scorer is another than the largest one's is left out of a panel: scores of different scorers
    share no axis.
    """
    import matplotlib.pyplot as plt

    figures.off_screen()
    systems = [*results.SYSTEMS, *dialogues.REFERENCES]
    figure, axes = plt.subplots(
        1, len(PANELS), figsize=(figures.WIDTH, 5.6), sharey=True, layout="constrained"
    )
    said = []
    for axis, ((table, metric), label) in zip(axes, PANELS.items(), strict=True):
        shown = of_panel(made, table, metric)
        for number, (source, part) in enumerate(shown.items()):
            colour = COLOURS[number % len(COLOURS)]
            for r in part.itertuples():
                place = systems.index(r.system) + 0.2 * (number - (len(shown) - 1) / 2)
                figures.point(axis, r, place, colour, width=1.4, ms=3.5)
            said.append(
                f"{label}, {source}: {descriptions.counted(part)}, "
                f"{descriptions.ranked(part[part.system.isin(results.SYSTEMS)], figures.named)}."
            )
            axis.plot([], [], "o", color=colour, ms=3.5, label=source)
        axis.set(
            title=textwrap.fill(label, 18),
            yticks=range(len(systems)),
            yticklabels=[figures.named(s) for s in systems],
        )
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center")
    descriptions.describe(
        figure, "Points with 95 % intervals, a line a system and a colour a source.", *said
    )
    figures.save(figure, path)


def of_panel(made: list[Source], table: str, metric: str) -> dict[str, pd.DataFrame]:
    """Each source's records of a measure, by its label, for those with the last one's scorer."""
    parts = {}
    for source in made:
        r = source.records
        part = r[(r.table == table) & (r.metric == metric) & (r.group == "all")]
        if len(part):
            parts[source.label] = part
    last = [part.scorer.iloc[0] for part in parts.values()][-1:]
    return {label: part for label, part in parts.items() if [part.scorer.iloc[0]] == last}


def verdicts(made: list[Source]) -> pd.DataFrame:
    """A row a claim that some source decides, is held back on or leaves open, a column a source:
    its verdict, and behind it the number of a single comparison or how many hold.
    """
    ledgers = {source.label: claims_ledger.ledger(source.records) for source in made}
    first = next(iter(ledgers.values()))
    shown = pd.DataFrame({"claim": first.claim, "by the paper's numbers": first.printed})
    for label, frame in ledgers.items():
        told = frame.ours_evidence.map(claims_ledger.tally)
        shown[label] = frame.ours.where(told == "", frame.ours + ": " + told)
    measured = [frame.ours != "not measured" for frame in ledgers.values()]
    return shown[pd.concat(measured, axis=1).any(axis=1)].reset_index(drop=True)


def section(path: Path) -> str:
    """Markdown: the figure (written to the path) and the table, with what each source is."""
    made = sources()
    series_figure(made, path)
    listed = "; ".join(source.label for source in made)
    return (
        "## What more rows and larger models change\n\n"
        f"From the smallest to the largest: {html.escape(listed)}. The first is the kept miniature "
        "book, the others are units of the edition. All are of the arm `overt`, one seed each.\n\n"
        f"```{{figure}} generated/{path.name}\n"
        "Each system by each source, with 95 % intervals over the questions that it was asked. "
        "A point further right is warmer (left), keeps more of the doctor's answer (middle), has "
        "more answers with a safety mark (right). What the scores can be trusted for is said in "
        "[the chapter on trust](notebooks/11_judge_validity).\n```\n\n"
        f"{html_tables.table_html(verdicts(made), 'companion companion-claims', index=False)}"
    )
