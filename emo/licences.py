"""Under which terms everything comes that the book stands on: packages, weights, data."""

import json
import re
from importlib import metadata

import pandas as pd
import yaml

from emo_utils.models import registry
from emo_utils.project import DATA, ROOT

# Coefficients that this project ships, and names what taught them.
LEARNT = ROOT / "emo_utils" / "scoring" / "emotion_learnt.json"
# Terms under which a package may be used and passed on with this project; a package that offers
# several needs one of them.
OPEN = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public|"
    r"Zlib|CC0|Public Domain|Unlicense|0BSD",
    re.IGNORECASE,
)


def locked() -> dict[str, str]:
    """Name -> version of each package of requirements.lock."""
    return dict(
        re.findall(
            r"^([\w.-]+)(?:\[[\w,-]*\])?==(\S+)",
            (ROOT / "requirements.lock").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )


def package_licence(name: str) -> str:
    """What a package says of its licence: its expression, its classifiers, its field,
    or the title of the licence that it brings; empty where it is silent or not installed.
    """
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return ""
    about = package.metadata
    if about.get("License-Expression"):
        return about["License-Expression"]
    if classes := [
        c.rpartition(" :: ")[2]
        for c in about.get_all("Classifier", [])
        if c.startswith("License :: ")
    ]:
        return "; ".join(classes)
    brought = [
        file.locate()
        for file in package.files or []
        if re.match(r"licen[cs]e|copying", file.name, re.IGNORECASE)
    ]
    texts = [about.get("License") or ""] + [
        path.read_text(encoding="utf-8", errors="replace") for path in brought if path.is_file()
    ]
    return next((line.strip() for text in texts for line in text.splitlines() if line.strip()), "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def why() -> dict[str, str]:
    """Name -> the reason that pyproject.toml gives for each package that the project asks for
    itself.
    """
    return {
        _normal(name): reason
        for name, reason in re.findall(
            r'^ +"([\w-]+)[^"]*", +# (.*)$',
            (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    }


def table() -> pd.DataFrame:
    """A row for each package, weights and data set: kind, name, version or pin, licence,
    what it is for; a licence that is not known is empty.
    """
    reasons = why()
    rows = [
        (
            "package",
            name,
            version,
            package_licence(name),
            reasons.get(_normal(name), "needed by another package"),
        )
        for name, version in locked().items()
    ]
    rows += [
        (
            "weights",
            w.name,
            w.sha256[:12] if w.sha256 else w.hub or "built on the spot",
            w.licence,
            w.purpose,
        )
        for w in registry.REGISTRY.values()
    ]
    learnt = json.loads(LEARNT.read_text(encoding="utf-8"))["about"]
    taught = f"coefficients of the scorer learnt, taught on {learnt['taught on']}"
    rows.append(("weights", LEARNT.stem, "in this repository", learnt["licence"], taught))
    for card in sorted(DATA.glob("*/README.md")):
        text = card.read_text(encoding="utf-8")
        head = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else {}
        rows.append(
            (
                "data",
                card.parent.name,
                "in this repository",
                head.get("license", ""),
                head.get("pretty_name") or re.search(r"^# (.*)", text, re.MULTILINE)[1],
            )
        )
    return pd.DataFrame(rows, columns=["kind", "name", "version", "licence", "for"])
