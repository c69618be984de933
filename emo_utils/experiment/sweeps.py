"""Sweeps (`sweeps/*.yaml`), and the names of their variants.

A variant of a run has its name with other parameters behind it,
`03_dpo.eqsr-dpo@beta=0.05,seed=43`.
"""

import itertools
import re

from emo_utils.experiment.parameters import nearest
from emo_utils.project import ROOT, EmoError, relative, settings

SWEEPS = ROOT / "sweeps"


def read(name: str, seeds: tuple[int, ...] = ()) -> dict:
    """A sweep file with its variants under `variants`, in order; seeds, where given,
    replace the file's own.

    The file holds `about`, and `parts`: each a list of `runs` and a `grid`, parameter -> values,
    all combinations of which are run.
    """
    names = [path.stem for path in sorted(SWEEPS.glob("*.yaml"))]
    if name not in names:
        raise EmoError(
            f"there is no sweep '{name}'{nearest(name, names)}; there are: {', '.join(names)}"
        )
    content = settings(path := SWEEPS / f"{name}.yaml", "about", "parts")
    content["variants"] = []
    for part in content["parts"] if isinstance(content["parts"], list) else [None]:
        if (
            not isinstance(part, dict)
            or not isinstance(part.get("runs"), list)
            or not isinstance(part.get("grid"), dict)
            or not all(isinstance(values, list) for values in part["grid"].values())
        ):
            raise EmoError(
                f"{relative(path)}: a part is 'runs', a list, and 'grid', "
                f"a list of values for each parameter; got {str(part)[:80]}"
            )
        grid = part["grid"] | ({"seed": list(seeds)} if seeds else {})
        for run, chosen in itertools.product(part["runs"], itertools.product(*grid.values())):
            content["variants"].append(
                f"{run}@" + ",".join(f"{k}={v}" for k, v in zip(grid, chosen, strict=True))
            )
    return content


def changed(run: str) -> dict[str, str]:
    """The parameters that the name of a run or variant says, as text: its system, where it has one,
    and those behind the @. Raises EmoError for a name that is no variant's.
    """
    name, mark, given = run.partition("@")
    if mark and not re.fullmatch(r"\w+=[^,=]*(,\w+=[^,=]*)*", given):
        raise EmoError(
            f"'{given}' says no parameters; a variant is written {name}@beta=0.05,seed=43"
        )
    system = name.partition(".")[2]
    pairs = dict(part.split("=") for part in given.split(",")) if mark else {}
    return ({"system": system} if system else {}) | pairs


def without_seed(variant: str) -> str:
    """The name of a variant without its seed: what trainings share that differ in it alone."""
    return re.sub(r",?seed=\d+", "", variant)
