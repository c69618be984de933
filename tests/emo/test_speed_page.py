"""The page on speed: what the kept tables become, on small tables made here."""

import importlib.util
import json

import pandas as pd
import pytest

from emo.site import benchmarks, hostile, layout, theme
from emo_utils.project import ROOT, notebook_cells

ABOUT = {
    "device": "two <cores>",
    "commit": "0123456789abcdef",
    "dirty": True,
    "measured": "2026-01-02",
}
WAY = {
    "low": 90.0,
    "high": 110.0,
    "memory_mb": 2500,
    "share_of_peak": 0.314,
    "loss_first": 0.6931,
    "loss_last": 0.5,
    "loss_difference": 0.004,
    "steps": 6,
    "rounds": 2,
    "tokens_a_row": 281.6,
}
KEPT = {
    "comparison": [
        {"objective": "dpo", "way": "ours", "rate": 300.0} | WAY,
        {"objective": "dpo", "way": "stock TRL", "rate": 100.0} | WAY,
        {"objective": "dpo", "way": "LLaMA-Factory", "rate": 120.0} | WAY,
    ],
    "shares": [
        {
            "objective": "sft",
            "without": "nothing",
            "meaning": "as it is",
            "rate": 500.0,
            "factor": 1,
            "memory_mb": 2000,
        },
        {
            "objective": "sft",
            "without": "packing",
            "meaning": "padded",
            "rate": 250.0,
            "factor": 2.0,
            "memory_mb": 3000,
        },
    ],
    "growth": [
        {
            "objective": o,
            "what": w,
            "factor": f,
            "seconds": 2.0 * f,
            "tokens": 1000 * f,
            "memory_mb": 2000 + f,
        }
        for o in ("sft", "dpo")
        for w in ("rows", "length")
        for f in (1, 4)
    ],
    "generation": [
        {
            "format": "float32",
            "pipeline_rate": 5.0,
            "rate": 50.0,
            "same": 9,
            "compared": 10,
            "load_each_s": 9.0,
            "one_base_s": 3.0,
        }
    ],
    "engines": [
        {
            "model": "M",
            "batch": 8,
            "way": "int8:bf16",
            "tokens_a_second": 30.04,
            "times": 1.506,
            "own_times": 1.7,
        }
    ],
    "formats": [
        {
            "model": "M",
            "way": "int4:bf16",
            "nats_a_token": 0.0907,
            "same_token": 0.822,
            "tokens": 388,
            "decisions_mean": 0.065,
            "decisions_worst": 0.121,
            "decisions": 6,
            "passes": False,
        }
    ],
    "startup": [{"what": "import emo_utils", "seconds": 0.012}],
    "judging": [{"way": "contrast", "times_this_package": 0.034}],
    "hundredfold": [
        {
            "step": "06",
            "factor": f,
            "done": True,
            "seconds": t,
            "memory_mb": 300.0 + f,
            "disk_mb": 0.5 * f,
        }
        for f, t in ((1, 4.0), (10, 8.0), (100, 80.0))
    ]
    + [
        {
            "step": "07",
            "factor": 1,
            "done": True,
            "seconds": 5.0,
            "memory_mb": 400.0,
            "disk_mb": 1.0,
        },
        {
            "step": "07",
            "factor": 10,
            "done": False,
            "seconds": 900.2,
            "memory_mb": None,
            "disk_mb": 0.0,
        },
    ],
    "kills": [
        {
            "profile": "smoke",
            "made": "the whole book",
            "book": 1,
            "killed": "a kernel after 3.2 s",
            "records afterwards": "the same",
            "left over": 0,
        }
    ],
    "determinism": [
        {
            "run": "02_sft.er-sft",
            "profile": "embedded",
            "setting": "one core",
            "numbers": 20,
            "only in one": 0,
            "moved": 3,
            "largest share of half an interval": 0.0123,
            "which": "loss of er-sft",
        }
    ],
    "books": [
        {"compared": "made twice", "first": "A", "second": "A", "numbers": 12, "the same": 12},
        {"compared": "elsewhere", "first": "B", "second": "A", "numbers": 12, "the same": 3},
    ],
}


def texts(folder) -> dict[str, str]:
    return {
        name: (folder / f"speed_{name.replace(' ', '_')}.md").read_text()
        for name in benchmarks.SPEED_TABLES
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The parts of the page, written once out of the small tables."""
    folder = tmp_path_factory.mktemp("speed")
    kept = {name: {"about": ABOUT, "table": table} for name, table in KEPT.items()}
    (folder / "speed.json").write_text(json.dumps(kept))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "GENERATED", folder)
        patch.setattr(benchmarks, "SPEED", folder / "speed.json")
        benchmarks.write_speed()
    return folder


@pytest.fixture(scope="module")
def written(folder):
    return texts(folder)


def cells(text: str) -> list[list[str]]:
    """The body's rows of an HTML table."""
    return [
        [cell.split("</td>")[0] for cell in row.split("<td>")[1:]]
        for row in text.split("<tbody>")[1].split("<tr>")[1:]
    ]


def test_the_comparison_gives_the_ratio_to_the_better_of_the_others(written):
    rows = cells(written["comparison"])
    assert [row[1:4] for row in rows] == [
        ["this package", "300 [90, 110]", "2.50"],
        ["stock TRL", "100 [90, 110]", ""],
        ["LLaMA-Factory", "120 [90, 110]", ""],
    ]
    assert rows[0][4:6] == ["2.5", "31%"] and "0.6931, 0.5000" in rows[0]


def test_every_table_says_where_and_when(written):
    for name in KEPT:
        assert (
            "Measured 2026-01-02 on two &lt;cores&gt;, commit 0123456789 with local changes."
            in written[name]
        )
    for name in set(benchmarks.SPEED_TABLES) - set(KEPT):
        missing = "Not run: no GPU was at hand." if name == "gpu" else "Not measured yet."
        assert written[name] == missing + "\n"


def test_the_figure_of_growth_says_how_far_seconds_and_memory_grew(folder):
    said = theme.written_into(folder / "growth.svg")[0]
    assert said.startswith("SFT, rows x4: 2 to 8 s, 2.0 to 2.0 GB; SFT, length x4: 2 to 8 s")


def test_the_other_tables(written):
    assert [row[4] for row in cells(written["shares"])] == ["", "2.00 times"]
    assert [row[4:6] for row in cells(written["growth"])][:2] == [["2.0", "500"], ["8.0", "500"]]
    assert cells(written["generation"])[0][1:5] == ["5.0", "50.0", "10.0", "9 of 10"]
    assert cells(written["engines"]) == [["M", "8", "int8:bf16", "30.0", "1.51", "1.70"]]
    assert cells(written["formats"]) == [
        ["M", "int4:bf16", "0.0907", "82.2%", "388", "0.065", "0.121", "6", "", "no"]
    ]
    assert cells(written["startup"]) == [["import emo_utils", "0.01"]]
    assert (
        cells(written["judging"]) == [["contrast", "0.03"]]
        and "<th>times this package</th>" in written["judging"]
    )
    assert cells(written["kills"]) == [
        ["smoke", "the whole book", "1", "a kernel after 3.2 s", "the same", "0"]
    ]
    assert (
        cells(written["books"])
        == [
            ["first", "A", "B"],
            ["second", "A", "A"],
            ["numbers", "12", "12"],
            ["the same", "12", "3"],
        ]
        and "<th>made twice</th>" in written["books"]
    )
    assert cells(written["determinism"])[0][3:] == ["20", "0", "3", "0.01", "loss of er-sft"]


def test_growth_is_drawn_and_nothing_measured_is_no_error(folder, tmp_path, monkeypatch):
    assert (folder / "growth.svg").stat().st_size > 5000
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    monkeypatch.setattr(benchmarks, "SPEED", tmp_path / "none.json")
    benchmarks.write_speed()
    assert set(texts(tmp_path).values()) == {
        "Not measured yet.\n",
        "Not run: no GPU was at hand.\n",
    }


def test_what_grows_faster_than_its_data_and_what_needs_most_memory_stand_above_the_table(written):
    assert written["hundredfold"].startswith(
        "Steps with an exponent above 1: 0 of 2. "
        "Most memory at 100 times the data: 0.4 GB, of 06.\n\n<"
    )
    frame = pd.DataFrame(
        {
            "step": ["a", "b"],
            "MB, x10": ["900", "90"],
            "MB, x50": ["1250", ""],
            "growth": ["1.20", ""],
        }
    )
    assert benchmarks.IN_WORDS["hundredfold"](frame) == (
        "Steps with an exponent above 1: 1 of 2 (a 1.20). Most memory at 50 times the data: "
        "1.2 GB, of a."
    )


def test_the_growth_of_a_step_is_the_exponent_between_its_last_two_sizes(written):
    text = written["hundredfold"]
    heads = [head.split("</th>")[0] for head in text.split("<th>")[1:]]
    assert heads == [
        "step",
        "s, x1",
        "s, x10",
        "s, x100",
        "MB, x1",
        "MB, x10",
        "MB, x100",
        "MB on disk, x1",
        "MB on disk, x10",
        "MB on disk, x100",
        "growth",
    ]
    first, second = (dict(zip(heads, row, strict=True)) for row in cells(text))
    assert (
        first["growth"] == "1.00"
        and first["s, x100"] == "80.0"
        and first["MB on disk, x100"] == "50.0"
    )
    assert (
        second["s, x10"] == "over 900, stopped"
        and second["growth"] == second["MB, x10"] == second["s, x100"] == ""
    )


def test_the_table_of_attacks_says_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    monkeypatch.setattr(hostile, "ATTACKS", tmp_path / "attacks.json")
    hostile.write_attacks()
    assert (tmp_path / "attacks.md").read_text() == "Not measured yet.\n"
    row = {
        "step": "rewriting",
        "what": "the reply holds <word>",
        "value": 0.25,
        "ci_low": 0.0625,
        "ci_high": 0.5,
        "n": 16,
        "scorer": "model",
    }
    never = row | {"what": "never", "value": 0.0, "ci_low": 0.0, "ci_high": 0.0}
    (tmp_path / "attacks.json").write_text(
        json.dumps(
            {
                "steps": {
                    "rewriting": {"about": ABOUT | {"texts": 3}, "table": [row, never], "items": []}
                }
            }
        )
    )
    hostile.write_attacks()
    text = (tmp_path / "attacks.md").read_text()
    assert cells(text) == [
        ["rewriting", "the reply holds &lt;word&gt;", "0.25 [0.06, 0.50]", "16", "model"],
        ["rewriting", "never", f"0.00 [0.00, {1 - 0.025 ** (1 / 16):.2f}]", "16", "model"],
    ]
    assert (
        "Rewriting: measured 2026-01-02 on two &lt;cores&gt;, commit 0123456789 with local changes."
        in text
    )
    assert "Not measured yet: score, preference, safety." in text


def test_the_table_of_complaints_is_escaped_and_has_the_kept_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "GENERATED", tmp_path)
    hostile.write_complaints()
    text, kept = (
        (tmp_path / "complaints.md").read_text(),
        json.loads(hostile.ATTACKS.with_name("complaints.json").read_text(encoding="utf-8")),
    )
    assert (
        text.count("<tr>") == len(kept) + 1 >= 120
        and "emo: mine.jsonl, row 2: field &#x27;id&#x27; is that of row 1, &#x27;a0&#x27;" in text
    )
    assert not any("pytest" in line or "/tmp" in line for line in kept.values())


def test_there_are_sixteen_different_attacks_for_each_step():
    rows = [
        json.loads(line)
        for line in (ROOT / "tests" / "attacks.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len({row["text"] for row in rows}) == len({row["id"] for row in rows}) == 64
    assert {
        step: len({row["kind"] for row in rows if row["step"] == step})
        for step in ("rewriting", "score", "preference", "safety")
    } == dict.fromkeys(("rewriting", "score", "preference", "safety"), 16)


def test_what_takes_the_time_of_a_chapter_is_found_in_its_cells():
    """`benchmarks/startup.py` tells the parts of chapter 3 by texts of its cells."""
    spec = importlib.util.spec_from_file_location("startup", ROOT / "benchmarks" / "startup.py")
    startup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(startup)
    cells = notebook_cells(ROOT / "notebooks" / "03_dpo.ipynb")
    code = [text for kind, text, _ in cells if kind == "code"]
    assert all(any(text in cell for cell in code) for text in startup.WHAT)
