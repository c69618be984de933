"""Whether the built book is the one that the present sources and results give."""

import os

from emo.graph import steps
from emo_utils.project import (
    DATA,
    EDITION,
    PROFILES,
    ROOT,
    relative,
    results_dir,
    sha256_file,
    sha256_json,
)

HTML = ROOT / "_build" / "html"
BUILT_FROM = HTML / ".built-from"
KEPT = "embedded"  # the profile whose whole book is kept in the repository


def digest(profile: str, kept: bool = False) -> str:
    """Hash over everything that the pages are made from: results, executed notebooks, prose,
    configuration, the code of pages, and the package, whose docstrings are pages.

    kept: whether they are made from the kept book (`kept_book`) and not from results here.
    """
    files = [ROOT / name for name in ("_config.yml", "_toc.yml", "index.md", "requirements.lock")]
    files += (ROOT / "book").glob("*.md")
    for folder in ("_static", "_templates"):
        files += [p for p in (ROOT / "book" / folder).rglob("*") if p.is_file()]
    files += [
        *sorted((ROOT / "emo_utils").rglob("*.py")),
        *sorted((ROOT / "emo").rglob("*.py")),
        *sorted((ROOT / "notebooks").glob("*.ipynb")),  # their imports are in a figure
        ROOT / "emo_utils" / "models" / "registry.yaml",
        ROOT / "pyproject.toml",
        *sorted(DATA.glob("*/README.md")),
        *steps.PUBLISHED,
        DATA / "published" / "experiments.yaml",
        PROFILES / f"{profile}.yaml",
    ]
    files += [*sorted(DATA.rglob("*.jsonl")), *steps.KEPT.values()]
    files += sorted(EDITION.glob("*/records.json"))
    if not kept:
        files += sorted(results_dir(profile).glob("*.json"))
        files += sorted((results_dir(profile) / "notebooks").glob("*.ipynb"))
    source = f"the kept book, {profile}" if kept else profile
    places = [os.environ.get(name, "") for name in ("EMO_REPOSITORY", "EMO_BRANCH")]
    return sha256_json(
        [source, places, {relative(p): sha256_file(p) for p in files if p.is_file()}]
    )


def is_current(profile: str, kept: bool = False) -> bool:
    """Whether the built HTML is the one that the present sources and results give."""
    return (
        BUILT_FROM.is_file()
        and (HTML / "index.html").is_file()
        and BUILT_FROM.read_text() == digest(profile, kept)
    )
