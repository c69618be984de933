"""The book: executed notebooks and pages made from records, built with Jupyter Book,
warnings as errors.
"""

import base64
import hashlib
import html
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
import scipy.stats
import yaml

from emo import book, drift, licences, stale
from emo_utils import claims, data, graph, models, parameters, report, results
from emo_utils.project import ROOT, EmoError, notebook_cells, relative, results_dir, write_atomic

CHAPTERS = ROOT / "book" / "notebooks"
GENERATED = ROOT / "book" / "generated"
SPEED = ROOT / "book" / "reference" / "speed.json"
ATTACKS = SPEED.with_name("attacks.json")
ATTACKED = ("rewriting", "score", "preference", "safety")
PAPERS = {
    "emodoctor": "EmoDoctor",
    "emplifai": "EmplifAI",
    "empathy-by-design": "Empathy by Design",
}
# The run that stands for a notebook in the book; its other runs are sections of that chapter.
FIRST_RUN = {
    "02_sft": "02_sft.eqsr-sft",
    "03_dpo": "03_dpo.eqsr-dpo",
    "04_kto": "04_kto.eqsr-kto",
    "09_emplifai_finetuning": "09_emplifai_finetuning.emplifai-sft",
    "10_empathy_by_design": "10_empathy_by_design.ebd-dpo",
}


def page_name(step: graph.Step) -> str:
    """File name of a run's page, without a dot, which Sphinx would take for a suffix."""
    return (
        step.notebook
        if FIRST_RUN.get(step.notebook, step.run) == step.run
        else step.run.replace(".", "_")
    )


def build(profile: str) -> Path:
    """Assemble the sources of the book from a profile's results and build the HTML;
    nothing is done when nothing changed.

    Returns the folder of the HTML. Raises EmoError with the end of Jupyter Book's output when it
    warns of anything.
    """
    if book.is_current(profile):
        return book.HTML
    place_notebooks(profile)
    write_front(profile)
    write_claims(profile)
    write_items(profile)
    write_costs(profile)
    write_current(profile)
    write_records(profile)
    write_speed()
    write_attacks()
    write_complaints()
    write_models()
    write_atomic(
        GENERATED / "licences.md",
        _browse_html(licences.table().to_dict("records"), "packages, weights and data sets") + "\n",
    )
    steps_figure(GENERATED / "steps.svg")
    write_data()
    place_mathjax()
    place_datatables()
    place_font()
    book.BUILT_FROM.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-c", "import emo; from jupyter_book.cli.main import main; main()"),
        "build",
        str(ROOT),
        "-W",
        "--keep-going",
        "-q",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    if done.returncode or not (book.HTML / "index.html").is_file():
        raise EmoError(
            "Jupyter Book could not build the pages:\n"
            + "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        )
    fontawesome = book.HTML / "_static" / "scripts" / "fontawesome.js"
    icons = theme_icons(fontawesome.read_text(encoding="utf-8"))
    for page in sorted(book.HTML.rglob("*.html")):
        write_atomic(
            page,
            with_policy(
                mended(with_launches(with_sources(page.read_text(encoding="utf-8"))), icons),
                relative(page),
            ),
        )
    for unused in (fontawesome, *(book.HTML / "_static").rglob("*.map")):
        unused.unlink()
    book.BUILT_FROM.write_text(book.digest(profile))
    return book.HTML


def read_provenance(profile: str) -> dict[str, dict]:
    """Provenance of every book run of a profile, by run name."""
    return {
        c["run"]: c
        for c in (
            json.loads(p.read_text(encoding="utf-8"))["provenance"]
            for p in sorted(results_dir(profile).glob("*.json"))
        )
    }


def with_sources(text: str) -> str:
    """A page whose provenance lines lead, once unfolded, to the notebook as it ran, and to its
    source at that commit where _config.yml names a public repository.
    """
    address = (
        yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
        .get("repository", {})
        .get("url", "")
        .rstrip("/")
    )
    pages = {step.run: (page_name(step), step.notebook) for step in graph.STEPS}

    def links(line: re.Match) -> str:
        if line["run"] not in pages:
            return line[0]
        page, notebook = pages[line["run"]]
        source = (
            f' · <a href="{html.escape(address)}/blob/{line["commit"]}/notebooks/{notebook}.ipynb">'
            "its source at this commit</a>"
            if address
            else ""
        )
        return (
            f'{line[0]}<p><a href="../../_sources/book/notebooks/{page}.ipynb" download>'
            f"the notebook as it ran</a>{source}</p>"
        )

    return re.sub(
        r'<details class="companion-provenance"><summary>(?P<run>[\w.-]+)'
        r" · commit (?P<commit>\w+)[^<]*</summary>",
        links,
        text,
    )


def with_launches(text: str) -> str:
    """A page whose launch buttons open the notebook that the repository has: the theme thinks of
    the executed copy in book/notebooks, which git does not.
    """
    notebooks = {page_name(step): step.notebook for step in graph.STEPS}
    return re.sub(
        r'(<a href="https?://[^"]*?)book/notebooks/([\w-]+)\.ipynb',
        lambda link: f"{link[1]}notebooks/{notebooks[link[2]]}.ipynb",
        text,
    )


# What the theme writes into a page as a script or a handler; whatever else a page had would be text
# of a model or of data that was not escaped.
THEME_SCRIPTS = [
    re.compile(pattern, re.DOTALL)
    for pattern in (
        (
            r"document\.documentElement\.dataset\.mode"
            r' = localStorage\.getItem\("mode"\) \|\| "\w*";\s*'
            r"document\.documentElement\.dataset\.theme"
            r' = localStorage\.getItem\("theme"\) \|\| "\w*";'
        ),
        r"DOCUMENTATION_OPTIONS\.pagename = '[\w/-]*';",
        r"DOCUMENTATION_OPTIONS\.search_as_you_type = false;",
        r"let toggle(HintShow|HintHide|OpenOnPrint) = '[\w ]*';",
        r"var togglebuttonSelector = '[\w.*, ]*';",
        r'window\.MathJax = \{"options": \{"processHtmlClass": "[\w|]*"\}\}',
        r"// Activate the search field on page load\s[^<>]*",
    )
]
THEME_HANDLERS = ("toggleFullScreen()", "window.print()")


def mended(text: str, icons: dict[str, tuple[str, str]]) -> str:
    """A page without the theme's faults, and without what it loads and does not use.

    Cells that run in a service elsewhere are off, and yet their script is there, twice; the buttons
    that unfold the contents have no name; icons are drawn by a script of 1.5 MB (here they stand in
    the page, from what `theme_icons` gives); every page loads MathJax and the index of the search.
    """
    text = re.sub(
        r"<script[^>]*>(?=const THEBE_JS_URL|\s*\{\s*requestKernel: true|kernelName = )"
        r"[^<]*</script>"
        r"|<script[^>]*(sphinx-thebe|/fontawesome)\.js[^>]*></script>",
        "",
        text,
    )
    if "/mathjax/" in text and not re.search(r'class="[^"]*\bmath\b', text):
        text = re.sub(r"<script[^>]*/mathjax/[^>]*></script>", "", text)
    if 'id="search-results"' not in text:
        text = re.sub(
            r'<script src="[^"]*(searchtools|language_data|searchindex)\.js[^>]*></script>',
            "",
            text,
        )
    text = text.replace(
        '<summary><span class="toctree-toggle"',
        '<summary aria-label="pages below this one"><span class="toctree-toggle"',
    )

    def drawn(icon: re.Match) -> str:
        if icon["name"] not in icons:
            raise EmoError(f"the theme has no solid icon {icon['name']!r}; was it changed?")
        box, path = icons[icon["name"]]
        return (
            f"<svg{icon['before']}svg-inline--fa fa-{icon['name']}{icon['after']}"
            f' viewBox="0 0 {box}" fill="currentColor" aria-hidden="true"><path d="{path}"/></svg>'
        )

    return re.sub(
        r'<(?P<tag>i|span)(?P<before> class="[^"]*?)\bfa(?:s|-solid) fa-(?P<name>[a-z-]+)'
        r"(?P<after>[^>]*)></(?P=tag)>",
        drawn,
        text,
    )


def theme_icons(script: str) -> dict[str, tuple[str, str]]:
    """Width and height, and the path, of each solid icon in the theme's copy of Font Awesome
    (brands, then regular, then solid: the last of a name is the solid one).
    """
    return {
        name: (f"{width} {height}", path)
        for name, width, height, path in re.findall(
            r'[{,]"?([a-z][a-z-]*)"?:\[(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"\]', script
        )
    }


def with_policy(text: str, name: str) -> str:
    """A page with a content security policy: it loads what lies beside it, sends nothing, and runs
    the scripts that the theme wrote and no others.

    Raises EmoError where the page has another script or handler in it.
    """
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", text, re.DOTALL)
    handlers = [
        html.unescape(value) for value in re.findall(r"<[^>]*?\son\w+\s*=\s*[\"']([^\"']*)", text)
    ]
    if other := [
        code for code in scripts if not any(p.fullmatch(code.strip()) for p in THEME_SCRIPTS)
    ] + [code for code in handlers if code not in THEME_HANDLERS]:
        raise EmoError(f"{name} has a script that is not the theme's: {other[0].strip()[:80]!r}")
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
        for code in dict.fromkeys([*scripts, *handlers])
    )
    policy = (
        f"default-src 'none'; script-src 'self' 'unsafe-hashes' {hashes}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'"
    )
    return re.sub(
        r"<head>",
        lambda _: f'<head>\n    <meta http-equiv="Content-Security-Policy" content="{policy}">',
        text,
        count=1,
    )


def place_notebooks(profile: str) -> None:
    """Copy executed notebooks into the book: injected cells hidden,
    a title of its own for each section.
    """
    CHAPTERS.mkdir(parents=True, exist_ok=True)
    wanted = set()
    for step in graph.steps(profile):
        source = stale.executed_path(step.run, profile)
        if not source.is_file():
            raise EmoError(
                f"{step.run} has no executed notebook in the {profile} profile; "
                f"make it with: emo make {step.run} --profile {profile}"
            )
        notebook = nbformat.read(source, as_version=4)
        for cell in notebook.cells:
            if "injected-parameters" in cell.metadata.get("tags", []):
                cell.metadata["tags"].append("remove-cell")
            cell.metadata.pop("papermill", None)
        notebook.metadata.pop("papermill", None)
        if page_name(step) != step.notebook:
            notebook.cells[0].source = re.sub(
                r"^# .*",
                f"# {step.notebook[:2].lstrip('0')} continued: "
                f"the run of {dict(step.fixed)['system']}",
                notebook.cells[0].source,
            )
        target = CHAPTERS / f"{page_name(step)}.ipynb"
        wanted.add(target)
        write_atomic(target, nbformat.writes(notebook))
    for old in set(CHAPTERS.glob("*.ipynb")) - wanted:
        old.unlink()


def write_front(profile: str) -> None:
    """The first page's numbers: verdicts, the figure of comfort against knowledge,
    and what was measured.
    """
    records = results.read(profile)
    ledger, about = claims.ledger(records), read_provenance(profile)
    measured, longer = ledger[ledger.ours != "not measured"], longer_runs()[0].ours
    more = (
        " Longer runs, whose records are kept, say more ([what, and by what judge](book/claims))."
        if (longer != "not measured").any()
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
    agreed = report.agreement("validity.emotion", "mean", scorer)
    followed = report.facts_agreement(
        records[(records.table == "emodoctor.facts") & (records.metric == "kept")].scorer.iloc[0]
    )
    front_figure(records, GENERATED / "front.svg", profile)
    write_atomic(
        GENERATED / "front.md",
        f"\n{report.badge(profile)} n = {n} test questions · one training seed · "
        f"{len(about)} runs, {seconds / 60:.0f} minutes · commit {', '.join(commits)} · "
        "[how current?](book/current)\n"
        f"{warning}\n"
        f"{_scoreboard_html(ledger.assign(longer=longer))}\n\n"
        f"**{len(measured)} claims have numbers of ours so far: "
        f"{_counted(measured.ours, claims.OURS)}.** "
        f"Ours are small models, each trained once and asked {n} questions; "
        "three seeds of one method differ as much as\n"
        f"methods do ([chapter 12](book/notebooks/12_sweeps)).{more} *Supported*: "
        "the 95 % interval of every comparison that the claim makes lies on its side; "
        "*contradicted*: one lies on the other side, widened for their number.\n\n"
        "```{figure} book/generated/front.svg\n"
        ":alt: Mean emotion score of each system against the share of the doctor's facts that it "
        "keeps, and against the share of its answers with a safety flag, "
        "with 95 percent intervals.\n"
        f"Comfort against knowledge and against safety, one point a system ({profile} profile, "
        f"n = {n} test questions, 95 % bootstrap intervals over them). Up is warmer by the scorer "
        "of [chapter 5](book/notebooks/05_emotion_scoring); right\n"
        "gives away more of the doctor's answer ([chapter 6](book/notebooks/06_knowledge_scoring); "
        "dotted: what answers to another question keep), or has more answers with a flag "
        f"([chapter 8](book/notebooks/08_qualitative_cases)). {agreed}. {followed}.\n"
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
        f"{_measured_html(measured)}\n",
    )


def _scoreboard_html(ledger: pd.DataFrame) -> str:
    """How many claims of each paper have which verdict: by the paper's numbers, by this profile's
    and by those of longer runs that are kept.
    """
    ways = {
        "by the paper's numbers": ("printed", claims.PRINTED),
        "by ours": ("ours", claims.OURS),
        "by longer runs": ("longer", [v for v in claims.OURS if v != "not measured"]),
    }
    rows = [
        {"paper": f"{PAPERS[paper]} ({len(part)} claims)"}
        | {
            way: _counted(part[column], verdicts, "") or "no such run"
            for way, (column, verdicts) in ways.items()
        }
        for paper, part in ledger.groupby("paper", sort=False)
    ]
    return (
        '<div class="companion-table">'
        + pd.DataFrame(rows).to_html(
            index=False, escape=True, border=0, classes="companion companion-counts"
        )
        + "</div>"
    )


def _map_html(profile: str) -> str:
    """Each chapter with its question and what its runs took: minutes, memory,
    weights to download.
    """
    about, rows = read_provenance(profile), []
    order = re.findall(
        r"file: book/notebooks/(\w+)", (ROOT / "_toc.yml").read_text(encoding="utf-8")
    )
    for notebook in sorted({s.notebook for s in graph.steps(profile)}, key=order.index):
        of_it = [s for s in graph.steps(profile) if s.notebook == notebook and s.run in about]
        title = re.search(r"^# (.*)", notebook_cells(parameters.notebook_path(notebook))[0][1])[1]
        weights = dict.fromkeys(name for s in of_it for name in graph.step_models(s, profile))
        rows.append(
            f'<tr><td><a href="book/notebooks/{notebook}.html">{html.escape(title)}</a></td>'
            f"<td>{len(of_it)}</td>"
            f"<td>{sum(about[s.run]['seconds'] for s in of_it) / 60:.1f}</td>"
            f"<td>{max(about[s.run]['peak_memory_mb'] for s in of_it) / 1000:.1f}</td>"
            f"<td>{sum(models.entry(name).size_mb for name in weights):,}</td></tr>"
        )
    device = html.escape(next(iter(about.values()))["device"].rpartition(",")[0])
    head = "".join(
        f"<th>{name}</th>" for name in ("chapter", "runs", "minutes", "memory, GB", "weights, MB")
    )
    return (
        f'<div class="companion-table">{report.badge(profile)} On {device}; '
        "minutes of its runs one after the other, largest memory, and the weights that it reads "
        "(shared between chapters, downloaded once). On a GPU nothing was measured."
        f'<table class="companion companion-claims"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def write_records(profile: str) -> None:
    """The records of each run as a CSV file beside the pages:
    what a reader of a figure takes away as its data.

    Cells that a spreadsheet would compute are made text.
    """
    folder = GENERATED / "static" / "records"
    shutil.rmtree(folder, ignore_errors=True)
    frame = results.read(profile)
    for text in frame.select_dtypes("object"):
        frame[text] = frame[text].map(
            lambda cell: f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell
        )
    for step in graph.steps(profile):
        write_atomic(
            folder / f"{page_name(step)}.csv", frame[frame.run == step.run].to_csv(index=False)
        )


LONGER = (
    "emplifai_judge",
    "ebd_scores",
)  # runs of more rows than the profile's whose records are kept and bear on claims


def longer_runs() -> tuple[pd.DataFrame, str]:
    """The ledger by the kept records of longer runs, and what those runs were, in words."""
    found = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in LONGER
        if (path := ATTACKS.with_name(f"{name}.json")).is_file()
    }
    records = pd.DataFrame(
        [
            r | {"run": content["provenance"]["run"]}
            for content in found.values()
            for r in content["records"]
        ],
        columns=[*results.Record.model_fields, "run"],
    )
    said = []
    for content in found.values():
        about, rows = (
            content["provenance"],
            [r for r in content["records"] if r["table"] == claims.TABLE],
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
    return claims.ledger(records), "; ".join(said)


def _counted(verdicts: pd.Series, meanings: Iterable[str], mark: str = "**") -> str:
    """How many claims have each verdict, in the order of their meanings."""
    counts = verdicts.value_counts()
    return ", ".join(f"{mark}{counts[name]} {name}{mark}" for name in meanings if name in counts)


def _measured_html(measured: pd.DataFrame) -> str:
    """The claims that this profile has records for, with both verdicts; cells escaped."""
    shown = pd.DataFrame(
        {
            "claim": measured.claim,
            "by the paper's numbers": measured.printed,
            "here": measured.ours,
            "comparisons here": measured.ours_evidence.map(claims.tally),
            "where": measured.place,
        }
    )
    return (
        '<div class="companion-table">'
        + shown.to_html(index=False, escape=True, border=0, classes="companion companion-claims")
        + "</div>"
    )


def write_claims(profile: str) -> None:
    """The scoreboard: every claim with both verdicts and the comparisons behind them, and what the
    papers' numbers do not bear out.
    """
    ledger, (longer, runs) = claims.ledger(results.read(profile)), longer_runs()
    chapters = {
        "emodoctor.table1": "05_emotion_scoring",
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

    rows = []
    for r, long in zip(ledger.itertuples(), longer.itertuples(), strict=True):
        known = long.ours != "not measured"
        cells = [
            PAPERS[r.paper],
            r.place,
            r.claim + (f" ({r.note})" if r.note else ""),
            r.printed,
            r.ours,
            long.ours if known else "",
        ]
        links = where(r.tables) if known or r.ours != "not measured" else ""
        evidence = (
            _comparisons_html("printed", r.printed_evidence)
            + _comparisons_html("here", r.ours_evidence)
            + (_comparisons_html("longer run", long.ours_evidence) if known else "")
        )
        rows.append(
            "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + f"<td>{evidence}{links}</td>"
        )
    head = "".join(
        "<th"
        f"{' data-choose' if name in ('paper', 'printed numbers', 'here', 'longer run') else ''}"
        f">{name}</th>"
        for name in ("paper", "place", "claim", "printed numbers", "here", "longer run", "evidence")
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    table = (
        f'<div class="companion-table full-width">{report.badge(profile)}'
        '<table class="companion companion-claims" data-browse>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
    counts = pd.crosstab(ledger.printed, ledger.ours).reindex(
        index=[v for v in claims.PRINTED if v in set(ledger.printed)],
        columns=[v for v in claims.OURS if v in set(ledger.ours)],
    )
    failed = ledger[ledger.printed.isin(["not borne out", "contradicted in words"])]
    found = "\n".join(
        f"- **{PAPERS[r.paper]}, {r.place}.** {r.claim}. "
        f"{r.note or _first_failure(r.printed_evidence)}"
        for r in failed.itertuples()
    )
    write_atomic(
        GENERATED / "claims.md",
        "\n\n".join(
            [
                f"{len(ledger)} claims: "
                f"by the papers' own numbers {_counted(ledger.printed, claims.PRINTED)}; "
                f"by our records {_counted(ledger.ours, claims.OURS)}."
                + (
                    f" *Longer run*: by kept records of more rows than this profile has: {runs}."
                    if runs
                    else ""
                ),
                _table_html(counts.rename_axis(index="printed numbers", columns="here")),
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


def write_items(profile: str) -> None:
    """Every answer of every system with its item scores, as a table to filter: from any aggregate
    to the answers behind it.
    """

    def scores(run: str, table: str, metric: str) -> pd.Series:
        frame = results.read_items(profile, run)
        return (
            frame[(frame.table == table) & (frame.metric == metric)]
            .set_index(["id", "system"])
            .value
        )

    columns = {
        "warmth": scores("05_emotion_scoring", "emodoctor.table1", "mean"),
        "facts kept": scores("06_knowledge_scoring", "emodoctor.beyond", "kept"),
        "comfort": scores("08_qualitative_cases", "emodoctor.cases", "comfort_share"),
    }
    flags = {
        rule: scores("08_qualitative_cases", "emodoctor.cases", rule)
        for rule in ("prescribes", "discourages", "claims", "contradicts", "false calm")
    }
    answers = pd.concat(
        [
            pd.read_parquet(results_dir(profile) / "answers" / f"{system}.parquet")
            for system in results.SYSTEMS
        ],
        ignore_index=True,
    )

    def row(r) -> str:
        numbers = [
            f"{value:.2f}" if pd.notna(value := column.get((r.id, r.system))) else ""
            for column in columns.values()
        ]
        raised = (
            ", ".join(rule for rule, column in flags.items() if column.get((r.id, r.system)))
            or "none"
        )
        return "".join(
            f"<td>{html.escape(cell)}</td>"
            for cell in (r.system, r.emotion, r.id, r.question, r.answer, *numbers, raised)
        )

    kinds = dict.fromkeys(("system", "emotion", "flags"), " data-choose") | dict.fromkeys(
        columns, " data-number"
    )
    head = "".join(
        f"<th{kinds.get(name, '')}>{name}</th>"
        for name in ("system", "emotion", "id", "question", "answer", *columns, "flags")
    )
    body = "\n".join(f"<tr>{row(r)}</tr>" for r in answers.itertuples())
    write_atomic(
        GENERATED / "items.html",
        f'<div class="companion-table full-width">{report.badge(profile)} {len(answers)} answers'
        '<table class="companion companion-texts companion-items" data-browse>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>\n",
    )


def _comparisons_html(title: str, evidence: list) -> str:
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
        return f"<li>{html.escape(f'{marks[says]}: {comparison}')} ({number})</li>"

    return (
        f"<details><summary>{title}: {html.escape(claims.tally(evidence))}</summary>"
        f"<ul>{''.join(line(*e) for e in evidence)}</ul></details>"
    )


def _first_failure(evidence: list) -> str:
    """The printed comparisons that fail: how many, and the first in numbers."""
    failed = [(comparison, found) for comparison, found, says in evidence if says is False]
    comparison, (value, _, _) = failed[0]
    return (
        f"{len(failed)} of {len(evidence)} comparisons fail; "
        f"the first: *{comparison}*, where the left side is {value}."
    )


def front_figure(records: pd.DataFrame, path: Path, profile: str) -> None:
    """Mean emotion against the share of the doctor's facts that are kept, and against the share of
    answers with a safety flag, all with intervals.
    """
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    report.style()

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
        for system in (s for s in results.SYSTEMS if s in across.index and s in warm.index):
            x, y = across.loc[system], warm.loc[system]
            axis.errorbar(
                x.value,
                y.value,
                xerr=[[x.value - x.ci_low], [x.ci_high - x.value]],
                yerr=[[y.value - y.ci_low], [y.ci_high - y.value]],
                fmt="s"
                if system.startswith("er-eqsr")
                else {"prompt": "D", "er-sft": "^"}.get(system, "o"),
                color=report.colour(system),
                elinewidth=0.8,
                alpha=0.85,
                label=report.LABELS[system],
            )
        axis.set(xlabel=label)
    nothing = records[
        (records.table == "emodoctor.facts.yardsticks")
        & records.system.str.endswith("next question")
    ].iloc[0]
    axes[0].axvline(
        nothing.value, color="black", lw=0.8, ls=":", label="answers to another question"
    )
    axes[0].set(ylabel="mean emotion score")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7
    )
    figure.suptitle(f"{profile} profile", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def write_current(profile: str) -> None:
    """What the page "How current is this?" shows: the last run's record,
    and what moved since the records that were kept.
    """
    now, kept = drift.snapshot(profile), drift.reference(profile)
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
        (
            f"{report.badge(profile)} The newest of {len(now)} runs began on "
            f"{newest[:16].replace('T', ' at ')} UTC, "
            f"from {'commit' if len(commits) == 1 else 'commits'} {', '.join(commits)}; "
            f"all of them took {seconds / 60:.0f} minutes, counted one after the other. {versions}."
        )
    ]
    if kept.is_file():
        moved = drift.compare(before := drift.read(kept), now)
        drift.figure(moved, GENERATED / "drift.svg")
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
        parts.append(
            f"## What moved\n\nNo records of the {profile} profile were kept to compare with; "
            "`emo drift --keep` keeps those of a whole book."
        )
    write_atomic(
        GENERATED / "current.md", "\n\n".join([*parts, "## The runs", drift.last_run(now), ""])
    )


def write_costs(profile: str) -> None:
    """What each run cost where this book was made."""
    about = read_provenance(profile)
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
    table = frame.to_html(escape=True, index=False, border=0, classes="companion")
    write_atomic(
        GENERATED / "costs.md",
        f"## What it cost here\n\nProfile `{profile}`: "
        f"{parameters.load_profile(profile)['about']}. On {html.escape(devices)}.\n\n"
        f'<div class="companion-table">{table}</div>\n',
    )


def write_speed() -> None:
    """The tables that benchmarks kept (`--keep`), each with where and when it was measured,
    and how cost grows as a figure.
    """
    kept = json.loads(SPEED.read_text(encoding="utf-8")) if SPEED.is_file() else {}
    growth_figure(pd.DataFrame(kept.get("growth", {}).get("table", [])), GENERATED / "growth.svg")
    for name, lay_out in SPEED_TABLES.items():
        if name in kept:
            about, frame = kept[name]["about"], lay_out(pd.DataFrame(kept[name]["table"]))
            note = (
                f"Measured {about['measured']} on {about['device']}, "
                f"commit {about['commit'][:10]}{' with local changes' if about['dirty'] else ''}."
            )
            text = (
                '<div class="companion-table">'
                f"{frame.to_html(escape=True, index=False, border=0, classes='companion')}"
                f"<p>{html.escape(note)}</p></div>\n"
            )
        else:
            text = "Not measured yet.\n"
        write_atomic(GENERATED / f"speed_{name.replace(' ', '_')}.md", text)


def _bounds(row: dict) -> tuple[float, float]:
    """The interval of a record; of a share of 0 or 1 the exact binomial one, as resampling values
    that are all alike gives none.
    """
    if row["ci_low"] == row["ci_high"] and row["value"] in (0, 1):
        return tuple(scipy.stats.binomtest(int(row["value"] * row["n"]), row["n"]).proportion_ci())
    return row["ci_low"], row["ci_high"]


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
            "value [95 %]": "{:.2f} [{:.2f}, {:.2f}]".format(row["value"], *_bounds(row)),
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
    table = pd.DataFrame(rows).to_html(
        escape=True, index=False, border=0, classes="companion companion-counts"
    )
    write_atomic(
        GENERATED / "attacks.md",
        f'<div class="companion-table">{table}<p>{html.escape(" ".join(notes))}</p></div>\n'
        if rows
        else "Not measured yet.\n",
    )


def write_complaints() -> None:
    """What `emo` says to each case of the corpus of bad input,
    as `tests/test_bad_input.py` keeps it.
    """
    said = json.loads(ATTACKS.with_name("complaints.json").read_text(encoding="utf-8"))
    rows = "\n".join(
        f"<tr><td>{html.escape(group)}</td><td>{html.escape(case)}</td>"
        f"<td>{html.escape(line)}</td></tr>"
        for name, line in said.items()
        for group, _, case in [name.partition(": ")]
    )
    write_atomic(
        GENERATED / "complaints.md",
        f"{len(said)} cases:\n\n"
        '<div class="companion-table"><table class="companion companion-claims" data-browse>'
        "<thead><tr><th data-choose>what was handed over</th><th>case</th>"
        "<th>what the command says</th></tr></thead>"
        f"<tbody>\n{rows}\n</tbody></table></div>\n",
    )


def _comparison(frame: pd.DataFrame) -> pd.DataFrame:
    others = frame[frame.way != "ours"].groupby("objective").rate.max()
    return pd.DataFrame(
        {
            "objective": frame.objective.str.upper(),
            "trained by": frame.way.replace("ours", "this package"),
            "text tokens a second [lowest, highest run]": [
                f"{r.rate:.0f} [{r.low:.0f}, {r.high:.0f}]" for r in frame.itertuples()
            ],
            "against the better of the others": [
                f"{r.rate / others[r.objective]:.2f}"
                if r.way == "ours" and r.objective in others
                else ""
                for r in frame.itertuples()
            ],
            "memory, GB": (frame.memory_mb / 1000).round(1),
            "share of the machine's peak": [f"{share:.0%}" for share in frame.share_of_peak],
            "loss, first and last step": [
                f"{r.loss_first:.4f}, {r.loss_last:.4f}" for r in frame.itertuples()
            ],
            "mean loss against ours": [f"{d:.1%}" for d in frame.loss_difference],
            "tokens a row": frame.tokens_a_row.round().astype(int),
            "runs": frame.rounds,
            "steps": frame.steps,
        }
    )


def _shares(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "objective": frame.objective.str.upper(),
            "without": frame["without"],
            "that is": frame.meaning,
            "text tokens a second": frame.rate.round().astype(int),
            "what it saves": [f"{f:.2f} times" if f != 1 else "" for f in frame.factor],
            "memory, GB": (frame.memory_mb / 1000).round(1),
        }
    )


def _growth(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "objective": frame.objective.str.upper(),
            "more": frame.what,
            "times": frame.factor,
            "tokens of text": frame.tokens,
            "seconds": frame.seconds.round(1),
            "tokens a second": (frame.tokens / frame.seconds).round().astype(int),
            "memory, GB": (frame.memory_mb / 1000).round(1),
        }
    )


def _generation(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number format": frame.format,
            "pipeline, tokens a second": frame.pipeline_rate.round(1),
            "this package": frame.rate.round(1),
            "ratio": (frame.rate / frame.pipeline_rate).round(1),
            "equal greedy answers": [f"{r.same} of {r.compared}" for r in frame.itertuples()],
            "nine systems loaded one by one, s": frame.load_each_s.round(1),
            "from one base, s": frame.one_base_s.round(1),
        }
    )


def _as_kept(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.round(2)
    numbers = frame.select_dtypes("number").columns
    return frame.assign(**{name: frame[name] + 0 for name in numbers}).rename(
        columns=lambda name: name.replace("_", " ")
    )


def _books(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("compared").T.rename_axis("").reset_index().rename_axis(None, axis=1)


def _hundredfold(frame: pd.DataFrame) -> pd.DataFrame:
    """A row a step: seconds, memory and disk at each size, and the exponent with which its seconds
    grew between the last two sizes.
    """
    rows = []
    for step, part in frame.groupby("step", sort=False):
        part = part.set_index("factor")
        row = {"step": step} | {
            f"s, x{f}": f"{r.seconds:.1f}" if r.done else f"over {r.seconds:.0f}, stopped"
            for f, r in part.iterrows()
        }
        row |= {f"MB, x{f}": f"{r.memory_mb:.0f}" for f, r in part.iterrows() if r.done} | {
            f"MB on disk, x{f}": f"{r.disk_mb:.1f}" for f, r in part.iterrows() if r.done
        }
        done = part[part.done.astype(bool)]
        if len(done) > 1:
            (low, high), (before, after) = done.index[-2:], done.seconds.iloc[-2:]
            row["growth"] = f"{math.log(after / before) / math.log(high / low):.2f}"
        rows.append(row)
    found = pd.DataFrame(rows).fillna("")
    return found[
        [
            "step",
            *sorted(
                (c for c in found if c not in ("step", "growth")),
                key=lambda c: (
                    c.split(",")[0] != "s",
                    c.split(",")[0] != "MB",
                    int(c.partition("x")[2]),
                ),
            ),
            *[c for c in found if c == "growth"],
        ]
    ]


SPEED_TABLES = {
    "comparison": _comparison,
    "long rows": _comparison,
    "without bf16 units": _comparison,
    "shares": _shares,
    "growth": _growth,
    "generation": _generation,
    "startup": _as_kept,
    "judging": _as_kept,
    "judging growth": _as_kept,
    "overlap": _as_kept,
    "labels": _as_kept,
    "labels growth": _as_kept,
    "hundredfold": _hundredfold,
    "kills": _as_kept,
    "determinism": _as_kept,
    "papermill": _as_kept,
    "books": _books,
}


def growth_figure(frame: pd.DataFrame, path: Path) -> None:
    """Seconds and memory over the factor by which rows or lengths grew, a line an objective;
    thin: in proportion to the first point.
    """
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    report.style()
    figure, axes = plt.subplots(2, 2, figsize=(7, 5), sharex="col", layout="constrained")
    for column, what in enumerate(("rows", "length")):
        for objective, part in (
            frame[frame.what == what].groupby("objective", sort=False) if len(frame) else ()
        ):
            for axis, values in zip(
                axes[:, column], (part.seconds, part.memory_mb / 1000), strict=True
            ):
                axis.plot(
                    part.factor,
                    values,
                    "o-",
                    ms=4,
                    color=report.COLOURS[objective],
                    label=objective.upper(),
                )
            axes[0, column].plot(
                part.factor,
                part.seconds.iloc[0] * part.factor,
                lw=0.6,
                ls=":",
                color=report.COLOURS[objective],
            )
            axes[0, column].set(
                xscale="log",
                yscale="log",
                title=f"more {what}" if what == "rows" else "longer rows",
            )
            axes[0, column].set_xticks(
                list(part.factor), [f"x{f}" for f in part.factor], minor=False
            )
            axes[0, column].minorticks_off()
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("memory peak, GB")
    if len(frame):
        axes[0, 0].legend()
    else:
        figure.clear()
        figure.text(0.5, 0.5, "not measured yet", ha="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def steps_figure(path: Path) -> None:
    """The steps of the book as the Snakefile gets them: a column is what may run once the columns
    before it are done, a line leads to what reads a step's results.
    """
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    report.style()
    needs = {step.run: step.needs for step in graph.STEPS}

    def depth(run):
        return 1 + max((depth(other) for other in needs[run]), default=-1)

    columns: dict[int, list] = {}
    for step in graph.STEPS:
        columns.setdefault(depth(step.run), []).append(step)
    place = {
        step.run: (3.2 * x, -(y + 0.5) / len(column) * max(map(len, columns.values())))
        for x, column in columns.items()
        for y, step in enumerate(column)
    }
    figure, axis = plt.subplots(
        figsize=(9.5, 0.44 * max(map(len, columns.values()))), layout="constrained"
    )
    for run, others in needs.items():
        for other in others:
            axis.plot(
                [place[other][0] + 2.3, place[run][0]],
                [place[other][1], place[run][1]],
                color="#0072B2"
                if run.partition(".")[0].startswith(("02", "03", "04"))
                else "#888888",
                lw=0.8,
                alpha=0.6,
                zorder=1,
            )
    for step in graph.STEPS:
        x, y = place[step.run]
        axis.add_patch(
            plt.Rectangle(
                (x, y - 0.35),
                2.3,
                0.7,
                facecolor="#DCEAF4" if "system" in dict(step.fixed) else "#F2F2F2",
                edgecolor="#555555",
                lw=0.6,
                zorder=2,
            )
        )
        axis.text(
            x + 1.15,
            y,
            step.run.replace(".", "\n.") if len(step.run) > 26 else step.run,
            ha="center",
            va="center",
            fontsize=7.5,
            color="black",
            zorder=3,
        )
    axis.set(
        xlim=(-0.1, 3.2 * max(columns) + 2.4), ylim=(-max(map(len, columns.values())) - 0.1, 0.1)
    )
    axis.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def write_models() -> None:
    """The registry as a table."""
    rows = ["| name | for | licence | download | sha256 or hub id |", "|---|---|---|---|---|"]
    for w in models.REGISTRY.values():
        pin = f"`{w.sha256}`" if w.sha256 else f"`{w.hub}`" if w.hub else "built on the spot"
        rows.append(
            f"| {w.name} | {w.purpose}{'; ' + w.note if w.note else ''} | {w.licence} | "
            f"{w.size_mb} MB | {pin} |"
        )
    write_atomic(GENERATED / "models.md", "\n".join(rows) + "\n")


def write_data() -> None:
    """What the page on the data shows of each set: counts, lengths, and every row to browse."""

    def label(row: dict) -> str:
        return " · ".join(
            row[name] for name in ("id", "topic", "specialty", "emotion") if name in row
        )

    sets = {path.name: data.load(name) for name, path in data.FILES.items()}
    dialogues = [row for rows in sets.values() for row in rows]
    emotions = pd.DataFrame(
        {
            file: pd.Series([row.get("emotion", "none (ER)") for row in rows]).value_counts()
            for file, rows in sets.items()
        }
    )
    write_atomic(
        GENERATED / "data_dialogues.md",
        "\n\n".join(
            [
                (
                    f"{len(dialogues)} rows from {len({row['specialty'] for row in dialogues})} "
                    "specialties. Rows by emotion:"
                ),
                _table_html(emotions.reindex(["none (ER)", *data.EMOTIONS]).fillna(0).astype(int)),
                "Lengths in words:",
                _table_html(
                    _lengths(
                        dialogues,
                        (
                            "question",
                            "answer",
                            "empathetic_response",
                            "emotional_question",
                            "soothing_response",
                        ),
                    )
                ),
                "Every ER row:",
                _browse_html(
                    [
                        {
                            "row": label(row),
                            "question": row["question"],
                            "doctor's answer": row["answer"],
                            "empathetic response": row["empathetic_response"],
                        }
                        for row in sets["er_train.jsonl"]
                    ],
                    "ER rows",
                ),
                "Every EQ+SR row, those of the test last:",
                _browse_html(
                    [
                        {
                            "row": label(row),
                            "question": row["question"],
                            "the question with the emotion": row["emotional_question"],
                            "doctor's answer": row["answer"],
                            "soothing response": row["soothing_response"],
                        }
                        for row in dialogues
                        if "emotion" in row
                    ],
                    "EQ+SR rows",
                ),
                "",
            ]
        ),
    )
    places = ("patient, first", "supporter, first", "patient, second", "supporter, second")
    japanese = [row | dict(zip(places, row["turns"], strict=True)) for row in data.load_japanese()]
    table1 = [
        {
            "emotion": english,
            "Japanese": label,
            "sentiment": sentiment,
            "dialogues": sum(row["emotion"] == english for row in japanese),
        }
        for english, label, sentiment in data.EMPLIFAI_EMOTIONS
    ]
    write_atomic(
        GENERATED / "data_japanese.md",
        "\n\n".join(
            [
                (
                    f"{len(japanese)} dialogues in {len({row['situation'] for row in japanese})} "
                    "situations. The emotions are those of EmplifAI's Table 1:"
                ),
                _browse_html(table1, "emotions", ("Japanese",)),
                "Lengths in characters:",
                _table_html(_lengths(japanese, ("situation", *places), len)),
                _browse_html(
                    [
                        {
                            "row": label(row),
                            "in English, in short": row["gloss"],
                            **{name: row[name] for name in ("situation", *places)},
                        }
                        for row in japanese
                    ],
                    "Japanese dialogues",
                    ("situation", *places),
                ),
                "",
            ]
        ),
    )
    caregiver = [row for split in data.CAREGIVER_FILES for row in data.load_caregiver(split)]
    shorter = sum(len(row["chosen"].split()) < len(row["rejected"].split()) for row in caregiver)
    write_atomic(
        GENERATED / "data_caregiver.md",
        "\n\n".join(
            [
                (
                    f"{len(caregiver)} pairs; "
                    f"the chosen answer is the shorter one in {shorter} of them. "
                    "Lengths in words:"
                ),
                _table_html(_lengths(caregiver, ("prompt", "chosen", "rejected"))),
                _browse_html(
                    [
                        {
                            "row": label(row),
                            "question": row["prompt"],
                            "chosen": row["chosen"],
                            "rejected": row["rejected"],
                        }
                        for row in caregiver
                    ],
                    "caregivers' questions",
                ),
                "",
            ]
        ),
    )


def _lengths(
    rows: list[dict], fields: tuple[str, ...], length=lambda text: len(text.split())
) -> pd.DataFrame:
    """How many texts each field has, and how their lengths are distributed."""
    found = {
        name: pd.Series([length(row[name]) for row in rows if name in row]).describe()
        for name in fields
    }
    return (
        pd.DataFrame(found)
        .T.drop(columns="std")
        .rename(columns={"count": "texts"})
        .round(0)
        .astype(int)
    )


def _table_html(frame: pd.DataFrame, classes: str = "companion") -> str:
    return (
        '<div class="companion-table">'
        + frame.to_html(escape=True, border=0, classes=classes)
        + "</div>"
    )


def _browse_html(rows: list[dict], name: str, japanese: tuple[str, ...] = ()) -> str:
    """All rows as a table in a box that scrolls, by keyboard too; cells escaped, Japanese columns
    marked so, the head stays.
    """
    head = "".join(f"<th>{html.escape(column)}</th>" for column in rows[0])
    cells = (
        "".join(
            f"<td{' lang=ja' if column in japanese else ''}>{html.escape(str(value))}</td>"
            for column, value in row.items()
        )
        for row in rows
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in cells)
    return (
        '<div class="companion-table full-width" style="max-height: 36em; overflow: auto" '
        f'tabindex="0" role="region" aria-label="All {html.escape(name)}">'
        '<table class="companion companion-texts"><thead style="position: sticky; top: 0; '
        'background: var(--pst-color-background, white)">'
        f"<tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def place_font() -> None:
    """Cut the Japanese font to the characters that the pages hold, so that they show where no such
    font is installed; its licence goes with it.
    """
    from fontTools import subset

    texts = [
        path.read_text(encoding="utf-8")
        for path in (
            *CHAPTERS.glob("*.ipynb"),
            *GENERATED.glob("*.md"),
            *(ROOT / "book").glob("*.md"),
        )
    ]
    fonts = Path(find_spec("matplotlib_fontja").origin).with_name("fonts")
    target = GENERATED / "static" / "fonts"
    target.mkdir(parents=True, exist_ok=True)
    options = subset.Options(flavor="woff", layout_features=[], hinting=False, name_IDs=[0, 13, 14])
    font = subset.load_font(fonts / "ipaexg.ttf", options)
    cutter = subset.Subsetter(options)
    cutter.populate(
        text="".join({c for text in texts for c in text if ord(c) > 0x2E7F}) + "、。「」"
    )
    cutter.subset(font)
    subset.save_font(font, target / "companion-ja.woff", options)
    shutil.copyfile(fonts / "IPA_Font_License_Agreement_v1.0.txt", target / "companion-ja.txt")


def place_mathjax() -> None:
    """Copy MathJax (one file, fonts included) out of its package,
    so that equations show without a network.
    """
    target = GENERATED / "static" / "mathjax" / "tex-svg.js"
    if not target.is_file():
        source = (
            Path(find_spec("mathjax").submodule_search_locations[0])
            / "static"
            / "mathjax"
            / "es5"
            / "tex-svg.js"
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def place_datatables() -> None:
    """Copy DataTables (one file, with jQuery) out of the package itables, as a script: it comes as
    a module, which no browser loads from a folder.
    """
    source = (Path(find_spec("itables").origin).with_name("html") / "dt_bundle.js").read_text(
        encoding="utf-8"
    )
    found = re.search(r"export\s*\{([^}]*)\}", source)
    names = (
        dict(reversed(part.split(" as ")) for part in found[1].split(",") if " as " in part)
        if found
        else {}
    )
    if "default" not in names:
        raise EmoError(
            "the bundle of DataTables in itables exports nothing by default; was the package "
            "changed? requirements.lock has the version that fits"
        )
    script = (
        f"(() => {{{source[: found.start()]};window.DataTable = {names['default']};"
        f"{source[found.end() :]}\n}})();\n"
    )
    write_atomic(GENERATED / "static" / "datatables.js", script)
