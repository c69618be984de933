"""What `emo` says to bad input, held to what the page on hostile text shows of it."""

import json
import os
import re

from emo import cli
from emo_utils.project import ROOT

KEPT = ROOT / "book" / "reference" / "complaints.json"


def complaint(capsys, *arguments, shown: bool = True) -> list[str]:
    """What `emo` says on standard error when it refuses; fails where it does not refuse, or breaks.

    shown: on the page.
    """
    try:
        code = cli.main([str(a) for a in arguments])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert code in (1, 2), (code, out, err)
    assert "Traceback" not in out + err and "fault of this program" not in err
    said = [line for line in (err + out).splitlines() if line.strip()]
    if shown:
        shown_on_the_page(said)
    return said


def shown_on_the_page(said: list[str]) -> None:
    """Holds what the page has of this case to what was said now, or keeps it: the first line."""
    group, _, case = (
        os.environ["PYTEST_CURRENT_TEST"].partition("::")[2].removesuffix(" (call)").partition("[")
    )
    name = (
        f"{group.removeprefix('test_').replace('_', ' ')}: {case.removesuffix(']')}".removesuffix(
            ": "
        )
    )
    line = next((line for line in said if " failed; " in line), said[0]) + (
        f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    )
    line = re.sub(
        r"\S*pytest-of-[^/]+/pytest-\d+/(popen-gw\d+/)?[^/\s]+/?", "", line.replace(f"{ROOT}/", "")
    )
    for changing, shown in (
        (r"\b[0-9a-f]{64}\b", "HASH"),
        (r" in [\d.]+ s:", " in SECONDS:"),
        (r"has [\d.]+ GB free", "has 1.0 GB free"),
        (r"(/\.[\w-]+)\.\w{8}/", r"\1.TEMPORARY/"),
    ):
        line = re.sub(changing, shown, line)
    line = re.sub(
        r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:PORT", re.sub(r"\btest_\w+\d\b", "FOLDER", line)
    )
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    if os.environ.get("EMO_COMPLAINTS") == "keep":
        KEPT.write_text(
            json.dumps(kept | {name: line}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    else:
        assert (
            kept[name].partition(" (")[0] == line.partition(" (")[0]
        )  # what a library says in brackets is cut where the path before it ends
