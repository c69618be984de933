"""The command `papermill` of the project's environment, as it is typed."""

import base64
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import DeadKernelError
from papermill import cli as its_own
from terminal import in_a_terminal

from emo.cli import papermill, runs
from emo_utils.project import NOTEBOOKS, ROOT, EmoError

CHAPTER = "03_dpo.ipynb"


@pytest.fixture
def executed(monkeypatch) -> list[dict]:
    """What papermill, or `emo run` in its place, would have executed; nothing is."""
    calls: list[dict] = []
    monkeypatch.setattr(its_own, "execute_notebook", lambda **call: calls.append(call))

    def as_emo_run(notebook, target, given, **options):
        calls.append(
            {"notebook": notebook, "target": target, "parameters": given}
            | {name: value for name, value in options.items() if value is not None}
        )

    monkeypatch.setattr(runs, "execute", as_emo_run)
    return calls


def typed(monkeypatch, *arguments: str, folder: Path = NOTEBOOKS, out=True, piped=False) -> int:
    """The exit status of `papermill ARGUMENTS`, with or without a terminal for its output and a
    pipe for its input.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setattr(papermill, "in_terminal", lambda: out and not piped)
    monkeypatch.setattr(its_own, "OUTPUT_PIPED", not out)
    monkeypatch.setattr(its_own, "INPUT_PIPED", piped)
    with pytest.raises(SystemExit) as end:
        papermill.main(list(arguments))
    return end.value.code


YAML = "beta: 0.2\nseed: 7\n"
ENCODED = base64.b64encode(YAML.encode()).decode()


@pytest.mark.parametrize(
    "given, parameters",
    [
        (("-p", "beta", "0.1"), {"beta": 0.1}),
        (("-p", "beta", "1e-3", "-r", "seed", "7"), {"beta": 0.001, "seed": 7}),
        (("-y", YAML), {"beta": 0.2, "seed": 7}),
        (("-b", ENCODED, "-p", "beta", "0.3"), {"beta": 0.3, "seed": 7}),
        (("-f", "FILE"), {"beta": 0.2, "seed": 7}),
        ((), {}),
    ],
)
def test_a_chapter_typed_alone_in_its_folder_is_a_run_by_hand(
    executed, monkeypatch, tmp_path, capsys, given, parameters
):
    (tmp_path / "values.yaml").write_text(YAML)
    given = [str(tmp_path / "values.yaml") if word == "FILE" else word for word in given]
    assert typed(monkeypatch, CHAPTER, *given) == 0
    (call,) = executed
    assert (call["notebook"], call["parameters"]) == ("03_dpo", parameters)
    named = "".join(f".{name}={value}" for name, value in sorted(parameters.items()))
    assert call["target"] == ROOT / "results" / "adhoc" / f"03_dpo.eqsr-dpo{named}.ipynb"
    said = capsys.readouterr().out
    assert f"03_dpo -> results/adhoc/03_dpo.eqsr-dpo{named}.ipynb" in said and "records in" in said


def test_options_of_papermill_hold_for_a_run_by_hand(executed, monkeypatch, capsys):
    options = ("--log-output", "-k", "other", "--cwd", "/tmp", "--prepare-only", "--inject-paths")
    assert typed(monkeypatch, CHAPTER, *options) == 0
    (call,) = executed
    assert (call["kernel_name"], call["cwd"]) == ("other", "/tmp")
    assert call["log_output"] and call["prepare_only"] and not call["progress_bar"]
    assert call["injected"] == {
        "PAPERMILL_INPUT_PATH": str(NOTEBOOKS / CHAPTER),
        "PAPERMILL_OUTPUT_PATH": str(call["target"]),
    }
    assert call["parameters"] == {}
    assert "prepared, not run: results/adhoc/03_dpo.eqsr-dpo.ipynb" in capsys.readouterr().out


def test_a_mistake_in_a_run_by_hand_is_one_line(executed, monkeypatch, capsys):
    assert typed(monkeypatch, CHAPTER, "-p", "betta", "0.1") == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: 03_dpo has no parameter 'betta'; did you mean 'beta'?")
    assert len(said.splitlines()) == 1 and not executed


@pytest.mark.parametrize(
    "arguments, settings, paths",
    [
        ((CHAPTER, "out.ipynb"), {}, (CHAPTER, "out.ipynb")),
        ((f"notebooks/{CHAPTER}", "out.ipynb"), {"folder": ROOT}, None),
        ((CHAPTER,), {"out": False}, (CHAPTER, "-")),
        ((CHAPTER, "-"), {}, (CHAPTER, "-")),
        (("-",), {"piped": True, "out": False}, ("-", "-")),
        (("out.ipynb",), {"piped": True}, ("-", "out.ipynb")),
        (("-", "out.ipynb"), {"piped": True}, ("-", "out.ipynb")),
        ((CHAPTER, "out.ipynb"), {"piped": True}, (CHAPTER, "out.ipynb")),
    ],
)
def test_everywhere_else_papermill_does_what_it_does(
    executed, monkeypatch, arguments, settings, paths
):
    assert typed(monkeypatch, *arguments, "-p", "beta", "0.1", "-y", "seed: 7", **settings) == 0
    (call,) = executed
    assert (call["input_path"], call["output_path"]) == (paths or arguments)
    assert call["parameters"] == {"beta": 0.1, "seed": 7} and call["kernel_name"] is None


@pytest.mark.parametrize(
    "arguments, folder",
    [((f"notebooks/{CHAPTER}",), ROOT), (("other.ipynb",), NOTEBOOKS), ((), NOTEBOOKS)],
)
def test_what_papermill_refuses_in_a_terminal_it_refuses(
    executed, monkeypatch, capsys, arguments, folder
):
    assert typed(monkeypatch, *arguments, folder=folder) == 2
    assert "Missing argument" in capsys.readouterr().err and not executed


def test_a_chapters_parameters_are_listed_as_ever(executed, monkeypatch, capsys):
    assert typed(monkeypatch, "--help-notebook", CHAPTER) == 0
    assert "beta: float (default 0.1)" in capsys.readouterr().out and not executed


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A project with a chapter of its own, which may be lost, and an output beside it."""
    folder = tmp_path / "a {home}"
    (folder / "notebooks").mkdir(parents=True)
    for name in ("book", "data", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(NOTEBOOKS / "13_bill.ipynb", folder / "notebooks")
    output = nbformat.v4.new_notebook(metadata={"papermill": {}})
    nbformat.write(output, folder / "notebooks" / "out.ipynb")
    (folder / "link.ipynb").symlink_to(folder / "notebooks" / "13_bill.ipynb")
    monkeypatch.setattr(papermill, "NOTEBOOKS", folder / "notebooks")
    return folder


@pytest.mark.parametrize(
    "arguments, piped",
    [
        (("13_bill.ipynb",), True),
        (("-", "13_bill.ipynb"), True),
        (("out.ipynb", "./13_bill.ipynb"), False),
        (("13_bill.ipynb", "13_bill.ipynb"), False),
        (("out.ipynb", "../link.ipynb"), False),
        (("out.ipynb", "{seed}_bill.ipynb"), False),
    ],
)
def test_no_chapter_is_written_over(executed, monkeypatch, home, capsys, arguments, piped):
    code = typed(
        monkeypatch, *arguments, "-p", "seed", "13", folder=home / "notebooks", piped=piped
    )
    assert code == 2 and not executed
    assert "is a chapter's source" in capsys.readouterr().err


def test_what_papermill_wrote_is_written_again(executed, monkeypatch, home):
    assert typed(monkeypatch, "13_bill.ipynb", "out.ipynb", folder=home / "notebooks") == 0
    assert [call["output_path"] for call in executed] == ["out.ipynb"]


def test_a_pipe_into_a_chapter_leaves_it_as_it_was(home):
    """By papermill's own choice of what is piped, in a process of its own."""
    path = home / "notebooks" / "13_bill.ipynb"
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "emo.cli.papermill", "13_bill.ipynb", "--prepare-only"],
        cwd=path.parent,
        input=before,
        env=os.environ | {"EMO_HOME": str(home)},
        capture_output=True,
    )
    assert done.returncode == 2 and b"< /dev/null" in done.stderr and path.read_bytes() == before


def test_a_chapter_is_prepared_in_a_terminal(home):
    """In a folder whose name papermill would take for a template."""
    code, said = in_a_terminal(
        *(sys.executable, "-m", "emo.cli.papermill", "13_bill.ipynb", "-p", "seed", "7"),
        *("--prepare-only", "--inject-paths"),
        cwd=home / "notebooks",
        environment=os.environ | {"EMO_HOME": str(home), "PYTHONPATH": str(ROOT)},
    )
    assert code == 0 and "prepared, not run: results/adhoc/13_bill.seed=7.ipynb" in said, said
    written = nbformat.read(home / "results/adhoc/13_bill.seed=7.ipynb", as_version=4)
    (injected,) = [
        cell.source
        for cell in written.cells
        if "injected-parameters" in cell.metadata.get("tags", [])
    ]
    assert f'PAPERMILL_INPUT_PATH = "{home / "notebooks" / "13_bill.ipynb"}"' in injected
    assert "seed = 7" in injected


@pytest.mark.parametrize(
    "death, kind, says",
    [
        (DeadKernelError("Kernel died"), EmoError, "the process of 13_bill was killed, by the sys"),
        (
            RuntimeError("Kernel died before replying to kernel_info"),
            EmoError,
            "the process of 13_bill was killed, by the sys",
        ),
        (RuntimeError("another fault"), RuntimeError, "another fault"),
    ],
)
def test_a_kernel_that_is_killed_is_named_as_such_also_before_it_replied(
    monkeypatch, tmp_path, death, kind, says
):
    def execute(*_, **__):
        raise death

    monkeypatch.setattr("papermill.execute_notebook", execute)
    with pytest.raises(kind, match=says):
        runs.execute("13_bill", tmp_path / "out.ipynb", {"profile": "smoke"})


# Whose the command is


def test_the_command_is_ours_where_the_package_was_installed_with_it():
    """An update of papermill by hand puts its own command back; `make` sees that it is newer."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["papermill"] == f"{papermill.__name__}:main" and callable(papermill.main)
    for script in distribution("emo-companion").entry_points.select(
        group="console_scripts", name="papermill"
    ):
        written = Path(sys.executable).with_name(script.name).read_text()
        assert papermill.__name__ in written, (
            "papermill's own command lies in the place of ours; put ours back with: "
            ".venv/bin/pip install --no-deps -e ."
        )
    makefile = (ROOT / "Makefile").read_text()
    _, _, rule = makefile.partition("\n$(BIN)/.installed:")
    needs, *steps = rule.partition("\n\n")[0].splitlines()
    assert "$(wildcard $(BIN)/papermill)" in needs
    assert steps.index("\t@$(PIP) install --quiet --no-deps -e .") > steps.index(
        "\t@$(PIP) install --quiet --no-compile -r requirements.lock"
    )
