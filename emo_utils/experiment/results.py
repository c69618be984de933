"""Records: the only numbers that tables, figures, verdicts and tests read, and where they lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    model_validator,
)

from emo_utils.experiment import sweeps
from emo_utils.experiment.parameters import nearest
from emo_utils.project import EmoError, results_dir, sha256_json

if TYPE_CHECKING:
    import pandas as pd


def result_folder(run: str, profile: str) -> Path:
    """Where a run of the book writes; variants write beside it,
    so that the book's own tables never read them.
    """
    return results_dir(profile) / "variants" if "@" in run else results_dir(profile)


def result_path(run: str, profile: str) -> Path:
    return result_folder(run, profile) / f"{run}.json"


def result_digest(run: str, profile: str, folder: str = "") -> str:
    """Hash of the files that a run wrote, all or those under one folder.

    Times and machines do not enter.
    """
    path = result_path(run, profile)
    if not path.is_file():
        return "missing"
    outputs = json.loads(path.read_text(encoding="utf-8"))["provenance"]["outputs"]
    return sha256_json(
        {name: digest for name, digest in outputs.items() if name.startswith(folder)}
    )


def records_digest(run: str, profile: str) -> str:
    """Hash of the records that a run wrote."""
    path = result_path(run, profile)
    if not path.is_file():
        return "missing"
    return sha256_json(json.loads(path.read_text(encoding="utf-8"))["records"])


SYSTEMS = (
    "base",
    "prompt",
    "er-sft",
    "eqsr-sft",
    "eqsr-dpo",
    "eqsr-kto",
    "er-eqsr-sft",
    "er-eqsr-dpo",
    "er-eqsr-kto",
)
UNTUNED = SYSTEMS[:2]


def systems_named(names: str) -> tuple[str, ...]:
    """The systems that a parameter `systems` names, between blanks or commas: each once, in the
    order of the paper's tables. Raises EmoError for one that is not there, and where the untuned
    model is not among them.
    """
    asked = names.replace(",", " ").split()
    if strange := [name for name in asked if name not in SYSTEMS]:
        raise EmoError(
            f"parameter 'systems': there is no system '{strange[0]}'"
            f"{nearest(strange[0], SYSTEMS)}; there are: {', '.join(SYSTEMS)}"
        )
    if "base" not in asked:
        raise EmoError(
            f"parameter 'systems' is {names!r}; "
            "name base as well, which the gates and the other systems are compared with"
        )
    return tuple(name for name in SYSTEMS if name in asked)


# What a number is. A share is of items that each are 0 or 1; the mean of shares that items have,
# such as the share of tokens that each answer keeps, is a mean. A count is one of things, or how
# many a mean item has of what it may lack. Agreement is that beyond chance (kappa, alpha).
Kind = Literal["mean", "share", "count", "difference", "correlation", "auc", "agreement", "other"]
Probability = Annotated[float, Field(ge=0, le=1)]


class Record(BaseModel):
    """One number with what is needed to read it: interval, n, what it is computed on and how.

    ci_low, ci_high: 95 % interval (`emo_utils.stats.intervals` says by what method). interval: what
    it covers, test items, or training seeds and items together; `exact` for a count of none;
    `none` where the number stands for its ends, as that of fewer than ten items does. unscored:
    items without a score, counted in n's place. group: `all`, or a subset such as `emotion=fear`.
    p: of the test that a difference is 0, and of a claim's sum of cells that it lies where the
    claim turns; p_adjusted: after Holm's correction. signature: how the number was computed,
    for people to read; no program reads it.
    """

    model_config = ConfigDict(extra="forbid")

    table: str
    system: str
    metric: str
    value: FiniteFloat
    ci_low: FiniteFloat
    ci_high: FiniteFloat
    n: NonNegativeInt
    unscored: NonNegativeInt = 0
    group: str = "all"
    scorer: str
    seed: int
    signature: str
    kind: Kind = "mean"
    interval: Literal["items", "seeds and items", "exact", "none"] = "items"
    p: Probability | None = None
    p_adjusted: Probability | None = None

    @model_validator(mode="after")
    def _has_its_interval(self):
        if self.ci_low > self.ci_high + 1e-9:
            raise ValueError(f"the interval [{self.ci_low}, {self.ci_high}] ends before it begins")
        return self


def share_or_mean(values) -> Kind:
    """The kind of a mean of what should be 0 or 1 an item: a share, or a mean where some item is
    neither, as ties that count half. Missing values say nothing.
    """
    import pandas as pd  # not above: it takes a third of a second, and most commands need none

    return "share" if set(pd.Series(values, dtype=float).dropna()) <= {0, 1} else "mean"


def scored_by_all(items: pd.DataFrame, systems: tuple[str, ...] = SYSTEMS) -> pd.DataFrame:
    """The items for which each of these systems has every score, with no other system's: what one
    system more lacks takes no item from the others.

    items: one row an item, columns with a level `system` (of a pivot).
    """
    theirs = items.columns.get_level_values("system").isin(systems)
    return items.loc[:, theirs].dropna()


def completed(record: dict) -> dict:
    """A record with what one of an older run lacks and the defaults of a field would say wrongly:
    what kind of number it is was not kept (`other`), and one that is its own ends has no interval.
    """
    its_own_ends = record["ci_low"] == record["value"] == record["ci_high"]
    return {"kind": "other", "interval": "none" if its_own_ends else "items"} | record


def frame(records: list[dict]) -> pd.DataFrame:
    """Records as a table with a column for each field, what older ones lack (`completed`, and the
    defaults), and what they have besides (`run`) behind them.
    """
    import pandas as pd

    defaults = {
        name: field.default
        for name, field in Record.model_fields.items()
        if not field.is_required()
    }
    added = dict.fromkeys(name for record in records for name in record)
    columns = list(dict.fromkeys([*Record.model_fields, *added]))
    table = pd.DataFrame([defaults | completed(record) for record in records], columns=columns)
    return table.astype({"p": float, "p_adjusted": float})


def profile_flag(profile: str) -> str:
    return "" if profile == "embedded" else f" --profile {profile}"


def read(profile: str) -> pd.DataFrame:
    """All records of a profile's book runs, with their run's name (column `run`);
    empty when there are none yet.
    """
    rows = []
    for path in sorted(results_dir(profile).glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        rows += [record | {"run": content["provenance"]["run"]} for record in content["records"]]
    return frame(rows) if rows else frame([]).assign(run=[])


def read_variants(profile: str, runs: list[str]) -> pd.DataFrame:
    """One row a variant: run, system, its own parameters,
    and the values of the records of its training by metric; raises EmoError for a missing one.
    """
    import pandas as pd

    rows = []
    for run in runs:
        content = _variant(run, profile)
        values = content["provenance"]["parameters"]
        rows.append(
            {"run": run}
            | {name: values[name] for name in ("system", *sweeps.changed(run))}
            | {"seed": values["seed"]}
            | {r["metric"]: r["value"] for r in content["records"]}
        )
    return pd.DataFrame(rows)


def variant_records(profile: str, run: str) -> list[dict]:
    """The records that a variant wrote; raises EmoError for a missing one."""
    return _variant(run, profile)["records"]


def variant_provenance(profile: str, run: str) -> dict:
    """What made a variant; raises EmoError for a missing one."""
    return _variant(run, profile)["provenance"]


def _variant(run: str, profile: str) -> dict:
    """What a variant wrote: records and provenance."""
    path = result_path(run, profile)
    if not path.is_file():
        raise EmoError(
            f"the variant {run} ({profile} profile) is missing; "
            f"make it with: emo make '{run}'{profile_flag(profile)}"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def read_items(profile: str, run: str, systems=()) -> pd.DataFrame:
    """Item-level scores of a book run
    (columns table, id, system, metric, value and what its notebook adds).

    Raises EmoError where there are none, or none of one of `systems`: what an older run left may
    lack those that came later.
    """
    import pandas as pd

    path = results_dir(profile) / f"{run}.items.parquet"
    if not path.is_file():
        raise EmoError(
            f"the item scores of {run} ({profile} profile) are missing; "
            f"make them with: emo make {run}{profile_flag(profile)}"
        )
    items = pd.read_parquet(path)
    if lacking := [system for system in systems if system not in set(items.system)]:
        raise EmoError(
            f"the item scores of {run} ({profile} profile) have none of {', '.join(lacking)}; "
            f"make them anew with: emo make {run}{profile_flag(profile)}"
        )
    return items
