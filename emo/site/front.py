"""The first page."""

import html
import re
import textwrap
from pathlib import Path

import pandas as pd

from emo import edition
from emo.site import claims_page, html_tables, layout
from emo_utils.claims import deciding, gates
from emo_utils.data import dialogues
from emo_utils.experiment import parameters, results
from emo_utils.project import ROOT, settings, write_atomic
from emo_utils.report import descriptions, figures, kept_runs, result_tables

NONE_JUDGED = "None in this profile: fewer than ten questions give no interval and no verdict."


# Whose answers the first page shows: the data's, the untrained model's, and two that were tuned.
SHOWN = ("doctor", "reference", "base", "eqsr-sft", "eqsr-dpo")
LONGEST = 420  # characters of an answer that are shown
# How an outcome of `claims_page.OUTCOMES` looks as a tile.
MARKS = {"hold": "✓", "open": "?", "fail": "✗", "cannot be judged": "–"}
# Texts that help nobody, as chapter 5 names them, in words of the first page.
EMPTY_TEXTS = {
    "padding alone": "polite padding without an answer",
    "a polite refusal": "a polite refusal",
    "a failed training": "the warm answer's words in random order",
}


def write_front(
    profile: str,
    records: pd.DataFrame,
    about: dict[str, dict],
    ledger: pd.DataFrame,
    story: str,
    kept: str = "",
) -> None:
    """The first page: what it is made of, what was found, the claims as tiles, one question with
    its answers, comfort against knowledge, and where to go.

    records: as `results.read` gives them. about: the provenance of each run. ledger: as
    `claims_page.by_every_source` gives it. story: HTML of one question with its answers
    (`story_html`). kept: of the badge, where nothing was run here.
    """
    measured = ledger[ledger.ours != "not measured"]
    n = int(records[records.table == "emodoctor.table1"].n.max())
    commits = sorted({a["git_commit"][:10] for a in about.values()})
    seconds = sum(a["seconds"] for a in about.values())
    warning = (
        "\n**Numbers of a tiny random model that wrote and judged everything. "
        "They mean nothing.**\n"
        if profile == "smoke"
        else ""
    )
    of_whom = "nothing was run here: `make book` runs all of it · " if kept else ""
    front_figure(records, layout.GENERATED / "front.svg", profile)
    write_atomic(
        layout.GENERATED / "front.md",
        f"\n{made_of(about, n, edition.shown())}\n\n"
        f"{result_tables.badge(profile, kept)} "
        f"{len(about)} runs, {seconds / 60:.0f} minutes · commit {', '.join(commits)} · "
        f"{of_whom}[how current?](book/current)\n"
        f"{warning}\n"
        f"{found(ledger, records)}\n\n"
        f"{tiles_html(ledger)}\n\n"
        "## One question and its answers\n\n"
        f"{story}\n\n"
        "## Comfort against knowledge and safety\n\n"
        f"{_figure(records, profile, n)}\n\n"
        "## Where to go\n\n"
        "**Read**: start with [the claims](book/claims), "
        "or with the [data](book/notebooks/01_data_rewriting) and then chapter by chapter. "
        "**Rerun**: [one command](book/rerun) makes everything again. "
        "**Change**: a parameter, a row, a\n"
        "[system, a metric or a judge of yours](book/extend). "
        "[What is not here yet](book/not_yet) says what this book cannot tell.\n\n"
        f"{papers()}\n\n"
        "## The claims, paper by paper\n\n"
        f"{_scoreboard_html(ledger)}\n\n"
        "A claim *holds* if it is *supported*: the 95 % interval of every comparison that it makes "
        "lies on its side. It *fails* if it is *contradicted*: at least one interval lies on the "
        "other side, even when it is widened for the number of comparisons. "
        f"{held_back(ledger)}"
        "[How far to trust them](book/intervals_and_verdicts).\n\n"
        "### Those that we hold against our own numbers\n\n"
        f"{claims_page.measured_html(measured) if len(measured) else NONE_JUDGED}\n",
    )


def made_of(about: dict[str, dict], n: int, unit: edition.Unit | None = None) -> str:
    """A box: models, rows, questions, that all texts are synthetic, and what must not be done with
    them.
    """
    training = about["03_dpo.eqsr-dpo"]["parameters"]
    theirs = parameters.load_profile("paper")["all"]["base_model"]
    rows = training["train_rows"] or "all"
    model, paper = sized(training["base_model"]), sized(theirs)
    of_edition = ""
    if unit:
        scored = unit.records[unit.records.table == "emodoctor.table1"]
        same = unit.model == training["base_model"]
        of_edition = (
            f"The edition trained {'the same model' if same else sized(unit.model)} on all rows "
            f"and asked {scored.n.max()} questions. "
        )
    return (
        '<div class="companion-box"><p><strong>What these numbers are made of.</strong> '
        f"The model is {model}; EmoDoctor trained {paper}. Each method was trained once, on "
        f"{rows} rows, and asked {n} questions. {of_edition}"
        "All dialogues are synthetic, and no clinician has "
        "read them or the answers. <strong>An answer in this book is never medical advice."
        "</strong></p></div>"
    )


def sized(model: str) -> str:
    """The name of a model, escaped, with the number of weights that it says in short."""
    size = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([MB])\b", model)
    if not size:
        return html.escape(model)
    unit = {"M": "million", "B": "billion"}[size[2]]
    return f"{html.escape(model)} (about {size[1]} {unit} weights)"


def found(ledger: pd.DataFrame, records: pd.DataFrame) -> str:
    """Three sentences to take away, each from the ledger or the records."""
    printed, count = ledger.printed.value_counts(), len(ledger)
    holds, fails = printed.get("borne out", 0), printed.get("not borne out", 0)
    said = printed.get("contradicted in words", 0)
    more = (
        " Longer runs, whose records are kept, say more ([what, and by what judge](book/claims))."
        if (ledger.longer != "not measured").any()
        else ""
    )
    with_edition = (ledger.edition != "not measured").any()
    who, verdicts = "this run", ledger.ours
    if with_edition:
        who, verdicts = "our [edition](book/edition)", ledger.edition
    supported, contradicted, left_open, why = settled(verdicts)
    ours = (
        f"**Of the papers' {count} claims {who} supports {supported} and contradicts "
        f"{contradicted}.** It leaves {left_open} open{why}."
    )
    if with_edition:
        supported, contradicted, left_open, _ = settled(ledger.ours)
        ours += (
            f" This run is the same in miniature: it supports {supported}, contradicts "
            f"{contradicted} and leaves {left_open} open."
        )
    return "\n".join(
        [
            f"1. **The papers' own tables bear out {holds} of the {holds + fails} claims that they "
            f"can check.** They do not bear out {fails}, and {said} more are contradicted in words "
            "([which](book/claims)).",
            f"2. {ours} Each model was trained once; three seeds of one method differ as much "
            f"as methods do ([chapter 12](book/notebooks/12_sweeps)).{more}",
            f"3. **A warm score is not yet comfort.** {paid(records)} "
            "[Chapter 11](book/notebooks/11_judge_validity) says which scores passed their tests.",
        ]
    )


def settled(verdicts: pd.Series) -> tuple[str, str, str, str]:
    """How many claims are supported, contradicted and open, in words, and how many cannot be
    judged, with the reason, as the end of a sentence; empty where there are none.
    """
    counts = [
        str(verdicts.isin(claims_page.OUTCOMES[name]).sum() or "none")
        for name in ("hold", "fail", "open")
    ]
    reasons = {
        "a score or judge did not pass its tests": verdicts.eq(deciding.HELD_BACK).sum(),
        "nothing was measured": verdicts.eq("not measured").sum(),
    }
    given = " or ".join(f"{reason} ({count})" for reason, count in reasons.items() if count)
    why = f"; the others cannot be judged, because {given}" if given else ""
    return counts[0], counts[1], counts[2], why


def paid(records: pd.DataFrame) -> str:
    """What the warmth score gives to texts that help nobody, beside the warm answers."""
    means = records[(records.metric == "mean") & (records.group == "all")]
    controls = means[means.table == "emodoctor.table1.controls"].set_index("system")
    warm = means[(means.table == "emodoctor.table1") & (means.system == "reference")]
    if controls.empty or warm.empty:
        return "What the warmth score gives to texts that help nobody was not measured here."
    listed = ", ".join(
        f"{words} {result_tables.with_interval(controls.loc[name])}"
        for name, words in EMPTY_TEXTS.items()
        if name in controls.index
    )
    return (
        "Our warmth score gives the warm answers of the data "
        f"{result_tables.with_interval(warm.iloc[0])}; it gives {listed}."
    )


def outcome(verdict: str) -> str:
    """What becomes of a claim (`claims_page.OUTCOMES`) with a verdict."""
    return next(name for name, verdicts in claims_page.OUTCOMES.items() if verdict in verdicts)


def tiles_html(ledger: pd.DataFrame) -> str:
    """Every claim as a tile in one order: by the papers' tables, by the edition where one is kept,
    and by this profile's runs.
    """
    rows, ways = [], {"by the papers' tables": "printed", "by our runs": "ours"}
    if (ledger.edition != "not measured").any():
        ways = {
            "by the papers' tables": "printed",
            "by the edition": "edition",
            "by this run, the same in miniature": "ours",
        }
    for label, column in ways.items():
        tiles = "".join(
            f'<span class="companion-tile companion-{outcome(verdict).split()[0]}" '
            f'title="{html.escape(f"{claim}: {verdict}")}">{MARKS[outcome(verdict)]}</span>'
            for claim, verdict in zip(ledger.claim, ledger[column], strict=True)
        )
        counts = claims_page.outcomes(ledger[column])
        rows.append(
            f'<p>{label}: {counts}</p><div class="companion-tiles" role="img" '
            f'aria-label="{len(ledger)} claims {label}: {counts}">{tiles}</div>'
        )
    keys = ", ".join(f"{mark} {name}" for name, mark in MARKS.items())
    return f'<div class="companion-strip">{"".join(rows)}<p>{keys}</p></div>'


def typical(answers: pd.DataFrame) -> str:
    """The question whose systems' scores lie nearest to the systems' means, as scores are spread:
    an example chosen by a rule and not by what it shows.
    """
    scores = answers[answers.system.isin(SHOWN)]
    wide = scores.pivot(index="id", columns="system", values=["warmth", "words kept"])
    apart = ((wide - wide.mean()) / wide.std().replace(0, 1)).abs().mean(axis=1)
    return str(apart.idxmin())


def story_html(answers: pd.DataFrame, profile: str) -> str:
    """A question, and what the doctor, the data's warm answer and three systems say to it, each
    with its scores.
    """
    number = typical(answers)
    of_it = answers[answers.id == number].set_index("system")
    rows = []
    for system in (name for name in SHOWN if name in of_it.index):
        r = of_it.loc[system]
        text = r.answer if len(r.answer) <= LONGEST else r.answer[:LONGEST].rstrip() + " …"
        scores = r[["warmth", "words kept"]]
        numbers = ["" if pd.isna(score) else f"{score:.2f}" for score in scores]
        cells = (figures.LABELS[system], text, *numbers, r["flags"])
        rows.append(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>")
    names = ("who", "answer", "warmth", "the doctor's words kept", "safety flags")
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    question = html.escape(of_it.question.iloc[0])
    return (
        f'<div class="{result_tables.BOX}">{result_tables.badge(profile)} '
        f"Test question {html.escape(number)}, the one whose scores lie nearest to the systems' "
        f"means. Answers are cut after {LONGEST} characters."
        f'<blockquote>{question}</blockquote><table class="companion companion-claims '
        f'companion-wide-2"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        '<p><a href="book/items.html">All answers to all questions</a></p></div>'
    )


def papers() -> str:
    """The three papers with their authors and addresses, and how to cite, from CITATION.cff."""
    cited = settings(ROOT / "CITATION.cff")
    lines = []
    for paper in cited["references"]:
        names = [author["family-names"] for author in paper["authors"]]
        authors = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        addresses = [paper["url"], *(other["value"] for other in paper.get("identifiers", ()))]
        links = ", ".join(f"[{address.split('/')[2]}]({address})" for address in addresses)
        lines.append(f"- {authors}, *{paper['title']}*: {links}")
    return (
        "The papers:\n\n" + "\n".join(lines) + f"\n\n**To cite.** {cited['message']} "
        "`CITATION.cff` has both."
    )


def _figure(records: pd.DataFrame, profile: str, n: int) -> str:
    """The figure of `front_figure` with its caption, as Markdown."""
    scorer = records[records.table == "emodoctor.table1"].scorer.iloc[0]
    agreed = kept_runs.agreement("validity.emotion", "mean", scorer)
    followed = kept_runs.facts_agreement(
        records[(records.table == "emodoctor.facts") & (records.metric == "kept")].scorer.iloc[0]
    )
    return (
        "```{figure} book/generated/front.svg\n"
        ":alt: Mean emotion score of each system against the share of the doctor's words that it "
        "keeps, and against the share of its answers with a safety flag, "
        "with 95 percent intervals.\n"
        "Comfort against knowledge (left) and against safety (right), one point a system.\n\n"
        f"{profile} profile, n = {n} test questions, 95 % intervals over them. "
        "Higher is warmer, by the scorer of "
        "[chapter 5](book/notebooks/05_emotion_scoring). "
        "In the left panel a point further right keeps more of the doctor's answer "
        "([chapter 6](book/notebooks/06_knowledge_scoring)). "
        "In the right panel it has more answers with a safety flag "
        f"([chapter 8](book/notebooks/08_qualitative_cases)). {agreed}. {followed}. "
        f"{of_flags(records)}\n"
        "```"
    )


def held_back(ledger: pd.DataFrame) -> str:
    """A sentence on the claims that an instrument's gate holds back; empty where there are none."""
    count = int((ledger.ours == deciding.HELD_BACK).sum())
    if not count:
        return ""
    return (
        f"Of those that cannot be judged {count} rest on a scorer or judge that did not pass its "
        "[gates](book/notebooks/11_judge_validity). "
    )


def of_flags(records: pd.DataFrame) -> str:
    """A sentence on the safety flags whose gates are not passed; empty where all are."""
    marks = gates.not_passed(records, "emodoctor.safety")
    if not marks:
        return ""
    return (
        "The flags rest on marks of single sentences. These marks did not pass their gates: "
        f"{', '.join(marks)} ([chapter 11](book/notebooks/11_judge_validity))."
    )


def _scoreboard_html(ledger: pd.DataFrame) -> str:
    """How many claims of each paper hold, are open, fail and cannot be judged: by the paper's
    numbers, by the edition's, by this profile's and by those of longer runs that are kept.
    """
    ways = {
        "by the paper's numbers": "printed",
        "by the edition": "edition",
        "by this run": "ours",
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


def front_figure(records: pd.DataFrame, path: Path, profile: str) -> None:
    """Mean emotion against the share of the doctor's words that are kept, and against the share of
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
            "share of the doctor's words kept": of("emodoctor.facts", "kept"),
            "share of answers with a safety flag": of("emodoctor.safety", "any"),
        },
    )
    figure, axes = plt.subplots(
        1, 2, figsize=(figures.WIDTH, 4.9), layout="constrained", sharey=True
    )
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
        axis.set(xlabel=textwrap.fill(label, 24))
    axes[0].set(ylabel="mean emotion score")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(f"{profile} profile")
    systems = [system for system in results.SYSTEMS if system in warm.index]
    measures = {"mean emotion score": warm} | panels
    descriptions.describe(
        figure,
        f"{profile} profile, {descriptions.counted(warm.loc[systems])}. Of the systems:",
        *(
            f"{label}, "
            f"{descriptions.ranked(of_it[of_it.index.isin(systems)].reset_index(), figures.named)}."
            for label, of_it in measures.items()
        ),
    )
    figures.save(figure, path)
