"""The whole graph and book in the smoke profile, in a copy of the project,
as a user starts it from the command line.
"""

import hashlib
import json
import random
import re
import shutil
import time
from pathlib import Path

import nbformat
import page_measures
import pytest
import soak_book
from bs4 import BeautifulSoup
from smoke_book import KEY, Copy, smoke_book
from terminal import in_a_terminal

from emo import warm
from emo.site.claims_page import with_reason
from emo_utils.claims import ledger as claims_ledger
from emo_utils.data.dialogues import REFERENCES
from emo_utils.experiment.results import SYSTEMS
from emo_utils.judging.preference import SYSTEMS as COMPARED

RUNS = 27


@pytest.fixture(scope="module")
def book(tmp_path_factory, pytestconfig) -> Copy:
    return smoke_book(tmp_path_factory, pytestconfig)


def ran(output: str) -> set[str]:
    """Runs that were executed according to the output of `emo book`, where what several processes
    write at once may share a line.
    """
    return set(re.findall(r"([\w.=,@-]+): done in", output))


def test_book_is_built_from_every_run(book):
    assert len(ran(book.output)) == RUNS
    assert "download 0 MB" in book.output and f"steps    {RUNS} of {RUNS}" in book.output
    html = book.folder / "_build/html"
    assert (html / "index.html").is_file()
    # A line when a step begins and one when it ends; nothing of Snakemake, kernels and libraries.
    told = book.output.partition(" has what each step writes\n")[2].splitlines()
    run = r"[\w.-]+"
    shapes = (
        rf"  {run}: .*\w",
        rf"\[ ?\d+/\d+\] {run}: (done|fetched|built) in \d.*; .*\w",
        "the book: _build/html/index.html",
    )
    assert not [line for line in told if not any(re.fullmatch(shape, line) for shape in shapes)]
    assert f"[{RUNS + 1}/{RUNS + 1}] pages: built in" in book.output and "\r" not in book.output
    assert "Job stats" in (book.folder / "results/smoke/logs/make.log").read_text()
    pages = sorted((html / "book/notebooks").glob("*.html"))
    assert len(pages) == RUNS
    for page in pages:
        text = page.read_text(encoding="utf-8")
        shown = (
            "embedded"
            if page.stem in ("08_printed_answers", "11_judge_validity", "12_sweeps")
            else "smoke"
        )  # kept records stay what they are in every book
        assert f"companion-{shown}" in text, f"{page.name} carries no badge of its profile"
        assert "Traceback" not in text
    folded = {page.stem[:2] for page in pages if "The code" in page.read_text(encoding="utf-8")}
    assert folded == {page.stem[:2] for page in pages} - {"02", "03", "04"}  # these teach by it
    front = (html / "index.html").read_text(encoding="utf-8")
    assert "They mean nothing" in front and "cannot be judged" in front
    assert "fewer than ten questions give no interval and no verdict" in front


def test_every_image_says_what_it_shows_and_not_how_its_file_is_called(book):
    html, found = book.folder / "_build/html", {}
    for page in sorted([html / "index.html", *(html / "book").rglob("*.html")]):
        for image in re.findall(r"<img\b[^>]*>", page.read_text(encoding="utf-8")):
            found.setdefault(page.stem, []).extend(re.findall(r'\balt="([^"]*)"', image) or [""])
    assert not {
        page: poor
        for page, said in found.items()
        if (poor := [text for text in said if len(text) < 20 or re.search(r"\.(svg|png)$", text)])
    }
    # A figure that says nothing is named after its section; the main ones say what they show.
    for page in ("05_emotion_scoring", "06_knowledge_scoring", "03_dpo", "11_judge_validity"):
        assert "(figure:" not in found[page][0] and re.search(r"\d\.\d\d", found[page][0]), page


def test_a_system_has_one_name_on_every_page_and_letters_of_figures_are_large_enough(book):
    html = book.folder / "_build/html"
    for page in [html / "index.html", *sorted((html / "book").rglob("*.html"))]:
        # The pages for developers show names of runs and records, and what commands said.
        if page.stem not in ("api", "crash", "current", "hostile"):
            found = page_measures.names_of_records(page.read_text(encoding="utf-8"))
            assert found == [], page.name
    assert page_measures.too_small(html) == {}


def test_japanese_carries_its_language_on_every_page_that_has_some(book):
    japanese = re.compile(r"[\u3041-\u30fa\u4e00-\u9fff]")
    for page in sorted((book.folder / "_build/html/book").rglob("*.html")):
        text = page.read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]
        if japanese.search(text):
            article = BeautifulSoup(text, "lxml")
            for marked in article.select("[lang=ja], script"):
                marked.decompose()
            assert not japanese.search(article.get_text()), page.name


# What the heads of columns of verdicts name: the source of the numbers.
SOURCES = {
    "by the paper's numbers": "paper",
    "printed numbers": "paper",
    "here": "profile",
    "longer run": "longer run",
}


def verdicts_on(page: Path) -> list[tuple[str, str, str]]:
    """Claim (its identifier), source and verdict, of every table of claims on a page."""
    names = {claim["claim"]: claim["id"] for claim in claims_ledger.claims()}
    found = []
    for table in BeautifulSoup(page.read_text(encoding="utf-8"), "lxml").find_all("table"):
        heads = [cell.get_text() for cell in table.select("thead th")]
        if "claim" not in heads or not set(heads) & set(SOURCES):
            continue
        for row in table.select("tbody tr"):
            cells = dict(zip(heads, (cell.get_text() for cell in row.find_all("td")), strict=True))
            text = cells["claim"]
            claim = max((name for name in names if text.startswith(name)), key=len)
            # The claims page has the reason behind the verdict, a chapter in a column of its own.
            why = {"here": cells.get("because", ""), "longer run": cells.get("because", "")}
            found += [
                (names[claim], source, with_reason(cells[head], why.get(head, "")))
                for head, source in SOURCES.items()
                if cells.get(head)
            ]
    return found


def test_no_claim_has_two_verdicts_from_one_source(book):
    """On all pages together; a chapter with a part of a claim's records names the claims page."""
    html = book.folder / "_build/html"
    verdicts, left_to_the_claims_page = {}, set()
    for page in sorted([html / "index.html", *(html / "book").rglob("*.html")]):
        for claim, source, verdict in verdicts_on(page):
            if verdict == claims_ledger.ELSEWHERE:
                left_to_the_claims_page.add((claim, page.stem))
            else:
                verdicts.setdefault((claim, source), {}).setdefault(verdict, []).append(page.stem)
    assert not {of: said for of, said in verdicts.items() if len(said) > 1}
    pages = {page for said in verdicts.values() for of_one in said.values() for page in of_one}
    assert {"claims", "05_emotion_scoring", "06_knowledge_scoring", "10_ebd_scores"} <= pages
    assert {claim for claim, _ in verdicts} == {claim["id"] for claim in claims_ledger.claims()}
    assert {
        ("both-improve", "05_emotion_scoring"),
        ("both-improve", "06_knowledge_scoring"),
    } <= left_to_the_claims_page


def test_executed_notebooks_have_no_errors(book):
    for path in (book.folder / "results/smoke/notebooks").glob("*.ipynb"):
        outputs = [
            o
            for c in nbformat.read(path, as_version=4).cells
            if c.cell_type == "code"
            for o in c.outputs
        ]
        assert outputs and not [o for o in outputs if o.output_type == "error"]


def records(book, run: str) -> list[dict]:
    return json.loads((book.folder / f"results/smoke/{run}.json").read_text())["records"]


@pytest.mark.parametrize(
    ("run", "table", "systems", "metrics"),
    [
        (
            "05_emotion_scoring",
            "emodoctor.table1",
            (*SYSTEMS, *REFERENCES),
            ("empathetic", "comforting", "reassuring", "mean", "max"),
        ),
        (
            "06_knowledge_scoring",
            "emodoctor.table2.doctor",
            (*SYSTEMS, *REFERENCES),
            ("bleu", "bleu1", "rouge1", "rouge2", "rougeL"),
        ),
        (
            "06_knowledge_scoring",
            "emodoctor.table2.modified",
            (*SYSTEMS, *REFERENCES),
            ("bleu", "bleu1", "rouge1", "rouge2", "rougeL"),
        ),
        (
            "07_preference_ablation",
            "emodoctor.figure2.knowledge",
            COMPARED,
            ("win_share", "strength"),
        ),
        (
            "07_preference_ablation",
            "emodoctor.figure2.emotion",
            COMPARED,
            ("win_share", "strength"),
        ),
    ],
)
def test_every_system_and_metric_is_recorded(book, run, table, systems, metrics):
    found = {
        (r["system"], r["metric"]): r
        for r in records(book, run)
        if r["table"] == table and r["group"] == "all"
    }
    assert set(found) == {(s, m) for s in systems for m in metrics}
    for record in found.values():
        assert (
            record["ci_low"] <= record["value"] + 1e-9
            and record["value"] <= record["ci_high"] + 1e-9
        )
        assert record["n"] + record["unscored"] == 5


def test_provenance_names_code_data_models_and_upstream(book):
    about = json.loads((book.folder / "results/smoke/05_emotion_scoring.json").read_text())[
        "provenance"
    ]
    assert about["models"]["tiny-llama"]["sha256"] and len(about["upstream"]) == 7
    assert (
        about["parameters"]["scorer_model"] == "tiny-llama"
        and about["seconds"] > 0
        and about["peak_memory_mb"] > 100
    )
    training = json.loads((book.folder / "results/smoke/03_dpo.er-eqsr-dpo.json").read_text())[
        "provenance"
    ]
    data_file = book.folder / "data/dialogues/overt/eqsr_train.jsonl"
    assert (
        training["data_sha256"]["data/dialogues/overt/eqsr_train.jsonl"]
        == hashlib.sha256(data_file.read_bytes()).hexdigest()
    )
    assert [name for name in training["outputs"] if name.endswith(".safetensors")]


def test_nothing_changed_runs_nothing(book):
    for path in book.folder.rglob("*.py"):
        path.touch()  # new times, same content
    again = book.emo("book", "--profile", "smoke")
    assert not ran(again) and "everything is up to date" in again


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (
            "notebooks/03_dpo.ipynb",
            "beta: float = 0.1",
            "beta: float = 0.2",
            {"03_dpo.eqsr-dpo", "03_dpo.er-eqsr-dpo"},
        ),
        (
            "data/dialogues/overt/er_train.jsonl",
            "plantar heel pain",
            "heel pain",
            {"02_sft.er-sft", "01_data_rewriting", "01_two_arms"},
        ),
        (
            "emo_utils/judging/decisions.py",
            "Typed decisions",
            "Typed Decisions",
            {
                "01_data_rewriting",
                "01_two_arms",
                "05_emotion_scoring",
                "05_plain_questions",
                "07_preference_ablation",
                "09_emplifai_judge",
                "09_emplifai_moves",
                "09_emplifai_prediction",
                "10_ebd_scores",
                "10_empathy_by_design.ebd-dpo",
                "11_judge_validity",
            },
        ),
        ("emo/site/build.py", "The book:", "The Book:", set()),
        (
            "emo_utils/scoring/overlap_scores.py",
            "How much",
            "How Much",
            {
                "06_knowledge_scoring",
                "11_judge_validity",
                "12_sweeps",
            },
        ),
        (
            "emo_utils/generation/prompt_texts/er.txt",
            "empathy",
            "Empathy",
            {
                "01_data_rewriting",
                "02_sft.er-sft",
                "02_sft.eqsr-sft",
                "02_sft.er-eqsr-sft",
                "05_plain_questions",
                "03_dpo.eqsr-dpo",
                "03_dpo.er-eqsr-dpo",
                "04_kto.eqsr-kto",
                "04_kto.er-eqsr-kto",
                "09_emplifai_finetuning.emplifai-sft",
                "09_emplifai_finetuning.emplifai-sft-seen",
                "09_emplifai_prediction",
                "10_empathy_by_design.ebd-dpo",
                "10_ebd_open",
                "10_ebd_scores",
            },
        ),
        (
            "profiles/smoke.yaml",
            "values:\n",
            "values:\n  04_kto.eqsr-kto: {beta: 0.3}\n",
            {"04_kto.eqsr-kto"},
        ),
    ],
)
def test_a_change_makes_exactly_its_own_steps_due(book, path, old, new, expected):
    book.edit(path, old, new)
    try:
        assert (
            book.due() == expected
        )  # that nothing else is due says, too, that the changes before this one were taken back
    finally:
        book.edit(path, new, old)


def test_a_change_that_is_taken_back_leaves_nothing_due(book):
    assert book.due() == set()
    step = book.emo("step", "09_emplifai", "--profile", "smoke")
    assert step == "  09_emplifai: unchanged\n"


@pytest.mark.parametrize(
    ("run", "kernel_alone"),
    [
        ("08_qualitative_cases", True),
        ("04_kto.er-eqsr-kto", True),
        ("06_knowledge_scoring", False),
    ],
)
@pytest.mark.night
def test_a_killed_step_is_made_again_with_the_same_records(book, run, kernel_alone):
    """Two of the many kills of soak_book.py."""
    path = book.folder / f"results/smoke/{run}.json"
    wanted = records(book, run)
    path.unlink()
    process, deadline = soak_book.command(book, "smoke", [run]), time.monotonic() + 60
    while not any(map(soak_book.is_kernel, soak_book.below(process))):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    assert soak_book.kill(process, kernel_alone, random.Random(1)) == (
        "a kernel" if kernel_alone else "everything"
    )
    assert process.wait(60) not in (0, 70) and not path.exists()
    if kernel_alone:
        told = (book.folder / "soak.log").read_text()
        assert "was killed, by the system where memory ran out" in told and "Traceback" not in told
    assert soak_book.finish(book, "smoke", [run]) and records(book, run) == wanted
    assert not soak_book.left_over(book, "smoke")


def test_a_changed_run_and_a_lost_result_rerun_with_what_depends_on_them(book):
    before = book.state("results/smoke/answers")
    assert "kept in book/reference/book_smoke.json" in book.emo(
        "drift", "--profile", "smoke", "--keep"
    )
    (book.folder / "results/smoke/06_knowledge_scoring.json").unlink()
    readers = {"08_qualitative_cases", "11_judge_validity"}  # of 06's item scores and gates
    assert book.due() == {"06_knowledge_scoring", *readers}
    book.edit(
        "profiles/smoke.yaml", "values:\n", "values:\n  04_kto.eqsr-kto: {max_new_tokens: 6}\n"
    )
    (book.folder / "soak.log").unlink(missing_ok=True)
    process, forked = soak_book.command(book, "smoke", ["06_knowledge_scoring"]), False
    while process.poll() is None:
        forked = forked or any(map(soak_book.is_forked, soak_book.below(process)))
        time.sleep(0.2)
    told = (book.folder / "soak.log").read_text()
    # Two steps: their kernels are forked; one alone has a kernel of its own.
    assert process.returncode == 0 and forked == warm.possible(), told
    assert ran(told) == {"04_kto.eqsr-kto", "06_knowledge_scoring"}
    after = book.state("results/smoke/answers")
    assert {Path(p).stem for p in before if before[p] != after[p]} == {"eqsr-kto"}
    said = book.emo(
        "drift", "--profile", "smoke", "--to", "drift.md"
    )  # 0: whatever moved has a reason
    assert re.search(r"[1-9]\d* (moved|left)", said) and "parameters: max_new_tokens" in (
        book.folder / "drift.md"
    ).read_text(encoding="utf-8")
    (book.folder / "book/reference/book_smoke.json").unlink()
    (book.folder / "drift.md").unlink()
    # The other readers of that system's answers wait;
    # 08 and 11 show others only if 06's scores and gates differ, and the tiny model's may not.
    assert book.due() - readers == {"05_emotion_scoring", "07_preference_ablation"}


@pytest.mark.parametrize(
    ("command", "cwd"),
    [
        (
            (
                "emo.cli.papermill",
                "03_dpo.ipynb",
                "-p",
                "beta",
                "0.2",
                "-p",
                "profile",
                "smoke",
            ),
            "notebooks",
        ),
        (
            (
                "papermill",
                "notebooks/09_emplifai.ipynb",
                "out.ipynb",
                "--inject-paths",
                "-p",
                "seed",
                "7",
                "-p",
                "profile",
                "smoke",
            ),
            ".",
        ),
        (("emo", "run", "09_emplifai_moves", "-p", "seed", "7", "-p", "profile", "smoke"), "."),
    ],
)
def test_a_run_by_hand_leaves_the_book_as_it_was(book, command, cwd):
    before = (
        book.state("results/smoke") | book.state("checkpoints/smoke") | book.state("_build/html")
    )
    shutil.rmtree(book.folder / "results/adhoc", ignore_errors=True)
    if command[0] == "emo.cli.papermill":  # as it is typed
        whole, folder = (book.python, "-m", *command), book.folder / cwd
        code, said = in_a_terminal(*whole, cwd=folder, environment=book.environment)
        assert "done: results/adhoc/03_dpo.eqsr-dpo.smoke.beta=0.2.ipynb; records in" in said
    else:
        done = book.call(*command, cwd=cwd)
        code, said = done.returncode, done.stdout
    assert code == 0, said[-3000:]
    assert before == book.state("results/smoke") | book.state("checkpoints/smoke") | book.state(
        "_build/html"
    )
    (path,) = (book.folder / "results/adhoc").glob("*.json")
    given = {
        "03_dpo.eqsr-dpo.smoke.beta=0.2": ("beta", 0.2),
        "09_emplifai.smoke.seed=7": ("seed", 7),
        "09_emplifai_moves.smoke.seed=7": ("seed", 7),
    }
    name, value = given[path.stem]
    kept = json.loads(path.read_text())
    assert kept["provenance"]["parameters"][name] == value and kept["records"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("betta", "0.1"), "has no parameter 'betta'; did you mean 'beta'?"),
        (("beta", "much"), "parameter 'beta' is 'much', which is no float"),
        (("beta", "0"), "parameter 'beta' is 0.0; it must be in (0, 10]"),
    ],
)
def test_mistakes_stop_at_once_with_one_line(book, given, message):
    done = book.call("emo", "run", "03_dpo", "-p", *given)
    assert done.returncode == 2 and message in done.stdout
    assert "Traceback" not in done.stdout and len(done.stdout.strip().splitlines()) == 1


def test_papermill_stops_in_the_first_cell_for_a_misspelt_parameter(book):
    done = book.call("papermill", "notebooks/03_dpo.ipynb", "out2.ipynb", "-p", "betta", "0.1")
    assert (
        done.returncode != 0
        and "03_dpo has no parameter 'betta'; did you mean 'beta'?" in done.stdout
    )
    executed = nbformat.read(book.folder / "out2.ipynb", as_version=4)
    assert (
        max(c.execution_count or 0 for c in executed.cells if c.cell_type == "code") == 3
    )  # parameters, injected, first call


def test_missing_upstream_names_the_command_that_makes_it(book):
    done = book.call("emo", "run", "06_knowledge_scoring", "-p", "profile", "embedded")
    assert done.returncode == 2 and "make them with: emo make base" in done.stdout


@pytest.mark.night
def test_a_sweep_is_trained_and_compared(book):
    sweep = book.folder / "sweeps/one.yaml"
    part = "{runs: [03_dpo.eqsr-dpo], grid: {beta: [0.3], seed: [43]}}"
    sweep.write_text(f"about: one variant\nx: beta\nparts: [{part}]\n")
    said = book.emo("sweep", "one", "--profile", "smoke")
    assert ran(said) == {"03_dpo.eqsr-dpo@beta=0.3,seed=43"}
    assert "done: results/adhoc/12_sweeps.smoke.sweep=one.ipynb" in said
    sweep.unlink()


def test_a_key_of_the_environment_is_in_no_file(book):
    """Notebooks, records, logs, checkpoints, stores and pages
    of everything that ran before this test.
    """
    assert book.environment["OPENAI_API_KEY"] == KEY
    written = [
        p
        for name in ("results", "checkpoints", "_build", "book", ".snakemake")
        for p in (book.folder / name).rglob("*")
        if p.is_file()
    ]
    assert len(written) > 300
    assert [p for p in written if KEY.encode() in p.read_bytes()] == []
    assert KEY not in book.output
