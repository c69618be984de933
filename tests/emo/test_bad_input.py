"""A corpus of what users and accidents hand to `emo`:
each case ends in a line that says what is wrong and where, and in no traceback.

Weights, endpoints and the machine are in test_bad_weights.py,
sources that are read row by row in test_sources.py.
The page on hostile text shows what each case says, from book/reference/complaints.json,
which these tests hold true and
`EMO_COMPLAINTS=keep pytest -p no:xdist tests/test_bad_input.py tests/test_bad_weights.py`
writes anew.
"""

import gzip
import json
import os
import random
import shutil
import struct

import pandas as pd
import pytest
from complaints import KEPT, complaint, shown_on_the_page

from emo import cli
from emo_utils import project
from emo_utils.claims import ledger as claims_ledger
from emo_utils.data import dialogues, published_numbers
from emo_utils.experiment import parameters
from emo_utils.experiment import sweeps as sweep_files
from emo_utils.project import EmoError

ROW = {
    "id": "a1",
    "emotion": "fear",
    "question": "What should I do about my knee?",
    "answer": "Rest it for two days.",
    "emotional_question": "I am so afraid about my knee.",
    "soothing_response": "I understand. Please rest it.",
}
NOISE = random.Random(7).randbytes(400)


def lines(*changes: dict) -> bytes:
    """Rows of EQ+SR as JSON lines, with changes to each; a field changed to ... is left out."""
    rows = [
        {k: v for k, v in (ROW | {"id": f"a{i}"} | change).items() if v is not ...}
        for i, change in enumerate(changes)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


GOOD = lines({}, {}, {})


ROWS = {
    "utf-16": (GOOD.decode().encode("utf-16"), "not UTF-8 at byte 0; save it as UTF-8"),
    "latin-1": (
        json.dumps(ROW | {"answer": "Caf\u00e9"}, ensure_ascii=False).encode("latin-1"),
        r"not UTF-8 at byte \d+",
    ),
    "gzip": (gzip.compress(GOOD), "not UTF-8 at byte 1.*not compressed"),
    "zip": (b"PK\x03\x04" + NOISE, "not UTF-8"),
    "parquet": (b"PAR1" + NOISE + b"PAR1", "not UTF-8"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\n" + NOISE, "not UTF-8"),
    "noise": (NOISE, "not UTF-8"),
    "empty": (b"", "is empty; it needs a JSON object a line with the fields id"),
    "blank lines": (b"\n\n \n", "is empty"),
    "torn": (GOOD[:-40], "row 3: not JSON"),
    "a NUL byte": (GOOD.replace(b"knee", b"kn\0ee", 1), "row 1: not JSON"),
    "a NUL in a text": (lines({}, {"answer": "a\0b"}), r"row 2: field 'answer' holds U\+0000"),
    "an escape sequence": (
        lines({"answer": "a\x1b[31mred"}),
        r"row 1: field 'answer' holds U\+001B",
    ),
    "half a character": (
        GOOD.replace(b"knee", b"\\ud83d knee", 1),
        r"row 1: field 'question' holds U\+D83D",
    ),
    "a delete sign": (lines({"question": "a\x7f?"}), r"row 1: field 'question' holds U\+007F"),
    "an array": (
        b"[" + GOOD.strip().replace(b"\n", b",") + b"]",
        "row 1: not a JSON object; each line is one row",
    ),
    "an indented object": (json.dumps(ROW, indent=1).encode(), "row 1: not JSON"),
    "csv": (b"question,answer\na,b\n", "row 1: not JSON"),
    "html": (b"<!doctype html><html><body>Not found</body></html>", "row 1: not JSON"),
    "python": (b"{'id': 'a1'}\n", "row 1: not JSON"),
    "a comma at the end": (b'{"id": "a1",}\n', "row 1: not JSON"),
    "numbers": (b"1\n2\n", "row 2: not a JSON object"),
    "texts": (b'"a"\n', "row 1: not a JSON object"),
    "null": (GOOD + b"null\n", "row 4: not a JSON object"),
    "a list": (GOOD + b"[1, 2]\n", "row 4: not a JSON object"),
    "a blank line inside": (GOOD + b"\n" + lines({"id": "z"}), "row 4: not JSON"),
    "nested without end": (b"[" * 100_000, "row 1: not JSON .maximum recursion"),
    "a number of 6000 digits": (
        b'{"id": ' + b"9" * 6000 + b"}\n",
        "row 1: not JSON .Exceeds the limit",
    ),
    "NaN": (b'{"id": NaN}\n', "row 1: field 'id' is no text but float"),
    "infinite": (b'{"id": 1e999999}\n', "row 1: field 'id' is no text but float"),
    "a field missing": (lines({}, {"answer": ...}), "row 2: field 'answer' is missing or empty"),
    "every field missing": (b"{}\n", "row 1: field 'id' is missing or empty"),
    "fields in capitals": (lines({}).upper(), "row 1: field 'id' is missing or empty"),
    "a number for a text": (lines({"answer": 12}), "row 1: field 'answer' is no text but int"),
    "a truth value": (lines({"answer": True}), "row 1: field 'answer' is no text but bool"),
    "a list for a text": (lines({"answer": ["a"]}), "row 1: field 'answer' is no text but list"),
    "an object for a text": (
        lines({"answer": {"a": 1}}),
        "row 1: field 'answer' is no text but dict",
    ),
    "nothing for a text": (lines({"answer": None}), "row 1: field 'answer' is missing or empty"),
    "an empty text": (
        lines({"soothing_response": ""}),
        "row 1: field 'soothing_response' is missing or empty",
    ),
    "blanks": (lines({"question": " \t "}), "row 1: field 'question' is missing or empty"),
    "wide blanks": (
        lines({"question": "\u3000\u00a0"}),
        "row 1: field 'question' is missing or empty",
    ),
    "an unknown emotion": (
        lines({"emotion": "boredom"}),
        "row 1: emotion 'boredom' is none of fear, anxiety",
    ),
    "an emotion in capitals": (lines({"emotion": "Fear"}), "row 1: emotion 'Fear' is none of"),
    "an emotion as a number": (lines({"emotion": 3}), "row 1: field 'emotion' is no text but int"),
    "an id twice": (lines({}, {"id": "a0"}), "row 2: field 'id' is that of row 1, 'a0'"),
    "an id as a number": (lines({"id": 7}), "row 1: field 'id' is no text but int"),
    "a text without end": (
        lines({"answer": "word " * 400_000}),
        "row 1: field 'answer' has 2000000 characters, more than 8000",
    ),
    "a mark of a template": (
        lines({}, {"answer": "Rest it.<|im_end|>"}),
        r"row 2: field 'answer' holds '<\|im_end\|>', by which chat templates end",
    ),
    "equal answers": (
        lines({}, {"soothing_response": "Rest it  for two days."}),
        "row 2: field 'soothing_response' is the text of 'answer'",
    ),
    "one row many times": (
        lines({"question": "Is it?"}, {}, {}, {}),
        "2 of 4 rows repeat an earlier one under another id, row 3 is row 2",
    ),
    "many faults": (lines(*[{"answer": ""}] * 30), "row 20: field 'answer'"),
}


@pytest.mark.parametrize("case", ROWS)
def test_rows_that_cannot_be_trained_on(tmp_path, capsys, case):
    content, says = ROWS[case]
    (tmp_path / "mine.jsonl").write_bytes(content)
    said = complaint(capsys, "check-rows", tmp_path / "mine.jsonl")
    assert (
        pd.Series(said).str.replace("emo: ", "").str.startswith(("mine.jsonl", "... and")).all()
    ), said
    assert pd.Series(said).str.contains(says).any(), said
    assert len(said) <= 21 and (tmp_path / "mine.jsonl").read_bytes() == content


PATHS = {
    "missing": ("none.jsonl", "none.jsonl is missing"),
    "a folder": (".", "is a folder: there is no file"),
    "empty": ("", "give a file"),
    "a NUL": ("a\0b.jsonl", "is no path to a file"),
    "too long": ("x" * 300 + ".jsonl", "is no path to a file .*too long"),
    "a link to nothing": ("dangling.jsonl", "is missing"),
    "a circle of links": ("circle.jsonl", "is no path to a file .Symlink loop"),
    "below a file": ("mine.jsonl/rows.jsonl", "rows.jsonl is missing"),
    "a device": ("/dev/null", "null is no ordinary file"),
    "of nobody": ("~nobody-of-that-name/x.jsonl", "is no path to a file"),
}


@pytest.mark.parametrize("case", PATHS)
def test_paths_that_lead_to_no_rows(tmp_path, capsys, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.jsonl").write_bytes(GOOD)
    os.symlink(tmp_path / "gone", tmp_path / "dangling.jsonl")
    os.symlink(tmp_path / "circle.jsonl", tmp_path / "circle.jsonl")
    path, says = PATHS[case]
    assert pd.Series(complaint(capsys, "check-rows", path)).str.contains(says).any()


ANSWERS = pd.DataFrame(
    [{"id": f"q{i}", "question": f"question {i}?", "answer": f"an answer {i}"} for i in range(6)]
)


def parquet(tmp_path) -> bytes:
    ANSWERS.to_parquet(tmp_path / "whole.parquet")
    return (tmp_path / "whole.parquet").read_bytes()


TABLES = {
    "no file": ("m.parquet", None, "m.parquet cannot be read .*No such file"),
    "Parquet cut off": ("t.parquet", lambda b: b[:-30], "t.parquet cannot be read .*[Pp]arquet"),
    "Parquet without its head": (
        "h.parquet",
        lambda b: b[20:],
        "h.parquet cannot be read|lacks? the column|lacks its id",
    ),
    "Parquet with a footer that lies": (
        "l.parquet",
        lambda b: b[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1",
        "l.parquet cannot be read",
    ),
    "text as Parquet": ("x.parquet", lambda b: b"id,question,answer\n", "x.parquet cannot be read"),
    "a zip as Parquet": (
        "z.parquet",
        lambda b: b"PK\x03\x04" + bytes(200),
        "z.parquet cannot be read",
    ),
    "nothing as Parquet": ("e.parquet", lambda b: b"", "e.parquet cannot be read"),
    "nothing as CSV": ("e.csv", lambda b: b"", "e.csv cannot be read"),
    "a head alone": ("h.csv", lambda b: b"id,question,answer\n", "0 systems"),
    "ragged lines": (
        "r.csv",
        lambda b: b"id,question,answer\na,b\nc,d,e,f,g\n",
        "r.csv cannot be read",
    ),
    "a quote without end": (
        "q.csv",
        lambda b: b'id,question,answer\na,"b,c\nd,e,f\n',
        "q.csv cannot be read .*EOF inside string",
    ),
    "CSV in Latin-1": (
        "l1.csv",
        lambda b: "id,question,answer\na,caf\u00e9,c\n".encode("latin-1"),
        "l1.csv cannot be read .*utf-8",
    ),
    "CSV in UTF-16": (
        "u.csv",
        lambda b: "id,question,answer\na,b,c\n".encode("utf-16"),
        "u.csv cannot be read .*utf-8",
    ),
    "a column twice": (
        "d.csv",
        lambda b: b"id,answer,answer\na,b,c\n",
        "lack the column 'question'",
    ),
    "a column too few": ("mc.csv", lambda b: b"id,question\na,b\n", "lack the column 'answer'"),
    "semicolons": ("s.csv", lambda b: b"id;question\na;b\n", "lack the column 'answer'"),
    "an id twice": ("di.csv", lambda b: b"id,question,answer\na,b,c\na,d,e\n", "1 ids come twice"),
    "a spreadsheet": ("x.xlsx", lambda b: b"PK", "a table is a .jsonl, .csv, .parquet file"),
    "no suffix": ("answers", lambda b: b, "a table is a .jsonl, .csv, .parquet file"),
    "torn JSON": (
        "tj.jsonl",
        lambda b: b'{"id":"a","question":"b","ans',
        "tj.jsonl cannot be read",
    ),
    "numbers": ("sc.jsonl", lambda b: b"1\n2\n", "lack the column 'id'"),
    "objects and lists": (
        "mj.jsonl",
        lambda b: b'{"id":"a","question":"b","answer":"c"}\n[1]\n',
        "mj.jsonl cannot be read",
    ),
    "nested": (
        "ne.jsonl",
        lambda b: b'{"id":"q1","question":{"a":1},"answer":["x"]}\n',
        "different questions under the id 'q1'|lacks its id, question or answer",
    ),
    "no answer": (
        "na.jsonl",
        lambda b: b'{"id":"q1","question":"question 1?","answer":null}\n',
        "row 1 of na lacks its id, question or answer",
    ),
    "nothing in common": (
        "nc.csv",
        lambda b: b"id,question,answer\nzz,b,c\n",
        "0 questions that both answered",
    ),
    "JSON without end": ("dj.jsonl", lambda b: b"[" * 100_000, "dj.jsonl cannot be read"),
    "noise": ("bin.csv", lambda b: NOISE, "bin.csv cannot be read"),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_that_cannot_be_compared(tmp_path, capsys, case):
    name, make, says = TABLES[case]
    whole = parquet(tmp_path)
    if make:
        (tmp_path / name).write_bytes(make(whole))
    ANSWERS.assign(answer=ANSWERS.answer + " or not").to_csv(tmp_path / "other.csv", index=False)
    assert (
        pd.Series(
            complaint(
                capsys,
                "comparison-sheets",
                tmp_path / name,
                tmp_path / "other.csv",
                "--to",
                tmp_path / "kit",
            )
        )
        .str.contains(says)
        .any()
    )
    assert not (tmp_path / "kit" / "key.json").exists()  # no half-made kit


@pytest.fixture(scope="module")
def made_kit(tmp_path_factory):
    """A folder with two files of answers and the forms made of them; its tests change copies."""
    folder = tmp_path_factory.mktemp("forms")
    ANSWERS.to_csv(folder / "a.csv", index=False)
    ANSWERS.assign(answer=ANSWERS.answer + " or not").to_csv(folder / "b.csv", index=False)
    tables = [str(folder / name) for name in ("a.csv", "b.csv")]
    assert cli.main(["comparison-sheets", *tables, "--to", str(folder / "kit")]) == 0
    (folder / "kit" / "returned").mkdir(exist_ok=True)
    return folder


@pytest.fixture
def kit(made_kit, tmp_path):
    shutil.copytree(made_kit, tmp_path, dirs_exist_ok=True)
    return tmp_path / "kit"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "3", "null", "{", '{"a": 1}', "torn", "lists", "noise"],
    ids=lambda content: content or "empty",
)
def test_a_key_that_is_none(kit, capsys, content):
    key = json.loads((kit / "key.json").read_text())
    made = {
        "torn": json.dumps(key)[:200],
        "lists": json.dumps({name: [] for name in key}),
        "noise": NOISE.decode("latin-1"),
    }
    (kit / "key.json").write_text(made.get(content, content), encoding="utf-8")
    assert "no key.json of" in complaint(capsys, "ratings", kit)[0]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"12", b"null", b'{"a', b'{"form": "x"}', b"[" * 100_000, NOISE],
    ids=["empty", "[]", "12", "null", "torn", "another form", "nested without end", "noise"],
)
def test_a_returned_file_that_is_none_is_left_out_by_name(kit, capsys, content):
    (kit / "returned" / "hers.json").write_bytes(content)
    said = complaint(capsys, "ratings", kit)
    assert said[0].startswith("emo: no ratings yet") and any(
        "left out: " in line and "hers.json" in line for line in said
    )


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("--raters", "100000000"), "600,000,000|100,000,000 forms; more than 10,000"),
        (("--raters", "0"), "each of the three is 1 or more"),
        (("--group-size", "-1"), "1 or more"),
        (("--raters", "x"), 'unable to convert "x" into int'),
        (("--to", "FILE"), "cannot be written"),
        (("--to", "FILE/below"), "cannot be written"),
        (("--to", "/proc/nowhere"), "cannot be written"),
    ],
    ids=[
        "--raters 100000000",
        "--raters 0",
        "--group-size -1",
        "--raters x",
        "--to FILE",
        "--to FILE/below",
        "--to /proc/nowhere",
    ],
)
def test_forms_that_cannot_be_made(kit, capsys, arguments, says):
    tables = kit.parent / "a.csv", kit.parent / "b.csv"
    given = [a.replace("FILE", str(kit.parent / "a.csv")) for a in arguments]
    assert (
        pd.Series(
            complaint(
                capsys,
                "comparison-sheets",
                *tables,
                *([] if "--to" in given else ["--to", kit.parent / "more"]),
                *given,
            )
        )
        .str.contains(says)
        .any()
    )


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"runs": []}',
        '{"runs": {"a": 1}}',
        '{"runs": {',
        '{"runs": {"a": {"records": []}}}',
    ],
    ids=lambda content: content or "empty",
)
def test_records_that_cannot_be_compared_with(tmp_path, capsys, content):
    (tmp_path / "kept.json").write_text(content)
    assert (
        "kept.json holds no records to compare with"
        in complaint(capsys, "drift", "--profile", "smoke", "--against", tmp_path / "kept.json")[0]
    )


REWRITES = {
    "no count": ((), "say how many rows"),
    "more than there are": (("--er", 200), "200 rows were asked for and .* has 12 usable ones"),
    "fewer than none": (("--er", -1), "a number of rows is 0 or more"),
    "no such field": (("--er", 1, "--question-field", "zz"), "0 usable ones"),
    "no workers": (
        ("--er", 1, "--concurrency", 0),
        r"\"0\" for --concurrency. It must be in \[1, 1024\]",
    ),
    "no attempts": (("--er", 1, "--attempts", 0), '"0" for --attempts'),
    "no tokens": (("--er", 1, "--max-tokens", 0), '"0" for --max-tokens'),
    "too hot": (("--er", 1, "--temperature", 9), '"9.0" for --temperature'),
    "no temperature": (("--er", 1, "--temperature", "nan"), '"nan" for --temperature'),
    "no time": (("--er", 1, "--timeout", 0), '"0.0" for --timeout'),
    "a seed below 0": (("--er", 1, "--seed", -5), '"-5" for --seed'),
    "a debt": (("--er", 1, "--limit", -1), "--limit is -1.0"),
    "no limit": (("--er", 1, "--limit", "nan"), "--limit is nan"),
    "another protocol": (
        ("--er", 1, "--endpoint", "ftp://x/v1"),
        "an endpoint an address such as http",
    ),
    "no address": (("--er", 1, "--endpoint", "my server"), "an endpoint an address"),
    "no model": (("--er", 1, "--model", " "), "a model has a name"),
    "no such judge": (
        ("--er", 1, "--emotion-model", "nobody"),
        "no weights are registered under 'nobody'",
    ),
}


@pytest.mark.parametrize("case", REWRITES)
def test_rewriting_that_cannot_be_asked_for(tmp_path, capsys, case):
    given, says = REWRITES[case]
    (tmp_path / "rows.jsonl").write_bytes(lines(*[{}] * 12))
    assert (
        pd.Series(
            complaint(
                capsys,
                "rewrite",
                tmp_path / "rows.jsonl",
                "--plan",
                "--out",
                tmp_path / "out",
                *given,
            )
        )
        .str.contains(says)
        .any()
    )


HEAD = "about: mine\nminutes: 3\nmemory_gb: 3\n"
PROFILES = {
    "a tab": (
        "about: x\n\tminutes: 3\n",
        (
            r"profiles/smoke.yaml, line 2: cannot be read as YAML "
            r"\(found character .* cannot start any token\)"
        ),
    ),
    "a quote without end": (
        HEAD + "all: {base_model: 'x}\n",
        "smoke.yaml, line [45]: cannot be read as YAML",
    ),
    "in Latin-1": (
        HEAD.encode() + b"all: {base_model: caf\xe9}\n",
        "smoke.yaml: cannot be read as YAML .*utf-8",
    ),
    "code": (
        HEAD + 'all: !!python/object/apply:os.system ["touch trap"]\n',
        "smoke.yaml, line 4: cannot be read as YAML",
    ),
    "empty": ("", "smoke.yaml: is no mapping of names to values"),
    "a list": ("- a\n", "smoke.yaml: is no mapping of names to values"),
    "without its size": (
        "about: x\nminutes: 3\n",
        "smoke.yaml: lacks 'memory_gb'; it needs about, minutes, memory_gb",
    ),
    "no number of cores": (
        HEAD + "threads: two\n",
        "smoke.yaml: 'threads: two' is no number of cores; it is 1 or more",
    ),
    "values that are a list": (
        HEAD + "values: [1]\n",
        "smoke.yaml: values is no mapping of parameters to values",
    ),
    "one value": (
        HEAD + "values: {03_dpo: 3}\n",
        "smoke.yaml: 03_dpo is no mapping of parameters to values",
    ),
    "for all, a list": (
        HEAD + "all: [1]\n",
        "smoke.yaml: all is no mapping of parameters to values",
    ),
    "another notebook": (
        HEAD + "values: {03_dop: {beta: 1}}\n",
        (
            "smoke.yaml sets values for '03_dop', which is no notebook and no run; "
            "did you mean '03_dpo'"
        ),
    ),
    "another parameter": (
        HEAD + "values: {03_dpo: {betta: 1}}\n",
        (
            "profiles/smoke.yaml sets 'betta' for 03_dpo, which has no such parameter; "
            "did you mean 'beta'"
        ),
    ),
    "out of its range": (
        HEAD + "values: {03_dpo: {beta: 99}}\n",
        "profiles/smoke.yaml, 03_dpo: parameter 'beta' is 99.0; it must be in",
    ),
    "out of its range, for all": (
        HEAD + "all: {epochs: -3}\n",
        "profiles/smoke.yaml, all: parameter 'epochs' is -3.0; it must be in",
    ),
    "another type": (
        HEAD + "values: {03_dpo: {batch_size: many}}\n",
        "profiles/smoke.yaml, 03_dpo: parameter 'batch_size' is 'many'",
    ),
    "gone": (None, "smoke.yaml: cannot be read as YAML .*No such file"),
}


@pytest.mark.parametrize("case", PROFILES)
def test_profiles_that_cannot_be_run(tmp_path, capsys, monkeypatch, case):
    content, says = PROFILES[case]
    folder = tmp_path / "profiles"
    shutil.copytree(project.PROFILES, folder)
    monkeypatch.chdir(tmp_path)
    if content is None:
        (folder / "smoke.yaml").unlink()
    else:
        (folder / "smoke.yaml").write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    for module in (parameters, project):
        monkeypatch.setattr(module, "PROFILES", folder)
        monkeypatch.setattr(module, "ROOT", tmp_path, raising=False)
    said = complaint(capsys, "plan", "--profile", "smoke")
    assert len(said) == 1 and pd.Series(said).str.contains(says).any(), said
    assert not (tmp_path / "trap").exists()


def test_a_plan_names_a_model_that_nobody_registered(tmp_path, capsys, monkeypatch):
    """It may be an endpoint's; a slip in it would show hours later."""
    (tmp_path / "smoke.yaml").write_text(
        (project.PROFILES / "smoke.yaml")
        .read_text()
        .replace("base_model: tiny-llama", "base_model: tiny-lama")
    )
    assert cli.main(["plan", "--profile", "smoke"]) == 0 and "note" not in capsys.readouterr().out
    monkeypatch.setattr(parameters, "PROFILES", tmp_path)
    assert cli.main(["plan", "--profile", "smoke"]) == 0
    assert (
        "asks for 'tiny-lama', which is not in the registry; did you mean 'tiny-llama'?"
        in capsys.readouterr().out
    )


PART = "about: mine\nparts:\n- runs: [03_dpo.eqsr-dpo]\n  grid: "
SWEEPS = {
    "torn": ("about: [", "beta.yaml, line 1: cannot be read as YAML"),
    "empty": ("", "beta.yaml: is no mapping"),
    "no parts": ("about: mine\n", "beta.yaml: lacks 'parts'"),
    "parts that are none": ("about: mine\nparts: 3\n", "beta.yaml: a part is 'runs'"),
    "a part that is none": ("about: mine\nparts: [3]\n", "beta.yaml: a part is 'runs'.*got 3"),
    "no grid": (
        PART.replace("grid", "gird") + "{}\n",
        "beta.yaml: a part is 'runs', a list, and 'grid'",
    ),
    "one value": (PART + "{beta: 0.1}\n", "a list of values for each parameter"),
    "another run": (
        PART.replace("03_dpo.eqsr-dpo", "03_dpo.x") + "{beta: [0.1]}\n",
        "the book has no run '03_dpo.x'",
    ),
    "another parameter": (PART + "{betta: [0.1]}\n", "did you mean 'beta'"),
    "out of its range": (PART + "{beta: [0.1, -1]}\n", "it must be in"),
}


@pytest.mark.parametrize("case", SWEEPS)
def test_sweeps_that_cannot_be_run(tmp_path, capsys, monkeypatch, case):
    content, says = SWEEPS[case]
    (tmp_path / "beta.yaml").write_text(content)
    monkeypatch.setattr(sweep_files, "SWEEPS", tmp_path)
    said = complaint(capsys, "sweep", "beta", "--profile", "smoke")
    assert len(said) == 1 and pd.Series(said).str.contains(says).any(), said


ROWS_OF_A_TABLE = (
    "table,system,metric,value,unit,direction,place\n"
    "emodoctor.table1,base,empathetic,0.55,x,higher,Table 1\n"
    "emodoctor.table1,base,comforting,0.52,x,higher,Table 1\n"
)
PRINTED = {
    "a word for a number": (
        ROWS_OF_A_TABLE.replace("0.52", "high"),
        "emodoctor.csv, row 3: emodoctor.table1, base, comforting is 'high': no number",
    ),
    "no number": (ROWS_OF_A_TABLE.replace("0.52", ""), "row 3: .* is '': no number"),
    "a comma in a number": (
        ROWS_OF_A_TABLE.replace("0.52", '"0,52"'),
        "row 3: .* is '0,52': no number",
    ),
    "not finite": (ROWS_OF_A_TABLE.replace("0.52", "nan"), "row 3: .* is 'nan': no number"),
    "a formula": (ROWS_OF_A_TABLE.replace("0.52", "=1+1"), r"row 3: .* is '=1\+1': no number"),
    "a cell twice": (
        ROWS_OF_A_TABLE + "emodoctor.table1,base,empathetic,0.56,x,higher,Table 1\n",
        "row 4: .* is '0.56': no number, or given twice",
    ),
    "a column too few": (
        ROWS_OF_A_TABLE.replace("metric", "metrik"),
        "emodoctor.csv lacks the column 'metric'",
    ),
    "semicolons": (
        ROWS_OF_A_TABLE.replace("metric", "metrik").replace(",", ";"),
        "emodoctor.csv lacks the column 'metric'",
    ),
    "ragged": (ROWS_OF_A_TABLE + "a,b\nc,d,e,f,g,h,i,j,k\n", "emodoctor.csv cannot be read"),
    "in UTF-16": (ROWS_OF_A_TABLE.encode("utf-16"), "emodoctor.csv cannot be read"),
    "empty": ("", "emodoctor.csv cannot be read"),
    "gone": (None, "emodoctor.csv cannot be read .*No such file"),
}


@pytest.mark.parametrize("case", PRINTED)
def test_published_numbers_that_cannot_be_read(tmp_path, monkeypatch, case):
    content, says = PRINTED[case]
    if content is not None:
        (tmp_path / "emodoctor.csv").write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    monkeypatch.setattr(published_numbers, "EMODOCTOR", tmp_path / "emodoctor.csv")
    monkeypatch.setattr(claims_ledger, "NUMBERS", (tmp_path / "emodoctor.csv",))
    for read in (claims_ledger.published, lambda: published_numbers.emodoctor("emodoctor.table1")):
        with pytest.raises(EmoError, match=says) as error:
            read()
    shown_on_the_page([f"emo: {error.value}"])


@pytest.mark.parametrize(
    "content",
    [
        "- a\n",
        "hello",
        "a: [",
        "gpt-4o-mini: {input: cheap, output: 2}\n",
        "gpt-4o-mini: 3\n",
        "gpt-4o-mini: {input: 1}\n",
        '!!python/object/apply:os.system ["echo x"]\n',
        "a: \x00",
        "gpt-4o-mini: {input: -1, output: 2}\n",
        "gpt-4o-mini: {input: 1, output: .nan}\n",
    ],
)
def test_prices_that_are_none(tmp_path, capsys, content):
    (tmp_path / "rows.jsonl").write_bytes(lines({}))
    (tmp_path / "prices.yaml").write_text(content)
    assert (
        "emo: prices.yaml is no table of prices"
        in complaint(
            capsys,
            "rewrite",
            tmp_path / "rows.jsonl",
            "--er",
            1,
            "--plan",
            "--out",
            tmp_path / "out",
            "--prices",
            tmp_path / "prices.yaml",
        )[0]
    )


def test_a_store_that_is_none_is_not_touched(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_bytes(lines({}))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "replies.sqlite").write_bytes(NOISE)
    assert (
        "replies.sqlite is no store of replies"
        in complaint(
            capsys,
            "rewrite",
            tmp_path / "rows.jsonl",
            "--er",
            1,
            "--plan",
            "--out",
            tmp_path / "out",
        )[0]
    )
    assert (tmp_path / "out" / "replies.sqlite").read_bytes() == NOISE


NAMES = {
    ("run", "3_dpo"): "did you mean '03_dpo'",
    ("run", ""): "there is no notebook ''",
    ("run", "../../etc/passwd"): "there is no notebook 'passwd'",
    ("run", "03_dpo\0"): "there is no notebook",
    ("run", "03_dpo", "-p", "", "1"): "no parameter ''",
    ("run", "03_dpo", "-p", "betta", "1"): "did you mean 'beta'",
    ("run", "03_dpo", "-p", "__class__", "x"): "no parameter '__class__'",
    ("run", "03_dpo", "-p", "beta", "nan"): r"it must be in \(0, 10\]",
    ("run", "03_dpo", "-p", "beta", "1e400"): "is inf",
    ("run", "03_dpo", "-p", "beta", "0,1"): "is no float",
    ("run", "03_dpo", "-p", "beta", ""): "is no float",
    ("run", "03_dpo", "-p", "batch_size", "1.5"): "is no int",
    ("run", "03_dpo", "-p", "batch_size", "9" * 30): "it must be in",
    (
        "run",
        "03_dpo",
        "-p",
        "profile",
        "huge",
    ): "one of smoke, embedded, overnight",
    ("run", "03_dpo", "-p", "precision", "fp8"): "did you mean 'fp32'",
    ("run", "03_dpo", "-p", "system", "zzz"): "one of eqsr-dpo",
    ("run", "03_dpo", "-p", "beta"): "requires 2 positional arguments",
    ("make", "zzz"): "the book has no run 'zzz'",
    ("make", "03_dpo.eqsr-dpo@betta=1"): "did you mean 'beta'",
    ("make", "03_dpo.eqsr-dpo@beta=x"): "is no float",
    ("make", "03_dpo.eqsr-dpo@"): "'' says no parameters",
    ("make", "03_dpo.eqsr-dpo@beta"): "'beta' says no parameters",
    ("make", "03_dpo.eqsr-dpo@beta=1,,seed=2"): "says no parameters",
    ("step", "zzz"): "the book has no run 'zzz'",
    ("fetch", "zzz"): "no weights are registered under 'zzz'",
    ("sweep", "zzz"): "zzz",
    ("sweep", "../profiles/smoke"): "smoke",
    ("export", "zzz", "--to", "x"): "the book has no run 'zzz'",
    ("export", "05_emotion_scoring", "--to", "x"): "05_emotion_scoring",
    ("ask", "  "): "give a question in quotes",
    ("ask", "hi", "--systems", "x"): "there is no system 'x'",
    ("ask", "hi", "--max-new-tokens", "0"): "at least 1",
    ("ask", "hi", "--temperature", "-1"): "at least 0",
    ("drift", "--profile", "huge"): 'Invalid value "huge" for --profile. Choose from: "smoke"',
    ("drift", "--keep", "--profile", "paper"): "has no result in the paper profile",
    ("pages", "--profile", "paper"): "in the paper profile",
    ("zzz",): 'Unknown command "zzz"',
}


@pytest.mark.parametrize("arguments", NAMES, ids=lambda a: " ".join(a).replace("\0", "NUL")[:40])
def test_names_and_values_that_there_are_not(capsys, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    said = complaint(capsys, *arguments)
    assert pd.Series(said).str.contains(NAMES[arguments]).any(), said
    assert not list(tmp_path.iterdir())


def test_a_fault_of_the_program_is_one_line_and_with_debug_its_trace(capsys, monkeypatch, tmp_path):
    def broken(*_, **__):
        raise ZeroDivisionError("of the depths")

    monkeypatch.setattr(dialogues, "load", broken)
    assert cli.main(["check-rows", "x.jsonl"]) == 70
    assert capsys.readouterr().err == (
        "emo: a fault of this program, please report it: "
        "ZeroDivisionError: of the depths (emo --debug … shows where)\n"
    )
    with pytest.raises(ZeroDivisionError):
        cli.main(["--debug", "check-rows", "x.jsonl"])


@pytest.mark.parametrize(
    "error, says",
    [
        (OSError(28, "No space left on device", "/x/y"), "No space left on device: /x/y"),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: /x"),
        (IsADirectoryError(21, "Is a directory"), "Is a directory"),
    ],
)
def test_what_the_machine_refuses_is_one_line_with_the_place(capsys, monkeypatch, error, says):
    def refused(*_, **__):
        raise error

    monkeypatch.setattr(dialogues, "load", refused)
    assert cli.main(["check-rows", "x.jsonl"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"emo: {says}; what was finished is kept") and said.count("\n") == 1


def test_the_corpus_is_as_large_as_it_is_said_to_be():
    assert len(json.loads(KEPT.read_text(encoding="utf-8"))) >= 300


def test_a_negative_number_in_short_form_is_a_value_and_no_option(capsys):
    said = complaint(capsys, "run", "03_dpo", "-p", "beta", "-1e-3", shown=False)
    assert "parameter 'beta' is -0.001; it must be in (0, 10]" in said[0]
