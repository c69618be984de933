"""The `emo` command: one run, one step, the whole book, and what comes before and after it.

Each file here has a group of commands; cyclopts makes their options and `--help` out of their
signatures.
"""

import sys

from cyclopts import CycloptsError

from emo.cli import answering, books, people, rows, runs, upkeep
from emo.cli.options import app
from emo_utils.project import EmoError, first_line

__all__ = ["answering", "books", "main", "people", "rows", "runs", "upkeep"]


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `emo`; mistakes of the user end in one line, not in a traceback."""
    # A terminal that cannot show a character shows another one in its place.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = given[:1] == ["--debug"]
    try:
        code = app(given[debug:], exit_on_error=False, print_error=False)
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        command = " ".join(error.command_chain or ()) if hasattr(error, "command_chain") else ""
        print(
            f"emo: {error} See: {' '.join(filter(None, ('emo', command, '--help')))}",
            file=sys.stderr,
        )
        return 2
    except EmoError as error:
        print(f"emo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("emo: stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `emo why | head`: who reads has enough
        sys.stdout = None
        return 141
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError):  # no space, no permission, a folder in the place of a file
            where = f": {error.filename}" if error.filename else ""
            print(
                f"emo: {error.strerror or error}{where}; "
                "what was finished is kept, and the same command goes on once that is mended",
                file=sys.stderr,
            )
            return 2
        print(
            f"emo: a fault of this program, please report it: {type(error).__name__}: "
            f"{first_line(error)} (emo --debug … shows where)",
            file=sys.stderr,
        )
        return 70
