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
# `pip` is.
PYTHON = """#!/bin/sh
echo "python $*" >> "$LOG"
[ "$1 $2" = "-m venv" ] || exit 0
[ "$4" = "--clear" ] && rm -rf "$3"
mkdir -p "$3/bin"
cat > "$3/bin/python" <<'END'
#!/bin/sh
echo "venv $*" >> "$LOG"
[ "$1 $2" != "-m pip" ] || [ -f "$(dirname "$0")/pip" ] || exit 1
END
printf '#!/bin/sh\\necho made\\n' > "$3/bin/emo"
chmod +x "$3/bin/python" "$3/bin/emo"
[ -n "$NO_ENSUREPIP" ] && { echo "ensurepip is not available"; exit 1; }
touch "$3/bin/pip" "$3/bin/papermill"
"""
INSTALLED = [
    "--quiet --no-compile torch==2.13.0",
    "--quiet --no-compile -r requirements.lock",
    "--quiet --no-deps -e .",
]


@pytest.fixture
def folder(tmp_path) -> Path:
    place = tmp_path / FOLDER
    place.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, place)
    (place / "python").write_text(PYTHON)
    (place / "python").chmod(0o755)
    return place


def make(folder: Path, **environment: str) -> tuple[int, str, list[str]]:
    """Exit status and output of `make plan`, and what it installed."""
    log = folder / "log"
    log.write_text("")
    done = subprocess.run(
        ["make", "plan", "PYTHON=./python"],
        cwd=folder,
        env=os.environ | {"LOG": str(log)} | environment,
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


def test_one_whose_interpreter_is_gone_is_made_anew(folder):
    assert make(folder)[0] == 0
    (folder / ".venv/bin/python").unlink()
    (folder / ".venv/bin/python").symlink_to("/nowhere/python3.11")
    assert make(folder)[0::2] == (0, INSTALLED)


def test_another_papermill_in_the_place_of_our_command_is_noticed(folder):
    assert make(folder)[0] == 0
    now = time.time() + 10
    os.utime(folder / ".venv/bin/papermill", (now, now))
    os.utime(folder / ".venv/bin/.installed", (now - 5, now - 5))
    assert make(folder)[0::2] == (0, INSTALLED)


def test_what_stands_in_braces_in_the_path_is_itself_to_what_builds_packages(folder, tmp_path):
    """In an environment whose pip shows what setuptools would make of the path."""
    (tmp_path / "pip.py").write_text(
        "import os, sys\nprint(sys.argv[1:], sys.prefix.format_map(os.environ) == sys.prefix)\n"
    )
    folder = folder / "a {and b} {c}"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    makefile = (ROOT / "Makefile").read_text().partition("\n.DEFAULT_GOAL")[0]
    pip = re.search(r"^PIP := .*?\n\n", (ROOT / "Makefile").read_text(), re.DOTALL | re.MULTILINE)
    rule = "show:\n\t@$(PIP) install --quiet 'a b'\n"
    (folder / "Makefile").write_text(f"{makefile}\n{pip[0]}{rule}")
    shown = subprocess.check_output(
        ["make", "show"], cwd=folder, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)}
    )
    assert shown == "['install', '--quiet', 'a b'] True\n"
