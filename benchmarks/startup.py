"""What a run spends outside its training: imports, kernel, weights, answers, saving.

    .venv/bin/python benchmarks/startup.py

Runs `papermill 03_dpo.ipynb` with four rows and five questions on the real small model, and reads
the seconds of each cell from the executed notebook; what is left of the whole is the command and
the kernel. Also: how long `import emo_utils` takes, and what it loads.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
WHAT = {
    "runs.start(": "parameters",
    "start_checkpoints": "import torch, load weights",
    "fitting.fit(": "training",
    "DPOTrainer(": "import TRL, build trainer",
    "model_cards.save(": "saving",
    "answer_questions": "answers",
    "movement.movement(": "what it changed",
    "training_figure": "figures",
    "figures.style": "figures",
}


def seconds_of(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT / "notebooks",
    )
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep", action="store_true", help="put the table into book/reference/speed.json"
    )
    options = parser.parse_args()
    bare = min(seconds_of([sys.executable, "-c", "pass"]) for _ in range(3))
    package = min(
        seconds_of(
            [sys.executable, "-c", "import emo_utils, sys; assert 'torch' not in sys.modules"]
        )
        for _ in range(3)
    )
    command = min(seconds_of([sys.executable, "-m", "emo", "--help"]) for _ in range(3))
    print(
        f"import emo_utils: {package - bare:.2f} s beside Python's own {bare:.2f} s, "
        f"without torch; emo --help: {command:.2f} s"
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.ipynb"
        given = [
            word
            for name, value in {
                "train_rows": 4,
                "test_rows": 5,
                "movement_rows": 1,
                "max_new_tokens": 32,
            }.items()
            for word in ("-p", name, str(value))
        ]
        whole = seconds_of([sys.executable, "-m", "papermill", "03_dpo.ipynb", str(out), *given])
        cells = [
            (cell.source, cell.metadata.papermill.duration or 0.0)
            for cell in nbformat.read(out, as_version=4).cells
            if cell.cell_type == "code"
        ]
    parts = pd.Series(
        [
            next((what for word, what in WHAT.items() if word in source), "rest")
            for source, _ in cells
        ]
    )
    spent = pd.Series([s for _, s in cells]).groupby(parts).sum()
    spent["command and kernel"] = whole - spent.sum()
    for what, s in spent.sort_values(ascending=False).items():
        print(f"  {what:28} {s:5.1f} s")
    print(
        f"03_dpo with four rows: {whole:.1f} s, "
        f"{whole - spent['training']:.1f} s of them outside training"
    )
    if options.keep:
        from clock import keep

        table = [
            {"what": "import emo_utils", "seconds": package - bare},
            {"what": "emo --help", "seconds": command},
            {"what": "03_dpo, four rows, whole", "seconds": whole},
            *({"what": f"03_dpo, four rows: {what}", "seconds": s} for what, s in spent.items()),
        ]
        keep("startup", table)


if __name__ == "__main__":
    main()
