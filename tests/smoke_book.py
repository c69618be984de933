"""A copy of the project with its smoke book, for the tests that start it as a user does, in a
folder as users have them.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from emo_utils.project import ROOT

# What somebody planted in the data and a page must not do: scripts, handlers, links, an early end
# of a table, a turn of the direction of reading, formulas for a spreadsheet.
PLANTED = (
    '<script>document.title="planted"</script>'
    """<img src=x onerror="document.title='planted'">"""
    """<a href="javascript:document.title='planted'">a</a> """
    "[b](javascript:document.title='planted') "
    "</td></table></pre>\u202etxet\u2066 {{7*7}} =cmd|'/c calc'!A1"
)
# In the environment of every command; it must be in no file that one writes.
KEY = "sk-planted-7d1f0c5e9a"
# Where a text of the data comes to a page: file and fields.
PLACES = {
    "data/dialogues/test.jsonl": ("emotional_question", "answer"),
    "data/dialogues/eqsr_train.jsonl": ("emotional_question", "soothing_response"),
    "data/dialogues/er_train.jsonl": ("empathetic_response",),
    "data/dialogues/overt/test.jsonl": ("emotional_question", "soothing_response"),
    "data/caregiver/overt/test.jsonl": ("prompt", "chosen"),
    "data/caregiver/overt/train.jsonl": ("prompt", "chosen"),
    "data/emplifai_ja/overt/dialogues.jsonl": ("situation", "gloss"),
}


# Blanks, what a shell reads, what Python and Snakemake take for the place of a value, and a name of
# 70 characters that are three bytes each. The interpreter lies in there, too.
FOLDER = (
    "it's a {project} of $HOME & 100 % "
    + "患者の不安な質問に医師が答える" * 4
    + "練習用の書類入れです"
)


class Copy:
    """A copy of the project in which commands run with the copy's own package, by an interpreter
    whose path lies in it.
    """

    def __init__(self, folder: Path, cache: Path):
        self.folder = folder
        (folder / ".venv").symlink_to(sys.prefix)
        self.python = str(folder / ".venv" / "bin" / "python")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("EMO_")} | {
            "PYTHONPATH": str(folder),
            "EMO_CACHE": str(cache),
            "OPENAI_API_KEY": KEY,
        }

    def call(
        self, *command: str, cwd: str = ".", stdin=subprocess.DEVNULL
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.python, "-m", *command],
            cwd=self.folder / cwd,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def emo(self, *command: str) -> str:
        done = self.call("emo", *command)
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def due(self) -> set[str]:
        """Runs that are not up to date."""
        lines = self.emo("why", "--profile", "smoke").splitlines()
        return {line.split()[0] for line in lines if not line.endswith("up to date")}

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def state(self, folder: str) -> dict[str, str]:
        """Hash of every file under a folder."""
        files = [p for p in sorted((self.folder / folder).rglob("*")) if p.is_file()]
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def sources() -> list[str]:
    """Tracked and untracked files of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    return sorted(name for name in listed.decode().split("\0") if name and (ROOT / name).is_file())


def copied(folder: Path, cache: Path) -> Copy:
    """A copy of the project's sources."""
    for name in sources():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return Copy(folder, cache)


def plant(copy: Copy) -> None:
    """Hostile texts in the first rows of every file of data."""
    for name, fields in PLACES.items():
        path = copy.folder / name
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows[:3]:
            row |= {field: row[field] + PLANTED for field in fields}
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
        )


def commit(copy: Copy) -> None:
    """Make the copy a checkout without changes: only of such a one records are kept."""
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), (*who, "commit", "--quiet", "-m", "x")):
        subprocess.run(["git", *command], cwd=copy.folder, check=True)
    # What a test that kills steps writes there is no change of the project.
    (copy.folder / ".git" / "info" / "exclude").write_text("soak.log\n", encoding="utf-8")


def smoke_book(tmp_path_factory, config) -> Copy:
    """Copy the sources, plant hostile texts in the copy's data, and make the book there with an
    empty cache; its pages go to pytest's cache, too, for `smoke_pages`.
    """
    copy = copied(tmp_path_factory.mktemp("copy") / FOLDER, tmp_path_factory.mktemp("cache"))
    plant(copy)
    commit(copy)
    copy.output = copy.emo("book", "--profile", "smoke")
    target = _kept_pages(config)
    shutil.rmtree(target.parent, ignore_errors=True)  # those of other sources
    shutil.copytree(copy.folder / "_build" / "html", target)
    return copy


def smoke_pages(tmp_path_factory, config) -> Path:
    """The pages of a smoke book of these sources:
    those of an earlier test where there are some, else made now.
    """
    with FileLock(config.cache.mkdir("smoke-book") / "lock"):
        if not (_kept_pages(config) / "index.html").is_file():
            smoke_book(tmp_path_factory, config)
    return _kept_pages(config)


def _kept_pages(config) -> Path:
    digest = hashlib.sha256()
    for name in sources():
        digest.update(name.encode() + hashlib.sha256((ROOT / name).read_bytes()).digest())
    return config.cache.mkdir("smoke-book") / "pages" / digest.hexdigest()[:16]
