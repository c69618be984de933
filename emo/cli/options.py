"""The program itself, and the options that several commands share."""

import os
import re
import textwrap
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from emo_utils.project import PROFILE_NAMES, EmoError, service_address

app = App(
    name="emo",
    help="Run the companion's notebooks, one by one or as a book. "
    "`emo --debug COMMAND` shows where a fault of the program lies.",
    version_flags=(),
    result_action="return_value",
    # Of an option that is given twice the last counts, as in other commands.
    default_parameter=Parameter(negative=(), allow_repeating=True),
)

Profile = Annotated[Literal[PROFILE_NAMES], Parameter(help="scale of the run")]
Given = Annotated[
    list[tuple[str, str]],
    Parameter(name="-p", help="set a parameter: NAME VALUE; may be repeated", show_default=False),
]
Cores = Annotated[
    int, Parameter(help="processor cores of this machine to use (default: all)", show_default=False)
]
Cluster = Annotated[
    Path | None,
    Parameter(help="send the steps to a cluster by this Snakemake profile: profiles/slurm, say"),
]
ShowLogs = Annotated[
    bool,
    Parameter(
        help="show all that Snakemake and the steps write, too, which else goes to their logs",
        show_default=False,
    ),
]
ALL_CORES = os.cpu_count() or 1


def between(low: float, high: float) -> Parameter:
    """An option that is a number in [low, high]."""

    def check(_, value) -> None:
        if not low <= value <= high:  # not a number is in no interval
            raise ValueError(f"It must be in [{low:.10g}, {high:.10g}].")

    return Parameter(validator=check)


Concurrency = Annotated[int, between(1, 1024), Parameter(help="requests under way at a time")]
Temperature = Annotated[float, between(0, 2), Parameter(help="sampling temperature")]
Seed = Annotated[int, between(0, 2**31 - 1)]
Endpoint = Annotated[
    str,
    Parameter(
        help="address ending in /v1 (default: that of OPENAI_BASE_URL, or OpenAI)",
        show_default=False,
    ),
]


def check_server(model: str, endpoint: str) -> None:
    """Raise EmoError where a model has no name, or an endpoint is no address; say which address
    comes from the environment.
    """
    if not endpoint and (endpoint := service_address("")):
        print(f"endpoint: {endpoint} (OPENAI_BASE_URL)")
    if not model.strip() or not re.match(r"https?://[^\s/]+|$", endpoint):
        raise EmoError(
            f"--model {model!r} --endpoint {endpoint!r}: "
            "a model has a name, and an endpoint an address such as http://HOST/v1"
        )


def print_lines(what: str, lines: list[str]) -> None:
    """Lines of a summary behind the word that says what they are about, broken at 110 columns."""
    for number, line in enumerate(lines):
        first = f"  {'' if number else what:<9}"
        layout = {"initial_indent": first, "subsequent_indent": " " * 13}
        print(textwrap.fill(line, 110, break_on_hyphens=False, **layout), flush=True)
