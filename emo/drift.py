"""What moved between two makings of the book: by how much against its interval, and which of code,
parameters, data, models, versions or machine had changed.

A number that moves is explained where something that its run depends on differs: the fingerprints
that runs keep say what (see `emo.graph`). A number that leaves its interval with nothing changed
is a fault, of the code or of this account of what a run depends on.
"""

import html
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from emo.graph import steps
from emo.site import html_tables
from emo_utils.claims import ledger as claims_ledger
from emo_utils.experiment import provenance, results
from emo_utils.project import REFERENCE, ROOT, EmoError, first_line, keeping, relative, write_atomic
from emo_utils.report import descriptions, figures

_KEY = ["run", "table", "system", "metric", "group", "scorer"]
_PARTS = {
    "notebook": "code",
    "modules": "code",
    "parameters": "parameters",
    "data": "data",
    "models": "models",
    "lock": "versions",
}
# What is kept of a run's provenance.
_ABOUT = (
    "fingerprint",
    "versions",
    "device",
    "git_commit",
    "dirty",
    "started",
    "seconds",
    "peak_memory_mb",
)
STATES = ("same", "inside", "outside", "no interval", "new", "gone")  # of `compare`
COLOURS = {
    "inside": figures.BLUE,
    "outside": "#E69F00",
    "outside, unexplained": figures.ORANGE,
}


def reference(profile: str) -> Path:
    """Where the records lie that a night is held against."""
    return REFERENCE / f"book_{profile}.json"


def snapshot(profile: str, root: Path = ROOT) -> dict[str, dict]:
    """What is kept of each run of the book that has a result, here or in another checkout: its
    records, and what they depend on.
    """
    found = {}
    for s in steps.steps(profile):
        path = (
            root / results.result_path(s.run, profile).relative_to(ROOT)
            if root != ROOT
            else results.result_path(s.run, profile)
        )
        if path.is_file():
            found[s.run] = _kept_of(path)[0]
    return found


def in_folder(folder: Path) -> tuple[dict[str, dict], str]:
    """The same of the runs of the book whose results lie in a folder, such as another checkout's
    results/overnight-tiny, and the profile that they are of.

    Raises EmoError where there is none, or they are of several profiles.
    """
    read = {s.run: folder / f"{s.run}.json" for s in steps.STEPS}
    found = {run: _kept_of(path) for run, path in read.items() if path.is_file()}
    profiles = sorted({profile for _, profile in found.values()})
    if len(profiles) != 1:
        what = f"results of the profiles {', '.join(profiles)}" if found else "no result of a run"
        raise EmoError(
            f"{folder} holds {what}; give a folder such as results/overnight-tiny, "
            "a unit's folder in book/edition, or a file that `emo drift --keep` wrote"
        )
    return {run: kept for run, (kept, _) in found.items()}, profiles[0]


def _kept_of(path: Path) -> tuple[dict, str]:
    """What is kept of a run, by its result file, and its profile."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        about = content["provenance"]
        kept = {"records": content["records"]} | {name: about[name] for name in _ABOUT}
        return kept, about.get("profile", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EmoError(
            f"{relative(path)} is no whole result ({first_line(error)}); "
            f"make the run again with: emo make {path.stem}"
        ) from None


def read(path: Path) -> dict[str, dict]:
    """A kept snapshot; raises EmoError where there is none, or it is not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["runs"]
        for run in content.values():
            run["records"] = [
                results.Record.model_validate(results.completed(record)).model_dump()
                for record in run["records"]
            ]
            if not (
                isinstance(run["fingerprint"], dict)
                and isinstance(run["versions"], dict)
                and isinstance(run["device"], str)
                and isinstance(run["fingerprint"].get("upstream", {}), dict)
            ):
                raise TypeError("what a run depended on is not there")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EmoError(
            f"{path.name} holds no records to compare with ({first_line(error)}); "
            "`emo drift --keep` writes such a file from a book that was made"
        ) from None
    return content


def keep(profile: str) -> Path:
    """Put the book's records where later nights are held against them; raises EmoError while a run
    is missing or comes from a changed tree, and where the disk is full.
    """
    runs = snapshot(profile)
    if missing := [s.run for s in steps.steps(profile) if s.run not in runs]:
        raise EmoError(
            f"{missing[0]} has no result in the {profile} profile: "
            "make the whole book before its records are kept"
        )
    for name, run in runs.items():
        provenance.refuse_changed_tree(run, f"the records of {name} are not kept")
    with keeping(reference(profile)):
        write_atomic(reference(profile), text_of(runs))
    return reference(profile)


def text_of(runs: dict[str, dict], about: dict | None = None) -> str:
    """Runs as a file keeps them, behind what is said about them: a line a record, so that a
    difference of two such files can be read.
    """
    lines = [
        json.dumps(name)
        + ": "
        + json.dumps(run | {"records": []}, sort_keys=True).replace(
            '"records": []',
            '"records": [\n  ' + ",\n  ".join(map(json.dumps, run["records"])) + "]",
        )
        for name, run in runs.items()
    ]
    said = "".join(
        f"{json.dumps(name)}: {json.dumps(it)},\n " for name, it in (about or {}).items()
    )
    return f'{{{said}"runs": {{\n ' + ",\n ".join(lines) + "}}\n"


def causes(run: str, before: dict[str, dict], now: dict[str, dict]) -> list[str]:
    """What differs, kind by kind, in what a run depends on, and in what came before it;
    empty where nothing does.
    """
    old, new = before[run], now[run]
    found = []
    for part, kind in _PARTS.items():
        a, b = old["fingerprint"].get(part), new["fingerprint"].get(part)
        if a == b:
            continue
        both = isinstance(a, dict) and isinstance(b, dict)
        names = (
            sorted(k for k in {*a, *b} if a.get(k) != b.get(k))
            if both
            else [{"lock": "requirements.lock"}.get(part, part)]
        )
        found += [
            f"{kind}: {name}"
            + (f" {a.get(name)!r} -> {b.get(name)!r}" if both and part == "parameters" else "")
            for name in names
        ]
    found += [
        f"versions: {name} {old['versions'].get(name)} -> {version}"
        for name, version in new["versions"].items()
        if old["versions"].get(name) != version
    ]
    if old["device"] != new["device"]:
        found.append(f"machine: {old['device']} -> {new['device']}")
    digests = [each["fingerprint"].get("upstream", {}) for each in (old, new)]
    for name in sorted(
        n for n in {*digests[0], *digests[1]} if digests[0].get(n) != digests[1].get(n)
    ):
        if name in before and name in now:
            found += [
                cause if " (by " in cause else f"{cause} (by {name})"
                for cause in causes(name, before, now)
            ]
    return list(dict.fromkeys(found))


def compare(before: dict[str, dict], now: dict[str, dict]) -> pd.DataFrame:
    """A row a record of either side: its key, both values, the interval before, `move` in
    half-widths of that interval on the side moved to, state and cause.

    state: `same`, `inside` or `outside` the interval before, `no interval` (moved, and nothing says
    how far is far), `new`, `gone`. An outside whose cause is empty is unexplained.
    apart: the intervals before and now have no point in common.
    """

    def table(side):
        return (
            pd.DataFrame(
                [r | {"run": run} for run, content in side.items() for r in content["records"]]
            ).set_index(_KEY)
            if side
            else pd.DataFrame(columns=_KEY).set_index(_KEY)
        )

    old, new = table(before), table(now)
    why = {run: "; ".join(causes(run, before, now)) for run in before if run in now}
    rows = []
    for key in dict.fromkeys([*old.index, *new.index]):
        a, b = (side.loc[key] if key in side.index else None for side in (old, new))
        row = dict(zip(_KEY, key)) | {
            "before": np.nan if a is None else a.value,
            "now": np.nan if b is None else b.value,
            "low": np.nan,
            "high": np.nan,
            "move": np.nan,
            "n": int((a if b is None else b).n),
            "apart": False,
        }
        if a is None or b is None:
            rows.append(
                row
                | {
                    "state": "gone" if b is None else "new",
                    "cause": why.get(key[0], "the run is " + ("gone" if b is None else "new")),
                }
            )
            continue
        if a.interval != "none":
            half = (a.ci_high - a.value) if b.value > a.value else (a.value - a.ci_low)
            row |= {
                "low": a.ci_low,
                "high": a.ci_high,
                "move": 0.0
                if a.value == b.value
                else (b.value - a.value) / half
                if half
                else np.copysign(np.inf, b.value - a.value),
                "apart": a.ci_high < b.ci_low or b.ci_high < a.ci_low,
            }
        state = (
            "same"
            if a.value == b.value
            else "no interval"
            if a.interval == "none"
            else "inside"
            if a.ci_low <= b.value <= a.ci_high
            else "outside"
        )
        rows.append(row | {"state": state, "cause": "" if state == "same" else why[key[0]]})
    return pd.DataFrame(
        rows,
        columns=[*_KEY, "before", "now", "low", "high", "move", "n", "apart", "state", "cause"],
    )


def unexplained(moved: pd.DataFrame) -> pd.DataFrame:
    """The rows that fail a night: outside their interval, or gone, with nothing changed."""
    return moved[moved.state.isin(["outside", "gone"]) & (moved.cause == "")]


def verdicts(before: dict[str, dict], now: dict[str, dict]) -> pd.DataFrame:
    """The claims of the papers on which the two sides come to another verdict: columns claim,
    before, now, because (the gates that hold it back on either side, in words);
    `attrs["count"]` claims were looked at.
    """
    old, new = (
        claims_ledger.ledger(
            results.frame([r for content in side.values() for r in content["records"]])
        )
        for side in (before, now)
    )
    found = pd.DataFrame({"claim": old.claim, "before": old.ours, "now": new.ours})
    found["because"] = new.why.where(new.why != "", old.why)
    measured = (found[["before", "now"]] != "not measured").any(axis=1)
    turned = found[found.before != found.now].reset_index(drop=True)
    turned.attrs["count"] = int(measured.sum())
    return turned


def said_of(turned: pd.DataFrame) -> str:
    """What became of the verdicts, in a sentence."""
    count = turned.attrs["count"]
    return (
        (
            f"{len(turned) or 'None'} of the {count} verdicts on the papers' claims "
            f"{'is' if len(turned) < 2 else 'are'} another."
        )
        if count
        else "No verdict on a claim to compare."
    )


def summary(moved: pd.DataFrame) -> str:
    """One paragraph: how many numbers moved, how far, and why."""
    if not len(moved):
        return "There are no numbers to compare."
    counts = moved.state.value_counts()
    if counts.get("same", 0) == len(moved):
        return f"All {len(moved)} numbers are the same."
    said = ", ".join(
        f"{counts[state]} {text}"
        for state, text in (
            ("same", "are the same"),
            ("inside", "moved inside their interval"),
            ("outside", "left their interval"),
            ("no interval", "moved and have no interval"),
            ("new", "are new"),
            ("gone", "are gone"),
        )
        if state in counts
    )
    if "outside" in counts:
        said += (
            f"; of those that left it {int(moved.apart.sum()) or 'none'} so far "
            "that the intervals before and now have no point in common"
        )
    silent = moved[~moved.state.isin(["same", "new"]) & (moved.cause == "")]
    fault = (
        (
            f" **{len(unexplained(moved))} of them moved outside "
            "with nothing changed that they depend on: a fault.**"
        )
        if len(unexplained(moved))
        else ""
    )
    odd = (
        (
            f" {len(silent) - len(unexplained(moved))} moved, inside or without an interval, "
            "with nothing changed."
        )
        if len(silent) > len(unexplained(moved))
        else ""
    )
    return f"Of {len(moved)} numbers {said}.{fault}{odd}"


def page(moved: pd.DataFrame, turned: pd.DataFrame, whole: bool = False) -> str:
    """The drift in Markdown with HTML tables: summary, verdicts that turned, what changed, and
    every number that moved; cells escaped. whole: and run by run how many are the same, and which.
    """
    parts = [f"{summary(moved)} {said_of(turned)}"]
    if len(turned):
        parts += ["### Verdicts that turned", _html(turned)]
    if whole:
        parts += ["### Run by run", _html(by_run(moved).reset_index())]
    gone = moved[moved.state != "same"]
    if len(gone):
        reasons = (
            gone.assign(cause=gone.cause.replace("", "nothing that these runs depend on"))
            .groupby(["cause", "state"], sort=False)
            .size()
            .unstack(fill_value=0)
        )
        reasons = reasons.reindex(columns=[state for state in STATES if state in reasons])
        rows = gone.assign(size=gone.move.abs()).sort_values("size", ascending=False, kind="stable")
        cells = pd.DataFrame(
            {
                "run": rows.run,
                "table": rows.table,
                "system": rows.system,
                "metric": rows.metric,
                "group": rows.group,
                "n": rows.n,
                "before": [_with_interval(r) for r in rows.itertuples()],
                "now": rows.now.map(_number),
                "in half-widths": [f"{m:+.2f}" if np.isfinite(m) else "" for m in rows.move],
                "state": rows.state,
                "why": rows.cause.replace("", "unexplained"),
            }
        )
        parts += [
            "### What had changed",
            _html(reasons.reset_index()),
            "### What moved",
            (
                "Largest first; a half-width is the distance from the number before "
                "to the end of its interval on that side."
            ),
            _html(cells),
        ]
    same = moved[moved.state == "same"]
    if whole and len(same):
        cells = same[["run", "table", "system", "metric", "group", "n"]].assign(
            number=[_with_interval(r) for r in same.itertuples()]
        )
        parts += ["### What is the same", _html(cells)]
    return "\n\n".join(parts) + "\n"


def made_of(runs: dict[str, dict]) -> str:
    """How many runs there are, when they began, from which commits and on which machines."""
    if not runs:
        return "no runs"
    began = sorted({run.get("started", "?")[:10] for run in runs.values()})
    commits = sorted({run.get("git_commit", "?")[:10] for run in runs.values()})
    devices = sorted({run["device"] for run in runs.values()})
    days = began[0] if len(began) == 1 else f"{began[0]} to {began[-1]}"
    return f"{len(runs)} runs, {days}, commit {', '.join(commits)}, {'; '.join(devices)}"


def by_run(moved: pd.DataFrame) -> pd.DataFrame:
    """How many numbers of each run are in each state that occurs; index run."""
    counted = moved.groupby(["run", "state"], sort=False).size().unstack(fill_value=0)
    return counted.reindex(columns=[state for state in STATES if state in counted])


def in_line(r) -> str:
    """A row of `compare` in a line: what it is, both values, and the interval before."""
    name = ", ".join((r.table, r.system, r.metric, r.group))
    interval = f" [{r.low:.4g}, {r.high:.4g}]" if r.low == r.low else ""
    before = f"{r.before:.4g}{interval}" if r.before == r.before else "none"
    now = f"{r.now:.4g}" if r.now == r.now else "none"
    return f"{r.run}: {name}: {before} -> {now}"


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"


def _with_interval(r) -> str:
    """The number before of a row of `compare`, with its interval where it has one."""
    return _number(r.before) + (f" [{r.low:.3f}, {r.high:.3f}]" if r.low == r.low else "")


def _html(frame: pd.DataFrame, classes: str = "companion companion-claims") -> str:
    table = html_tables.table_html(frame, classes, index=False)
    if len(frame) > 50:  # shown fifty at a time, with filters
        table = table.replace("<table ", "<table data-browse ", 1)
        for name in ("run", "table", "state"):
            table = table.replace(f"<th>{name}</th>", f"<th data-choose>{name}</th>", 1)
    return table


def figure(moved: pd.DataFrame, path: Path) -> None:
    """A line a run, a dot a number: how far it moved in half-widths of its interval; between the
    lines it stayed inside.
    """
    figures.style()
    known = moved[moved.move.notna()].assign(
        state=lambda f: f.state.where(
            (f.state != "outside") | (f.cause != ""), "outside, unexplained"
        )
    )
    runs = list(dict.fromkeys(known.run))
    drawing, axis = plt.subplots(
        figsize=(figures.WIDTH, 0.25 * len(runs) + 1.8), layout="constrained"
    )
    axis.axvspan(-1, 1, color=figures.BLUE, alpha=0.08, lw=0)
    for state in ("same", "inside", "outside", "outside, unexplained"):
        part = known[known.state == state]
        if len(part):
            axis.plot(
                part.move.clip(-3, 3),
                [runs.index(run) for run in part.run],
                "o" if state != "outside, unexplained" else "X",
                ms=4 if state != "outside, unexplained" else 8,
                alpha=0.6,
                color=COLOURS.get(state, figures.GREEN),
                label=f"{state} ({len(part)})",
            )
    axis.set(
        yticks=range(len(runs)),
        yticklabels=runs,
        xlim=(-3.2, 3.2),
        xlabel="move in half-widths of the\ninterval before (3 and more\nat the edge)",
    )
    axis.invert_yaxis()
    drawing.legend(loc="outside lower center", ncols=2)
    states = "; ".join(f"{count} {state}" for state, count in known.state.value_counts().items())
    furthest = known.iloc[known.move.abs().argmax()] if len(known) else None
    descriptions.describe(
        drawing,
        f"{len(known)} numbers of {len(runs)} runs: {states}.",
        "" if furthest is None else f"Furthest: {furthest.run}, {furthest.move:.1f} half-widths.",
    )
    figures.save(drawing, path)


def last_run(now: dict[str, dict]) -> str:
    """A table of the runs: when, on what, from which commit, how long, how much memory."""
    rows = [
        {
            "run": name,
            "started (UTC)": run["started"][:16].replace("T", " "),
            "commit": run["git_commit"][:10] + (" with local changes" if run["dirty"] else ""),
            "machine": run["device"],
            "seconds": f"{run['seconds']:.0f}",
            "peak MB": f"{run['peak_memory_mb']:,}",
            "numbers": len(run["records"]),
        }
        for name, run in now.items()
    ]
    return _html(pd.DataFrame(rows), "companion") if rows else html.escape("Nothing was made yet.")
