"""The parameters of a notebook: declared in its first code cell, checked before anything runs.

A line of the cell is `name: type = default  # domain meaning`, where the domain is `{a, b}` (`{a*}`
stands for the profiles whose names begin so), an interval such as `(0, 10]`, or absent for free
text. The cell is the only declaration: papermill's `--help-notebook`, the checks, the profiles and
the documentation read it.
"""

import ast
import difflib
import fnmatch
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from emo_utils.project import (
    NOTEBOOKS,
    PROFILE_NAMES,
    PROFILES,
    EmoError,
    notebook_cells,
    relative,
    settings,
)

TYPES = {"int": int, "float": float, "str": str, "bool": bool}
_LINE = re.compile(r"^(\w+)\s*:\s*(\w+)\s*=\s*(.+?)\s*#\s*(.+)$")
_INTERVAL = re.compile(r"^([\[(])\s*([-+.\de]+|-?inf)\s*,\s*([-+.\de]+|inf)\s*([\])])\s*")
_CHOICES = re.compile(r"^\{([^}]*)\}\s*")
# Where a command that starts a notebook puts the parameters that it gives it, as JSON.
GIVEN = "EMO_GIVEN"
# What `emo step` tells the notebook of a run of the book: JSON, its `run` and its `fingerprint`.
STEP = "EMO_STEP"
# What papermill adds to the injected cell where it is asked to (--inject-paths): the paths of the
# notebook and of its output, in this order.
OF_PAPERMILL = ("PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH")


class ParameterError(EmoError):
    """A parameter that does not exist, has the wrong type, or lies outside its domain."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: `choices` or `interval` (open/closed ends as written)
    limit its value.
    """

    name: str
    type: str
    default: object
    meaning: str
    choices: tuple[str, ...] = ()
    interval: tuple[str, float, float, str] | None = None

    def domain(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.interval:
            left, low, high, right = self.interval
            return f"in {left}{low:g}, {high:g}{right}"
        return f"any {self.type}"

    def check(self, value, where: str = ""):
        """The value in the declared type, or a ParameterError that says what would fit;
        where: what its line begins with.
        """
        wanted = TYPES[self.type]
        if isinstance(value, str) and wanted is not str:
            value = _from_text(value, wanted)
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ParameterError(
                f"{where}parameter '{self.name}' is {value!r}, which is no {self.type}; "
                f"it must be {self.domain()} (default {self.default!r}: {self.meaning})"
            )
        if self.choices and str(value) not in self.choices:
            raise ParameterError(
                f"{where}parameter '{self.name}' is {value!r}; "
                f"it must be {self.domain()}{nearest(str(value), self.choices)}"
            )
        if self.interval and not self._inside(value):
            raise ParameterError(
                f"{where}parameter '{self.name}' is {value!r}; "
                f"it must be {self.domain()} ({self.meaning})"
            )
        return value

    def _inside(self, value: float) -> bool:
        left, low, high, right = self.interval
        above = value > low if left == "(" else value >= low
        below = value < high if right == ")" else value <= high
        return above and below


def _from_text(text: str, wanted: type):
    """A command line's text in the wanted type; the text itself when it does not fit."""
    if wanted is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return wanted(text)
    except ValueError:
        return text


def nearest(name: str, known) -> str:
    """`; did you mean …?` for the closest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def notebook_path(notebook: str) -> Path:
    """The source of a notebook by its name, with or without `.ipynb` or a folder before it."""
    name = Path(notebook).name.removesuffix(".ipynb")
    path = NOTEBOOKS / f"{name}.ipynb"
    if not path.is_file():
        names = [p.stem for p in sorted(NOTEBOOKS.glob("*.ipynb"))]
        raise EmoError(
            f"there is no notebook '{name}'{nearest(name, names)}; there are: {', '.join(names)}"
        )
    return path


def parameters_cell(notebook: str) -> str:
    """Source of the cell tagged `parameters`."""
    tagged = [
        text for _, text, tags in notebook_cells(notebook_path(notebook)) if "parameters" in tags
    ]
    if len(tagged) != 1:
        raise EmoError(
            f"{notebook} has {len(tagged)} cells tagged 'parameters'; it needs exactly one"
        )
    return tagged[0]


def declared(notebook: str) -> dict[str, Parameter]:
    """The parameters of a notebook, in order.

    Raises EmoError for a line that does not follow the form.
    """
    found = {}
    for number, line in enumerate(parameters_cell(notebook).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if not match or match[2] not in TYPES:
            raise EmoError(
                f"{notebook}, parameters cell, line {number}: "
                f"expected 'name: type = default  # meaning', got {line!r}"
            )
        name, kind, default, meaning = match.groups()
        choices, interval = (), None
        if inside := _CHOICES.match(meaning):
            choices = tuple(
                name
                for part in inside[1].split(",")
                for name in (
                    fnmatch.filter(PROFILE_NAMES, part.strip()) if "*" in part else [part.strip()]
                )
            )
        elif inside := _INTERVAL.match(meaning):
            interval = (inside[1], float(inside[2]), float(inside[3]), inside[4])
        meaning = meaning[inside.end() :] if inside else meaning
        found[name] = Parameter(name, kind, ast.literal_eval(default), meaning, choices, interval)
    return found


def load_profile(name: str) -> dict:
    """A profile file: `about`, `minutes`, `memory_gb`, `all`, and values by notebook and by run;
    with `extends` upon those of another profile. `emo plan` reads `step_seconds`, `step_source`.
    """
    if name not in PROFILE_NAMES:
        raise ParameterError(
            f"there is no profile '{name}'{nearest(name, PROFILE_NAMES)}; "
            f"profiles: {', '.join(PROFILE_NAMES)}"
        )
    found = settings(path := PROFILES / f"{name}.yaml", "about", "minutes", "memory_gb")
    values, names = found.get("values") or {}, {p.stem for p in NOTEBOOKS.glob("*.ipynb")}
    parent = found.pop("extends", None)
    if parent is not None and (
        parent not in PROFILE_NAMES or "extends" in settings(PROFILES / f"{parent}.yaml")
    ):
        raise ParameterError(
            f"{relative(path)}: 'extends: {parent}' names no profile that stands by itself"
            f"{nearest(str(parent), PROFILE_NAMES)}"
        )
    if not isinstance(values, dict) or (
        odd := [
            key
            for key, part in {"all": found.get("all"), **values}.items()
            if not isinstance(part, dict | None)
        ]
    ):
        raise ParameterError(
            f"{relative(path)}: {'values' if not isinstance(values, dict) else odd[0]} "
            "is no mapping of parameters to values"
        )
    if type(found.get("threads", 1)) is not int or found.get("threads", 1) < 1:
        raise ParameterError(
            f"{relative(path)}: 'threads: {found['threads']}' is no number of cores; "
            "it is 1 or more, the cores that each step computes on"
        )
    _check_step_seconds(found, relative(path))
    if strange := [str(key) for key in values if str(key).partition(".")[0] not in names]:
        raise ParameterError(
            f"{relative(path)} sets values for '{strange[0]}', "
            f"which is no notebook and no run{nearest(strange[0], names)}"
        )
    return found if parent is None else _extended(load_profile(parent), found)


def _check_step_seconds(found: dict, where: str) -> None:
    """Raise ParameterError unless a profile's `step_seconds`, where it has some, are seconds by
    notebook with what they are known from.
    """
    seconds = found.get("step_seconds") or {}
    good = isinstance(seconds, dict) and all(
        type(value) in (int, float) and value > 0 for value in seconds.values()
    )
    if not good:
        raise ParameterError(
            f"{where}: 'step_seconds' is no mapping of notebooks to the seconds of an optimizer "
            "step, such as {02_sft: 10}"
        )
    if seconds and not str(found.get("step_source") or "").strip():
        raise ParameterError(
            f"{where}: 'step_seconds' needs 'step_source', which says what they are known from"
        )


def _extended(parent: dict, found: dict) -> dict:
    """A profile upon another: what it sets itself counts, parameter by parameter."""
    values = parent.get("values") or {}
    for key, part in (found.get("values") or {}).items():
        values[key] = (values.get(key) or {}) | (part or {})
    whole = (parent.get("all") or {}) | (found.get("all") or {})
    return parent | found | {"all": whole, "values": values}


def profile_values(profile: str, notebook: str, run: str = "") -> dict:
    """What a profile sets for a notebook: `all` (where declared), then the notebook,
    then the run.
    """
    content, known, found = load_profile(profile), declared(notebook), {}
    parts = {"all": {k: v for k, v in (content.get("all") or {}).items() if k in known}} | {
        key: (content.get("values") or {}).get(key) or {} for key in (notebook, run)
    }
    for key, name, value in ((key, *item) for key, part in parts.items() for item in part.items()):
        if name not in known:
            raise ParameterError(
                f"profiles/{profile}.yaml sets '{name}' for {key}, "
                f"which has no such parameter{nearest(name, known)}"
            )
        found[name] = value, f"profiles/{profile}.yaml, {key}: "
    return {name: known[name].check(*of) for name, of in found.items()}


def resolve(notebook: str, given: dict, run: str = "") -> dict:
    """All parameters of a run: what was given, else what its profile sets, else the default;
    all checked.
    """
    known = declared(notebook)
    for name in given:
        if name not in known:
            raise ParameterError(
                f"{notebook} has no parameter '{name}'{nearest(name, known)} "
                f"(papermill --help-notebook notebooks/{notebook}.ipynb lists them)"
            )
    profile = known["profile"].check(given.get("profile", known["profile"].default))
    values = {name: p.default for name, p in known.items()}
    values |= profile_values(profile, notebook, run) | given | {"profile": profile}
    values = {name: known[name].check(value) for name, value in values.items()}
    if values.get("quantization", "none") != "none" and not values["lora_rank"]:
        raise ParameterError(
            f"parameter 'quantization' is {values['quantization']!r}, "
            "and weights in 4 bits are not trained themselves: "
            "give 'lora_rank' above 0, or 'quantization' none"
        )
    return values


def given(notebook: str, namespace: dict) -> dict:
    """The parameters that a user set: as `emo run` or `emo step` says, else as `given_in_session`
    finds in this kernel.
    """
    if GIVEN in os.environ:
        return json.loads(os.environ[GIVEN])
    return given_in_session(notebook, namespace)


def given_in_session(notebook: str, namespace: dict) -> dict:
    """What the user set in this kernel: papermill's injected cell, an edited parameters cell,
    or an assignment of a parameter.

    The history of executed cells tells an injected `beta = 0.1` from the same value as a default,
    and holds the name that a typing mistake created. Executing the parameters cell again forgets
    what was given before.
    """
    known, cell = declared(notebook), parameters_cell(notebook).strip()
    given: dict = {}
    started = False
    for source in (namespace.get("In") or [""])[1:]:
        names = [n for n in _assigned(source) if not n.startswith("_") and n in namespace]
        injected = source.lstrip().startswith("# Parameters")
        whole = source.strip() == cell or 2 * len(set(names) & set(known)) > len(known)
        if whole and not injected:
            given = {
                n: namespace[n] for n in names if n not in known or namespace[n] != known[n].default
            }
        elif injected:
            given |= {n: namespace[n] for n in names if n not in OF_PAPERMILL}
        else:  # after the first call cells may assign names of their own
            given |= {
                n: namespace[n] for n in names if n in known or not (started or "start(" in source)
            }
        started = started or "start(" in source
    return given


def _assigned(source: str) -> list[str]:
    """Names that the top level of a cell assigns; nothing for a cell that is not plain Python."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return []
    names = []
    for node in body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        names += [t.id for t in targets if isinstance(t, ast.Name)]
    return names
