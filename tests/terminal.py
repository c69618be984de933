"""A command whose standard streams are a terminal, as where somebody types it."""

import os
import pty
from pathlib import Path


def in_a_terminal(*command: str, cwd: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and output of a command."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(cwd)
        os.execve(command[0], command, environment)
    said = b""
    while part := _read(terminal):
        said += part
    os.close(terminal)
    status = os.waitpid(process, 0)[1]
    return os.waitstatus_to_exitcode(status), said.decode(errors="replace")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # what Linux gives where the other end is closed
        return b""
