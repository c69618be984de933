"""The edition: what is kept of a unit, and what becomes of one that is not whole."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from emo import cli, drift, edition
from emo.site import current
from emo_utils import project
from emo_utils.project import EmoError

SCORING, TRAINING = "06_knowledge_scoring", "03_dpo.eqsr-dpo"


def record(value: float, **changes) -> dict:
    return {
        "table": "t",
        "system": "eqsr-dpo",
        "metric": "kept",
        "value": value,
        "ci_low": value - 0.1,
        "ci_high": value + 0.1,
        "n": 100,
        "unscored": 0,
        "group": "all",
        "scorer": "s",
        "seed": 42,
        "signature": "how",
        "kind": "mean",
        "interval": "items",
        "p": None,
        "p_adjusted": None,
    } | changes


def a_result(records: list[dict], **changes) -> str:
    about = {
        "fingerprint": {"parameters": {"base_model": "a-model"}, "upstream": {}},
        "versions": {"torch": "1"},
        "device": "a machine",
        "git_commit": "c" * 40,
        "dirty": False,
        "started": "2030-01-02T03:04:05+00:00",
        "seconds": 1800.0,
        "peak_memory_mb": 7500,
    }
    return json.dumps({"records": records, "provenance": about | changes})


@pytest.fixture
def unit(tmp_path, monkeypatch):
    """Two runs of a unit that have a result, one of them with answers and one with item scores."""
    results = tmp_path / "results" / "overnight-small"
    (results / "answers").mkdir(parents=True)
    (results / f"{TRAINING}.json").write_text(a_result([record(0.5, metric="steps")]))
    (results / f"{SCORING}.json").write_text(a_result([record(0.5), record(0.2, system="base")]))
    pd.DataFrame({"answer": ["Rest."]}).to_parquet(results / "answers" / "eqsr-dpo.parquet")
    pd.DataFrame({"score": [0.5]}).to_parquet(results / f"{SCORING}.items.parquet")
    monkeypatch.setattr(edition, "EDITION", tmp_path / "book" / "edition")
    monkeypatch.setattr(project, "ROOT", tmp_path)
    return results


def test_a_unit_is_read_as_it_was_kept(unit, capsys):
    kept = edition.keep("overnight-small")
    names = {path.relative_to(edition.EDITION / "overnight-small").as_posix() for path in kept}
    assert names == {"records.json", f"{SCORING}.items.parquet", "answers/eqsr-dpo.parquet"}
    found = edition.shown()
    assert (found.name, found.model, found.commits) == ("overnight-small", "a-model", ["c" * 10])
    assert found.hours == 1.0 and found.memory_gb == 7.5
    assert found.runs == drift.snapshot("overnight-small")
    assert found.records[["run", "system", "value"]].values.tolist() == [
        [TRAINING, "eqsr-dpo", 0.5],
        [SCORING, "eqsr-dpo", 0.5],
        [SCORING, "base", 0.2],
    ]
    assert cli.main(["edition"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(edition.UNITS) and "the unit overnight has not been kept" in said[0]
    assert said[1].startswith("overnight-small: a-model, 2 runs, 3 records, 1.0 h, at most 7.5 GB")


def test_keeping_again_takes_away_what_is_no_more(unit):
    edition.keep("overnight-small")
    (unit / "answers" / "eqsr-dpo.parquet").unlink()
    edition.keep("overnight-small")
    assert not list(edition.EDITION.rglob("eqsr-dpo.parquet"))
    assert len(edition.read("overnight-small").runs) == 2


def test_what_a_changed_tree_made_is_not_kept(unit):
    edition.keep("overnight-small")
    (unit / f"{SCORING}.json").write_text(a_result([record(0.9)], dirty=True))
    with pytest.raises(EmoError, match=f"the records of {SCORING} are not kept.*commit"):
        edition.keep("overnight-small")
    assert 0.9 not in edition.read("overnight-small").records.value.tolist()


@pytest.mark.parametrize(
    "profile, message",
    [("embedded", "no unit of the edition; units: overnight"), ("overnight", "no run of the over")],
)
def test_what_is_no_unit_or_has_no_run_is_not_kept(unit, profile, message):
    with pytest.raises(EmoError, match=message):
        edition.keep(profile)


def test_an_edition_that_would_grow_too_large_is_not_kept(unit, monkeypatch):
    edition.keep("overnight-small")
    monkeypatch.setattr(edition, "LARGEST", 10)
    pd.DataFrame({"answer": ["Other."]}).to_parquet(unit / "answers" / "eqsr-dpo.parquet")
    with pytest.raises(EmoError, match="nothing was kept"):
        edition.keep("overnight-small")
    edition.read("overnight-small")


def anew(unit, value: float) -> None:
    """The unit's runs as they were made again: other numbers, other tables, a table more."""
    (unit / f"{TRAINING}.json").write_text(a_result([record(value, metric="steps")]))
    (unit / f"{SCORING}.json").write_text(a_result([record(value)]))
    for path in (unit / "answers" / "eqsr-dpo.parquet", unit / f"{SCORING}.items.parquet"):
        pd.DataFrame({"answer": [f"It is {value}."]}).to_parquet(path)
    pd.DataFrame({"score": [value]}).to_parquet(unit / f"{TRAINING}.items.parquet")


def files(folder) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def full_from(number: int, monkeypatch) -> None:
    """A disk that is full in the middle of the file of that number, counted from 0."""
    count = iter(range(100))

    def write(path, content: bytes):
        with open(path, "wb") as out:
            if next(count) < number:
                out.write(content)
                return
            out.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", lambda a, b: write(b, Path(a).read_bytes()))
    monkeypatch.setattr(Path, "write_text", lambda path, text, **_: write(path, text.encode()))


@pytest.mark.parametrize("number", range(4))  # three tables, and the records last
def test_a_disk_that_is_full_at_any_file_leaves_the_unit_as_it_was(unit, number, capsys):
    edition.keep("overnight-small")
    before = files(edition.EDITION)
    anew(unit, 0.7)
    with pytest.MonkeyPatch.context() as patch:
        full_from(number, patch)
        assert cli.main(["edition", "--keep", "--profile", "overnight-small"]) == 2
    assert capsys.readouterr().err == (
        "emo: the disk of book/edition/overnight-small is full; what was kept before is unharmed; "
        "make room there and give the same command again\n"
    )
    assert files(edition.EDITION) == before
    edition.keep("overnight-small")
    assert set(edition.read("overnight-small").records.value) == {0.7}


def test_a_disk_that_is_full_before_anything_was_kept_leaves_nothing(unit, monkeypatch):
    full_from(1, monkeypatch)
    with pytest.raises(EmoError, match="is full; what was kept before is unharmed"):
        edition.keep("overnight-small")
    assert files(edition.EDITION) == {}
    assert "has not been kept" in edition.states()["overnight-small"]


def test_killed_between_any_two_changes_of_the_disk_a_unit_is_the_old_or_the_new_one(
    unit, tmp_path, monkeypatch
):
    """By a copy of the folder before each change of it, as a kill would leave it there."""
    edition.keep("overnight-small")
    anew(unit, 0.7)
    (unit / f"{SCORING}.items.parquet").unlink()  # which the edition has to take away
    moments = []

    def watch(place, name):
        change = getattr(place, name)

        def changed(*arguments, **options):
            moments.append(tmp_path / "moments" / f"{len(moments)}")
            for path, content in files(edition.EDITION).items():
                (moments[-1] / path).parent.mkdir(parents=True, exist_ok=True)
                (moments[-1] / path).write_bytes(content)
            return change(*arguments, **options)

        patch.setattr(place, name, changed)

    with pytest.MonkeyPatch.context() as patch:
        watch(shutil, "copyfile")
        for name in ("replace", "unlink", "rmdir"):
            watch(os, name)
        edition.keep("overnight-small")
    assert len(moments) > 5
    assert set(files(edition.EDITION / "overnight-small")) == {
        "records.json",
        f"{TRAINING}.items.parquet",
        "answers/eqsr-dpo.parquet",
    }
    states = []
    for moment in moments:
        monkeypatch.setattr(edition, "EDITION", moment)
        states.append(set(edition.read("overnight-small").records.value))
        anew(unit, 0.3)
        edition.keep("overnight-small")  # and the next call finds its way from there
        assert set(edition.read("overnight-small").records.value) == {0.3}
        assert len(files(moment)) == 4
    turn = states.index({0.7})
    assert all(state == {0.5, 0.2} for state in states[:turn]) and turn > 0
    assert all(state == {0.7} for state in states[turn:])


def _torn(folder):
    path = folder / "records.json"
    path.write_text(path.read_text()[:-40])


def _foreign(folder):
    path = folder / "records.json"
    path.write_text(path.read_text().replace('"unit": "overnight-small"', '"unit": "overnight"'))


def _without_files(folder):
    path = folder / "records.json"
    path.write_text(path.read_text().replace('"files"', '"fils"'))


def _other_answers(folder):
    pd.DataFrame({"answer": ["Not these."]}).to_parquet(folder / "answers" / "eqsr-dpo.parquet")


def _no_items(folder):
    (folder / f"{SCORING}.items.parquet").unlink()


@pytest.mark.parametrize(
    "harm, said",
    [
        (_torn, "records.json is not whole"),
        (_foreign, "is of the unit 'overnight' and not of overnight-small"),
        (_without_files, "records.json is not whole"),
        (_other_answers, "answers/eqsr-dpo.parquet is missing or is not what was kept"),
        (_no_items, "06_knowledge_scoring.items.parquet is missing or is not what was kept"),
    ],
)
def test_a_unit_that_is_not_whole_is_named_in_a_line_with_its_remedy(unit, harm, said):
    edition.keep("overnight-small")
    harm(edition.EDITION / "overnight-small")
    found = edition.states()["overnight-small"]
    assert said in found and "\n" not in found and "git checkout -- book/edition" in found
    assert edition.shown() is None


def drifted(capsys, *words) -> tuple[int, str, str]:
    code = cli.main(["drift", *map(str, words)])
    return code, *capsys.readouterr()


def test_two_runs_of_a_unit_are_compared_number_by_number(unit, tmp_path, capsys):
    """The kept one with the results here: one number is the same, one moved inside its interval,
    one left it on another machine.
    """
    edition.keep("overnight-small")
    code, out, _ = drifted(capsys, "--profile", "overnight-small")
    assert code == 0 and "All 3 numbers are the same." in out
    assert out.count("2 runs, 2030-01-02, commit cccccccccc, a machine") == 2
    scored = [record(0.55), record(0.7, system="base")]
    (unit / f"{SCORING}.json").write_text(a_result(scored, device="another", git_commit="d" * 40))
    asked = ["--profile", "overnight-small", "--numbers", "--to", tmp_path / "report.md"]
    code, out, _ = drifted(capsys, *asked)
    said = out.splitlines()
    assert code == 0 and said[1] == (
        "  now      2 runs, 2030-01-02, commit cccccccccc, dddddddddd, a machine; another"
    )
    assert said[2].startswith(
        "Of 3 numbers 1 are the same, 1 moved inside their interval, 1 left their interval; "
    )
    assert [line.split() for line in said[3:6]] == [
        ["same", "inside", "outside"],
        [TRAINING, "1", "0", "0"],
        [SCORING, "0", "1", "1"],
    ]
    assert said[6:] == [
        f"  same        {TRAINING}: t, eqsr-dpo, steps, all: 0.5 [0.4, 0.6] -> 0.5",
        f"  inside      {SCORING}: t, eqsr-dpo, kept, all: 0.5 [0.4, 0.6] -> 0.55",
        f"  outside     {SCORING}: t, base, kept, all: 0.2 [0.1, 0.3] -> 0.7",
    ]
    report = (tmp_path / "report.md").read_text()
    assert report.startswith("# Drift of the overnight-small profile")
    assert report.index("### Run by run") < report.index("### What moved")
    assert "machine: a machine -&gt; another" in report
    same = report.partition("### What is the same")[2]
    assert "steps" in same and "0.500 [0.400, 0.600]" in same and "base" not in same


def test_a_number_that_left_its_interval_with_nothing_changed_is_a_fault(unit, capsys):
    edition.keep("overnight-small")
    (unit / f"{SCORING}.json").write_text(a_result([record(0.5), record(0.7, system="base")]))
    code, out, _ = drifted(capsys, "--profile", "overnight-small")
    assert code == 1 and f"{SCORING}: t, base, kept, all: 0.2 [0.1, 0.3] -> 0.7" in out
    assert "eqsr-dpo" not in out, "without --numbers only faults are named"


def test_units_and_results_of_other_checkouts_are_compared_by_their_folders(
    unit, tmp_path, capsys, monkeypatch
):
    edition.keep("overnight-small")
    theirs = tmp_path / "theirs"
    shutil.copytree(edition.EDITION / "overnight-small", theirs / "edition" / "overnight-small")
    shutil.copytree(unit, theirs / "results")
    for path in theirs.glob("results/*.json"):
        content = json.loads(path.read_text())
        content["provenance"]["profile"] = "overnight-small"
        path.write_text(json.dumps(content))
    for asked in (
        ["--now", theirs / "results"],
        ["--now", theirs / "edition" / "overnight-small"],
        ["--against", theirs / "edition" / "overnight-small" / "records.json"],
        ["--against", theirs / "results", "--now", theirs / "edition" / "overnight-small"],
    ):
        code, out, err = drifted(capsys, *asked)
        assert (code, err) == (0, "") and "All 3 numbers are the same." in out
    (theirs / "edition" / "overnight-small" / "answers" / "eqsr-dpo.parquet").unlink()
    code, _, err = drifted(capsys, "--now", theirs / "edition" / "overnight-small")
    assert code == 2 and "is missing or is not what was kept" in err


def test_verdicts_that_turn_between_two_runs_of_a_unit_are_named(unit, capsys):
    """By Table 1 of the kept book, whose gates hold its verdicts back, and without them."""
    kept = drift.read(drift.reference("embedded"))["05_emotion_scoring"]["records"]
    result = unit / "05_emotion_scoring.json"
    result.write_text(a_result([r for r in kept if r["table"] != "gates"]))
    edition.keep("overnight-small")
    result.write_text(a_result(kept))
    code, out, _ = drifted(capsys, "--profile", "overnight-small")
    assert code == 0 and re.search(
        r"\d+ of the \d+ verdicts on the papers' claims are another", out
    )
    assert re.search(r"^  \w.* -> cannot be decided here: ", out, re.MULTILINE)


def test_the_page_on_a_unit_that_was_made_again_holds_it_against_the_kept_one(
    unit, tmp_path, monkeypatch
):
    monkeypatch.setattr(current.layout, "GENERATED", tmp_path)
    monkeypatch.setattr(drift, "figure", lambda moved, path: None)
    monkeypatch.setattr(current, "_longer_runs", list)

    def page() -> str:
        current.write_current("overnight-small", drift.snapshot("overnight-small"))
        return (tmp_path / "current.md").read_text()

    assert "nothing to compare with: book/edition/overnight-small/records.json is not" in page()
    edition.keep("overnight-small")
    assert "that were kept of 2 runs from commit cccccccccc" in page()
    assert "All 3 numbers are the same." in page()
    _no_items(edition.EDITION / "overnight-small")
    assert "items.parquet is missing or is not what was kept" in page()


def _torn_result(folder):
    (folder / f"{SCORING}.json").write_text("{")


def _no_result(folder):
    for path in folder.glob("*.json"):
        path.unlink()


@pytest.mark.parametrize(
    "harm, words, says",
    [
        (_torn_result, [], "06_knowledge_scoring.json is no whole result"),
        (_no_result, [], "no run of the overnight-small profile has a result here to compare"),
        (_no_result, ["--now", "nowhere"], "nowhere holds no records to compare with"),
        (_no_result, ["--now", "."], "holds no result of a run"),
        (lambda folder: None, ["--keep"], "kept with: emo edition --keep --profile overnight-s"),
    ],
)
def test_what_cannot_be_compared_is_one_line(unit, capsys, harm, words, says):
    edition.keep("overnight-small")
    harm(unit)
    code, _, err = drifted(capsys, "--profile", "overnight-small", *words)
    assert code == 2 and says in err and err.count("\n") == 1


def test_two_units_are_not_compared_as_two_runs_of_one(unit, tmp_path, capsys):
    edition.keep("overnight-small")
    other = edition.EDITION / "overnight"
    shutil.copytree(edition.EDITION / "overnight-small", other)
    _foreign(other)
    code, _, err = drifted(capsys, "--against", other, "--now", edition.EDITION / "overnight-small")
    assert code == 2 and "is of overnight and" in err and "of overnight-small: two runs" in err
    code, _, err = drifted(capsys, "--profile", "overnight-small", "--now", other)
    assert code == 2 and f"--profile is of overnight-small and {other} of overnight: two" in err
