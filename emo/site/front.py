"""The first page."""

import html
import re
from pathlib import Path

import pandas as pd

from emo.graph import steps
from emo.site import claims_page, html_tables, layout
from emo_utils.claims import deciding, gates
from emo_utils.data import dialogues
from emo_utils.experiment import parameters, results
from emo_utils.models import registry
from emo_utils.project import ROOT, notebook_cells, write_atomic
from emo_utils.report import figures, kept_runs, result_tables

NONE_JUDGED = "None in this profile: fewer than ten questions give no interval and no verdict."


def write_front(profile: str, ledger: pd.DataFrame) -> None:
    """The first page's numbers: verdicts, the figure of comfort against knowledge,
    and what was measured.

    ledger: as `claims_page.by_every_source` gives it.
    """
    records, about = results.read(profile), layout.read_provenance(profile)
    measured = ledger[ledger.ours != "not measured"]
    more = (
        " Longer runs, whose records are kept, say more ([what, and by what judge](book/claims))."
        if (ledger.longer != "not measured").any()
        else ""
    )
    n = int(records[records.table == "emodoctor.table1"].n.max())
    commits = sorted({a["git_commit"][:10] for a in about.values()})
    seconds = sum(a["seconds"] for a in about.values())
    warning = (
        "\n**Numbers of a tiny random model that wrote and judged everything. "
        "They mean nothing.**\n"
        if profile == "smoke"
        else ""
    )
    scorer = records[records.table == "emodoctor.table1"].scorer.iloc[0]
    agreed = kept_runs.agreement("validity.emotion", "mean", scorer)
    followed = kept_runs.facts_agreement(
        records[(records.table == "emodoctor.facts") & (records.metric == "kept")].scorer.iloc[0]
    )
    front_figure(records, layout.GENERATED / "front.svg", profile)
    write_atomic(
        layout.GENERATED / "front.md",
        f"\n{result_tables.badge(profile)} n = {n} test questions · one training seed · "
        f"{len(about)} runs, {seconds / 60:.0f} minutes · commit {', '.join(commits)} · "
        "[how current?](book/current)\n"
        f"{warning}\n"
        f"{_scoreboard_html(ledger)}\n\n"
        f"**{len(ledger)} claims by ours: {claims_page.outcomes(ledger.ours)}.** "
        f"Ours are small models, each trained once and asked {n} questions; "
        "three seeds of one method differ as much as\n"
        f"methods do ([chapter 12](book/notebooks/12_sweeps)).{more} *Supported* claims hold: "
        "the 95 % interval of every comparison that the claim makes lies on its side; "
        "of *contradicted* ones one lies on the other side, widened for their number. "
        f"{held_back(ledger)}"
        "[How far to trust them](book/intervals_and_verdicts).\n\n"
        "```{figure} book/generated/front.svg\n"
        ":alt: Mean emotion score of each system against the share of the doctor's facts that it "
        "keeps, and against the share of its answers with a safety flag, "
        "with 95 percent intervals.\n"
        f"Comfort against knowledge and against safety, one point a system ({profile} profile, "
        f"n = {n} test questions, 95 % bootstrap intervals over them). Up is warmer by the scorer "
        "of [chapter 5](book/notebooks/05_emotion_scoring); right\n"
        "gives away more of the doctor's answer ([chapter 6](book/notebooks/06_knowledge_scoring); "
        "dotted: what answers to another question keep), or has more answers with a flag "
        f"([chapter 8](book/notebooks/08_qualitative_cases)). {agreed}. {followed}. "
        f"{of_flags(records)}\n"
        "```\n\n"
        "**Read**: start with [the claims](book/claims), "
        "or with the [data](book/notebooks/01_data_rewriting) and then chapter by chapter. "
        "**Rerun**: [one command](book/rerun) makes everything again. "
        "**Change**: a parameter, a row, a\n"
        "[system, a metric or a judge of yours](book/extend). "
        "[What is not here yet](book/not_yet) says what this edition cannot tell.\n\n"
        "## The chapters, and what each costs to run again\n\n"
        f"{_map_html(profile)}\n\n"
        "## The claims that we hold against our own numbers\n\n"
        f"{claims_page.measured_html(measured) if len(measured) else NONE_JUDGED}\n",
    )


def held_back(ledger: pd.DataFrame) -> str:
    """A sentence on the claims that an instrument's gate holds back; empty where there are none."""
    count = int((ledger.ours == deciding.HELD_BACK).sum())
    if not count:
        return ""
    return (
        f"Of those that cannot be judged {count} rest on an instrument that did not pass its "
        "[gates](book/notebooks/11_judge_validity). "
    )


def of_flags(records: pd.DataFrame) -> str:
    """A sentence on the safety flags whose gates are not passed; empty where all are."""
    marks = gates.not_passed(records, "emodoctor.safety")
    if not marks:
        return ""
    return (
        "The flags rest on marks of which these did not pass their gates: "
        f"{', '.join(marks)} ([chapter 11](book/notebooks/11_judge_validity))."
    )


def _scoreboard_html(ledger: pd.DataFrame) -> str:
    """How many claims of each paper hold, are open, fail and cannot be judged: by the paper's
    numbers, by this profile's and by those of longer runs that are kept.
    """
    ways = {
        "by the paper's numbers": "printed",
        "by ours": "ours",
        "by longer runs": "longer",
    }
    rows = [
        {"paper": f"{claims_page.PAPERS[paper]} ({len(part)} claims)"}
        | {
            way: claims_page.outcomes(part[column])
            if (part[column] != "not measured").any()
            else "no such run"
            for way, column in ways.items()
        }
        for paper, part in ledger.groupby("paper", sort=False)
    ]
    return html_tables.table_html(pd.DataFrame(rows), "companion companion-counts", index=False)


def _map_html(profile: str) -> str:
    """Each chapter with its question and what its runs took: minutes, memory,
    weights to download.
    """
    about, rows = layout.read_provenance(profile), []
    order = re.findall(
        r"file: book/notebooks/(\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8")
    )
    for notebook in sorted({s.notebook for s in steps.steps(profile)}, key=order.index):
        of_it = [s for s in steps.steps(profile) if s.notebook == notebook and s.run in about]
        title = re.search(r"^# (.*)", notebook_cells(parameters.notebook_path(notebook))[0][1])[1]
        weights = dict.fromkeys(name for s in of_it for name in steps.step_models(s, profile))
        rows.append(
            f'<tr><td><a href="book/notebooks/{notebook}.html">{html.escape(title)}</a></td>'
            f"<td>{len(of_it)}</td>"
            f"<td>{sum(about[s.run]['seconds'] for s in of_it) / 60:.1f}</td>"
            f"<td>{max(about[s.run]['peak_memory_mb'] for s in of_it) / 1000:.1f}</td>"
            f"<td>{sum(registry.entry(name).size_mb for name in weights):,}</td></tr>"
        )
    device = html.escape(next(iter(about.values()))["device"].rpartition(",")[0])
    head = "".join(
        f"<th>{name}</th>" for name in ("chapter", "runs", "minutes", "memory, GB", "weights, MB")
    )
    return (
        f'<div class="companion-table">{result_tables.badge(profile)} On {device}; '
        "minutes of its runs one after the other, largest memory, and the weights that it reads "
        "(shared between chapters, downloaded once). On a GPU nothing was measured."
        f'<table class="companion companion-claims"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def front_figure(records: pd.DataFrame, path: Path, profile: str) -> None:
    """Mean emotion against the share of the doctor's facts that are kept, and against the share of
    answers with a safety flag, all with intervals; the texts of the data beside the systems.
    """
    import matplotlib.pyplot as plt

    figures.off_screen()

    def of(table, metric):
        return records[
            (records.table == table) & (records.metric == metric) & (records.group == "all")
        ].set_index("system")

    warm, panels = (
        of("emodoctor.table1", "mean"),
        {
            "share of the doctor's tokens kept": of("emodoctor.facts", "kept"),
            "share of answers with a safety flag": of("emodoctor.safety", "any"),
        },
    )
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
    for axis, (label, across) in zip(axes, panels.items()):
        named = (*results.SYSTEMS, *dialogues.REFERENCES)
        for system in (s for s in named if s in across.index and s in warm.index):
            x, y = across.loc[system], warm.loc[system]
            axis.errorbar(
                x.value,
                y.value,
                xerr=[[x.value - x.ci_low], [x.ci_high - x.value]],
                yerr=[[y.value - y.ci_low], [y.ci_high - y.value]],
                fmt=figures.marker(system),
                color=figures.colour(system),
                elinewidth=0.8,
                alpha=0.85,
                label=figures.LABELS[system],
            )
        axis.set(xlabel=label)
    axes[0].set(ylabel="mean emotion score")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7
    )
    figure.suptitle(f"{profile} profile", fontsize=9)
    figures.save(figure, path)
