"""What a release holds: the book, the records behind it, and checksums;
the same bytes for the same content.
"""

import gzip
import io
import re
import tarfile
from pathlib import Path

from emo import drift
from emo.graph import due, steps
from emo.site import built
from emo_utils.experiment import provenance, results
from emo_utils.project import ROOT, EmoError, relative, results_dir, sha256_file, write_atomic


def write(profile: str, folder: Path) -> list[Path]:
    """Archive the built book and its records (numbers, item scores, answers, executed notebooks),
    with `SHA256SUMS` and `NOTES.md`.

    Raises EmoError where a run or the book is missing or not up to date,
    and where a run was made from a tree with local changes or from no checkout.
    """
    if stale := [s.run for s in steps.steps(profile) if due.why(s.run, profile)]:
        raise EmoError(
            f"{stale[0]} is not up to date ({due.why(stale[0], profile)[0]}); call make book first"
        )
    if not built.is_current(profile):
        raise EmoError("the pages are not those of the present results; call make book first")
    runs = drift.snapshot(profile)
    for name, run in runs.items():
        provenance.refuse_changed_tree(run, f"{name} is not released")
    folder_of_results = results_dir(profile)
    records = [
        p
        for pattern in ("*.json", "*.parquet", "answers/*.parquet", "notebooks/*.ipynb")
        for p in folder_of_results.glob(pattern)
    ]
    files = [
        _archive(
            folder / f"book-{profile}.tar.gz",
            [p for p in built.HTML.rglob("*") if p.is_file()],
            built.HTML.parent,
        ),
        _archive(folder / f"records-{profile}.tar.gz", records, folder_of_results.parent),
    ]
    write_atomic(folder / "NOTES.md", _notes(profile, runs))
    write_atomic(
        folder / "SHA256SUMS",
        "".join(f"{sha256_file(p)}  {p.name}\n" for p in (*files, folder / "NOTES.md")),
    )
    return [*files, folder / "NOTES.md", folder / "SHA256SUMS"]


def _archive(target: Path, files: list[Path], base: Path) -> Path:
    """A tar file without times, owners and order of a disk,
    so that equal content gives equal bytes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(target, "wb") as out,
        gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(files):
            content = path.read_bytes()
            member = tarfile.TarInfo(str(path.relative_to(base)))
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return target


def _notes(profile: str, runs: dict[str, dict]) -> str:
    """The newest part of the changelog, and what the numbers come from."""
    newest = re.search(
        r"^## .*?(?=^## |\Z)",
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    commits, machines = (
        sorted({run[name] for run in runs.values()}) for name in ("git_commit", "device")
    )
    return (
        f"{newest[0].strip() if newest else ''}\n\n## The numbers\n\nProfile {profile}, "
        f"{sum(len(run['records']) for run in runs.values())} numbers of {len(runs)} runs "
        f"from {', '.join(commits)}, on {'; '.join(machines)}. "
        "Check the files with `sha256sum -c SHA256SUMS`; "
        f"{relative(results.result_folder('01_data_rewriting', profile))} holds the records "
        "where the book is made.\n"
    )
