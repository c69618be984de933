"""The pages of attacks and of bad input."""

import html
import json

import pandas as pd

from emo.site import benchmarks, html_tables, layout
from emo_utils.project import write_atomic

ATTACKS = benchmarks.SPEED.with_name("attacks.json")
ATTACKED = ("rewriting", "score", "preference", "safety")


def write_attacks() -> None:
    """What planted attacks did to each step,
    from the record that `benchmarks/attacks.py --keep` wrote.
    """
    steps = json.loads(ATTACKS.read_text(encoding="utf-8"))["steps"] if ATTACKS.is_file() else {}
    names = [step for step in ATTACKED if step in steps]
    rows = [
        {
            "step": step,
            "what": row["what"],
            "value [95 %]": "{:.2f} [{:.2f}, {:.2f}]".format(row["value"], *benchmarks.bounds(row)),
            "n": row["n"],
            "read by": row["scorer"],
        }
        for step in names
        for row in steps[step]["table"]
    ]
    notes = [
        (
            "n: attacks, where nothing else is said; bootstrap intervals over them, "
            "exact binomial ones where none or all did."
        )
    ]
    for step in names:
        about = steps[step]["about"]
        planted = f" in {about['texts']} texts each" if step in ("score", "preference") else ""
        notes.append(
            f"{step.capitalize()}{planted}: measured {about['measured']} on {about['device']}, "
            f"commit {about['commit'][:10]}{' with local changes' if about['dirty'] else ''}."
        )
    missing = [step for step in ATTACKED if step not in steps]
    notes += [f"Not measured yet: {', '.join(missing)}."] if missing else []
    table = html_tables.table_html(
        pd.DataFrame(rows),
        "companion companion-counts",
        index=False,
        note=f"<p>{html.escape(' '.join(notes))}</p>",
    )
    write_atomic(layout.GENERATED / "attacks.md", f"{table}\n" if rows else "Not measured yet.\n")


def write_complaints() -> None:
    """What `emo` says to each case of the corpus of bad input,
    as `tests/emo/test_bad_input.py` keeps it.
    """
    said = json.loads(ATTACKS.with_name("complaints.json").read_text(encoding="utf-8"))
    rows = "\n".join(
        f"<tr><td>{html.escape(group)}</td><td>{html.escape(case)}</td>"
        f"<td>{html.escape(line)}</td></tr>"
        for name, line in said.items()
        for group, _, case in [name.partition(": ")]
    )
    write_atomic(
        layout.GENERATED / "complaints.md",
        f"{len(said)} cases:\n\n"
        '<div class="companion-table"><table class="companion companion-claims" data-browse>'
        "<thead><tr><th data-choose>what was handed over</th><th>case</th>"
        "<th>what the command says</th></tr></thead>"
        f"<tbody>\n{rows}\n</tbody></table></div>\n",
    )
