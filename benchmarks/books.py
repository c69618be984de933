"""The whole book made twice on this machine, and held against the book that was kept,
perhaps from another one: what moved, and whether a verdict turned.

    .venv/bin/python benchmarks/books.py [--profile embedded] [--made FOLDER FOLDER] [--keep]

Each book is made in a copy of the project of its own, one after the other
(in the embedded profile half an hour each). With `--made` they were made before, in two checkouts.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import clock
import smoke_book

from emo import drift
from emo_utils.project import PROFILE_NAMES


def made(folder: Path, profile: str) -> Path:
    """A checkout in which `emo book` made everything."""
    copy = smoke_book.copied(folder / "project", folder / "cache")
    if profile != "smoke":
        copy.environment.pop("EMO_CACHE")  # real weights are not fetched anew
    copy.emo("book", "--profile", profile)
    return copy.folder


def row(what: str, before: dict[str, dict], now: dict[str, dict]) -> dict:
    """The comparison of two books in numbers; a move against the interval of the first."""
    moved, turned = drift.compare(before, now), drift.verdicts(before, now)
    count = moved.state.value_counts()
    first, second = (
        {
            f"{run['device'].partition(',')[0]}, commit {run['git_commit'][:10]}"
            + " with local changes" * run["dirty"]
            for run in side.values()
        }
        for side in (before, now)
    )
    lost = sorted(
        {run for run in before if before[run]["records"]}
        ^ {run for run in now if now[run]["records"]}
    )
    if lost or len(first) != 1 or len(second) != 1:
        sys.exit(
            f"{what}: these are no two whole books, each of one machine: {lost or (first | second)}"
        )
    return {
        "compared": what,
        "first": first.pop(),
        "second": second.pop(),
        "numbers": len(moved),
        "the same": int(count.get("same", 0)),
        "moved inside their interval": int(count.get("inside", 0)),
        "left it": int(count.get("outside", 0)),
        "intervals without a common point": int(moved.apart.sum()),
        "moved, without interval": int(count.get("no interval", 0)),
        "new or gone": int(count.get("new", 0) + count.get("gone", 0)),
        "verdicts": turned.attrs["count"],
        "other verdicts": len(turned),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=PROFILE_NAMES, default="embedded")
    parser.add_argument(
        "--made",
        nargs=2,
        type=Path,
        metavar="FOLDER",
        help="two checkouts in which the book was made",
    )
    parser.add_argument(
        "--keep", action="store_true", help="put the table into book/reference/speed.json"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folders = options.made or [
            made(Path(temporary) / name, options.profile) for name in ("first", "second")
        ]
        first, second = (drift.snapshot(options.profile, folder.resolve()) for folder in folders)
    table = [row("made twice on one machine", first, second)]
    if drift.reference(options.profile).is_file():
        table.append(
            row(
                "the kept book and the first of these",
                drift.read(drift.reference(options.profile)),
                first,
            )
        )
    for found in table:
        print(*(f"{name}: {value}" for name, value in found.items()), sep="\n", end="\n\n")
    if options.keep:
        clock.keep("books", table)


if __name__ == "__main__":
    main()
