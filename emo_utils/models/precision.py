"""Whether this machine computes in bf16 or fp32, and why."""

import contextlib
import json
import os
import timeit
from dataclasses import dataclass, field

from filelock import FileLock

from emo_utils.project import cache_dir, processor, sha256_json, write_atomic


@dataclass(frozen=True)
class Precision:
    """The number format that a run computes in, and the reason that its page states."""

    dtype: str
    reason: str = field(compare=False)


def choose_precision(asked: str = "auto") -> Precision:
    """bf16 where this machine multiplies bf16 matrices at least 1.3 times as fast as
    fp32 ones, measured once.

    asked: `auto`, `bf16` or `fp32`. The matrix sizes are those of a small model's layers.
    """
    import torch

    if asked != "auto":
        return Precision({"bf16": "bfloat16", "fp32": "float32"}[asked], f"{asked}: asked for")
    if torch.cuda.is_available():
        good = torch.cuda.is_bf16_supported(including_emulation=False)
        return Precision(
            "bfloat16" if good else "float32",
            f"{torch.cuda.get_device_name()} {'has' if good else 'lacks'} bf16 units",
        )
    ratio = _speedup()
    return Precision(
        "bfloat16" if ratio >= 1.3 else "float32",
        f"bf16 matrix products ran {ratio:.1f} times as fast as fp32 "
        "when this machine was measured",
    )


def _speedup() -> float:
    """fp32's seconds over bf16's, measured once on a processor and kept in the cache: it wavers
    beside other work, and no two books would compute alike.
    """
    import torch

    path = (
        cache_dir()
        / "precision"
        / f"""{
            sha256_json(
                [
                    processor(),
                    torch.__version__,
                    os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
                ]
            )[:16]
        }.json"""
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # the first of several steps measures
        with contextlib.suppress(OSError, ValueError, TypeError):
            return float(json.loads(path.read_text(encoding="utf-8")))
        rounds = []
        for _ in range(4):  # by turns, so that other work meets both
            rounds.append([_matmul_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)])
            if rounds[0][1] > 2 * rounds[0][0]:
                break  # no units, and each round would take seconds
        ratio = min(fp32 for fp32, _ in rounds) / min(bf16 for _, bf16 in rounds)
        write_atomic(path, json.dumps(ratio))
        return ratio


def _matmul_seconds(dtype) -> float:
    import torch

    a, b = torch.ones(512, 1024, dtype=dtype), torch.ones(1024, 1024, dtype=dtype)
    seconds: list[float] = []
    while len(seconds) < 6 and sum(seconds) < 1:  # the first prepares
        seconds.append(timeit.timeit(lambda: a @ b, number=1))
    return min(seconds)
