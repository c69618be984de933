"""A release: what it holds, that equal content gives equal bytes, and what it refuses."""

import hashlib
import json
import re
import tarfile

import pytest
import yaml

from emo import cli, drift, release
from emo.graph import due
from emo.site import built


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A tiny book and results that say that they are up to date."""
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "index.html").write_text("<h1>Hello</h1>", encoding="utf-8")
    results = tmp_path / "results" / "embedded"
    (results / "answers").mkdir(parents=True)
    (results / "06_knowledge_scoring.json").write_text("{}", encoding="utf-8")
    (results / "answers" / "base.parquet").write_bytes(b"answers")
    (results / "decisions.sqlite").write_bytes(b"a store is no record")
    state = {
        "due": [],
        "current": True,
        "runs": {
            "06_knowledge_scoring": {
                "git_commit": "c0ffee",
                "device": "a machine",
                "dirty": False,
                "records": [1, 2, 3],
            }
        },
    }
    monkeypatch.setattr(built, "HTML", tmp_path / "html")
    monkeypatch.setattr(
        due, "why", lambda run, profile: ["there is no result yet"] if run in state["due"] else []
    )
    monkeypatch.setattr(built, "is_current", lambda profile: state["current"])
    monkeypatch.setattr(drift, "snapshot", lambda profile: state["runs"])
    monkeypatch.setattr(release, "results_dir", lambda profile: results)
    return state


def test_a_release_holds_book_records_notes_and_their_checksums(made, tmp_path):
    files = {path.name: path for path in release.write("embedded", tmp_path / "dist")}
    assert set(files) == {
        "book-embedded.tar.gz",
        "records-embedded.tar.gz",
        "NOTES.md",
        "SHA256SUMS",
    }
    with tarfile.open(files["book-embedded.tar.gz"]) as tar:
        assert (
            tar.getnames() == ["html/index.html"]
            and tar.extractfile("html/index.html").read() == b"<h1>Hello</h1>"
        )
    with tarfile.open(files["records-embedded.tar.gz"]) as tar:
        assert tar.getnames() == [
            "embedded/06_knowledge_scoring.json",
            "embedded/answers/base.parquet",
        ]
    sums = dict(line.split("  ")[::-1] for line in files["SHA256SUMS"].read_text().splitlines())
    assert sums == {
        name: hashlib.sha256(files[name].read_bytes()).hexdigest()
        for name in ("book-embedded.tar.gz", "records-embedded.tar.gz", "NOTES.md")
    }
    notes = files["NOTES.md"].read_text(encoding="utf-8")
    assert (
        notes.startswith("## Unreleased")
        and "3 numbers of 1 runs from c0ffee, on a machine" in notes
    )


def test_equal_content_gives_equal_bytes(made, tmp_path):
    first = [path.read_bytes() for path in release.write("embedded", tmp_path / "first")]
    (tmp_path / "html" / "index.html").touch()
    assert [path.read_bytes() for path in release.write("embedded", tmp_path / "second")] == first


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"due": ["03_dpo.eqsr-dpo"]},
            "03_dpo.eqsr-dpo is not up to date (there is no result yet)",
        ),
        ({"current": False}, "call make book first"),
        (
            {"runs": {"02_sft.er-sft": {"dirty": True}}},
            "02_sft.er-sft is not released: the files differ from those of the commit",
        ),
        (
            {"runs": {"02_sft.er-sft": {"dirty": None, "git_commit": "unknown"}}},
            "02_sft.er-sft is not released: this is no git checkout",
        ),
    ],
)
def test_what_is_not_from_a_commit_or_not_up_to_date_is_not_released(
    made, tmp_path, capsys, change, says
):
    made.update(change)
    assert cli.main(["release", "--to", str(tmp_path / "dist")]) == 2
    assert says in capsys.readouterr().err and not (tmp_path / "dist").exists()


def test_the_workflows_call_what_is_there():
    steps = {
        name: [
            step.get("run", "")
            for job in yaml.safe_load(
                (release.ROOT / ".github/workflows" / f"{name}.yml").read_text()
            )["jobs"].values()
            for step in job["steps"]
        ]
        for name in ("ci", "nightly", "release")
    }
    targets = (release.ROOT / "Makefile").read_text()
    for called in {
        word
        for runs in steps.values()
        for run in runs
        for line in run.splitlines()
        if line.startswith("make ")
        for word in line.split()[1:]
    }:
        assert f"\n{called}:" in targets
    assert (
        any("emo drift --to drift.md" in run for run in steps["nightly"])
        and json.dumps(steps["release"]).count("make release") == 1
    )
    commands = {
        name for runs in steps.values() for name in re.findall(r"bin/emo ([\w-]+)", str(runs))
    }
    assert commands >= {"drift", "check-pages"}
    assert not [name for name in commands if cli.main([name, "--help"])]


def test_every_night_publishes_what_it_built_where_its_links_lead_somewhere():
    workflow = yaml.safe_load((release.ROOT / ".github/workflows/nightly.yml").read_text())
    book, publish = (workflow["jobs"][name] for name in ("book", "publish"))
    did = [step.get("run") or step["uses"].partition("@")[0] for step in book["steps"]]
    order = ("make book", ".venv/bin/emo check-pages", "actions/upload-pages-artifact")
    assert [did.index(step) for step in order] == sorted(did.index(step) for step in order)
    # A night whose numbers drifted is published, too.
    assert did.index(order[-1]) < did.index(".venv/bin/emo drift --to drift.md")
    (upload,) = [step for step in book["steps"] if "upload-pages" in step.get("uses", "")]
    assert upload["with"]["path"] == "_build/html" and upload["id"] == "pages"
    assert publish["needs"] == "book" and "outputs.pages == 'success'" in publish["if"]
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    assert publish["steps"][0]["uses"].startswith("actions/deploy-pages@")
