"""The page that says how current the book is, and what its runs cost."""

import html
import re

import pandas as pd

from emo import drift, edition
from emo.graph import steps
from emo.site import html_tables, layout
from emo_utils.experiment import parameters
from emo_utils.models import registry
from emo_utils.project import ROOT, UNITS, EmoError, notebook_cells, write_atomic
from emo_utils.report import kept_runs, result_tables


def write_current(profile: str, now: dict[str, dict], note: str = "", kept: str = "") -> None:
    """What the page "How current is this?" shows: the last run's record,
    and what moved since the records that were kept.

    now: what `drift.snapshot` gives. note: what stands above all of it, where that is the kept
    book, since which nothing can have moved. kept: of the badge.
    """
    commits = sorted(
        {
            run["git_commit"][:10] + (" with local changes" if run["dirty"] else "")
            for run in now.values()
        }
    )
    newest, seconds = (
        max(run["started"] for run in now.values()),
        sum(run["seconds"] for run in now.values()),
    )
    versions = ", ".join(
        f"{name} {version}" for name, version in next(iter(now.values()))["versions"].items()
    )
    parts = [
        *([note] if note else []),
        (
            f"{result_tables.badge(profile, kept)} The newest of {len(now)} runs began on "
            f"{newest[:16].replace('T', ' at ')} UTC, "
            f"from {'commit' if len(commits) == 1 else 'commits'} {', '.join(commits)}; "
            f"all of them took {seconds / 60:.0f} minutes, counted one after the other. {versions}."
        ),
    ]
    if note:
        parts.append("## What moved\n\nNothing was run here, so nothing can have moved.")
    elif isinstance(before := _before(profile), dict):
        moved = drift.compare(before, now)
        drift.figure(moved, layout.GENERATED / "drift.svg")
        then = sorted({run["git_commit"][:10] for run in before.values()})
        parts += [
            (
                "## What moved\n\n"
                f"Held against the records that were kept of {len(before)} runs "
                f"from {'commit' if len(then) == 1 else 'commits'} {', '.join(then)}:"
            ),
            (
                "```{figure} generated/drift.svg\n"
                ":alt: For each run, how far each of its numbers moved, "
                "in half-widths of its interval; between the lines it stayed inside.\n"
                "Each dot is a number.\n```"
            ),
            drift.page(moved, drift.verdicts(before, now)),
        ]
    else:
        parts.append(f"## What moved\n\n{before}")
    write_atomic(
        layout.GENERATED / "current.md",
        "\n\n".join([*parts, "## The runs", drift.last_run(now), *_longer_runs(), ""]),
    )


def _before(profile: str) -> dict[str, dict] | str:
    """The runs that a profile's are held against, or in a sentence why there are none: what the
    edition keeps may lack any unit.
    """
    if profile in UNITS or drift.reference(profile).is_file():
        try:
            return edition.kept_of(profile)
        except EmoError as error:
            return f"There is nothing to compare with: {html.escape(str(error))}."
    return (
        f"No records of the {profile} profile were kept to compare with; "
        "`emo drift --keep` keeps those of a whole book."
    )


def _longer_runs() -> list[str]:
    """The runs by hand that are kept and shown beside the book's, with what has changed since."""
    table = kept_runs.overview()
    changed = (table["changed since"] != "nothing").sum()
    shown = table.to_html(escape=True, index=False, border=0, classes="companion")
    return [
        "## Longer runs that are kept",
        f"Behind {changed} of {len(table)} something has changed since they were made; their "
        "numbers are those of that code and data. A run of a changed tree is no longer kept.",
        f'<div class="companion-table">{shown}</div>',
    ]


def chapters_html(profile: str, about: dict[str, dict], kept: str) -> str:
    """Each chapter with its question and what its runs took: minutes, memory,
    weights to download. about: the provenance of each run; a chapter that has none says so. kept:
    of the badge.
    """
    rows = []
    order = re.findall(
        r"file: book/notebooks/(\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8")
    )
    for notebook in sorted({s.notebook for s in steps.steps(profile)}, key=order.index):
        of_it = [s for s in steps.steps(profile) if s.notebook == notebook and s.run in about]
        title = re.search(r"^# (.*)", notebook_cells(parameters.notebook_path(notebook))[0][1])[1]
        weights = dict.fromkeys(name for s in of_it for name in steps.step_models(s, profile))
        cells = (
            (
                f"{len(of_it)}",
                f"{sum(about[s.run]['seconds'] for s in of_it) / 60:.1f}",
                f"{max(about[s.run]['peak_memory_mb'] for s in of_it) / 1000:.1f}",
                f"{sum(registry.entry(name).size_mb for name in weights):,}",
            )
            if of_it
            else ("none kept", "", "", "")
        )
        rows.append(
            f'<tr><td><a href="notebooks/{notebook}.html">{html.escape(title)}</a></td>'
            f"{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        )
    device = html.escape(next(iter(about.values()))["device"].rpartition(",")[0])
    head = "".join(
        f"<th>{name}</th>" for name in ("chapter", "runs", "minutes", "memory, GB", "weights, MB")
    )
    return (
        f'<div class="companion-table">{result_tables.badge(profile, kept)} On {device}; '
        "for each chapter the minutes of its runs one after the other, the largest memory, and the "
        "weights that it reads (shared between chapters, downloaded once). "
        "Nothing was measured on a GPU."
        f'<table class="companion companion-claims"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def write_costs(profile: str, about: dict[str, dict], note: str = "", kept: str = "") -> None:
    """What each chapter and each run cost where this book was made.

    about: the provenance of each run. note: what stands above all of it. kept: of the badge.
    """
    frame = pd.DataFrame(
        [
            {
                "run": name,
                "seconds": round(run["seconds"]),
                "peak memory, MB": run["peak_memory_mb"],
            }
            for name, run in sorted(about.items())
        ]
    )
    devices = " and ".join(sorted({run["device"] for run in about.values()}))
    write_atomic(
        layout.GENERATED / "costs.md",
        f"## What it cost here\n\n{note}\n\nProfile `{profile}`: "
        f"{parameters.load_profile(profile)['about']}. On {html.escape(devices)}.\n\n"
        f"{chapters_html(profile, about, kept)}\n\n"
        f"<details><summary>run by run</summary>{html_tables.table_html(frame, index=False)}"
        "</details>\n",
    )
