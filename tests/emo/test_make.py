"""The Makefile's environment, made and mended, with interpreters that only write down what they are
asked for.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from smoke_book import FOLDER

from emo_utils.project import ROOT

# Makes an environment whose interpreter answers by what lies beside it: pip is there where the file
# `pip` is, and it is an environment where pyvenv.cfg is.
PYTHON = """#!/bin/sh
echo "python $*" >> "$LOG"
[ "$1 $2" = "-m venv" ] || exit 0
[ "$4" = "--clear" ] && rm -rf "$3"
mkdir -p "$3/bin"
cat > "$3/bin/python" <<'END'
#!/bin/sh
echo "venv $*" >> "$LOG"
[ "$1 $2" != "-m pip" ] || [ -f "$(dirname "$0")/pip" ] || exit 1
[ "$1" != "-c" ] || [ -f "$(dirname "$0")/../pyvenv.cfg" ] || exit 1
END
printf '#!/bin/sh\\necho made\\n' > "$3/bin/emo"
chmod +x "$3/bin/python" "$3/bin/emo"
touch "$3/pyvenv.cfg"
[ -n "$NO_ENSUREPIP" ] && { echo "ensurepip is not available"; exit 1; }
touch "$3/bin/pip" "$3/bin/papermill"
"""
# What `make test` tells the calls of make below it is not for these.
OUTSIDE = {
    name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
}
INSTALLED = [
    "--quiet --no-compile torch==2.13.0",
    "--quiet --no-compile -r requirements.lock",
    "--quiet --no-deps -e .",
]


LOST = {"interpreter": "bin/python", "settings": "pyvenv.cfg"}


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / FOLDER
    place.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, place)
    (place / "python").write_text(PYTHON)
    (place / "python").chmod(0o755)
    return place


def make(folder: Path, target: str = "plan", **environment: str) -> tuple[int, str, list[str]]:
    """Exit status and output of a target, and what it installed."""
    log = folder / "log"
    log.write_text("")
    done = subprocess.run(
        ["make", target, "PYTHON=./python"],
        cwd=folder,
        env=OUTSIDE | {"LOG": str(log)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout, re.findall(r" install (.*)", log.read_text())


def test_an_environment_is_made_once_ours_last(folder):
    code, said, installed = make(folder)
    assert code == 0 and said.endswith("made\n") and installed == INSTALLED
    assert make(folder) == (0, "made\n", [])


def test_one_that_was_left_without_pip_is_made_anew(folder):
    code, said, installed = make(folder, NO_ENSUREPIP="1")
    assert code == 2 and "ensurepip is not available" in said and not installed
    assert "made no whole .venv" in said and "python3-venv" in said
    assert make(folder)[0::2] == (0, INSTALLED)


def test_one_that_was_stopped_while_packages_came_is_completed(folder):
    assert make(folder)[0] == 0
    (folder / ".venv/bin/.installed").unlink()
    (folder / ".venv/lib").mkdir()
    assert make(folder)[0::2] == (0, INSTALLED)
    assert (folder / ".venv/lib").is_dir()  # what was downloaded stays


@pytest.mark.parametrize("lost", LOST)
def test_one_whose_interpreter_is_gone_is_made_anew(folder, lost):
    """Without its settings an interpreter is the system's, and would install into that."""
    assert make(folder)[0] == 0
    (folder / ".venv" / LOST[lost]).unlink()
    (folder / ".venv" / LOST[lost]).symlink_to("/nowhere")
    assert make(folder)[0::2] == (0, INSTALLED)


def test_another_papermill_in_the_place_of_our_command_is_noticed(folder):
    assert make(folder)[0] == 0
    now = time.time() + 10
    os.utime(folder / ".venv/bin/papermill", (now, now))
    os.utime(folder / ".venv/bin/.installed", (now - 5, now - 5))
    assert make(folder)[0::2] == (0, INSTALLED)


def test_the_book_to_read_has_an_environment_of_its_own_with_the_locks_versions(folder):
    code, said, installed = make(folder, "read")
    (line,) = installed
    assert code == 0 and "--constraint requirements.lock jupyter-book" in line
    assert "torch" not in line and "-r " not in line and not (folder / ".venv").exists()
    assert (folder / "log").read_text().splitlines()[-1] == "venv -m emo read"
    assert make(folder, "read") == (0, "", [])


def test_an_environment_of_the_book_to_read_that_cannot_be_made_is_said_in_a_line(folder):
    code, said, installed = make(folder, "read", NO_ENSUREPIP="1")
    assert code and "made no whole .venv-read; the cause stands above" in said and not installed
    assert not (folder / ".venv-read/.installed").exists()


def test_a_real_environment_is_known_and_what_stands_in_braces_in_its_path_is_itself(tmp_path):
    """By a pip that shows what setuptools would make of the path."""
    (tmp_path / "pip.py").write_text(
        "import os, sys\nprint(sys.argv[1:], sys.prefix.format_map(os.environ) == sys.prefix)\n"
    )
    folder = tmp_path / "a {and b} {c}"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    definitions = (ROOT / "Makefile").read_text().partition("\nGONE :=")[0]
    rule = "show:\n\t@$(WHOLE)\n\t@$(PIP) install --quiet 'a b'\n"
    (folder / "Makefile").write_text(f"{definitions}\n{rule}")

    def show() -> subprocess.CompletedProcess:
        environment = OUTSIDE | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            ["make", "show"], cwd=folder, env=environment, capture_output=True, text=True
        )

    assert show().stdout == "['install', '--quiet', 'a b'] True\n"
    (folder / ".venv" / "pyvenv.cfg").unlink()
    assert show().returncode == 2 and show().stdout == ""
