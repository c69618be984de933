"""Upkeep of the book: drift against kept records, the edition, releases."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from emo.cli.options import Profile, app
from emo_utils.project import PROFILE_NAMES, ROOT, UNITS, EmoError, relative, write_atomic


@app.command(name="drift")
def print_drift(
    *,
    against: Annotated[
        Path | None,
        Parameter(
            help="what to compare with: a file that --keep wrote, a unit's folder in book/edition, "
            "or a folder of results (default: book/reference/book_PROFILE.json, "
            "or what the edition keeps of the profile)",
        ),
    ] = None,
    now: Annotated[
        Path | None,
        Parameter(help="what to compare: the same kinds of places (default: results/PROFILE)"),
    ] = None,
    numbers: Annotated[
        bool,
        Parameter(
            help="name every number: those that are the same as well as those that moved",
            show_default=False,
        ),
    ] = False,
    to: Annotated[Path | None, Parameter(help="write the whole report there, in Markdown")] = None,
    keep: Annotated[
        bool,
        Parameter(
            help="keep the records as they are now, for later comparisons, and end",
            show_default=False,
        ),
    ] = False,
    profile: Annotated[
        Literal[PROFILE_NAMES] | None,
        Parameter(help="scale of the runs (default: embedded, or what the folders are of)"),
    ] = None,
) -> int:
    """Hold the book's records against those that were kept, or two runs of one unit of the edition
    against each other: what moved, how far, and why. Ends with 1 where a number left its interval
    and nothing that it depends on had changed.
    """
    from emo import drift, edition

    if keep and profile in UNITS:
        raise EmoError(f"a unit is kept with: emo edition --keep --profile {profile}")
    if keep:
        print(f"kept in {relative(drift.keep(profile or 'embedded'))}")
        return 0
    given = [edition.made_at(path) if path else None for path in (against, now)]
    named = [("--profile", profile)] if profile else []
    named += [(path, side[1]) for path, side in zip((against, now), given) if side and side[1]]
    for place, other in named[1:]:
        if other != named[0][1]:
            raise EmoError(
                f"{named[0][0]} is of {named[0][1]} and {place} of {other}: two runs of one unit "
                "or profile are compared; the page on the edition shows one unit beside another"
            )
    profile = named[0][1] if named else "embedded"
    earlier = given[0][0] if given[0] else edition.kept_of(profile)
    later = given[1][0] if given[1] else edition.made_again(profile)
    moved, turned = drift.compare(earlier, later), drift.verdicts(earlier, later)
    if to:
        page = drift.page(moved, turned, whole=numbers)
        write_atomic(to, f"# Drift of the {profile} profile\n\n{page}")
    for word, side in (("before", earlier), ("now", later)):
        print(f"  {word:<8} {drift.made_of(side)}")
    print(f"{drift.summary(moved)} {drift.said_of(turned)}".replace("**", ""))
    for r in turned.itertuples():
        print(f"  {r.before} -> {r.now}: {r.claim}")
    if numbers:
        print(drift.by_run(moved).rename_axis(index=None, columns=None).to_string())
    for r in (moved if numbers else drift.unexplained(moved)).itertuples():
        print(f"  {f'{r.state:<12}' if numbers else ''}{drift.in_line(r)}")
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
