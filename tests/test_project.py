"""The files around the code agree with each other: lock file, dependencies, conda file,
README, workflows.
"""

import os
import re
import subprocess
import sys
import tomllib

import nbformat
import pytest
import yaml

from emo.graph import steps
from emo.site import layout, theme
from emo_utils import project
from emo_utils.project import NOTEBOOKS, ROOT

LOCK = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().split())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_locked_inside_its_range_and_says_why():
    from packaging.requirements import Requirement

    locked = {normal(name): version for name, version in LOCK.items()}
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    optional = PROJECT["optional-dependencies"]["engine"]  # neither the book nor a test needs it
    assert not {normal(Requirement(text).name) for text in optional} & set(locked)
    for text in wanted:
        requirement = Requirement(text)
        assert requirement.specifier.contains(locked[normal(requirement.name)]), text
    lines = [
        line
        for line in (ROOT / "pyproject.toml").read_text().splitlines()
        if re.match(r'    "[\w-]+', line)
    ]
    assert len(lines) == len(wanted + optional) and all(
        re.search(r'",\s+# \w+', line) for line in lines
    )


def test_what_a_locked_package_needs_is_locked_too():
    """Else a package without a pinned version comes with the next release of another."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    locked = {normal(name) for name in LOCK}
    needed = [(name, Requirement(text)) for name in LOCK for text in requires(name) or ()]
    assert {
        f"{need.name} of {name}"
        for name, need in needed
        if not need.marker or need.marker.evaluate({"extra": ""})
    } <= {f"{need.name} of {name}" for name, need in needed if normal(need.name) in locked}


def test_lock_file_holds_versions_and_no_hosts_or_local_builds():
    text = (ROOT / "requirements.lock").read_text()
    assert (
        "+cpu" not in text and "://" not in text and "@" not in text and "emo-companion" not in text
    )


def test_conda_file_installs_the_same_lock():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(d["pip"] for d in conda["dependencies"] if isinstance(d, dict))
    assert pip == [f"torch=={LOCK['torch']}", "-r requirements.lock", "-e ."]
    python = next(d for d in conda["dependencies"] if str(d).startswith("python="))
    assert python.split("=")[1] == PROJECT["requires-python"].lstrip(">=")


@pytest.mark.parametrize("command", [["check", "."], ["format", "--check", "."]])
def test_ruff_finds_nothing(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_hooks_run_what_make_lint_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = (ROOT / "Makefile").read_text().partition("lint:")[2].partition("\n\n")[0]
    assert len(hooks) == 3
    for hook in hooks:
        tool, *words = hook["entry"].removeprefix(".venv/bin/").split()
        assert f"$(BIN)/{tool} {words[0]}" in lint and set(words) - {"--force-exclude"} <= set(
            lint.split()
        )


def test_the_citation_names_this_version_and_three_papers():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == PROJECT["version"] and cited["license"] == PROJECT["license"]
    assert [paper["authors"][0]["family-names"] for paper in cited["references"]] == [
        "Tsai",
        "She",
        "Umucu",
    ]


def test_changes_are_told_up_to_this_version():
    told = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {PROJECT['version']}" in told and "## Unreleased" in told


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_commands_and_links_that_are_named_exist(name):
    readme, targets = (ROOT / name).read_text(), (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`make ([a-z-]+)", readme)) | set(
        re.findall(r"^make ([a-z-]+)", readme, re.MULTILINE)
    ):
        assert f"\n{target}:" in targets, f"{name} speaks of make {target}"
    for link in re.findall(r"\]\(([\w./-]+)\)", readme):
        # Pages of whatever repository the file lies in, at its host: of a workflow, of what it put.
        if of_workflow := re.fullmatch(r"../../actions/workflows/(\w+.yml)/badge.svg", link):
            link = f".github/workflows/{of_workflow[1]}"
        if link != "../../deployments/github-pages":
            assert (ROOT / link).exists(), f"{name} links to {link}"


def test_the_graph_on_the_page_has_every_run(tmp_path):
    from emo.site import benchmarks

    benchmarks.steps_figure(tmp_path / "steps.svg")
    drawn = (tmp_path / "steps.svg").read_text()
    for step in steps.STEPS:
        for part in step.run.split("."):
            assert part in drawn, step.run
    said = theme.written_into(tmp_path / "steps.svg")[0]
    columns = [part.rstrip(".").split(", ") for part in re.split(r"; \d: ", said)]
    assert sum(map(len, columns)) == len(steps.STEPS) and columns[-1] == ["11_judge_validity"]
    assert "03_dpo.er-eqsr-dpo" in columns[1]


def test_readme_commands_exist():
    readme, targets = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z-]+)`?", readme)) - {"sure"}:
        assert f"\n{target}:" in targets, f"README speaks of make {target}"
    assert "make test" in (ROOT / ".ci/run").read_text()
    for picture in re.findall(r"\]\(([^)]+\.png)\)", readme):
        assert (ROOT / picture).is_file()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_are_clean_and_begin_with_their_title(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [c for c in cells if c.cell_type == "code"]
    assert not any(c.outputs or c.execution_count for c in code)
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")


TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PARTS = {part["caption"]: part["chapters"] for part in TOC["parts"]}


def files(entries: list[dict]) -> list[str]:
    """The pages of a part of the contents, in order, with those below them."""
    return [
        page for entry in entries for page in (entry["file"], *files(entry.get("sections", [])))
    ]


def test_each_page_stands_once_in_the_contents_but_those_of_other_runs():
    """Those are built nevertheless, and linked: `test_theme`, `test_other_runs`."""
    listed = [page for chapters in PARTS.values() for page in files(chapters)]
    pages = {f"book/{path.stem}" for path in (ROOT / "book").glob("*.md")}
    runs = {f"book/notebooks/{layout.page_name(step)}" for step in steps.STEPS}
    assert sorted([*listed, *theme.OTHER_RUNS]) == sorted(pages | runs)
    assert {f"book/notebooks/{step.notebook}" for step in steps.STEPS} <= set(listed)
    for page, notebook in theme.OTHER_RUNS.items():
        assert page.startswith(f"book/notebooks/{notebook}_")


def test_readers_have_about_fifteen_pages_in_the_order_of_the_chapters_before_the_developers():
    *readers, developers = PARTS
    assert developers == "For developers" and len(PARTS[developers]) == 1
    assert sum(len(PARTS[caption]) for caption in readers) <= 16
    for caption in readers:
        numbers = re.findall(r"book/notebooks/(\d\d)_", " ".join(files(PARTS[caption])))
        assert numbers == sorted(numbers), caption


def test_the_index_for_developers_names_each_of_their_pages_in_their_order():
    [index] = PARTS["For developers"]
    text = (ROOT / f"{index['file']}.md").read_text()
    named = re.findall(r"^- \*\*\[[^]]+\]\(([\w/]+)\)\*\*: \w.*", text, re.MULTILINE)
    assert [f"book/{name}" for name in named] == files(index["sections"])


def test_help_lists_every_target():
    shown = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in ("book", "test", "lint", "lab", "help"):
        assert re.search(rf"^{target}\s", shown, re.MULTILINE)


@pytest.mark.parametrize(
    "module", ["emo_utils", "emo.cli", "emo_utils.experiment.runs", "emo.graph.due"]
)
def test_importing_the_package_loads_no_torch(module):
    heavy = "{'torch', 'transformers', 'trl', 'matplotlib'}"
    subprocess.run(
        [
            sys.executable,
            "-c",
            (
                f"import sys, {module}; "
                f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
            ),
        ],
        cwd=ROOT,
        check=True,
    )


def test_a_given_path_counts_from_where_the_user_stood(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("EMO_CALLED_FROM", str(tmp_path / "here"))
    assert project.given_path("../data") == tmp_path / "data"
    assert project.given_path(str(tmp_path / "data")) == tmp_path / "data"
    monkeypatch.delenv("EMO_CALLED_FROM")
    monkeypatch.chdir(tmp_path)
    assert project.given_path("data") == tmp_path / "data"
    assert project.given_path("emo_utils") == project.ROOT / "emo_utils"
    assert str(project.given_path("nowhere/at all")) == "nowhere/at all"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert project.given_path("~/here") == tmp_path / "here"


# The machine of whoever runs it


def test_without_a_home_folder_the_cache_is_in_the_project(monkeypatch):
    def nobody(number):
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "EMO_CACHE"):
        monkeypatch.delenv(name, raising=False)
    assert project.cache_dir() == ROOT / ".cache" / "emo-companion"


def test_a_terminal_that_lacks_a_character_shows_another(tmp_path):
    code = (
        "from emo import cli; from emo.cli.options import app; "
        "app.command(name='speak')(lambda: print('one … two 大') or 0); "
        "raise SystemExit(cli.main(['speak']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout.strip()) == (0, b"one ? two ?"), done.stderr
