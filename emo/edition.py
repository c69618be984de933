"""The edition: what the maintainers ran with models of the papers' size, kept with the book.

A unit is one profile's runs: one model, one arm, all rows. Of each unit there are the records with
what they depend on, and compressed the answers and item scores behind them, so that nothing which
reads the edition needs weights.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emo import drift
from emo.graph import steps
from emo_utils.experiment import provenance, results
from emo_utils.project import (
    EDITION,
    UNITS,
    EmoError,
    first_line,
    keeping,
    relative,
    results_dir,
    sha256_file,
    write_atomic,
)

LARGEST = 15_000_000  # bytes of all units together
RECORDS = "records.json"
STAGED = ".new"  # folder of a unit with files that are about to take the place of kept ones


@dataclass(frozen=True)
class Unit:
    """A unit that is kept: its runs as `drift.read` gives them, and all their records with a column
    `run`.
    """

    name: str
    runs: dict[str, dict]
    records: pd.DataFrame

    @property
    def model(self) -> str:
        """The model that its trainings started from, or those that its runs name."""
        named = {run["fingerprint"]["parameters"].get("base_model") for run in self.runs.values()}
        return ", ".join(sorted(named - {None})) or "no model"

    @property
    def commits(self) -> list[str]:
        return sorted({run["git_commit"][:10] for run in self.runs.values()})

    @property
    def hours(self) -> float:
        return sum(run["seconds"] for run in self.runs.values()) / 3600

    @property
    def memory_gb(self) -> float:
        return max(run["peak_memory_mb"] for run in self.runs.values()) / 1000


def keep(profile: str) -> list[Path]:
    """Put what a unit has so far into the edition: every run of the book that has a result.

    Raises EmoError where there is none, where one was made from a changed tree, where the edition
    would grow above `LARGEST`, and where the disk is full; what was kept before then stays. Whoever
    stops it leaves the unit as it was or as it is to be, which `read` gives and the next call
    completes: all files are written beside, the records take their place, and then the others do.
    """
    if profile not in UNITS:
        raise EmoError(
            f"the {profile} profile is no unit of the edition; units: {', '.join(UNITS)}"
        )
    runs = drift.snapshot(profile)
    if not runs:
        raise EmoError(
            f"no run of the {profile} profile has a result; "
            f"make them with: emo make 06_knowledge_scoring --profile {profile}"
        )
    for name, run in runs.items():
        provenance.refuse_changed_tree(run, f"the records of {name} are not kept")
    sources = _tables(profile, runs)
    size = sum(path.stat().st_size for path in sources.values()) + sum(
        path.stat().st_size
        for name in UNITS
        if name != profile
        for path in _parquets(EDITION / name)
    )
    if size > LARGEST:
        raise EmoError(
            f"the edition would have {size / 1e6:.1f} MB of answers and item scores, "
            f"and {LARGEST / 1e6:.0f} MB is what a repository should carry; nothing was kept"
        )
    target = EDITION / profile
    with keeping(target):
        _settle(target)
        try:
            _stage(target, sources)
            digests = {name: sha256_file(target / STAGED / name) for name in sorted(sources)}
            about = {"unit": profile, "files": digests}
            write_atomic(target / RECORDS, drift.text_of(runs, about))
        finally:
            _settle(target)
        for path in _parquets(target):
            if path.relative_to(target).as_posix() not in sources:
                path.unlink()
    return [target / RECORDS, *(target / name for name in sorted(sources))]


def _parquets(target: Path) -> list[Path]:
    """The tables in a unit's folder, without those that are about to take the place of others."""
    found = sorted(target.rglob("*.parquet"))
    return [path for path in found if STAGED not in path.relative_to(target).parts]


def _stage(target: Path, sources: dict[str, Path]) -> None:
    """Copy tables beside those that are kept, and make the folders that they will need."""
    for name, path in sources.items():
        for copy in (target / name, target / STAGED / name):
            copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / STAGED / name)


def _settle(target: Path) -> None:
    """Give the files beside a unit the places that the records on the disk have for them, and
    remove others: what a `keep`, or an earlier one that was stopped, has left.
    """
    try:
        files = json.loads((target / RECORDS).read_text(encoding="utf-8"))["files"].items()
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):  # none, or torn
        files = ()
    for name, digest in files:
        staged = target / STAGED / name
        if staged.is_file() and sha256_file(staged) == digest:
            os.replace(staged, target / name)
    shutil.rmtree(target / STAGED, ignore_errors=True)


def _tables(profile: str, runs: dict[str, dict]) -> dict[str, Path]:
    """Answers and item scores of a profile's runs, by their name in the edition."""
    folder, found = results_dir(profile), {}
    for step in (s for s in steps.steps(profile) if s.run in runs):
        names = [f"{step.run}.items.parquet", *(f"answers/{name}.parquet" for name in step.answers)]
        found |= {name: folder / name for name in names if (folder / name).is_file()}
    return found


def read(name: str) -> Unit:
    """A unit that is kept; raises EmoError, in one line, where it is not there or not whole."""
    target = EDITION / name
    if not (target / RECORDS).is_file():
        raise EmoError(
            f"{relative(target / RECORDS)} is not there: the unit {name} has not been kept"
        )
    unit = read_in(target)
    if unit.name != name:
        raise EmoError(
            f"{relative(target / RECORDS)} is of the unit {unit.name!r} and not of {name}; "
            f"get it back with: git checkout -- {relative(target)}"
        )
    return unit


def read_in(target: Path) -> Unit:
    """The unit in a folder, of this edition or of another one; raises EmoError where a file of it
    is torn, missing or another one's.
    """
    path = target / RECORDS
    remedy = f"get it back with: git checkout -- {relative(target)}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        unit, files = str(content["unit"]), dict(content["files"])
        runs = drift.read(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, EmoError) as error:
        raise EmoError(f"{relative(path)} is not whole ({first_line(error)}); {remedy}") from None
    for file, digest in files.items():
        places = (target / file, target / STAGED / file)  # the second where a `keep` was stopped
        if not any(path.is_file() and sha256_file(path) == digest for path in places):
            raise EmoError(
                f"{relative(target / file)} is missing or is not what was kept with {RECORDS}; "
                f"{remedy}"
            )
    records = [r | {"run": run} for run, kept in runs.items() for r in kept["records"]]
    return Unit(unit, runs, results.frame(records))


def made_at(path: Path) -> tuple[dict[str, dict], str]:
    """Runs to compare, from a unit's folder, a folder of results, or a file that
    `emo drift --keep` wrote; and the profile that they are of, empty for a file, which does not
    say it. Raises EmoError for what is none of these, or not whole.
    """
    folder = path.parent if path.name == RECORDS else path
    if (folder / RECORDS).is_file():
        unit = read_in(folder)
        return unit.runs, unit.name
    if folder.is_dir():
        return drift.in_folder(folder)
    return drift.read(path), ""


def made_again(profile: str) -> dict[str, dict]:
    """What this checkout's results have of a profile's runs; raises EmoError where they have
    none.
    """
    if found := drift.snapshot(profile):
        return found
    raise EmoError(
        f"no run of the {profile} profile has a result here to compare; make some with: "
        f"emo make 06_knowledge_scoring{results.profile_flag(profile)}, or name others with --now"
    )


def kept_of(profile: str) -> dict[str, dict]:
    """What a profile's runs are held against: of a unit what the edition keeps, of another profile
    the kept book. Raises EmoError where that is not there or not whole.
    """
    return read(profile).runs if profile in UNITS else drift.read(drift.reference(profile))


def states() -> dict[str, Unit | str]:
    """Each unit, or in one line why it cannot be shown."""
    found: dict[str, Unit | str] = {}
    for name in UNITS:
        try:
            found[name] = read(name)
        except EmoError as error:
            found[name] = str(error)
    return found


def shown() -> Unit | None:
    """The unit whose numbers the book shows as the edition's: the first that can be read."""
    return next((unit for unit in states().values() if isinstance(unit, Unit)), None)
