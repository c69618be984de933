"""What each step of a training takes, noted in the same way for every library that runs
transformers' Trainer; and what benchmarks keep.

As a script it trains with LLaMA-Factory, in that library's own environment:
python clock.py SETTINGS.yaml OUT.json
"""

import json
import resource
import sys
import time
from pathlib import Path

from transformers import TrainerCallback


class Clock(TrainerCallback):
    """seconds: of each optimizer step, from the end of the one before
    (the first: from the start of training).
    """

    def __init__(self):
        self.seconds, self.losses = [], []

    def on_train_begin(self, args, state, control, **kwargs):
        self.last = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))

    def write(self, path: Path, **more) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        Path(path).write_text(
            json.dumps(
                {"seconds": self.seconds, "losses": self.losses, "memory_mb": round(peak)} | more
            )
        )


def keep(name: str, table: list[dict]) -> None:
    """Put a table into the record from which the book's page on speed is made, beside the others,
    with where and when it was measured.
    """
    from emo_utils.project import REFERENCE, ROOT, write_atomic

    path = REFERENCE / "speed.json"
    kept = json.loads(path.read_text()) if path.is_file() else {}
    about = _measured_now(name)
    write_atomic(path, json.dumps(kept | {name: {"about": about, "table": table}}, indent=1) + "\n")
    print(f"kept in {path.relative_to(ROOT)}")


def keep_table(path: Path, table: list[dict], **settings) -> None:
    """Write a table that has a file of its own, with where and when it was measured and the
    settings of the benchmark; numbers that a row does not have are left out of it.
    """
    from emo_utils.project import ROOT, write_atomic

    rows = [{name: value for name, value in row.items() if value == value} for row in table]
    content = {"about": _measured_now(path.stem) | settings, "table": rows}
    write_atomic(path, json.dumps(content, indent=1) + "\n")
    print(f"kept in {path.relative_to(ROOT)}")


def _measured_now(name: str) -> dict:
    """Device, commit and the day; raises EmoError where the tree was changed."""
    from emo_utils.experiment import provenance

    state = provenance.git_state()
    provenance.refuse_changed_tree(state, f"the table '{name}' is not kept")
    return {
        "device": provenance.device(),
        "commit": state["commit"],
        "dirty": state["dirty"],
        "measured": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    sys.path.pop(0)  # this folder holds a script of the library's name
    import yaml
    from llamafactory.train.tuner import run_exp

    clock = Clock()
    run_exp(args=yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8")), callbacks=[clock])
    clock.write(sys.argv[2])
