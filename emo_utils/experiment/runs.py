"""A run of a notebook, from its first cell to its written results.

`start` is the first call of every notebook: it checks the parameters, names the run, and gives the
object that keeps records, item scores and provenance until `finish` writes them in one step.
"""

import html
import json
import os
import re
import shutil
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import display

from emo_utils.experiment import code, extra, parameters, provenance, results
from emo_utils.experiment.parameters import STEP
from emo_utils.experiment.results import Record
from emo_utils.project import (
    ROOT,
    EmoError,
    checkpoints_dir,
    given_path,
    relative,
    results_dir,
    sha256_file,
    sha256_json,
    write_atomic,
    write_parquet,
)
from emo_utils.stats import intervals

METHODS = {"share": intervals.share_interval, "count": intervals.count_interval}  # by kind
DIVIDED = ("processes", "device_batch")  # how a batch is divided does not change what is trained


class Run:
    """A notebook with its parameters, from its first cell to its written results."""

    def __init__(self, notebook: str, values: dict, given: dict):
        self.notebook, self.values = notebook, values
        self.profile = values["profile"]
        self.step = json.loads(os.environ.get(STEP, "{}"))
        self.book, self.given = bool(self.step), given
        self.name = self.step["run"] if self.book else adhoc_name(notebook, values, given)
        self.folder = (
            results.result_folder(self.name, self.profile)
            if self.book
            else ROOT / "results" / "adhoc"
        )
        self.namespace: dict = {}  # the notebook's names, where `start` began this run
        self._records: dict[tuple, Record] = {}  # by what makes a number another one
        self._written: list[Record] | None = None  # those of the last `finish`
        self.items: list[pd.DataFrame] = []
        self.outputs: list[Path] = []
        self.temporary: list[Path] = []  # folders that are removed when the run is finished
        self.held = None  # the lock of a training
        self.started, self._clock = datetime.now(UTC), time.monotonic()
        # Taken before: a file that changes while the run goes on must not pass as what it used.
        self.fingerprint = self.step.get("fingerprint", {})
        self.code_sha256, self.git = code.code_sha256(notebook), provenance.git_state()

    @property
    def variant(self) -> bool:
        """Whether this is a run of the book with other parameters (see `emo.graph`)."""
        return "@" in self.name

    @property
    def divided(self) -> bool:
        """Whether this is one of the several processes of a training, each of which runs the cells
        before it again: what is asked of a service is asked before, once.
        """
        return "EMO_VALUES" in os.environ

    @property
    def records(self) -> list[Record]:
        """The records so far, in the order in which they were first added."""
        return list(self._records.values())

    @property
    def checkpoint(self) -> Path:
        """Where this run saves the model that it trains."""
        if self.book:
            return checkpoints_dir(self.profile) / (
                f"variants/{self.name}" if self.variant else self.values["system"]
            )
        return ROOT / "checkpoints" / "adhoc" / self.name

    @property
    def unfinished(self) -> Path:
        """Where its training keeps what it goes on from,
        over however many processes and parts a batch is divided.
        """
        given = {name: value for name, value in self.given.items() if name not in DIVIDED}
        name = self.checkpoint.name if self.book else adhoc_name(self.notebook, self.values, given)
        return self.checkpoint.parent / f".{name}.unfinished"

    def require(self, **needed: str) -> None:
        """Refuse a parameter that was set without the one that it needs: `make_rows="make_with"`.

        Raises ParameterError, which says what the missing one is; also for `keep` in the smoke
        profile, whose numbers mean nothing.
        """
        known = parameters.declared(self.notebook)
        for name, other in needed.items():
            if self.values[name] and not self.values[other]:
                raise parameters.ParameterError(
                    f"parameter '{name}' needs '{other}', {known[other].meaning}"
                )
        if self.values.get("keep") and self.profile == "smoke":
            raise parameters.ParameterError(
                "parameter 'keep' is for a profile whose numbers mean something"
            )

    def start_checkpoints(self) -> list[Path]:
        """The checkpoints that this run starts from, in order of application;
        none for the base model.

        Parameter `init` names them: `base`, a trained system, or a checkpoint's folder; where it is
        empty the system's name does: `er-eqsr-...` starts from `er-sft`, the others from the base
        model (EmoDoctor, Table 1). A missing one raises EmoError with the command that makes it.
        """
        init = self.values["init"] or (
            "er-sft" if self.values["system"].startswith("er-eqsr") else "base"
        )
        if init == "base":
            return []
        trained = results.SYSTEMS[2:]
        if init in trained:
            return checkpoints_of(init, self.profile)
        path = given_path(init)
        if not path.is_dir():
            raise EmoError(
                f"parameter 'init' is {init!r}: "
                f"no trained system{parameters.nearest(init, trained)} and no folder; "
                f"it must be base, one of {', '.join(trained)}, or a checkpoint's folder"
            )
        unknown = ": that folder does not say what it starts from (companion.json)"
        return _chain(path, init, self.profile, unknown)

    def answers(self, systems=results.SYSTEMS) -> pd.DataFrame:
        """The kept answers of the systems in this profile, one row a system and test question, and
        behind them those that the parameter `extra` names (`extra.read`).
        """
        frames = []
        for system in systems:
            path = results_dir(self.profile) / "answers" / f"{system}.parquet"
            if not path.is_file():
                raise EmoError(
                    f"the answers of {system} ({self.profile} profile) are missing; "
                    f"make them with: {make_command(system, self.profile)}"
                )
            frames.append(pd.read_parquet(path))
        answers = pd.concat(frames, ignore_index=True)
        if self.values.get("extra"):
            of_extra = extra.read(self.values["extra"], answers)
            answers = pd.concat([answers, of_extra], ignore_index=True)
        return answers

    def save_answers(self, system: str, frame: pd.DataFrame) -> Path:
        """Keep a system's answers (columns id, emotion, system, question, answer, tokens, complete)
        for the scoring notebooks.
        """
        name = (
            system
            if self.book and not self.variant
            else self.name
            if system == self.values.get("system")
            else f"{self.name}.{system}"
        )
        path = self.folder / "answers" / f"{name}.parquet"
        write_parquet(path, frame)
        self.outputs.append(path)
        return path

    def add(self, **fields) -> Record:
        """Add one record; `seed` defaults to the run's. Raises for a value that is not finite.

        One of the same table, system, metric, group, scorer and seed is replaced: a cell that is
        run again says its number anew and not twice.

        A number of fewer than `intervals.ENOUGH` items, or whose ends are NaN as those of too few
        units are, has no interval (and no p-value of a test): its value stands for both ends, as
        with interval="none".
        """
        few = fields["n"] < intervals.ENOUGH or np.isnan(fields.get("ci_low", 0.0))
        if few:
            fields |= {"interval": "none", "p": None, "p_adjusted": None}
        if fields.get("interval") == "none":
            fields |= dict.fromkeys(("ci_low", "ci_high"), fields["value"])
        record = Record(**({"seed": self.values["seed"]} | fields))
        self._records[_key(record.model_dump())] = record
        return record

    def add_mean(
        self,
        values,
        *,
        signature: str,
        unit: str = "questions",
        units=None,
        **fields,
    ) -> Record | None:
        """Add the mean of one value an item, with its 95 % interval over the items.

        Missing values are counted as unscored; where none is left that is printed and there is no
        record, nor one of an earlier run of the cell. fields: those of `Record` but value, interval
        and counts; a share whose items are not all 0 or 1 becomes a mean. The kind chooses the
        method: Wilson's interval of a share, one of counts that ends at 0, Student's t of any other
        mean. unit: what was sampled, empty where the signature need not name it. units: one a
        value, where equal ones belong together and are sampled as a whole.
        """
        values = pd.Series(np.asarray(values, dtype=float))
        scored = values.dropna()
        if scored.empty:
            named = ", ".join(fields[name] for name in ("table", "system", "metric"))
            print(f"{named}: none of {len(values)} was scored")
            self._records.pop(_key({"group": "all", "seed": self.values["seed"]} | fields), None)
            return None
        if fields.get("kind") == "share":
            fields["kind"] = results.share_or_mean(scored)
        method = METHODS.get(fields.get("kind", "mean"), intervals.mean_interval)
        of_scored = None if units is None else np.asarray(units)[scored.index]
        value, low, high = method(scored, of_scored)
        if fields.get("kind") == "count" and value == 0:
            fields["interval"] = "exact"
        if unit and not np.isnan(low):
            signature = f"{signature}; interval over {unit}"
        return self.add(
            **fields,
            value=value,
            ci_low=low,
            ci_high=high,
            n=len(scored),
            unscored=len(values) - len(scored),
            signature=signature,
        )

    def add_items(self, frame: pd.DataFrame) -> None:
        """Keep item-level scores (columns table, id, system, metric, value) beside the records, in
        place of those of the same table, system and metric that were kept before.
        """
        columns = ["table", "system", "metric"]
        anew = pd.MultiIndex.from_frame(frame[columns])
        before = [kept[~pd.MultiIndex.from_frame(kept[columns]).isin(anew)] for kept in self.items]
        self.items = [kept for kept in before if len(kept)] + [frame]

    def table(self) -> pd.DataFrame:
        """The records that this run wrote, as `read` gives those of the book.

        Raises EmoError where they are not, or no longer, those that were added: what lies in the
        file may be of an earlier run with the same name.
        """
        if self._written != self.records:
            raise EmoError(
                f"{self.name} has not written the records that it has now: "
                "run the cell with run.finish(), then this one again"
            )
        content = json.loads((self.folder / f"{self.name}.json").read_text(encoding="utf-8"))
        return results.frame(content["records"]).assign(run=self.name)

    def check_parameters(self) -> None:
        """Raise EmoError where a cell has given a parameter another value since the run began: its
        records, its name and its model card would say the first one.
        """
        for name, value in self.values.items():
            now = self.namespace.get(name, value)
            if type(now) in (str, bool, int, float) and now != value:
                raise EmoError(
                    f"parameter '{name}' is {now!r} now, and this run began with {value!r}, which "
                    "its records would say; run the notebook from its first cell with the new "
                    f"value, or set {name} = {value!r} again"
                )

    def finish(self) -> Path:
        """Write items, then records with provenance; check before that parameters are those of the
        run, and for a run of the book what it read against the graph.
        """
        self.check_parameters()
        if self.items:
            path = self.folder / f"{self.name}.items.parquet"
            write_parquet(path, pd.concat(self.items, ignore_index=True))
            self.outputs.append(path)
        if self.book:
            self._check_reads()
        for folder in self.temporary:
            shutil.rmtree(folder, ignore_errors=True)
        if self.held:
            self.held.release(force=True)
            Path(self.held.lock_file).unlink(missing_ok=True)
        content = {
            "records": [r.model_dump() for r in self.records],
            "provenance": self.provenance(),
        }
        path = self.folder / f"{self.name}.json"
        write_atomic(path, json.dumps(content, indent=1, ensure_ascii=False))
        self._written = self.records
        return path

    def _check_reads(self) -> None:
        """Stop a run of the book that read what its step does not declare: the next change of that
        file would go unnoticed.
        """
        undeclared = set(provenance.FILES_READ) - set(self.fingerprint["data"])
        undeclared |= set(provenance.MODELS_LOADED) - set(self.fingerprint["models"])
        if undeclared:
            raise EmoError(
                f"{self.name} used {', '.join(sorted(undeclared))}, "
                "which its step in emo/graph/steps.py does not declare; add it there"
            )

    def provenance(self) -> dict:
        """Everything that made this run's numbers."""
        return {
            "run": self.name,
            "notebook": f"notebooks/{self.notebook}.ipynb",
            "profile": self.profile,
            "parameters": self.values,
            "git_commit": self.git["commit"],
            "dirty": self.git["dirty"],
            "seed": self.values.get("seed"),
            "code_sha256": self.code_sha256,
            "data_sha256": dict(sorted(provenance.FILES_READ.items())),
            "models": dict(sorted(provenance.MODELS_LOADED.items())),
            "engines": sorted(provenance.ENGINES),
            "versions": {name: version(name) for name in provenance.libraries()},
            "device": provenance.device(),
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self._clock, 1),
            "peak_memory_mb": provenance.peak_memory_mb(),
            "upstream": self.fingerprint.get("upstream", {}),
            "outputs": {relative(p): sha256_file(p) for p in self.outputs},
            "fingerprint": self.fingerprint,
        }


def _key(fields: dict) -> tuple:
    """What tells a record from others of its run, of the fields of `Record`."""
    return tuple(fields[name] for name in ("table", "system", "metric", "group", "scorer", "seed"))


def start(notebook: str, namespace: dict) -> Run:
    """First call of a notebook: check and complete its parameters,
    put them into its namespace, and begin the run.

    Raises ParameterError for an unknown name, a wrong type or a value outside its domain, EmoError
    for a run that is to be kept and comes from a changed tree.
    """
    if "EMO_VALUES" in os.environ:  # one of several processes of a training; they print nothing
        namespace.update(json.loads(os.environ["EMO_VALUES"]))
        return Run(notebook, json.loads(os.environ["EMO_VALUES"]), {})
    given = parameters.given(notebook, namespace)
    values = parameters.resolve(
        notebook, given, json.loads(os.environ.get(STEP, "{}")).get("run", "").partition("@")[0]
    )
    namespace.update(values)
    run = Run(notebook, values, given)
    if values.get("keep"):
        provenance.refuse_changed_tree(run.git, "parameter 'keep'")
    run.namespace = namespace
    pd.set_option("display.html.use_mathjax", False)  # two amounts of dollars are no formula
    display(Beginning(run, given))
    return run


class Beginning:
    """What a notebook shows first: the run, the parameters that hold and where each value comes
    from; on a page of the book one has to unfold them.
    """

    def __init__(self, run: Run, given: dict):
        from_profile = parameters.profile_values(
            run.profile, run.notebook, run.name.partition("@")[0]
        )
        where = "a run of the book" if run.book else "by hand: results go to "
        where += "" if run.book else relative(run.folder)
        self.head = f"run {run.name} · profile {run.profile} · {where}"
        libraries = ("torch", "transformers", "trl")
        versions = ", ".join(f"{name} {version(name)}" for name in libraries)
        self.lines = [f"{versions} · {provenance.device()}"]
        of = {
            name: "given" if name in given else "profile" if name in from_profile else "default"
            for name in run.values
        }
        for source in ("given", "profile", "default"):
            if names := [name for name in run.values if of[name] == source]:
                values = ", ".join(f"{name} = {run.values[name]!r}" for name in names)
                self.lines.append(f"{source + ':':<9}{values}")
            if names and source == "profile" and not run.book:
                self.lines.append(
                    f"         (profile {run.profile} sets these, whatever the saved cell above "
                    "says; give yours in a cell of its own below that one, or with -p)"
                )
        self.opens = "" if run.book else " open"

    def __repr__(self) -> str:
        return "\n".join([self.head, *self.lines])

    def _repr_html_(self) -> str:
        lines = html.escape("\n".join(self.lines))
        return (
            f'<details class="companion-run tex2jax_ignore mathjax_ignore"{self.opens}>'
            f"<summary>{html.escape(self.head)}</summary><pre>{lines}</pre></details>"
        )


def adhoc_name(notebook: str, values: dict, given: dict) -> str:
    """Name of a run by hand: notebook, system, and every parameter that was given,
    so that runs do not overwrite each other.

    A text that a file's name cannot hold as it is has a hash of what was given behind it. So has
    one with capital letters, which some file systems take for small ones.
    """
    parts = [notebook] + ([values["system"]] if "system" in values else [])
    if values["profile"] != "embedded":
        parts.append(values["profile"])
    parts += [f"{k}={v}" for k, v in sorted(given.items()) if k not in ("system", "profile")]
    name = re.sub(r"[^\w.=+-]+", "_", ".".join(parts))
    texts = [value for value in given.values() if isinstance(value, str)]
    plain = all(re.fullmatch(r"[a-z0-9_.+-]*", text) for text in texts)
    if plain and len(name) <= 120:
        return name
    # A file's name has at most 255 bytes, and a character of other scripts takes up to four.
    return f"{name.encode()[:100].decode(errors='ignore')}.{sha256_json(given)[:12]}"


def checkpoints_of(system: str, profile: str) -> list[Path]:
    """The checkpoints that make up a trained system of a profile, in order of application: its own
    behind those that its training started from. Raises EmoError where one is missing, with the
    command that makes it.
    """
    remedy = f"; make it with: {make_command(system, profile)}"
    return _chain(checkpoints_dir(profile) / system, system, profile, remedy)


def _chain(path: Path, name: str, profile: str, remedy: str) -> list[Path]:
    """A checkpoint's folder behind those that it says it starts from (`model_cards.save`); name,
    remedy: what the error for a missing one says.
    """
    try:
        about = json.loads((path / "companion.json").read_text(encoding="utf-8"))
        chain = [*(ROOT / folder for folder in about["starts_from"]), path]
    except (OSError, KeyError, ValueError):
        raise EmoError(f"the checkpoint of {name} ({profile} profile) is missing{remedy}") from None
    if lost := [relative(folder) for folder in chain if not folder.is_dir()]:
        raise EmoError(f"{name} starts from {lost[0]}, which is missing; train both again")
    return chain


def make_command(system: str, profile: str) -> str:
    return f"emo make {system}{results.profile_flag(profile)}"
