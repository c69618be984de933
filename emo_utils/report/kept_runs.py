"""Longer runs that the repository keeps, and what they say of a judge."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from emo_utils.experiment import code, provenance, results
from emo_utils.project import REFERENCE, ROOT, given_path, keeping, sha256_file, write_atomic

VALIDITY, PREFERENCE = (REFERENCE / name for name in ("validity.json", "preference.json"))


def keep(run, name: str, *, parameters: dict | None = None, **more) -> Path:
    """Keep a finished run's records in the repository, as `book/reference/NAME.json`.

    parameters: those whose values name a place of this machine, with what is kept instead; more:
    what the page shows beside the records. Raises EmoError for a run of a changed tree, and where
    the disk is full; what was kept before then stays.
    """
    content = json.loads((run.folder / f"{run.name}.json").read_text(encoding="utf-8"))
    provenance.refuse_changed_tree(content["provenance"], f"{run.name} is not kept")
    content["provenance"] |= {
        "run": run.notebook,
        "outputs": {},
        "parameters": run.values | (parameters or {}),
    }
    path = REFERENCE / f"{name}.json"
    with keeping(path):
        write_atomic(path, json.dumps(content | more, indent=1, ensure_ascii=False) + "\n")
    return path


def keep_where_asked(run, name: str, *files: str) -> Path | None:
    """`keep` where the run's parameter of that name asks for it, else nothing.

    files: parameters that name a file of the user's, of which the name alone is kept.
    """
    if not run.values["keep"]:
        return None
    names = {each: given_path(run.values[each]).name for each in files}
    return keep(run, name, parameters=names)


def kept(path: Path) -> pd.DataFrame:
    """The records of a run that was kept under book/reference, its profile in `attrs`;
    empty where none was kept.
    """
    if not path.is_file():
        return pd.DataFrame()
    content = json.loads(provenance.noted(path).read_text(encoding="utf-8"))
    frame = results.frame(content["records"])
    frame.attrs["profile"] = content["provenance"]["profile"]
    return frame


def kept_source(path: Path) -> SimpleNamespace:
    """What `show` needs of a kept run: its profile, where its provenance lies, when it was made
    (`when`), and what has changed since (`changed_since`).
    """
    about = json.loads(provenance.noted(path).read_text(encoding="utf-8"))["provenance"]
    return SimpleNamespace(
        profile=about["profile"],
        folder=path.parent,
        name=path.stem,
        kept=when(about),
        changed=changed_since(about),
    )


def when(about: dict) -> str:
    """When and from which commit a run was made; about: its provenance."""
    changed = " with local changes" if about["dirty"] else ""
    return f"{about['started'][:10]}, commit {about['git_commit'][:10]}{changed}"


def changed_since(about: dict) -> list[str]:
    """What lies behind a kept run and is another now: its code (notebook or modules) and the files
    that it read, by name. Files that are not in the repository were the user's own.

    about: a run's provenance.
    """
    notebook = ROOT / about["notebook"]
    same = notebook.is_file() and about["code_sha256"] == code.code_sha256(notebook.stem)
    return ([] if same else ["code"]) + [
        name
        for name, digest in about["data_sha256"].items()
        if (ROOT / name).is_file() and sha256_file(ROOT / name) != digest
    ]


def overview() -> pd.DataFrame:
    """Every kept run, a row each: kept as, run, when and from which commit it was made, and what
    has changed since.
    """
    rows = []
    for path in sorted(REFERENCE.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if "provenance" not in content:  # a benchmark, or what a page reads
            continue
        about = content["provenance"]
        changed = changed_since(about)
        rows.append(
            {
                "kept as": path.stem,
                "run": about["run"],
                "made": about["started"][:10],
                "commit": about["git_commit"][:10]
                + (" with local changes" if about["dirty"] else ""),
                "changed since": ", ".join(changed) or "nothing",
            }
        )
    return pd.DataFrame(rows)


def kept_validity() -> pd.DataFrame:
    """The kept records of chapter 11 (agreement of scorers with people);
    empty where none were kept.
    """
    return kept(VALIDITY)


def agreement(table: str, system: str, scorer: str) -> str:
    """How far a scorer agrees with people, in a sentence for the caption of what rests on it."""
    kept = kept_validity()
    part = (
        kept[
            (kept.table == table)
            & (kept.system == system)
            & (kept.scorer == scorer)
            & kept.group.isin(["reassurance", "llmbar"])
            & kept.metric.isin(["auc", "accuracy"])
        ]
        if len(kept)
        else kept
    )
    if not len(part):
        return f"How far {scorer} agrees with people was not measured"
    r = part.iloc[0]
    what = {
        "validity.emotion": "tells replies that people marked as reassuring from others with AUC",
        "validity.judge": "agrees with people's choice of the better of two answers with accuracy",
    }[table]
    return (
        f"Agreement with people (chapter 11): this scorer {what} {r.value:.2f} "
        f"[{r.ci_low:.2f}, {r.ci_high:.2f}], n = {r.n}, where .5 is chance"
    )


def facts_agreement(reader: str) -> str:
    """How far the measures of facts follow people's counts, for the captions of chapter 6."""
    kept = kept_validity()
    part = (
        kept[(kept.table == "validity.factual") & (kept.metric == "pearson")] if len(kept) else kept
    )
    found = (
        {r.system: r for r in part[part.scorer.isin([reader, "rules"])].itertuples()}
        if len(part)
        else {}
    )
    if not {"facts kept", "details added"} <= set(found):
        return "How far these measures follow people's counts of facts was not measured"
    told = {
        r.system: r
        for r in kept[
            (kept.table == "validity.claims") & (kept.group == "all") & (kept.metric == "auc")
        ].itertuples()
    }
    first, second, third = (
        "{0.value:.2f} [{0.ci_low:.2f}, {0.ci_high:.2f}]".format(r) if r else ""
        for r in (found["facts kept"], found["details added"], told.get("details added"))
    )
    return (
        f"Agreement with people (chapter 11), Pearson's r on {found['facts kept'].n} summaries: "
        f"kept with their factual recall {first}, "
        f"details added with their factual precision {second}"
        + (
            f"; of right against wrong statements about such texts its AUC is {third} "
            f"({told['details added'].n} statements; .5 is chance)"
            if third
            else ""
        )
    )
