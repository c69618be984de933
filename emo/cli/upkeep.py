"""Upkeep of the book: drift against kept records, the edition, releases."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from emo.cli.options import Profile, app
from emo_utils.project import ROOT, relative, write_atomic


@app.command(name="drift")
def print_drift(
    *,
    against: Annotated[
        Path | None,
        Parameter(help="records kept by --keep (default: book/reference/book_PROFILE.json)"),
    ] = None,
    to: Annotated[Path | None, Parameter(help="write the whole report there, in Markdown")] = None,
    keep: Annotated[
        bool,
        Parameter(
            help="keep the records as they are now, for later comparisons, and end",
            show_default=False,
        ),
    ] = False,
    profile: Profile = "embedded",
) -> int:
    """Hold the book's records against those that were kept: what moved, how far, and why. Ends with
    1 where a number left its interval and nothing that it depends on had changed.
    """
    from emo import drift

    if keep:
        print(f"kept in {relative(drift.keep(profile))}")
        return 0
    before, now = drift.read(against or drift.reference(profile)), drift.snapshot(profile)
    moved, turned = drift.compare(before, now), drift.verdicts(before, now)
    if to:
        write_atomic(to, f"# Drift of the {profile} profile\n\n{drift.page(moved, turned)}")
    print(f"{drift.summary(moved)} {drift.said_of(turned)}".replace("**", ""))
    for r in turned.itertuples():
        print(f"  {r.before} -> {r.now}: {r.claim}")
    for r in drift.unexplained(moved).itertuples():
        print(
            f"  {r.run}: {r.table}, {r.system}, {r.metric}, {r.group}: "
            f"{r.before:.4g} [{r.low:.4g}, {r.high:.4g}] -> {r.now:.4g}"
        )
    return 1 if len(drift.unexplained(moved)) else 0


@app.command(name="edition")
def print_edition(
    *,
    keep: Annotated[
        bool,
        Parameter(
            help="put what the profile's runs have so far into book/edition, and end",
            show_default=False,
        ),
    ] = False,
    profile: Profile = "overnight",
) -> int:
    """Say what the edition holds: the kept runs of models of the papers' size, unit by unit."""
    from emo import edition

    if keep:
        for path in edition.keep(profile):
            print(f"kept {relative(path)}  {path.stat().st_size / 1e6:.2f} MB")
        return 0
    for name, unit in edition.states().items():
        if isinstance(unit, str):
            print(f"{name}: {unit}")
            continue
        print(
            f"{name}: {unit.model}, {len(unit.runs)} runs, {len(unit.records)} records, "
            f"{unit.hours:.1f} h, at most {unit.memory_gb:.1f} GB, "
            f"commit {', '.join(unit.commits)}"
        )
    return 0


@app.command(name="release")
def make_release(
    *,
    to: Annotated[
        Path, Parameter(help="folder to write to (default: dist)", show_default=False)
    ] = ROOT / "dist",
    profile: Profile = "embedded",
) -> int:
    """Archive the book and the records behind it, with checksums; all must be up to date and made
    from a commit.
    """
    from emo import release

    for path in release.write(profile, to):
        print(f"{relative(path)}  {path.stat().st_size / 1e6:.1f} MB")
    return 0
