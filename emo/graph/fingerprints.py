"""What a step depends on, as hashes: notebook, parameters, the package's modules behind it, data,
lock file, models, upstream results. A step is run again when one of them differs, and not
otherwise.
"""

import json

from emo.graph import steps
from emo_utils.experiment import code, results
from emo_utils.experiment.parameters import STEP
from emo_utils.models import registry
from emo_utils.project import ROOT, relative, sha256_bytes, sha256_file


def static_fingerprint(run: str, profile: str) -> dict:
    """The part of a fingerprint that is known before anything runs;
    each value explains one reason to rerun.
    """
    s = steps.step(run)
    return {
        "notebook": code.notebook_sha256(s.notebook),
        "parameters": steps.values(s, profile),
        "modules": code.module_hashes(s.notebook),
        "data": {
            relative(p): sha256_file(p) if p.is_file() else "missing"
            for p in steps.files(s, profile)
        },
        "lock": sha256_bytes((ROOT / "requirements.lock").read_bytes()),
        "models": {name: registry.identity(name) for name in steps.step_models(s, profile)},
    }


def fingerprint(run: str, profile: str) -> dict:
    """The whole fingerprint, with the digests of the upstream results as they are now.

    A training reads upstream checkpoints and nothing else,
    a scoring answers and item scores and no checkpoint, and some read records alone.
    """
    s = steps.step(run)
    folder = "checkpoints/" if s.trains else "results/"

    def digest(name: str) -> str:
        if s.of_records:
            return results.records_digest(name, profile)
        return results.result_digest(name, profile, folder)

    return static_fingerprint(run, profile) | {
        "upstream": {n: digest(n) for n in steps.needs(s, profile)}
    }


def environment(run: str, profile: str) -> dict[str, str]:
    """What the notebook of a run of the book is told: its name and its present fingerprint."""
    return {STEP: json.dumps({"run": run, "fingerprint": fingerprint(run, profile)})}
