"""The edition: what is kept of a unit, and what becomes of one that is not whole."""

import errno
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from emo import cli, drift, edition
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
