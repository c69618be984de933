"""`emo run`: one notebook by hand; and how any notebook is executed."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from emo.cli.options import Given, app
from emo_utils.experiment import parameters
from emo_utils.experiment.parameters import GIVEN
from emo_utils.project import ROOT, EmoError, relative

# glibc gives large tensors back to the system after each use and has them zeroed anew at the next:
# a sixth of a training step. With these settings a process keeps its memory; other allocators
# ignore them.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "2147483648",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
}

# What a kernel says of itself on the terminal, such as that it listens on this machine, helps
# nobody there; what a cell writes and how it fails stands in the notebook.
QUIET_KERNEL = ["--IPKernelApp.log_level=CRITICAL"]


@app.command(name="run")
def command(
    notebook: str,
    /,
    *,
    given: Given = (),
    parameters_only: Annotated[
        bool,
        Parameter(
            name="--parameters", help="list the notebook's parameters and end", show_default=False
        ),
    ] = False,
) -> int:
    """Run one notebook by hand: its results go to results/adhoc and leave the book as it is.

    :param notebook: such as 03_dpo
    """
    if parameters_only:
        for p in parameters.declared(parameters.notebook_path(notebook).stem).values():
            print(f"  {p.name}: {p.type} = {p.default!r}\n      {p.meaning} ({p.domain()})")
        return 0
    by_hand(notebook, given)
    return 0


def by_hand(
    notebook: str, given: list[tuple[str, object]], inject: tuple[str, ...] = (), **options
) -> Path:
    """Check the parameters, execute the notebook with them, and say where everything went; returns
    the executed notebook.

    inject: those of papermill's own parameters (`parameters.OF_PAPERMILL`) that the notebook is to
    get. options: of `execute`.
    """
    from emo_utils.experiment.runs import adhoc_name

    notebook = parameters.notebook_path(notebook).stem
    known = parameters.declared(notebook)
    # Texts become numbers here; the same checks run again inside the notebook,
    # for papermill's own users.
    checked = {name: known[name].check(value) if name in known else value for name, value in given}
    name = adhoc_name(notebook, parameters.resolve(notebook, checked), checked)
    target = ROOT / "results" / "adhoc" / f"{name}.ipynb"
    print(f"{notebook} -> {relative(target)}", flush=True)
    paths = dict(zip(parameters.OF_PAPERMILL, (parameters.notebook_path(notebook), target)))
    injected = {name: str(paths[name]) for name in inject}
    shown = {"progress_bar": sys.stderr.isatty(), "extra_arguments": QUIET_KERNEL}
    execute(notebook, target, checked, **shown | options, injected=injected)
    if options.get("prepare_only"):
        print(f"prepared, not run: {relative(target)}")
    else:
        print(f"done: {relative(target)}; records in {relative(target.with_suffix('.json'))}")
    return target


def execute(
    notebook: str, target: Path, given: dict, injected: dict | None = None, **options
) -> None:
    """Execute a notebook's source into `target` with papermill;
    a failure names its cause and keeps the notebook beside it.

    injected: what the notebook gets besides its parameters. options: of
    `papermill.execute_notebook`; those that are None are left to it.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from emo import warm

    # The kernel that papermill starts inherits these.
    os.environ |= KEEP_MEMORY | {"EMO_CALLED_FROM": os.getcwd(), GIVEN: json.dumps(given)}
    launch = parameters.load_profile(given.get("profile", "embedded")).get("launch")
    if launch and "EMO_LAUNCH" not in os.environ:
        os.environ["EMO_LAUNCH"] = f"--config_file {shlex.quote(str(ROOT / launch))}"
    warm.use()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished.ipynb")
    chosen = {name: value for name, value in options.items() if value is not None}
    try:
        papermill.execute_notebook(
            _no_template(parameters.notebook_path(notebook)),
            _no_template(unfinished),
            parameters=given | (injected or {}),
            **{"kernel_name": "python3", "cwd": str(ROOT / "notebooks")} | chosen,
        )
    except PapermillExecutionError as error:
        raise EmoError(
            f"{notebook} stopped in cell {error.exec_count}: {error.ename}: {error.evalue} "
            f"(the notebook so far: {relative(unfinished)})"
        ) from None
    except RuntimeError as error:  # of which nbclient's DeadKernelError is one
        if "Kernel died" not in str(error):
            raise
        raise EmoError(
            f"the process of {notebook} was killed, by the system where memory ran out "
            f"(the notebook so far: {relative(unfinished)}); "
            "what was finished is kept, and the same command goes on"
        ) from None
    os.replace(unfinished, target)


def _no_template(path: Path) -> str:
    """A path in which papermill, which puts parameters between braces, puts none."""
    return str(path).replace("{", "{{").replace("}", "}}")
