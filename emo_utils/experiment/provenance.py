"""What made a run's numbers: files read, models loaded, versions, commit, machine."""

import os
import resource
import subprocess
from pathlib import Path

from emo_utils.project import ROOT, EmoError, processor, relative, sha256_file

FILES_READ: dict[
    str, str
] = {}  # files that this process read, with their hashes, for its provenance


def noted(path: Path) -> Path:
    """Note a file as read by this run, and return it."""
    FILES_READ[relative(path)] = sha256_file(path)
    return path


MODELS_LOADED: dict[str, dict] = {}  # what this process loaded, for its provenance
ENGINES: set[str] = set()  # what computed answers in this process, with its version and formats


LIBRARIES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "accelerate",
    "openai",
    "evaluate",
    "sacrebleu",
    "rouge-score",
    "papermill",
    "numpy",
)


def libraries() -> tuple[str, ...]:
    """Packages whose versions a run's provenance states, an optional engine included if it
    computed.
    """
    return LIBRARIES + tuple({name.split()[0] for name in ENGINES} - set(LIBRARIES))


_UNCOUNTED = (":!book/reference", ":!book/edition")


def git_state() -> dict:
    """Commit and whether the tree differs from it; `unknown` and None outside a git checkout of the
    project, without git, and where git refuses.

    A project that lies unpacked in another repository is no checkout: that one's commit says
    nothing of the project's files. Kept runs do not count: one that was just kept changes no code,
    and a run that reads it notes its hash. Nor does the edition, which no run reads: what there is
    of a unit may be kept while the rest of it runs.
    """
    # In a hook of another repository these name that one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

    def git(*arguments):
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
            )
        except OSError:  # no git here
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    top = git("rev-parse", "--show-toplevel")
    commit = git("rev-parse", "HEAD") if top and Path(top).resolve() == ROOT.resolve() else None
    changes = git("status", "--porcelain", "--", ".", *_UNCOUNTED) if commit else None
    if changes is None:
        return {"commit": "unknown", "dirty": None}
    return {"commit": commit, "dirty": bool(changes)}


def refuse_changed_tree(state: dict, what: str) -> None:
    """Raise EmoError unless a state (`git_state`, or a run's provenance) is that of a commit: of a
    number that is kept anyone must be able to look up the code.
    """
    if state["dirty"] is False:
        return
    why = (
        "this is no git checkout"
        if state["dirty"] is None
        else "the files differ from those of the commit"
    )
    raise EmoError(
        f"{what}: {why}, so nobody could look up the code behind what is kept; "
        "commit the changes (or stash them, with new files) and run it again"
    )


def device() -> str:
    """The processor or GPU that computed, with the number of threads."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name, flags = processor()
    units = next(
        (
            label
            for flag, label in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16"))
            if flag in flags
        ),
        "no bf16 units",
    )
    return f"{name} ({units}), {torch.get_num_threads()} of {os.cpu_count()} cores"


def peak_memory_mb() -> int:
    """Largest resident memory of this process or of one of its children, in MB."""
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return round(peak / (1024 if os.uname().sysname == "Linux" else 1024**2))
