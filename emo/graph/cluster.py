"""What a step asks of a machine or a cluster,
and the call of Snakemake that runs the graph there.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import yaml

from emo.graph import steps
from emo_utils.experiment import parameters
from emo_utils.project import ROOT, EmoError, relative

ASKED = ("mem_mb", "gpu", "runtime", "cpus_per_task")  # megabytes, devices, minutes, cores


def resources(step: steps.Step, profile: str) -> dict[str, int]:
    """What a step asks for: `mem_mb`, and where the profile says so `gpu`, `runtime` (minutes) and
    `cpus_per_task`; names with 0 are left out.

    The profile's `resources` are read in this order: `all`, the notebook, the run. Without them a
    step asks for its memory in the embedded profile.
    Raises EmoError for a name or an amount that means nothing.
    """
    wanted = {"mem_mb": step.memory_mb}
    given = parameters.load_profile(profile).get("resources") or {}
    known = {"all"} | {name for s in steps.steps(profile) for name in (s.notebook, s.run)}
    for key, asked in given.items():
        if key not in known:
            raise EmoError(
                f"profiles/{profile}.yaml, resources: there is no step or notebook '{key}'"
                f"{parameters.nearest(key, known)}"
            )
        for name, amount in asked.items():
            if (
                name not in ASKED
                or not isinstance(amount, int)
                or isinstance(amount, bool)
                or amount < 0
            ):
                raise EmoError(
                    f"profiles/{profile}.yaml, resources of {key}: '{name}: {amount}' is none of "
                    f"{', '.join(ASKED)} with a whole number{parameters.nearest(name, ASKED)}"
                )
    for key in ("all", step.notebook, step.run.partition("@")[0]):
        wanted |= given.get(key, {})
    return {name: amount for name, amount in wanted.items() if amount}


def threads(step: steps.Step, profile: str) -> int:
    """Cores that a step computes on: those that the profile gives to each (`threads`), else those
    that it declares.
    """
    return parameters.load_profile(profile).get("threads", step.threads)


def command(
    profile: str, cores: int, cluster: Path | None, targets: list[str], show_logs: bool = False
) -> list[str]:
    """The call of Snakemake for some targets: on this machine,
    or on a cluster by a folder with a Snakemake profile.

    show_logs: whether what the steps write goes to the terminal, too, and not only to their logs.
    """
    content = parameters.load_profile(profile)
    call = [
        sys.executable,
        "-m",
        "emo.graph.events",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--directory",
        str(ROOT),
    ]
    if cluster:
        call += ["--workflow-profile", str(_checked(cluster))]
    else:
        # Steps run side by side as long as what they ask for fits into this machine.
        limits = (
            [f"mem_mb={content['memory_gb'] * 1000}"] if content.get("cap_memory", True) else []
        ) + [f"gpu={content.get('gpus', 1)}"]
        call += ["--cores", str(cores), "--resources", *limits]
    # Snakemake compares times only, since `due.prepare` gave the files the right ones.
    return [
        *call,
        "--config",
        f"profile={profile}",
        *(["show_logs=1"] if show_logs else []),
        "--rerun-triggers",
        "mtime",
        "--rerun-incomplete",
        "--nolock",
        *targets,
    ]


def _checked(folder: Path) -> Path:
    """The folder of a Snakemake profile whose executor is installed; EmoError otherwise."""
    file = next(
        (
            folder / name
            for name in ("config.yaml", "config.v9+.yaml", "config.v8+.yaml")
            if (folder / name).is_file()
        ),
        None,
    )
    if file is None:
        raise EmoError(
            f"--cluster {folder}: there is no config.yaml in that folder; "
            "profiles/slurm has one to start from"
        )
    try:
        executor = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("executor", "local")
    except (yaml.YAMLError, AttributeError, UnicodeDecodeError):
        raise EmoError(f"{relative(file)} is no YAML with a line 'executor: slurm'") from None
    if executor not in ("local", "dryrun", "touch") and not find_spec(
        f"snakemake_executor_plugin_{str(executor).replace('-', '_')}"
    ):
        wanted = file.parent / "requirements.txt"
        raise EmoError(
            f"{relative(file)} wants the executor '{executor}', which is not installed; "
            "install it with: pip install "
            + (
                f"-r {relative(wanted)}"
                if wanted.is_file()
                else f"snakemake-executor-plugin-{executor}"
            )
        )
    return folder.resolve()
