"""Files for OpenAI's Batch API, and what comes back from it,
around the store of `emo_utils.rewriting.store`.
"""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from emo_utils.models import chat_replies
from emo_utils.project import EmoError, alone
from emo_utils.rewriting.live import Report
from emo_utils.rewriting.outcomes import is_final, kind_of, outcome_of, reason_against
from emo_utils.rewriting.requests import Settings, key, request
from emo_utils.rewriting.sources import Task, chunks
from emo_utils.rewriting.store import Reply, Store


def write_batches(
    tasks: Iterable[Task],
    settings: Settings,
    store: Store,
    folder: Path,
    rows: int = 50_000,
    size: int = 190_000_000,
) -> list[Path]:
    """Files for the Batch API with what the store still lacks (rows that failed a gate with their
    reason); returns their paths.

    rows, size: requests and bytes of a file at most (the service takes 50,000 and 200 MB). What has
    been sent and not read back is written again, so read results before writing anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths, lines, length, seen = [], [], 0, set()

    def flush() -> None:
        nonlocal lines, length
        if lines:
            paths.append(folder / f"batch-{len(paths) + 1:03}.jsonl")
            unfinished = paths[-1].with_suffix(".tmp")
            with open(unfinished, "w", encoding="utf-8") as handle:
                handle.writelines(lines)
            os.replace(unfinished, paths[-1])
            lines, length = [], 0

    for part in chunks(tasks):
        named = {key(task, settings): task for task in part}
        replies = store.last(list(named))
        for name, task in named.items():
            before = replies.get(name)
            if name in seen or before and before.final:
                continue
            seen.add(name)
            attempt = before.attempt + 1 if before else 1
            line = (
                json.dumps(
                    {
                        "custom_id": f"{name}.{attempt}",
                        "method": "POST",
                        "url": "/v1/chat/completions",
                        "body": request(task, before, attempt, settings),
                    },
                    ensure_ascii=False,
                )
                + "\n"
            )
            if len(lines) == rows or lines and length + len(line.encode()) > size:
                flush()
            lines.append(line)
            length += len(line.encode())
    flush()
    return paths


def read_batch(
    path: Path,
    tasks: Iterable[Task],
    settings: Settings,
    store: Store,
    emotion_gate: Callable[[str, str, str], str] | None = None,
) -> Report:
    """Take the results of a batch into the store, whatever their order; lines of other runs and
    failed requests are counted.

    Rows whose reply fails a gate are in the next `write_batches` with the reason.
    """
    report, results = Report(), {}
    if not path.is_file():
        raise EmoError(f"there is no file {path} with the results of a batch")
    with open(path, encoding="utf-8", errors="replace", newline="\n") as handle:
        for line in handle:
            try:
                entry = json.loads(line)
                name, _, attempt = entry["custom_id"].partition(".")
                body = entry["response"]["body"]
                usage = body.get("usage") or {}
                results[name] = (
                    int(attempt),
                    chat_replies.read(body),
                    usage.get("prompt_tokens") or 0,
                    usage.get("completion_tokens") or 0,
                )
            except (AttributeError, KeyError, TypeError, IndexError, ValueError, RecursionError):
                report.counts["failed"] += 1
    with alone(store.lock, f"another process is filling {store.path.name}"):
        for task in tasks:
            if (result := results.pop(key(task, settings), None)) is None:
                continue
            attempt, reply, *tokens = result
            reason = reason_against(task, reply, settings, emotion_gate)
            final = is_final(reply, reason, attempt, settings)
            store.add(key(task, settings), Reply(attempt, reply.text, reason, final, *tokens))
            report.asked += 1
            report.tokens = [a + b for a, b in zip(report.tokens, tokens, strict=True)]
            report.counts[outcome_of(reason, attempt) if final else "to ask again"] += 1
            if reason:
                report.reasons[kind_of(reason)] += 1
    report.counts["of another run"] += len(results)
    return report
