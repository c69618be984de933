"""The examples of the page on adding a system, a metric or a judge, and on rows of one's own:
they run as they are printed.
"""

import json
import re
import socket
import threading

import pandas as pd
import pytest

from emo import cli
from emo_utils.data import dialogues
from emo_utils.judging import remote
from emo_utils.project import ROOT, EmoError
from emo_utils.scoring import overlap_scores
from emo_utils.stats import intervals

PAGE = (ROOT / "book" / "extend.md").read_text(encoding="utf-8")
EXAMPLES = {
    name: code
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, flags=re.DOTALL)
}


def ran(name: str, **changes: str) -> dict:
    code = EXAMPLES[name]
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    names = {"__name__": "example"}
    exec(compile(code, name, "exec"), names)
    return names


def test_the_examples_are_short():
    assert set(EXAMPLES) == {"my_system.py", "my_metric.py", "my_overlap.py", "my_judge.py"}
    assert all(
        len([line for line in code.splitlines() if line.strip()]) <= 20
        for code in EXAMPLES.values()
    )


def test_a_system_writes_what_the_chapters_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran("my_system.py")
    written = pd.read_parquet("my-system.parquet")
    assert written.id.tolist() == [row["id"] for row in dialogues.load("test", 20)]
    from emo_utils.experiment import runs

    monkeypatch.setattr(runs, "results_dir", lambda profile: tmp_path)
    (tmp_path / "answers").mkdir()
    written.head(3).assign(system="base", tokens=9).to_parquet(
        tmp_path / "answers" / "base.parquet"
    )
    values = {"profile": "smoke", "extra": str(tmp_path / "my-system.parquet")}
    both = runs.Run("05_emotion_scoring", values, values).answers(["base"])
    assert both.groupby("system").size().to_dict() == {"base": 3, "my-system": 3} and not both[
        ["id", "emotion", "question", "answer", "complete"]
    ].isna().any(axis=None)


def test_scores_by_evaluate_are_those_of_chapter_6(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran("my_system.py")
    place = f"(cache_dir={str(tmp_path)!r})"
    scores = ran("my_overlap.py", **{"Bleu()": f"Bleu{place}", "Rouge()": f"Rouge{place}"})[
        "scores"
    ]
    answers = pd.read_parquet("my-system.parquet")
    doctors = [row["answer"] for row in dialogues.load("test", 20)]
    chapter = overlap_scores.corpus_scores(answers.answer.tolist(), doctors, seed=1)
    for metric in ("bleu", *overlap_scores.ROUGE_TYPES):
        assert 0 < scores[metric] == pytest.approx(chapter[metric][0])


def test_a_metric_prints_means_with_intervals(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/embedded/answers"
    folder.mkdir(parents=True)
    answers = ["Why?", "No.", "Yes.", "When?"] * 3
    parts = [pd.DataFrame({"system": name, "answer": answers}) for name in ("base", "prompt")]
    pd.concat(parts).to_parquet(folder / "plain-questions.parquet")  # a file may have several
    ran("my_metric.py")
    mean, low, high = intervals.mean_interval([1.0, 0, 0, 1] * 3)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["plain-questions", name, f"{mean:.2f}", f"[{low:.2f},", f"{high:.2f}],", "n", "=", "12"]
        for name in ("base", "prompt")
    ]


def test_a_judge_answers_over_http():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = ran(
        "my_judge.py",
        **{
            "8010": str(port),
            "ThreadingHTTPServer((": "server = ThreadingHTTPServer((",
            ".serve_forever()": "",
        },
    )
    names["Server"].log_message = lambda *_: None
    threading.Thread(target=names["server"].serve_forever, daemon=True).start()
    asked = {
        "which": {
            "type": "choice",
            "instructions": "Which?",
            "criteria": {"a": "", "b": "", "c": ""},
        },
        "how": {"type": "score", "instructions": "How?", "criteria": ["low", "high"]},
        "is": {"type": "noul", "instructions": "Is it?"},
    }
    found = remote.reader("mine", "float32", None, f"http://127.0.0.1:{port}/v1").decide(
        ["a text", "another"], asked
    )
    names["server"].shutdown()
    assert (
        found.groupby("question").probability.first().to_dict()
        == {"which": pytest.approx(1 / 3), "how": 0.5, "is": 0.5}
        and len(found) == 14
    )


GOOD = {
    "id": "a",
    "emotion": "fear",
    "question": "q",
    "answer": "a",
    "emotional_question": "eq",
    "soothing_response": "s",
}


def file_of(folder, rows) -> str:
    path = folder / "mine.jsonl"
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows),
        encoding="utf-8",
    )
    return str(path)


def test_rows_of_ones_own_are_checked_row_by_row_and_field_by_field(tmp_path, capsys):
    assert (
        cli.main(
            ["check-rows", file_of(tmp_path, [GOOD, GOOD | {"id": "b", "emotion": "distrust"}])]
        )
        == 0
    )
    assert capsys.readouterr().out.startswith("2 rows can be trained on, 1 fear, 1 distrust\n")
    wrong = [
        GOOD,
        "{",
        GOOD,
        GOOD | {"id": "c", "answer": " "},
        GOOD | {"id": "d", "emotion": "joy"},
        [1],
        {k: v for k, v in GOOD.items() if k != "soothing_response"} | {"id": "e"},
    ]
    assert cli.main(["check-rows", file_of(tmp_path, wrong)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [re.search(r"row (\d)", line).group(1) for line in said] == [
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
    ]
    assert [
        part in line
        for part, line in zip(
            (
                "not JSON",
                "field 'id' is that of row 1",
                "field 'answer'",
                "emotion 'joy'",
                "not a JSON object",
                "field 'soothing_response'",
            ),
            said,
        )
    ] == [True] * 6


def test_of_many_wrong_rows_the_first_twenty_are_named(tmp_path):
    with pytest.raises(EmoError) as error:
        dialogues.load("eqsr", file=file_of(tmp_path, ["{"] * 25))
    assert len(str(error.value).splitlines()) == 21 and str(error.value).endswith("... and 5 more")


def test_rows_for_the_er_system_need_its_field_and_no_emotion(tmp_path):
    row = {"id": "a", "question": "q", "answer": "a", "empathetic_response": "e"}
    assert dialogues.load("er", file=file_of(tmp_path, [row])) == [row]
    assert cli.main(["check-rows", file_of(tmp_path, [row])]) == 2


def test_a_missing_file_and_one_with_a_mark_of_bytes(tmp_path):
    with pytest.raises(EmoError, match="mine.jsonl is missing: there is no file"):
        dialogues.load("eqsr", file=str(tmp_path / "mine.jsonl"))
    (tmp_path / "mine.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert dialogues.load("eqsr", file=str(tmp_path / "mine.jsonl")) == [GOOD]
