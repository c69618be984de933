"""The steps of the book and what each depends on.

A step is a run of a notebook. Its fingerprint holds hashes of its notebook, its parameters, the
package modules that it imports, its data, the lock file, its models and its upstream results; a
step is run again when one of them differs, and not otherwise. Snakemake orders the steps; see
Snakefile.

A variant of a run has its name with other parameters behind it,
`03_dpo.eqsr-dpo@beta=0.05,seed=43`; it is a step like any other, whose results lie apart from the
book's. A sweep is a list of variants (`sweeps/*.yaml`).
"""

import ast
import itertools
import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from emo_utils import data, models, parameters
from emo_utils.project import (
    DATA,
    ROOT,
    EmoError,
    notebook_cells,
    relative,
    results_dir,
    sha256_bytes,
    sha256_file,
    sha256_json,
    settings,
)

DIALOGUES = DATA / "dialogues"
SWEEPS = ROOT / "sweeps"
KEPT_SWEEPS = tuple(sorted((ROOT / "book" / "reference").glob("sweep_*.json")))
KEPT = {
    path.stem: path for path in sorted((ROOT / "book" / "reference").glob("*.json"))
}  # a page that shows one is made again when it changes; no training reads any but its own
KEPT_VALIDITY, KEPT_PREFERENCE, KEPT_PREDICTION, KEPT_SFT, KEPT_JUDGE, KEPT_SCORES, KEPT_OPEN = (
    tuple(p for stem, p in KEPT.items() if stem.startswith(start))
    for start in (
        "validity",
        "preference",
        "emplifai_prediction",
        ("emplifai_sft", "emplifai_glosses"),
        "emplifai_judge",
        "ebd_scores",
        ("ebd_open", "ebd_authors", "ebd_grid", "ebd_shortcuts"),
    )
)
PUBLISHED = tuple(
    DATA / "published" / name for name in ("emodoctor.csv", "emplifai.csv", "claims.yaml")
)


@dataclass(frozen=True)
class Step:
    """One run of the book: its notebook, fixed parameters, files read, upstream runs,
    answers written; cores, memory and seconds, which order the runs.
    """

    run: str
    notebook: str
    fixed: tuple[tuple[str, str], ...] = ()
    files: tuple[Path, ...] = ()
    needs: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    threads: int = 1
    memory_mb: int = 3000
    seconds: int = 15

    @property
    def trains(self) -> bool:
        return self.notebook in _TRAINING


# Memory that a training of the embedded profile adds to the machine (its share of resident memory
# at its peak), and how long it takes on a core.
_TRAINING = {
    "02_sft": (3250, 115),
    "03_dpo": (3600, 105),
    "04_kto": (4150, 140),
    "10_empathy_by_design": (5400, 200),
}


def _training(
    notebook: str,
    system: str,
    files: tuple[Path, ...],
    needs: tuple[str, ...] = (),
    answers: tuple[str, ...] = (),
) -> Step:
    memory_mb, seconds = _TRAINING[notebook]
    return Step(
        f"{notebook}.{system}",
        notebook,
        (("system", system),),
        (*files, DIALOGUES / "test.jsonl"),
        needs,
        (*answers, system),
        memory_mb=memory_mb,
        seconds=seconds,
    )


ER, EQSR = (DIALOGUES / "er_train.jsonl",), (DIALOGUES / "eqsr_train.jsonl",)
FROM_ER = ("02_sft.er-sft",)
_TRAININGS = (
    _training("02_sft", "er-sft", ER, answers=("base", "prompt")),
    _training("03_dpo", "eqsr-dpo", EQSR),
    _training("04_kto", "eqsr-kto", EQSR),
    _training("03_dpo", "er-eqsr-dpo", EQSR, FROM_ER),
    _training("04_kto", "er-eqsr-kto", EQSR, FROM_ER),
    _training("02_sft", "eqsr-sft", EQSR),
    _training("02_sft", "er-eqsr-sft", EQSR, FROM_ER),
)
SENTENCES = tuple(path for name, path in data.SENTENCE_FILES.items() if "claim" not in name)
_ALL = tuple(step.run for step in _TRAININGS)
_TEST = (DIALOGUES / "test.jsonl",)
_SCORED = (*_TEST, *PUBLISHED)
_JAPANESE = (data.JAPANESE_FILE, DATA / "published" / "emplifai_emotions.csv", *PUBLISHED)
_CAREGIVER = tuple(data.CAREGIVER_FILES.values())
_ARMS = (
    *(
        path.parent / folder / path.name
        for path in data.FILES.values()
        for folder in data.ARMS.values()
    ),
    data.COMFORT_PHRASES,
)
STEPS = (
    *_TRAININGS,
    Step(
        "01_data_rewriting",
        "01_data_rewriting",
        files=(*ER, *EQSR, DIALOGUES / "test.jsonl"),
        memory_mb=4100,
        seconds=210,
    ),
    Step("01_two_arms", "01_two_arms", files=_ARMS, memory_mb=1500, seconds=150),
    Step(
        "05_emotion_scoring",
        "05_emotion_scoring",
        files=(*_SCORED, *KEPT_VALIDITY),
        needs=_ALL,
        memory_mb=3800,
        seconds=370,
    ),
    Step(
        "06_knowledge_scoring",
        "06_knowledge_scoring",
        files=(*_SCORED, *KEPT_VALIDITY),
        needs=_ALL,
        memory_mb=2300,
        seconds=140,
    ),
    Step(
        "07_preference_ablation",
        "07_preference_ablation",
        files=(*_SCORED, *SENTENCES, *KEPT_VALIDITY, *KEPT_PREFERENCE),
        needs=_ALL,
        memory_mb=4100,
        seconds=600,
    ),
    Step(
        "08_qualitative_cases",
        "08_qualitative_cases",
        files=(*_SCORED, *SENTENCES),
        needs=("05_emotion_scoring", "06_knowledge_scoring"),
        memory_mb=1500,
        seconds=90,
    ),
    Step("09_emplifai", "09_emplifai", files=_JAPANESE, memory_mb=700),
    Step(
        "09_emplifai_prediction",
        "09_emplifai_prediction",
        files=(*_JAPANESE, *KEPT_PREDICTION),
        threads=2,
        memory_mb=4300,
        seconds=150,
    ),
    Step(
        "09_emplifai_finetuning.emplifai-sft",
        "09_emplifai_finetuning",
        (("system", "emplifai-sft"),),
        (*_JAPANESE[:2], *KEPT_SFT),
        answers=("emplifai-base", "emplifai-sft"),
        threads=2,
        memory_mb=6500,
        seconds=200,
    ),
    Step(
        "09_emplifai_finetuning.emplifai-sft-seen",
        "09_emplifai_finetuning",
        (("system", "emplifai-sft-seen"),),
        (*_JAPANESE[:2], *KEPT_SFT),
        answers=("emplifai-sft-seen",),
        threads=2,
        memory_mb=6500,
        seconds=150,
    ),
    Step(
        "09_emplifai_judge",
        "09_emplifai_judge",
        files=(*_JAPANESE, data.SCREENING_FILE, *KEPT_JUDGE),
        needs=("09_emplifai_finetuning.emplifai-sft", "09_emplifai_finetuning.emplifai-sft-seen"),
        threads=2,
        memory_mb=5000,
        seconds=300,
    ),
    Step(
        "10_empathy_by_design.ebd-dpo",
        "10_empathy_by_design",
        (("system", "ebd-dpo"),),
        _CAREGIVER,
        answers=("ebd-base", "ebd-dpo"),
        memory_mb=_TRAINING["10_empathy_by_design"][0],
        seconds=_TRAINING["10_empathy_by_design"][1],
    ),
    Step(
        "10_ebd_scores",
        "10_ebd_scores",
        files=(*_CAREGIVER[1:], *PUBLISHED, *KEPT_VALIDITY, *KEPT_SCORES),
        needs=("10_empathy_by_design.ebd-dpo",),
        threads=2,
        memory_mb=5000,
        seconds=250,
    ),
    Step(
        "10_ebd_open",
        "10_ebd_open",
        files=(*_CAREGIVER, DATA / "caregiver" / "voices.jsonl", *_TEST, *KEPT_OPEN),
        needs=("10_empathy_by_design.ebd-dpo", "03_dpo.eqsr-dpo", "02_sft.er-sft"),
        memory_mb=3500,
        seconds=200,
    ),
    Step("11_judge_validity", "11_judge_validity", files=KEPT_VALIDITY, memory_mb=1500),
    Step("12_sweeps", "12_sweeps", files=KEPT_SWEEPS, memory_mb=1500),
    Step(
        "13_bill",
        "13_bill",
        files=(
            KEPT["speed"],
            parameters.PROFILES / "machines.yaml",
            parameters.PROFILES / "prices.yaml",
        ),
        memory_mb=700,
    ),
)


def steps(profile: str) -> tuple[Step, ...]:
    """The steps of a profile (all profiles share the graph; they differ in parameters)."""
    parameters.load_profile(profile)
    return STEPS


def step(run: str) -> Step:
    """The step of a run of the book, or of a variant of one."""
    found = {s.run: s for s in STEPS}
    name, _, given = run.partition("@")
    if name not in found:
        raise EmoError(
            f"the book has no run '{name}'{parameters.nearest(name, found)}; "
            f"runs: {', '.join(found)}"
        )
    s = found[name]
    if run == name:
        return s
    if not re.fullmatch(r"\w+=[^,=]*(,\w+=[^,=]*)*", given):
        raise EmoError(
            f"'{given}' says no parameters; a variant is written {name}@beta=0.05,seed=43"
        )
    pairs = [part.partition("=")[::2] for part in given.split(",")]
    # The untuned answers come from the book's own run; a start that is another system needs its
    # checkpoint.
    s = replace(
        s,
        run=run,
        fixed=(*s.fixed, *pairs),
        answers=(dict(s.fixed)["system"],) if s.trains else s.answers,
    )
    if (init := dict(pairs).get("init")) is None:
        return s
    return replace(s, needs=tuple(t.run for t in _TRAININGS if dict(t.fixed)["system"] == init))


def values(s: Step, profile: str) -> dict:
    """All parameters of a step under a profile."""
    return parameters.resolve(
        s.notebook, dict(s.fixed) | {"profile": profile}, s.run.partition("@")[0]
    )


def sweep(name: str, seeds: tuple[int, ...] = ()) -> dict:
    """A sweep file with its variants under `variants`, in order; seeds, where given,
    replace the file's own.

    The file holds `about`, and `parts`: each a list of `runs` and a `grid`, parameter -> values,
    all combinations of which are run.
    """
    names = [path.stem for path in sorted(SWEEPS.glob("*.yaml"))]
    if name not in names:
        raise EmoError(
            f"there is no sweep '{name}'{parameters.nearest(name, names)}; "
            f"there are: {', '.join(names)}"
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
    for variant in content["variants"]:
        values(
            step(variant), "embedded"
        )  # a mistake in the file stops here, with the name that it means
    return content


def step_models(s: Step, profile: str) -> tuple[str, ...]:
    """Registered weights that a step uses: the values of its parameters whose names end in
    `_model`.
    """
    return tuple(
        dict.fromkeys(
            v
            for k, v in values(s, profile).items()
            if k.endswith("_model") and v in models.REGISTRY
        )
    )


# How a step is run, shown and scheduled does not enter its numbers: a change there reruns nothing.
_PLUMBING = {"graph"}


def module_closure(names) -> list[str]:
    """The named modules of the package with every module of it that they import, directly or not;
    sorted.
    """
    todo, found = list(names), set()
    while todo:
        name = todo.pop()
        if name not in found | _PLUMBING:
            found.add(name)
            todo += imported_modules(
                (ROOT / "emo_utils" / f"{name}.py").read_text(encoding="utf-8")
            )
    return sorted(found)


@lru_cache(maxsize=256)
def imported_modules(source: str) -> frozenset[str]:
    """Names of the package's modules that a piece of Python imports, at any depth of the code."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "emo_utils":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("emo_utils."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("emo_utils.")
            }
    return frozenset(name for name in found if (ROOT / "emo_utils" / f"{name}.py").is_file())


def module_hashes(notebook: str) -> dict[str, str]:
    """File hashes of the package's modules behind a notebook (with a text of the same name),
    and of the prompt texts where it uses them.
    """
    source = "\n".join(
        text
        for kind, text, _ in notebook_cells(parameters.notebook_path(notebook))
        if kind == "code"
    )
    names = module_closure(imported_modules(source))
    files = [path for name in names for path in sorted((ROOT / "emo_utils").glob(f"{name}.*"))]
    if "prompts" in names:
        files += sorted((ROOT / "emo_utils" / "prompt_texts").glob("*.txt"))
    return {relative(path): sha256_file(path) for path in files}


def notebook_sha256(notebook: str) -> str:
    """Hash over the sources of a notebook's cells."""
    return sha256_json(
        [[kind, text] for kind, text, _ in notebook_cells(parameters.notebook_path(notebook))]
    )


def code_sha256(notebook: str) -> str:
    """Hash over a notebook's cells and the package modules behind it."""
    return sha256_json([notebook_sha256(notebook), module_hashes(notebook)])


def static_fingerprint(run: str, profile: str) -> dict:
    """The part of a fingerprint that is known before anything runs;
    each value explains one reason to rerun.
    """
    s = step(run)
    return {
        "notebook": notebook_sha256(s.notebook),
        "parameters": values(s, profile),
        "modules": module_hashes(s.notebook),
        "data": {relative(p): sha256_file(p) if p.is_file() else "missing" for p in s.files},
        "lock": sha256_bytes((ROOT / "requirements.lock").read_bytes()),
        "models": {name: models.identity(name) for name in step_models(s, profile)},
    }


def fingerprint(run: str, profile: str) -> dict:
    """The whole fingerprint, with the digests of the upstream results as they are now.

    A training reads upstream checkpoints and nothing else,
    a scoring answers and item scores and no checkpoint.
    """
    s = step(run)
    folder = "checkpoints/" if s.trains else "results/"
    return static_fingerprint(run, profile) | {
        "upstream": {name: result_digest(name, profile, folder) for name in s.needs}
    }


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


def check_reads(run: str, profile: str, read_files: set[str], used_models: set[str]) -> None:
    """Stop a run of the book that read what the graph does not know of:
    its next change would go unnoticed.
    """
    s = step(run)
    unknown = read_files - {relative(p) for p in s.files} | used_models - set(
        step_models(s, profile)
    )
    if unknown:
        raise EmoError(
            f"{run} used {', '.join(sorted(unknown))}, "
            "which its step in emo_utils/graph.py does not declare; add it there"
        )
