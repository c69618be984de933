"""A copy of the project with its smoke book, for the tests that start it as a user does."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from emo_utils.project import ROOT


class Copy:
    """A copy of the project in which commands run with the copy's own package."""

    def __init__(self, folder: Path, cache: Path):
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("EMO_")} | {"PYTHONPATH": str(folder), "EMO_CACHE": str(cache)}

    def call(self, *command: str, cwd: str = ".", stdin=subprocess.DEVNULL) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", *command], cwd=self.folder / cwd, env=self.environment, stdin=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

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


def smoke_book(tmp_path_factory, before=lambda copy: None) -> Copy:
    """Copy the tracked and untracked sources, and make the book there with an empty cache; `before` may change the copy first."""
    folder = tmp_path_factory.mktemp("copy") / "project"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    copy = Copy(folder, tmp_path_factory.mktemp("cache"))
    before(copy)
    copy.output = copy.emo("book", "--profile", "smoke")
    return copy
