"""Sources of consultations: three formats, rows that cannot be used, fields, streaming,
and the draw of the two subsets.
"""

import csv
import itertools
import json
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from emo_utils.data import dialogues, files
from emo_utils.project import EmoError
from emo_utils.rewriting import sources
from emo_utils.rewriting.sources import Source

FORMATS = (".csv", ".jsonl", ".parquet")


def consultations(count: int) -> list[dict]:
    return [
        {
            "id": f"p{i}",
            "question": f'Is "it", case {i},\nserious? é 大',
            "answer": f"No; {i} days of rest.",
        }
        for i in range(count)
    ]


def write(path: Path, rows: list[dict]) -> Path:
    """Rows in the format that the path's suffix names."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=1000)
    elif path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as handle:
            table = csv.DictWriter(handle, fieldnames=list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
        )
    return path


def rows(path: Path, **options) -> list[sources.Row]:
    return list(Source(str(path), **options).rows())


def reasons(path: Path, **options) -> list[str]:
    return [row.reason for row in rows(path, **options)]


# Formats


@pytest.mark.parametrize("suffix", [*FORMATS, ".JSONL"])
def test_rows_are_the_same_from_each_format(tmp_path, suffix):
    found = rows(write(tmp_path / f"x{suffix}", consultations(3)))
    assert found == [
        sources.Row(i + 1, f"p{i}", f'Is "it", case {i},\nserious? é 大', f"No; {i} days of rest.")
        for i in range(3)
    ]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path, suffix):
    path = write(tmp_path / f"x{suffix}", [{"question": "Is it?", "answer": "No."}])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rows(path) == [sources.Row(1, "row-1", "Is it?", "No.")]


def test_windows_line_ends_are_no_part_of_the_texts(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"question,answer\r\nIs it?,No.\r\n")
    (tmp_path / "x.jsonl").write_bytes(b'{"question": "Is it?", "answer": "No."}\r\n')
    assert (
        rows(tmp_path / "x.csv")
        == rows(tmp_path / "x.jsonl")
        == [sources.Row(1, "row-1", "Is it?", "No.")]
    )


def test_texts_are_stripped_and_numbers_serve_as_ids(tmp_path):
    path = write(
        tmp_path / "x.jsonl",
        [
            {"id": 7, "question": "  Is it?\n", "answer": "\tNo. "},
            {"id": " ", "question": "a", "answer": "b"},
            {"id": 0.5, "question": "a", "answer": "b"},
        ],
    )
    assert [(row.id, row.question, row.answer) for row in rows(path)] == [
        ("7", "Is it?", "No."),
        ("row-2", "a", "b"),
        ("row-3", "a", "b"),
    ]


# Rows that cannot be used: each with its number and a reason, and the rows after it are read

GOOD = b'{"question": "Is it?", "answer": "No."}'
BAD_LINES = [
    (b'{"question": "caf\xe9?", "answer": "No."}', "not UTF-8 at byte 17"),
    ('{"question": "Is it?", "answer": "No."}'.encode("utf-16"), "not UTF-8"),
    (b'{"question": "Is it?", "ans', "not JSON"),
    (b'{"question": "a\x00b", "answer": "No."}', "not JSON"),
    (b'{"question": "a\\u0000b", "answer": "No."}', "field 'question' is not clean UTF-8 text"),
    (b'{"question": "a", "answer": "half \\ud83d"}', "field 'answer' is not clean UTF-8 text"),
    (
        '{"question": "read wrongly once: caf\ufffd", "answer": "No."}'.encode(),
        "field 'question' is not clean UTF-8 text",
    ),
    (b'{"question": 3, "answer": "No."}', "field 'question' is int, not text"),
    (b'{"question": "a", "answer": ["No."]}', "field 'answer' is list, not text"),
    (b'{"question": "a", "answer": null}', "field 'answer' is empty"),
    (b'{"question": " \\n", "answer": "No."}', "field 'question' is empty"),
    (
        b'{"question": "' + b"x" * 8001 + b'", "answer": "No."}',
        "field 'question' has 8001 characters",
    ),
    (b'{"question": "a", "reply": "No."}', "it has: question, reply"),
    (b'["Is it?", "No."]', "not a JSON object"),
    (b"", "empty line"),
    (b'{"question": ' + b"1" * 5000 + b', "answer": "No."}', "not JSON"),
    (b"[" * 200_000, "not JSON"),
]


def test_bad_lines_are_set_aside_and_the_others_read(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(
        b"\n".join(itertools.chain.from_iterable((line, GOOD) for line, _ in BAD_LINES)) + b"\n"
    )
    found = rows(path)
    assert [row.number for row in found] == list(range(1, 2 * len(BAD_LINES) + 1))
    for row, (line, reason) in zip(found[::2], BAD_LINES, strict=True):
        assert reason in row.reason, (line[:60], row.reason)
        assert row.question == row.answer == ""
    assert all(
        (row.question, row.answer, row.reason) == ("Is it?", "No.", "") for row in found[1::2]
    )


def test_a_text_of_the_greatest_length_is_used(tmp_path):
    assert reasons(
        write(tmp_path / "x.jsonl", [{"question": "x" * files.LONGEST, "answer": "y"}])
    ) == [""]


def test_bad_lines_of_csv_are_set_aside_and_the_others_read(tmp_path):
    lines = [
        (b"p1,Is it?", "2 cells where the header has 3"),
        (b"p2,Is it?,No.,and more", "4 cells where the header has 3"),
        (b"p3,caf\xe9?,No.", "field 'question' is not clean UTF-8 text"),
        (b"p4,a\x00b,No.", "field 'question' is not clean UTF-8 text"),
        (b"p5,,No.", "field 'question' is empty"),
        (b'p6,"quoted" and not,No.', "not CSV"),
        (b"p7," + b"x" * 20_000 + b",No.", "has 20000 characters"),
        (b"p8," + b"x" * 2_000_000 + b",No.", "not CSV"),
    ]
    path = tmp_path / "x.csv"
    path.write_bytes(
        b"id,question,answer\n" + b"".join(line + b"\np,Is it?,No.\n" for line, _ in lines)
    )
    found = rows(path)
    assert len(found) == 2 * len(lines) and [row.number for row in found] == list(
        range(1, len(found) + 1)
    )
    for row, (line, reason) in zip(found[::2], lines, strict=True):
        assert reason in row.reason, (line[:60], row.reason)
    assert all(
        (row.id, row.question, row.answer, row.reason) == ("p", "Is it?", "No.", "")
        for row in found[1::2]
    )


def test_blank_lines_of_csv_are_no_rows(tmp_path):
    (tmp_path / "x.csv").write_text("question,answer\n\nIs it?,No.\n\n")
    assert rows(tmp_path / "x.csv") == [sources.Row(1, "row-1", "Is it?", "No.")]


def test_a_csv_cut_in_the_middle_of_a_quoted_text_gives_no_half_answer(tmp_path):
    (tmp_path / "x.csv").write_text(
        'question,answer\nIs it?,No.\nAnd now?,"Take one tablet, but nev'
    )
    assert [row.reason.split(" (")[0] for row in rows(tmp_path / "x.csv")] == ["", "not CSV"]


def test_a_quote_that_is_never_closed_does_not_swallow_the_file(tmp_path):
    lines = [f'"Question {i}?","Answer {i}."' for i in range(50)]
    lines[10] = '"Question 10?,"Answer 10."'
    (tmp_path / "x.csv").write_text("question,answer\n" + "\n".join(lines) + "\n")
    found = rows(tmp_path / "x.csv")
    assert sum(not row.reason for row in found) >= 48 and any(
        row.reason.startswith("not CSV") for row in found
    )
    assert found[-1].question == "Question 49?"


@pytest.mark.parametrize(
    "content", [b"", b"question,answer,question\na,b,c\n", b'"question,answer\na,b\n']
)
def test_a_csv_without_a_usable_header_is_an_error(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(EmoError, match="x.csv: the first line must name the columns"):
        rows(tmp_path / "x.csv")


def test_bad_values_of_parquet_are_set_aside_and_the_others_read(tmp_path):
    broken = pa.array([b"fine", b"caf\xe9", b"fine", b""]).view(pa.string())
    parquet.write_table(
        pa.table({"question": broken, "answer": ["a", "b", None, "d"]}), tmp_path / "x.parquet"
    )
    assert [reason.split(" of")[0] for reason in reasons(tmp_path / "x.parquet")] == [
        "",
        "not UTF-8 at byte 3",
        "field 'answer' is empty",
        "field 'question' is empty",
    ]
    parquet.write_table(pa.table({"question": [b"bytes"], "answer": ["a"]}), tmp_path / "y.parquet")
    parquet.write_table(pa.table({"question": ["a"], "answer": [1.5]}), tmp_path / "z.parquet")
    assert reasons(tmp_path / "y.parquet") == ["field 'question' is bytes, not text"]
    assert reasons(tmp_path / "z.parquet") == ["field 'answer' is float, not text"]


def test_names_that_no_file_can_hold_do_not_stop_the_list_of_bad_rows(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": "\\ud83d", "question": "a", "answer": ""}\n{"\\udcff": "a"}\n')
    (tmp_path / "x.csv").write_bytes(b"q\xff,answer\na,b\n")
    bad = (*rows(path), *rows(tmp_path / "x.csv"))
    sources.write_set_aside(bad, tmp_path / "bad.jsonl")
    written = [
        json.loads(line)
        for line in (tmp_path / "bad.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [(row["number"], bool(row["reason"])) for row in written] == [
        (1, True),
        (2, True),
        (1, True),
    ]
    assert set(written[0]) == {"number", "id", "reason"}


# Sources that cannot be read


def test_what_only_calls_itself_parquet_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "zip.parquet", "w") as archive:
        archive.writestr("rows.csv", "question,answer\na,b\n")
    (tmp_path / "text.parquet").write_text("question,answer\na,b\n")
    (tmp_path / "empty.parquet").write_bytes(b"")
    whole = write(tmp_path / "whole.parquet", consultations(50)).read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[: len(whole) // 2])
    for name in ("zip", "text", "empty", "torn"):
        with pytest.raises(EmoError, match=f"{name}.parquet is no readable Parquet file") as caught:
            rows(tmp_path / f"{name}.parquet")
        assert "\n" not in str(caught.value)


def test_a_binary_file_that_calls_itself_jsonl_has_no_usable_row(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(bytes(range(256)) * 40)
    assert all(reasons(tmp_path / "x.jsonl"))
    with pytest.raises(EmoError, match="0 usable"):
        sources.select(Source(str(tmp_path / "x.jsonl")), 1, 0, seed=1)


@pytest.mark.parametrize("name", ["rows.txt", "rows.jsonl.gz", "rows"])
def test_an_unknown_suffix_is_an_error_that_names_the_known_ones(tmp_path, name):
    (tmp_path / name).write_text("question,answer\na,b\n")
    with pytest.raises(EmoError, match=r"\.jsonl, \.csv or \.parquet"):
        rows(tmp_path / name)


@pytest.mark.parametrize(
    "place", ["rows.jsonl", "data/rows.csv", "/no/such/rows.parquet", "rows", "a/b/c"]
)
def test_a_missing_file_is_an_error_that_names_it(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EmoError, match=f"there is no file {place}"):
        list(Source(place).rows())


def test_a_folder_is_no_source(tmp_path):
    with pytest.raises(EmoError, match="there is no file"):
        rows(tmp_path)


# The hub


def test_a_hub_data_set_needs_its_revision():
    with pytest.raises(EmoError, match="name the revision of lavita/ChatDoctor"):
        list(Source("lavita/ChatDoctor").rows())


def test_a_hub_data_set_that_cannot_be_had_is_an_error_in_one_line():
    with pytest.raises(EmoError, match="owner/no-such-set-v1.1 at abc cannot be read") as caught:
        list(Source("owner/no-such-set-v1.1", "abc").rows())
    assert "\n" not in str(caught.value)


def test_a_hub_data_set_is_streamed_at_its_revision(monkeypatch):
    import datasets

    asked = []
    monkeypatch.setattr(
        datasets,
        "load_dataset",
        lambda name, **options: (
            asked.append((name, options))
            or ({"input": f"q{i}", "output": f"a{i}"} for i in itertools.count())
        ),
    )
    found = list(itertools.islice(Source("owner/set-v1.1", "abc", split="test").rows(), 3))
    assert asked == [("owner/set-v1.1", {"split": "test", "revision": "abc", "streaming": True})]
    assert [(row.number, row.question, row.answer) for row in found] == [
        (1, "q0", "a0"),
        (2, "q1", "a1"),
        (3, "q2", "a2"),
    ]


# Fields


@pytest.mark.parametrize(
    "names", [("question", "answer"), ("input", "output"), ("input", "answer_icliniq")]
)
def test_the_fields_of_the_papers_sets_are_found(tmp_path, names):
    path = write(
        tmp_path / "x.csv",
        [
            {
                "instruction": "If you are a doctor ...",
                names[0]: "Is it?",
                names[1]: "No.",
                "answer_chatgpt": "As an AI ...",
            }
        ],
    )
    assert rows(path) == [sources.Row(1, "row-1", "Is it?", "No.")]


def test_given_fields_are_used_and_only_they(tmp_path):
    path = write(
        tmp_path / "x.jsonl",
        [
            {"question": "ours", "answer": "ours", "frage": "Ist es?", "antwort": "Nein."},
            {"question": "ours", "answer": "ours"},
        ],
    )
    assert [
        (r.question, r.answer) for r in rows(path, question_field="frage", answer_field="antwort")
    ] == [("Ist es?", "Nein."), ("", "")]
    assert reasons(path, question_field="frage", answer_field="antwort")[1].startswith(
        "no field 'frage' or 'antwort'"
    )


def test_one_given_field_is_not_overlooked(tmp_path):
    path = write(
        tmp_path / "x.jsonl",
        [{"question": "ours", "answer": "ours", "frage": "Ist es?", "antwort": "Nein."}],
    )
    assert [(r.question, r.answer) for r in rows(path, question_field="frage")] == [
        ("Ist es?", "ours")
    ]
    assert [(r.question, r.answer) for r in rows(path, answer_field="antwort")] == [
        ("ours", "Nein.")
    ]
    assert reasons(path, question_field="fragen")[0].startswith("no field 'fragen' or 'answer'")


QUESTION, ANSWER = "My ear itches since Monday. Is it serious?", "No. Keep it dry for 2 days."
SHAPES = {
    "alpaca without an input": {"instruction": QUESTION, "input": "", "output": ANSWER},
    "alpaca with an input": {"instruction": "Be a doctor.", "input": QUESTION, "output": ANSWER},
    "completions": {"prompt": QUESTION, "completion": ANSWER},
    "blanks and capitals": {" Question ": QUESTION, "Answer ": ANSWER},
    "messages": {
        "messages": [
            {"role": "system", "content": "Be a doctor."},
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": ANSWER},
            {"role": "user", "content": "Thanks."},
            {"role": "assistant", "content": "Welcome."},
        ]
    },
    "ShareGPT": {
        "conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": ANSWER}]
    },
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", [".json", ".jsonl", "lines.json"])
def test_the_usual_shapes_of_rows_are_read(tmp_path, shape, suffix):
    path, row = tmp_path / f"x{suffix}", json.dumps(SHAPES[shape])
    path.write_text(f"\ufeff[{row},\n{row}]" if suffix == ".json" else f"{row}\n{row}\n")
    assert rows(path) == [sources.Row(i, f"row-{i}", QUESTION, ANSWER) for i in (1, 2)]


@pytest.mark.parametrize(
    "content",
    [
        "question;answer\nIs it?;No, not now.\n",
        "sep=;\nquestion;answer\nIs it?;No, not now.\n",
        '"sep=,"\nquestion,answer\nIs it?,"No, not now."\n',
        "question\tanswer\nIs it?\tNo, not now.\n",
        'Question , Answer\nIs it?,"No, not now."\n',
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path, content):
    (tmp_path / "x.csv").write_text(content, encoding="utf-8-sig")
    assert rows(tmp_path / "x.csv") == [sources.Row(1, "row-1", "Is it?", "No, not now.")]


@pytest.mark.parametrize(
    "row, reason",
    [
        ({"text": "a"}, "no field 'question' or 'answer', nor .* (it has: text)"),
        ({"messages": [{"role": "user", "content": "a"}]}, "field 'messages' holds no question"),
        ({"messages": "a"}, "field 'messages' holds no question"),
    ],
)
def test_a_source_without_a_usable_row_says_why(tmp_path, row, reason):
    path = write(tmp_path / "x.jsonl", [row])
    with pytest.raises(EmoError, match=r"0 usable ones \(1 set aside\); row 1: ") as caught:
        sources.select(Source(str(path)), 1, 0, seed=1)
    told = str(caught.value)
    assert all(part in told for part in reason.split(".*"))
    assert sources.reasons(tuple(rows(path))).startswith("1 ")


def test_a_torn_array_is_an_error_in_one_line(tmp_path):
    (tmp_path / "x.json").write_text('[{"question": "a", "answer": "b"}, {"ques')
    with pytest.raises(EmoError, match="x.json is no whole JSON array"):
        rows(tmp_path / "x.json")


# What no rewrite could pass the gates for


@pytest.mark.parametrize(
    "question, reason",
    [
        ("मुझे बुखार है, क्या करूँ?", "is not English"),
        ("我发烧了，怎么办？", "is not English"),
        ("Me duele la cabeza desde el lunes y no sé si es grave para mí.", "is not English"),
        ("?!", "has no words"),
        ("It itches.\x1b[0m", "holds U+001B"),
        ("It itches.<|eot_id|>", "holds '<|eot_id|>'"),
    ],
)
def test_rows_that_cannot_be_rewritten_are_set_aside_before_they_are_paid_for(
    tmp_path, question, reason
):
    path = write(tmp_path / "x.jsonl", [{"question": question, "answer": "Keep it dry."}])
    assert reason in reasons(path)[0] and "question" in reasons(path)[0]


def test_leftovers_of_web_pages_are_cleaned(tmp_path):
    stored = r"I&#39;m sure it doesn\xe2\x80\x99t itch&nbsp;much.<br>"
    path = write(tmp_path / "x.jsonl", [{"question": stored, "answer": r"Keep \xff dry."}])
    [row] = rows(path)
    assert row.question.replace("\u00a0", " ") == "I'm sure it doesn’t itch much."
    assert row.answer == r"Keep \xff dry."  # no bytes of a character


# Streaming


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_is_not_held_in_memory(tmp_path, suffix):
    count = 6_000
    path = write(
        tmp_path / f"x{suffix}",
        [{"question": f"{i} " + "q" * 700, "answer": f"{i} " + "a" * 700} for i in range(count)],
    )
    pool, arrow = pa.default_memory_pool(), 0
    before = pool.bytes_allocated()
    tracemalloc.start()
    try:
        seen = 0
        for row in Source(str(path)).rows():
            seen += not row.reason
            if seen % 500 == 0:
                arrow = max(arrow, pool.bytes_allocated() - before)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == count
    assert peak < 1.5e6 and arrow < 6e6  # the texts alone are 8.4 MB


def test_rows_and_tasks_come_one_by_one(tmp_path):
    path = write(tmp_path / "x.jsonl", consultations(20))
    chosen = sources.select(Source(str(path)), 20, 20, seed=1)
    tasks = chosen.tasks(Source(str(path)))
    assert next(tasks).row.number == 1
    with open(
        path, "a"
    ) as handle:  # were the file read already, what is added now would not be seen
        handle.write("{broken\n" * 50_000)
    found = Source(str(path)).rows()
    assert next(found).number == 1 and sum(1 for _ in found) == 50_019


# The draw


@pytest.fixture
def hundred(tmp_path):
    return Source(str(write(tmp_path / "x.jsonl", consultations(100))))


@pytest.mark.parametrize(
    "er, eqsr, both",
    [(60, 40, 0), (60, 50, 10), (100, 100, 100), (0, 30, 0), (30, 0, 0), (100, 1, 1), (0, 0, 0)],
)
def test_the_subsets_share_only_the_rows_they_must(hundred, er, eqsr, both):
    chosen = sources.select(hundred, er, eqsr, seed=3)
    assert (len(chosen.er), len(chosen.eqsr), chosen.both, chosen.usable) == (er, eqsr, both, 100)
    assert chosen.er | set(chosen.eqsr) <= set(range(1, 101))


def test_the_same_seed_draws_the_same_rows_and_another_seed_others(hundred, tmp_path):
    first, again, other = (sources.select(hundred, 30, 40, seed) for seed in (5, 5, 6))
    assert first == again and first.er != other.er and first.eqsr != other.eqsr
    table = Source(str(write(tmp_path / "y.parquet", consultations(100))))
    assert sources.select(table, 30, 40, 5) == first


def test_rows_are_drawn_from_the_whole_source(hundred):
    drawn = sources.select(hundred, 30, 30, seed=1)
    for numbers in (drawn.er, drawn.eqsr):
        assert min(numbers) <= 20 and max(numbers) >= 81
        assert 5 <= sum(n <= 50 for n in numbers) <= 25


@pytest.mark.parametrize("count", [1, 5, 23, 50, 99, 100])
def test_emotions_are_balanced_to_within_one(hundred, count):
    found = Counter(sources.select(hundred, 0, count, seed=2).eqsr.values())
    counts = [found[emotion] for emotion in dialogues.EMOTIONS]
    assert sum(counts) == count and max(counts) - min(counts) <= 1


@pytest.mark.parametrize("er, eqsr", [(101, 0), (0, 101), (50, 1000)])
def test_more_rows_than_there_are_is_an_error_with_the_numbers(hundred, er, eqsr):
    with open(hundred.place, "a") as handle:
        handle.write("{broken\n")
    with pytest.raises(
        EmoError,
        match=rf"{max(er, eqsr)} rows were asked for and .* has 100 usable ones \(1 set aside\)",
    ):
        sources.select(hundred, er, eqsr, seed=1)


@pytest.mark.parametrize("er, eqsr", [(-1, 0), (5, -2)])
def test_a_negative_number_of_rows_is_an_error(hundred, er, eqsr):
    with pytest.raises(EmoError, match="0 or more"):
        sources.select(hundred, er, eqsr, seed=1)


def test_bad_rows_are_never_drawn_and_keep_their_numbers(tmp_path):
    lines = [json.dumps(row) for row in consultations(40)]
    for place in (3, 17, 39):
        lines[place] = lines[place][:20]
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n")
    chosen = sources.select(Source(str(tmp_path / "x.jsonl")), 37, 37, seed=1)
    assert chosen.er == set(chosen.eqsr) == set(range(1, 41)) - {4, 18, 40}
    assert [(row.number, row.reason) for row in chosen.set_aside] == [
        (4, "not JSON"),
        (18, "not JSON"),
        (40, "not JSON"),
    ]
    sources.write_set_aside(chosen.set_aside, tmp_path / "bad.jsonl")
    assert [
        json.loads(line)["number"] for line in (tmp_path / "bad.jsonl").read_text().splitlines()
    ] == [4, 18, 40]


def test_tasks_come_in_the_order_of_the_source_er_first(hundred):
    chosen = sources.select(hundred, 70, 60, seed=4)
    tasks = list(chosen.tasks(hundred))
    assert [(task.row.number, task.name) for task in tasks] == sorted(
        [(n, "er") for n in chosen.er] + [(n, "eqsr") for n in chosen.eqsr],
        key=lambda pair: (pair[0], pair[1] == "eqsr"),
    )
    assert all(
        task.emotion == (chosen.eqsr[task.row.number] if task.name == "eqsr" else "")
        for task in tasks
    )
    assert all(
        task.row.question == f'Is "it", case {task.row.number - 1},\nserious? é 大'
        for task in tasks
    )
    assert list(chosen.tasks(hundred)) == tasks
