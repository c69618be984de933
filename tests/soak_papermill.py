"""A hundred papermill runs of a short chapter in a row, in one process: does anything grow?

Run: python tests/soak_papermill.py [--runs 100] [--notebook 13_bill] [--keep]. After each run it
notes the process's resident memory, its open files, its children, and how many files there are in a
copy of the project, its cache and the folder for temporary files. It fails where open files,
children or files grow after the tenth run, or memory by more than half a megabyte a run.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import smoke_book

GROWTH_MB = 0.5
WARM = 10  # runs after which everything that is loaded once has been loaded


def state(process: psutil.Process, folders: list[Path]) -> dict[str, float]:
    gc.collect()
    return {
        "memory_mb": process.memory_info().rss / 1e6,
        "open_files": process.num_fds(),
        "threads": process.num_threads(),
        "children": len(process.children(recursive=True)),
        "files": sum(1 for folder in folders for path in folder.rglob("*") if path.is_file()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--notebook", default="13_bill")
    parser.add_argument(
        "--keep", action="store_true", help="put the table into book/reference/speed.json"
    )
    options = parser.parse_args()
    if options.runs <= WARM + 1:
        parser.error(f"--runs must be above {WARM + 1}: the first {WARM} load what is loaded once")
    with tempfile.TemporaryDirectory() as folder:
        copy, temporary = (
            smoke_book.copied(Path(folder) / "project", Path(folder) / "cache"),
            Path(folder) / "tmp",
        )
        temporary.mkdir()
        os.environ.update(
            copy.environment
            | {"TMPDIR": str(temporary), "JUPYTER_RUNTIME_DIR": str(Path(folder) / "runtime")}
        )
        tempfile.tempdir = None  # it is asked for anew
        os.chdir(copy.folder / "notebooks")
        import papermill

        process, states, started = psutil.Process(), [], time.monotonic()
        for k in range(options.runs):
            papermill.execute_notebook(
                f"{options.notebook}.ipynb",
                str(Path(folder) / "out.ipynb"),
                parameters={"profile": "smoke"},
                progress_bar=False,
            )
            states.append(state(process, [Path(folder)]))
            if k + 1 in (1, WARM, 25, 50, 75, options.runs):
                print(
                    f"run {k + 1:4}: {states[-1]['memory_mb']:.1f} MB, "
                    f"{states[-1]['open_files']} open files, {states[-1]['threads']} threads, "
                    f"{states[-1]['children']} children, {states[-1]['files']} files",
                    flush=True,
                )
        os.chdir("/")
        tempfile.tempdir = None
    seconds = (time.monotonic() - started) / options.runs
    slope = np.polyfit(range(options.runs - WARM), [s["memory_mb"] for s in states[WARM:]], 1)[0]
    grown = {
        name: states[-1][name] - states[WARM][name]
        for name in ("open_files", "threads", "children", "files")
    }
    print(
        f"{options.runs} runs, {seconds:.1f} s each; "
        f"after run {WARM}: memory {slope:+.3f} MB a run; "
        + ", ".join(f"{name.replace('_', ' ')} {n:+}" for name, n in grown.items())
    )
    if options.keep:
        sys.path.insert(0, str(smoke_book.ROOT / "benchmarks"))
        import clock

        clock.keep(
            "papermill",
            [{"run": k + 1} | states[k] for k in (0, WARM - 1, *range(24, options.runs, 25))],
        )
    sys.exit(1 if slope > GROWTH_MB or any(n > 0 for n in grown.values()) else 0)


if __name__ == "__main__":
    main()
