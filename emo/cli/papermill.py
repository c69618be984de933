"""The command `papermill` in the project's environment: papermill's own, for which a chapter that
is typed alone in `notebooks/` is a run by hand, and which writes over no chapter.

papermill reads its options; what it would execute comes here. `pip install -e .` puts this command
over papermill's own file, and a new papermill takes that back (`make` sees it, and a test).
"""

import json
import os
import stat
import sys
from pathlib import Path

import click
from papermill import cli
from papermill.parameterize import add_builtin_parameters, parameterize_path

from emo.cli.runs import by_hand
from emo_utils.experiment.parameters import OF_PAPERMILL
from emo_utils.project import NOTEBOOKS, ROOT, EmoError


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `papermill`; arguments: those of the command line where none are given."""
    its_callback, its_execution = cli.papermill.callback, cli.execute_notebook

    def called(**options):
        alone = _typed_alone(options.get("notebook_path"), options.get("output_path"))
        if alone and not options.get("help_notebook"):
            options["output_path"] = str(ROOT / "results" / "adhoc")  # a run by hand names its file
            cli.execute_notebook = _by_hand
        else:
            cli.execute_notebook = _kept_off_chapters(its_execution)
        return its_callback(**options)

    cli.papermill.callback = called
    try:
        cli.papermill(args=arguments, prog_name="papermill")
    finally:
        cli.papermill.callback, cli.execute_notebook = its_callback, its_execution


def _typed_alone(notebook: str | None, output: str) -> bool:
    """Whether a chapter was named in a terminal in its own folder, with no place for the output:
    what papermill itself refuses.
    """
    there = Path.cwd().resolve() == NOTEBOOKS.resolve()
    return bool(there and notebook and not output and in_terminal() and is_chapter(notebook))


def in_terminal() -> bool:
    """Whether the output is shown in a terminal and nothing is piped in."""
    return sys.stdout.isatty() and not stat.S_ISFIFO(os.fstat(0).st_mode)


def is_chapter(path: str) -> bool:
    """Whether a path leads to a source in `notebooks/`: a notebook there that papermill has not
    written.
    """
    try:
        real = Path(path).resolve(strict=True)
        if not any(real.samefile(source) for source in NOTEBOOKS.glob("*.ipynb")):
            return False
        return "papermill" not in json.loads(real.read_text(encoding="utf-8"))["metadata"]
    except (OSError, ValueError, LookupError, TypeError):  # no file, or no notebook
        return False


def _by_hand(input_path: str, output_path: str, parameters: dict, **options) -> None:
    """What papermill would execute, as `emo run` does it."""
    given = [item for item in parameters.items() if item[0] not in OF_PAPERMILL]
    inject = tuple(name for name in OF_PAPERMILL if name in parameters)
    try:
        by_hand(input_path, given, inject, **options)
    except EmoError as error:
        raise click.ClickException(str(error)) from None


def _kept_off_chapters(execution):
    """papermill's execution, which stops before it would write over a chapter."""

    def execute_notebook(input_path: str, output_path: str, parameters: dict, **options):
        place = parameterize_path(output_path, add_builtin_parameters(parameters))
        if is_chapter(place):
            raise click.UsageError(
                f"{output_path} is a chapter's source, and the output would be written over it. "
                "Name the chapter and another file (papermill 03_dpo.ipynb out.ipynb). Where "
                "standard input is a pipe, papermill takes a single path for the output: end the "
                "command with < /dev/null to run the chapter"
            )
        return execution(
            input_path=input_path, output_path=output_path, parameters=parameters, **options
        )

    return execute_notebook


if __name__ == "__main__":
    main()
