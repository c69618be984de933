"""The page "What would have to be true": experiments that would settle the claims, with cost."""

import html

import pandas as pd

from emo.site import claims_page, html_tables, layout
from emo_utils.claims import ledger as claims_ledger
from emo_utils.project import write_atomic
from emo_utils.report import bill_tables, figures, result_tables, settling
from emo_utils.report.bill_tasks import questions

BILL = "13_bill"


def write_settling(
    profile: str,
    records: pd.DataFrame,
    about: dict[str, dict],
    ledger: pd.DataFrame,
    above: str = "",
    kept: str = "",
) -> None:
    """Every experiment with its claims, what would have to come out, what is missing, what it
    costs by the bill with the parameters of this book's chapter 13, and the command.

    records: as `results.read` gives them. about: the provenance of each run. above: what stands
    above all of it. kept: of the badges. ledger: as `claims_page.by_every_source` gives it.
    """
    parameters = about[BILL]["parameters"]
    of = settling.whole_bill(parameters)
    found = settling.experiments(list(of.lines.index))
    claims = {claim["id"]: claim for claim in claims_ledger.claims()}
    note = (
        f"One {parameters['gpu']}, computed and not measured, in one digit; the upper figures are "
        f"{bill_tables.rounded(of.factor)} times the lower, as far as the formula was off where it "
        "could be checked ([the bill](notebooks/13_bill)). Rows: what a model reads, writes or "
        "learns from, each as often as it does. Raters are in no figure."
    )
    badge = result_tables.badge(profile, kept)
    parts = [above, note, _overview(found, of)]
    for experiment in found:
        parts += [
            f"({experiment['id']})=\n"
            f"## {claims_page.PAPERS[experiment['paper']]}: {experiment['title']}",
            f"**It would be so if** {_lower(experiment['true_if'])}",
            f"**What is missing here.** {experiment['missing']}",
            "```text\n" + "\n".join(experiment["commands"]) + "\n```",
            badge,
            _claims_html(experiment, claims, ledger, records),
            _tasks_html(experiment, of),
        ]
    write_atomic(layout.GENERATED / "settling.md", "\n\n".join([*parts, ""]))


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _overview(found: list[dict], of: settling.Bill) -> str:
    """A row an experiment, and one for all of them, whose tasks are then paid once."""
    rows = [
        (
            f'<a href="#{experiment["id"]}">{html.escape(experiment["title"])}</a>',
            claims_page.PAPERS[experiment["paper"]],
            str(experiment["seeds"]),
            *settling.cost(settling.times_paid(experiment), of).values(),
        )
        for experiment in found
    ]
    rows.append(
        ("all of them together", "", "", *settling.cost(settling.together(found), of).values())
    )
    heads = ("experiment", "paper", "trainings", *settling.cost(settling.together(found), of))
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        '<div class="companion-table"><table class="companion companion-claims"><thead><tr>'
        f"{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead><tbody>{body}</tbody>"
        "</table></div>"
    )


def _claims_html(
    experiment: dict, claims: dict[str, dict], ledger: pd.DataFrame, records: pd.DataFrame
) -> str:
    """The claims of an experiment with the verdicts of today, and how narrow their widest interval
    is here and would be at the paper's n.
    """
    n_paper = questions()[experiment["paper"]]
    of_claims = ledger.set_index("id")
    marked = claims_ledger.marked(of_claims)
    rows = []
    for name in experiment["claims"]:
        half, n, at_paper = settling.half_widths(claims[name], records, n_paper)
        rows.append(
            {
                "claim": of_claims.claim[name],
                "by the paper's numbers": of_claims.printed[name],
                "here": claims_page.with_reason(marked[name], of_claims.why[name]),
                "half of the widest interval here": f"{half:.3f} (n = {n})" if n else "",
                f"at n = {n_paper:,}": f"{at_paper:.3f}" if n else "",
            }
        )
    return html_tables.table_html(pd.DataFrame(rows), "companion companion-claims", index=False)


def _tasks_html(experiment: dict, of: settling.Bill) -> str:
    """The tasks behind an experiment's cost, folded."""
    times = settling.times_paid(experiment)
    lines = of.lines.loc[times.index]
    frame = pd.DataFrame(
        {
            "task": lines.index.map(figures.in_words),
            "times": times.astype(int).to_numpy(),
            "rows": [f"{rows:,.0f}" for rows in lines["rows"]],
            "GPU hours": [_or_none(hours) for hours in lines["GPU hours"]],
            "service, $": [_or_none(dollars) for dollars in lines["service, $"]],
        }
    )
    table = html_tables.table_html(frame, index=False)
    return f"<details><summary>The tasks, by the formula, each once</summary>{table}</details>"


def _or_none(amount: float) -> str:
    return bill_tables.rounded(amount) if amount else ""
