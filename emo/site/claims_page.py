"""The page of all claims with their evidence, and the table of records."""

import html
import json
import shutil
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pandas as pd

from emo import edition
from emo.graph import steps
from emo.site import hostile, html_tables, layout
from emo_utils.claims import chance
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import results
from emo_utils.project import write_atomic
from emo_utils.report import figures, result_tables


def write_records(profile: str, records: pd.DataFrame) -> None:
    """The records of each run as a CSV file beside the pages:
    what a reader of a figure takes away as its data.

    Cells that a spreadsheet would compute are made text.

    records: as `results.read` gives them.
    """
    folder = layout.GENERATED / "static" / "records"
    shutil.rmtree(folder, ignore_errors=True)
    frame = records.copy()
    for text in frame.select_dtypes("object"):
        frame[text] = frame[text].map(
            lambda cell: f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell
        )
    for step in steps.steps(profile):
        write_atomic(
            folder / f"{layout.page_name(step)}.csv",
            frame[frame.run == step.run].to_csv(index=False),
        )


HEADS = (
    *("paper", "place", "claim", "printed numbers", "edition", "here", "corrected", "longer run"),
    *("by chance", "evidence"),
)
PAPERS = {
    "emodoctor": "EmoDoctor",
    "emplifai": "EmplifAI",
    "empathy-by-design": "Empathy by Design",
}
LONGER = (
    "emplifai_judge",
    "ebd_scores",
)  # runs of more rows than the profile's whose records are kept and bear on claims


def longer_runs() -> tuple[pd.DataFrame, str]:
    """The ledger by the kept records of longer runs, and what those runs were, in words."""
    found = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in LONGER
        if (path := hostile.ATTACKS.with_name(f"{name}.json")).is_file()
    }
    records = results.frame([r for content in found.values() for r in content["records"]])
    said = []
    for content in found.values():
        about, rows = (
            content["provenance"],
            [r for r in content["records"] if r["table"] == claims_ledger.TABLE],
        )
        notebook = Path(about["notebook"]).stem
        said += (
            [
                f"{about['run'].partition('.')[0]} (n = {max(r['n'] for r in rows)}, "
                f"judge {about['parameters']['judge_model']}, "
                f"commit {about['git_commit'][:10]}"
                f"{' with local changes' if about['dirty'] else ''}, "
                f"{about['device'].partition(',')[0]}; how far the judge follows what is known: "
                f"[chapter {notebook[:2].lstrip('0')}](notebooks/{notebook}))"
            ]
            if rows
            else []
        )
    return claims_ledger.ledger(records), "; ".join(said)


# What becomes of a claim, whoever's numbers it is held against: for counts side by side.
OUTCOMES = {
    "hold": ("borne out", "supported"),
    "open": ("undecided",),
    "fail": ("not borne out", "contradicted in words", "contradicted"),
    "cannot be judged": ("no number", "cannot be decided here", "not measured"),
}


def by_every_source(records: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The ledger by the records of a book (`ours`, `ours_evidence`), by those of the edition
    (`edition`, `edition_marked`, `edition_corrected`, `edition_why`, `edition_evidence`; nothing is
    measured where no unit is kept) and by those of longer runs (`longer` and so on), and what those
    runs were, in words: what every page shows. records: as `results.read` gives them.
    """
    longer, runs = longer_runs()
    unit = edition.shown()
    of_edition = claims_ledger.ledger(unit.records if unit else results.frame([]))
    ledger = claims_ledger.ledger(records)
    return with_source(with_source(ledger, of_edition, "edition"), longer, "longer"), runs


def with_source(ledger: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """A ledger with the verdicts of the same claims by another source's records, in columns that
    begin with its name.
    """
    return ledger.assign(
        **{
            name: other.ours,
            f"{name}_marked": claims_ledger.marked(other),
            f"{name}_corrected": other.corrected,
            f"{name}_why": other.why,
            f"{name}_evidence": other.ours_evidence,
        }
    )


def counted(verdicts: pd.Series, meanings: Iterable[str]) -> str:
    """How many claims have each verdict, in the order of their meanings; none of them is left
    out, since "3 hold" says nothing where nobody knows how many fail and how many are open.
    """
    return ", ".join(f"**{(verdicts == name).sum()} {name}**" for name in meanings)


def outcomes(verdicts: pd.Series) -> str:
    """How many claims hold, are open, fail and cannot be judged."""
    return ", ".join(
        f"{verdicts.isin(names).sum()} {outcome}" for outcome, names in OUTCOMES.items()
    )


def by_chance() -> dict[str, float | None]:
    """How often each claim would be true of numbers that know nothing of it, by its identifier."""
    numbers, seed = claims_ledger.published(), 0
    deals, draws = chance.dealt(numbers, seed), chance.drawn(numbers, seed)
    return {
        claim["id"]: chance.by_chance(claim, deals, draws, seed) for claim in claims_ledger.claims()
    }


def shown_chance(share: float | None) -> str:
    """A share of draws to two digits; empty where there is none."""
    if share is None:
        return ""
    return f"{share:.2f}" if share >= 0.005 else "< 0.01"


def measured_html(measured: pd.DataFrame) -> str:
    """The claims that this profile has records for, with both verdicts; cells escaped."""
    shown = pd.DataFrame(
        {
            "claim": measured.claim,
            "by the paper's numbers": measured.printed,
            "here": claims_ledger.marked(measured),
            "corrected": claims_ledger.corrected_in_words(measured),
            "because": measured.why,
            "comparisons": measured.ours_evidence.map(claims_ledger.tally),
            "where": measured.place,
        }
    )
    return html_tables.table_html(shown, "companion companion-claims", index=False)


def write_claims(
    profile: str, ledger: pd.DataFrame, runs: str, note: str = "", kept: str = ""
) -> None:
    """The scoreboard: every claim with its verdicts and the comparisons behind them, and what the
    papers' numbers do not bear out.

    ledger, runs: as `by_every_source` gives them. note: what stands above all of it. kept: of the
    badge.
    """
    chapters = {
        "emodoctor.table1": "05_emotion_scoring",
        "emodoctor.plain": "05_plain_questions",
        "emodoctor.figure2": "07_preference_ablation",
        "emodoctor.table3": "08_qualitative_cases",
        "emplifai.table4": "09_emplifai_judge",
        "ebd.": "10_ebd_scores",
    }

    def where(tables: set[str]) -> str:
        pages = dict.fromkeys(
            next(
                (page for start, page in chapters.items() if table.startswith(start)),
                "06_knowledge_scoring",
            )
            for table in sorted(tables)
        )
        return " ".join(
            f'<a href="notebooks/{page}.html">chapter {page[:2].lstrip("0")}</a>' for page in pages
        )

    rows, chances = [], by_chance()
    here, corrected = claims_ledger.marked(ledger), claims_ledger.corrected_in_words(ledger)
    for r in ledger.itertuples():
        known, in_edition = r.longer != "not measured", r.edition != "not measured"
        cells = [
            PAPERS[r.paper],
            r.place,
            r.claim + (f" ({r.note})" if r.note else ""),
            r.printed,
            with_reason(r.edition_marked, r.edition_why) if in_edition else "",
            with_reason(here[r.Index], r.why),
            corrected[r.Index],
            with_reason(r.longer_marked, r.longer_why) if known else "",
            shown_chance(chances[r.id]),
        ]
        links = where(r.tables) if known or in_edition or r.ours != "not measured" else ""
        evidence = (
            comparisons_html("printed", r.printed_evidence)
            + (comparisons_html("edition", r.edition_evidence) if in_edition else "")
            + comparisons_html("here", r.ours_evidence)
            + (comparisons_html("longer run", r.longer_evidence) if known else "")
        )
        rows.append(
            "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + f"<td>{evidence}{links}</td>"
        )
    chosen = ("paper", "printed numbers", "edition", "here", "longer run")
    head = "".join(f"<th{' data-choose' if name in chosen else ''}>{name}</th>" for name in HEADS)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    table = (
        f'<div class="companion-table full-width">{result_tables.badge(profile, kept)}'
        '<table class="companion companion-claims" data-browse>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
    counts = pd.crosstab(ledger.printed, ledger.ours).reindex(
        index=list(claims_ledger.PRINTED), columns=list(claims_ledger.OURS), fill_value=0
    )
    failed = ledger[ledger.printed.isin(["not borne out", "contradicted in words"])]
    found = "\n".join(
        f"- **{PAPERS[r.paper]}, {r.place}.** {r.claim}. "
        f"{r.note or first_failure(r.printed_evidence)}"
        for r in failed.itertuples()
    )
    write_atomic(
        layout.GENERATED / "claims.md",
        "\n\n".join(
            [
                *([note] if note else []),
                f"{len(ledger)} claims: "
                f"by the papers' own numbers {counted(ledger.printed, claims_ledger.PRINTED)}; "
                f"by our records {counted(ledger.ours, claims_ledger.OURS)}, "
                "and corrected for the number of claims "
                f"{counted(ledger.corrected, claims_ledger.OURS)}."
                + in_edition_words(ledger)
                + (
                    f" *Longer run*: by kept records of more rows than this profile has "
                    f"{counted(ledger.longer, claims_ledger.OURS)}: {runs}."
                    if runs
                    else ""
                ),
                html_tables.table_html(counts.rename_axis(index="printed numbers", columns="here")),
                table,
                (
                    "## Where the papers do not bear themselves out\n\n"
                    f"{len(failed)} claims, by their numbers or in words. "
                    "Some are slips of the pen, some are sentences wider than their table; "
                    "where a word leaves room, the line says how it was read.\n\n"
                    f"{found}"
                ),
                "",
            ]
        ),
    )


def in_edition_words(ledger: pd.DataFrame) -> str:
    """How many claims have each verdict by the edition's records; empty where none is kept."""
    if (ledger.edition == "not measured").all():
        return ""
    return (
        f" *Edition*: {counted(ledger.edition, claims_ledger.OURS)}, and corrected for the number "
        f"of claims {counted(ledger.edition_corrected, claims_ledger.OURS)}."
    )


def with_reason(verdict: str, why: str) -> str:
    """A verdict with the gates that hold it back or limit it, where there are any."""
    return f"{verdict} ({why})" if why else verdict


def comparisons_html(title: str, evidence: list) -> str:
    """The comparisons behind a verdict, folded; each with its value,
    its interval where it has one, and what it says.
    """
    if not evidence:
        return ""
    marks = {True: "✓ holds", False: "✗ does not", None: "? open"}

    def line(comparison, found, says) -> str:
        number = (
            "no record"
            if found is None
            else str(found[0])
            if isinstance(found[0], Decimal)
            else f"{found[0]:.3f} [{found[1]:.3f}, {found[2]:.3f}]"
        )
        written = comparison.written(figures.in_words)
        return f"<li>{html.escape(f'{marks[says]}: {written}')} ({number})</li>"

    return (
        f"<details><summary>{title}: {html.escape(claims_ledger.tally(evidence))}</summary>"
        f"<ul>{''.join(line(*e) for e in evidence)}</ul></details>"
    )


def first_failure(evidence: list) -> str:
    """How many printed comparisons fail and hold, and the first that fails in numbers."""
    failed = [(comparison, found) for comparison, found, says in evidence if says is False]
    comparison, (value, _, _) = failed[0]
    written = comparison.written(figures.in_words)
    return (
        f"{len(failed)} of {len(evidence)} comparisons fail, {len(evidence) - len(failed)} hold; "
        f"the first that fails: *{written}*, where the left side is {value}."
    )
