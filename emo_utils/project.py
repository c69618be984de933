"""Where things are: the project's folders and the cache of weights.

Nothing here depends on the working directory, so a notebook runs from anywhere.
"""

import contextlib
import copy
import errno
import hashlib
import json
import os
import platform
import re
from functools import lru_cache
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

ROOT = Path(os.environ.get("EMO_HOME") or Path(__file__).resolve().parents[1]).resolve()
NOTEBOOKS = ROOT / "notebooks"
DATA = ROOT / "data"
PROFILES = ROOT / "profiles"
REFERENCE = ROOT / "book" / "reference"  # records that are kept, and what was measured once
EDITION = ROOT / "book" / "edition"  # kept runs of larger models (emo.edition)
# The edition's units, the largest model first: the first one that has a table is the one shown.
UNITS = ("overnight", "overnight-small", "overnight-tiny")
PROFILE_NAMES = ("smoke", "embedded", *UNITS, "paper")


class EmoError(Exception):
    """A mistake that the user can mend: the message says what is wrong, where,
    and what to do next.
    """

    def _render_traceback_(self):
        # IPython and Jupyter show this list instead of the stack: a wrong parameter needs no stack.
        return [f"{type(self).__name__}: {self}"]


def cache_dir() -> Path:
    """Folder of fetched and converted weights: `EMO_CACHE`, or `~/.cache/emo-companion`; `.cache`
    of the project where this user has no home folder.
    """
    try:
        return Path(os.environ.get("EMO_CACHE") or "~/.cache/emo-companion").expanduser()
    except RuntimeError:  # a container that runs as a user whom it does not know
        return ROOT / ".cache" / "emo-companion"


def results_dir(profile: str) -> Path:
    return ROOT / "results" / profile


def checkpoints_dir(profile: str) -> Path:
    return ROOT / "checkpoints" / profile


def sha256_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(value) -> str:
    """SHA-256 of a JSON-serializable value, independent of key order."""
    return sha256_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def notebook_cells(path: Path) -> list[tuple[str, str, list[str]]]:
    """Kind, source and tags of a notebook's cells.

    Plain JSON: importing nbformat takes over a second in each process.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])) for c in cells]


@contextlib.contextmanager
def beside(path: Path):
    """The name of a file beside `path` to write to, which takes its place when the block has ended:
    a crash leaves the old file or the new one, never half of one. Where the block fails nothing is
    left of what it wrote, and an error of the disk names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a write names no file
            error.filename = str(path)
        raise


def write_atomic(path: Path, content: str) -> None:
    """Write a text file so that a crash leaves the old file or the new one, never half of one."""
    with beside(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def write_parquet(path: Path, frame) -> None:
    """The same for a table (pandas)."""
    with beside(path) as temporary:
        frame.to_parquet(temporary, index=False)


@contextlib.contextmanager
def keeping(place: Path):
    """For a block that puts something where it is kept, by files that take the place of old ones as
    a whole (`beside`): an error of the disk becomes an EmoError of one line, which says what is
    full or refuses, that nothing is lost, and what to do.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            wrong, remedy = f"the disk of {relative(place)} is full", "make room there"
        else:
            why = error.strerror or first_line(error)
            wrong, remedy = f"{relative(place)} cannot be written ({why})", "mend that"
        raise EmoError(
            f"{wrong}; what was kept before is unharmed; {remedy} and give the same command again"
        ) from None


@contextlib.contextmanager
def alone(lock: FileLock, why: str, log=print):
    """Hold a lock between processes for a block of code; `why` is said where another process has
    it, which is then waited for.
    """
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"{why}; waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def processor() -> tuple[str, str]:
    """Name of the first processor and its sets of instructions, as the system gives them."""
    path = Path("/proc/cpuinfo")
    told = (
        dict(re.findall(r"^(model name|flags)\s*:\s*(.*)$", path.read_text(), re.MULTILINE)[:2])
        if path.is_file()
        else {}
    )
    return told.get("model name") or platform.processor() or platform.machine(), told.get(
        "flags", ""
    )


def relative(path: Path) -> str:
    """The path as shown to people and kept in records:
    relative to the project where it lies inside it.
    """
    path = Path(path).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def given_path(text: str) -> Path:
    """A path as a user gave it: relative ones count from where `emo run` was called, else from the
    working folder or the project's; as it is where nothing lies at any of these.

    Raises EmoError for what can be no path.
    """
    try:
        path = Path(text).expanduser()
        path.resolve()  # may raise
        return next(
            (
                place.resolve()
                for place in (
                    Path(os.environ.get("EMO_CALLED_FROM", ".")) / path,
                    path,
                    ROOT / path,
                )
                if place.exists()
            ),
            path,
        )
    except (
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # a name too long, a circle of links, a byte that no name may have
        raise EmoError(
            f"{str(text)[:60]!r} is no path to a file ({first_line(error)[:80]})"
        ) from None


def storable(text: str) -> str:
    """A text that any file can hold: half a surrogate pair, which bytes of another encoding or a
    cut emoji leave behind, is no UTF-8.
    """
    return text.encode("utf-8", "replace").decode("utf-8")


# For files of ours: the safe loader, by libyaml where PyYAML was built with it, ten times as fast;
# of a file that people edit the other one says more clearly what is wrong.
YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@lru_cache(maxsize=64)
def _parsed(text: str):
    """What YAML says: kept, as the graph asks for a profile some three hundred times a command."""
    return yaml.safe_load(text)


def settings(path: Path, *needed: str) -> dict:
    """A file of settings in YAML that people edit: a mapping with the needed keys.

    Raises EmoError that names the file, the line where YAML breaks, or what is missing.
    """
    try:
        found = copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        raise EmoError(
            f"{relative(path)}{f', line {mark.line + 1}' if mark else ''}: "
            f"cannot be read as YAML ({getattr(error, 'problem', '') or first_line(error)})"
        ) from None
    if not isinstance(found, dict) or (lost := [key for key in needed if key not in found]):
        raise EmoError(
            f"""{relative(path)}: {
                f"lacks {lost[0]!r}"
                if isinstance(found, dict)
                else "is no mapping of names to values"
            }; """
            f"it needs {', '.join(needed)}"
        )
    return found


def service_address(endpoint: str) -> str:
    """An endpoint as it is asked and stored: the given one, or that of OPENAI_BASE_URL, which
    OpenAI's client follows by itself; empty for OpenAI's own.
    """
    return endpoint or os.environ.get("OPENAI_BASE_URL", "").strip()


def is_local(endpoint: str) -> bool:
    """Whether an address is of this machine."""
    return endpoint.startswith(("http://127.0.0.1", "http://localhost"))


def api_key(endpoint: str, local: bool) -> str:
    """The key for an endpoint (empty: OpenAI's own), from the environment alone: papermill would
    write a parameter into the notebook.

    local: whether the endpoint takes any key. Raises EmoError where a key is needed and not set.
    """
    if key := os.environ.get("OPENAI_API_KEY", "").strip():
        return key
    if local:
        return "local"
    service = endpoint or "OpenAI's own service (a server of yours is given as the endpoint)"
    raise EmoError(
        f"OPENAI_API_KEY is not set; {service} needs it, in the environment "
        "(a key is never a parameter: papermill would write it into the notebook)"
    )


def first_line(error: BaseException) -> str:
    """What went wrong with an endpoint, in a line;
    some servers write the key they were given into their messages.
    """
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    if isinstance(said, str) and said.strip():  # the server's own words, without what is around
        status = getattr(error, "status_code", None)
        text = f"Error code: {status} - {' '.join(said.split())}" if status else said
    else:
        text = (str(error).splitlines() or [""])[0]
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    return (text.replace(key, "(the key)") if key else text)[:160]
