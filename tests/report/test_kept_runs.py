"""What may be kept, and what a kept run says has changed since it was made."""

import errno
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from emo import drift
from emo.cli import books, main
from emo_utils import project
from emo_utils.experiment import code, provenance, runs
from emo_utils.project import EmoError
from emo_utils.report import kept_runs, result_tables

NOTEBOOK = "12_sweeps"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place for kept runs, and beside it one file that a run has read."""
    monkeypatch.setattr(kept_runs, "REFERENCE", tmp_path)
    return tmp_path


def finished(folder, **about) -> SimpleNamespace:
    """A run by hand that has written its records, with what its provenance says."""
    known = {"run": "x", "notebook": f"notebooks/{NOTEBOOK}.ipynb", "profile": "embedded"}
    known |= {"git_commit": "c" * 40, "dirty": False, "data_sha256": {}, "models": {}}
    known |= {"code_sha256": code.code_sha256(NOTEBOOK), "device": "a machine", "seconds": 3.0}
    known |= {"started": "2030-01-02T03:04:05+00:00"}
    (folder / "runs").mkdir(exist_ok=True)
    content = {"records": [], "provenance": known | about}
    (folder / "runs" / "x.json").write_text(json.dumps(content), encoding="utf-8")
    return SimpleNamespace(folder=folder / "runs", name="x", notebook=NOTEBOOK, values={"seed": 1})


def test_a_run_of_a_commit_is_kept_and_nothing_has_changed_since(folder):
    path = kept_runs.keep(finished(folder), "mine")
    source = kept_runs.kept_source(path)
    assert (source.profile, source.changed) == ("embedded", [])
    assert "changed since" not in result_tables.provenance_line(source)
    [row] = kept_runs.overview().to_dict("records")
    assert (row["kept as"], row["commit"], row["changed since"]) == ("mine", "c" * 10, "nothing")


def test_a_run_is_kept_where_that_was_asked_with_the_names_of_its_files(folder):
    run = finished(folder)
    run.values = {"keep": False, "pairs_file": "/home/me/mine.csv", "seed": 1}
    assert kept_runs.keep_where_asked(run, "mine", "pairs_file") is None
    assert not (folder / "mine.json").exists()
    run.values["keep"] = True
    about = json.loads(kept_runs.keep_where_asked(run, "mine", "pairs_file").read_text())
    expected = {"keep": True, "pairs_file": "mine.csv", "seed": 1}
    assert about["provenance"]["parameters"] == expected


@pytest.mark.parametrize(("dirty", "says"), [(True, "differ from"), (None, "no git checkout")])
def test_a_run_of_a_changed_tree_is_not_kept(folder, dirty, says):
    with pytest.raises(EmoError, match=f"x is not kept: .*{says}.*commit the changes"):
        kept_runs.keep(finished(folder, dirty=dirty), "mine")
    assert not (folder / "mine.json").exists()


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that is full in the middle of any text that is written from now on."""

    def full(path, text, **_):
        path.write_bytes(text.encode()[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: monkeypatch.setattr(Path, "write_text", full)


FULL = "is full; what was kept before is unharmed; make room there and give the same command again"


def test_a_run_that_finds_the_disk_full_leaves_the_kept_one_whole(folder, full_disk):
    before = kept_runs.keep(finished(folder), "mine").read_bytes()
    run = finished(folder, seconds=4.0)
    full_disk()
    with pytest.raises(EmoError) as error:
        kept_runs.keep(run, "mine")
    assert str(error.value) == f"the disk of mine.json {FULL}"
    assert (folder / "mine.json").read_bytes() == before
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["mine.json"]


def test_a_sweep_that_finds_the_disk_full_leaves_the_kept_one_whole(
    folder, full_disk, monkeypatch, capsys
):
    run = finished(folder)
    clean = {"commit": "c" * 40, "dirty": False}
    monkeypatch.setattr(provenance, "git_state", lambda: clean)
    monkeypatch.setattr(books, "REFERENCE", folder)
    monkeypatch.setattr(books, "_snakemake", lambda *_: None)
    monkeypatch.setattr(books.results, "variant_provenance", lambda *_: clean)
    monkeypatch.setattr(books, "by_hand", lambda *_: run.folder / "x.ipynb")
    assert main(["sweep", "beta", "--keep"]) == 0
    before = (folder / "sweep_beta.json").read_bytes()
    assert before == (run.folder / "x.json").read_bytes()
    finished(folder, seconds=4.0)
    full_disk()
    assert main(["sweep", "beta", "--keep"]) == 2
    assert capsys.readouterr().err == f"emo: the disk of sweep_beta.json {FULL}\n"
    assert (folder / "sweep_beta.json").read_bytes() == before


def test_a_disk_that_cannot_be_written_is_named_as_that(folder, monkeypatch):
    run = finished(folder)

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(EmoError, match=r"mine.json cannot be written \(Permission denied\); what"):
        kept_runs.keep(run, "mine")


def test_the_page_says_what_has_changed_behind_a_kept_run(folder):
    """Code, a file of the repository; not a file of the user's own."""
    read = {"requirements.lock": "0" * 64, "my-pairs.jsonl": "0" * 64}
    path = kept_runs.keep(finished(folder, code_sha256="0", data_sha256=read), "mine")
    source = kept_runs.kept_source(path)
    assert source.changed == ["code", "requirements.lock"]
    assert "3 s · changed since: code, requirements.lock" in result_tables.provenance_line(source)
    gone = finished(folder, notebook="notebooks/12_gone.ipynb")
    assert kept_runs.kept_source(kept_runs.keep(gone, "gone")).changed == ["code"]


def test_keeping_is_refused_before_anything_is_computed(monkeypatch, capsys):
    changed = {"commit": "c" * 40, "dirty": True}
    monkeypatch.setattr(provenance, "git_state", lambda: changed)
    with pytest.raises(EmoError, match="parameter 'keep': the files differ"):
        runs.start("10_ebd_scores", {"In": ["", "# Parameters\nkeep = True"], "keep": True})
    assert main(["sweep", "beta", "--keep"]) == 2
    assert "--keep: the files differ" in capsys.readouterr().err


def test_a_book_with_a_run_of_a_changed_tree_is_not_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(drift, "snapshot", lambda profile: {"02_sft.er-sft": {"dirty": True}})
    monkeypatch.setattr(
        drift.steps, "steps", lambda profile: [SimpleNamespace(run="02_sft.er-sft")]
    )
    monkeypatch.setattr(drift, "reference", lambda profile: tmp_path / "book.json")
    with pytest.raises(EmoError, match=r"the records of 02_sft.er-sft are not kept"):
        drift.keep("embedded")
    assert not (tmp_path / "book.json").exists()


@pytest.fixture
def checkout(monkeypatch, tmp_path):
    """A repository with a commit, as the folder of the project."""

    def git(*arguments):
        about = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *about, *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "book" / "reference").mkdir(parents=True)
    (tmp_path / "code.py").write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


NO_CHECKOUT = {"commit": "unknown", "dirty": None}


def test_a_project_inside_another_repository_has_no_commit(monkeypatch, checkout):
    assert len(provenance.git_state()["commit"]) == 40
    (checkout / "unpacked").mkdir()
    monkeypatch.setattr(provenance, "ROOT", checkout / "unpacked")
    assert provenance.git_state() == NO_CHECKOUT
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))  # as in a hook of that repository
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout / "unpacked"))
    assert provenance.git_state() == NO_CHECKOUT


def test_a_machine_without_git_has_no_commit(monkeypatch, checkout):
    (checkout / "no programs").mkdir()
    monkeypatch.setenv("PATH", str(checkout / "no programs"))
    assert provenance.git_state() == NO_CHECKOUT


def test_a_tree_that_git_cannot_read_is_not_called_unchanged(checkout):
    (checkout / ".git" / "index").write_bytes(b"no index")
    assert provenance.git_state() == NO_CHECKOUT


def test_what_was_kept_before_makes_no_tree_a_changed_one(checkout):
    """A kept run beside the code is not a change of the code, nor a unit of the edition; a new file
    of it is.
    """
    for name in ("reference/kept.json", "edition/overnight/records.json"):
        (checkout / "book" / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / "book" / name).write_text("{}")
    assert provenance.git_state()["dirty"] is False
    (checkout / "more.py").write_text("2")
    assert provenance.git_state()["dirty"] is True
    assert project.ROOT != checkout


def test_every_kept_run_says_where_it_comes_from():
    table = kept_runs.overview()
    assert len(table) >= 15 and set(table["kept as"]) >= {"validity", "preference", "sweep_beta"}
    assert (table["changed since"] != "").all() and (table.commit.str.len() >= 10).all()
