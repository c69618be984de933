"""Answers of one system more, as users give them: what is wrong is one line, what is right is
compared on the same questions.
"""

import re

import pandas as pd
import pytest

from emo import cli
from emo_utils.data import dialogues
from emo_utils.experiment import extra, parameters, provenance, results
from emo_utils.project import NOTEBOOKS, EmoError
from emo_utils.scoring import emotion_controls

ASKED = ["q-1", "q-2", "q-3"]
BOOK = pd.concat(
    [
        pd.DataFrame(
            {"id": ASKED, "emotion": "fear", "system": system, "question": "Why?", "tokens": 3}
        ).assign(answer="Because.", complete=True)
        for system in ("base", "prompt")
    ],
    ignore_index=True,
)


def rows(ids, answers="It will pass.", **more) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, "answer": answers} | more)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """What is read of a file with a content, and what was said meanwhile."""
    monkeypatch.setattr(provenance, "FILES_READ", {})

    def read(content, name="mine.parquet"):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        else:
            path.write_bytes(content)
        said: list[str] = []
        return extra.read(str(path), BOOK, log=said.append), said

    return read


def test_answers_come_in_the_books_order_with_what_they_lack(read):
    found, said = read(rows(ASKED[::-1], ["c", "b", "a"]))
    assert found[["id", "answer"]].to_numpy().tolist() == [["q-1", "a"], ["q-2", "b"], ["q-3", "c"]]
    assert set(found.system) == {"mine"} and not said
    assert set(found.emotion) == {"fear"} and set(found.question) == {"Why?"}
    assert list(provenance.FILES_READ) == ["mine.parquet"]
    both = pd.concat([BOOK, found], ignore_index=True).groupby("system")
    counted = both.agg(n=("id", "count"), tokens=("tokens", "mean"), complete=("complete", "mean"))
    assert counted.n.to_dict() == {"base": 3, "mine": 3, "prompt": 3}
    assert counted.complete["base"] == 1 and pd.isna(counted.complete["mine"])


def test_what_the_books_systems_did_not_answer_is_left_out_and_said(read):
    found, said = read(rows([f"q-{number}" for number in range(1, 66)]))
    assert found.id.tolist() == ASKED
    assert said == [
        "mine: 62 of 65 answers are to questions that the book's systems have no answers to here; "
        "they are left out, so that all are compared on the same"
    ]


@pytest.mark.parametrize(
    "content", [rows(ASKED[:2]), rows(ASKED, ["a", "b", None]), rows(ASKED, ["a", "b", " \n"])]
)
def test_what_it_did_not_answer_is_said(read, content):
    found, said = read(content)
    assert found.id.tolist() == ASKED[:2]
    assert said == [
        "mine: 1 of 3 questions without an answer of it; its means are over the other 2, "
        "beside those over all (chapter 5 has differences over the same)"
    ]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize(
    "content, name, line",
    [
        (rows(["1", "2"]), "mine.parquet", "none of its ids (1, ...) is one of the 3 questions"),
        (rows([1, 2]), "mine.parquet", "none of its ids (1, ...) is one of the 3 questions"),
        (rows(["q-1", "q-2", "q-1"]), "mine.parquet", "the id q-1 stands in rows 1 and 3"),
        (rows(["q-9", "q-1", "q-9"]), "mine.parquet", "the id q-9 stands in rows 1 and 3"),
        (
            pd.DataFrame({"id": ASKED}),
            "mine.parquet",
            "there is no column 'answer'; it needs id an",
        ),
        (pd.DataFrame({"answer": ASKED}), "mine.parquet", "there is no column 'id'"),
        (rows([]), "mine.parquet", "there is no row in it"),
        (rows(ASKED, " "), "mine.parquet", "all 3 answers are empty"),
        (rows(ASKED, [None] * 3), "mine.parquet", "all 3 answers are empty"),
        (rows(ASKED, [1.0, 2.0, 3.0]), "mine.parquet", "the answer '1.0' is no text"),
        (b"id,answer\nq-1,Yes.\n", "mine.csv", "this is no Parquet file; write one by pandas"),
        (b"id,answer\nq-1,Yes.\n", "mine.parquet", "this is no Parquet file"),
        (b"", "mine.parquet", "this is no Parquet file"),
        (b"PAR1 and then nothing", "mine.parquet", "cannot be read"),
        (POINTER, "mine.parquet", "this is the pointer of a large file and not the file"),
        (rows(ASKED), "base.parquet", "'base' is the name of a row that the tables have already"),
        (rows(ASKED), "doctor.parquet", "'doctor' is the name of a row"),
    ],
)
def test_what_is_wrong_is_one_line(read, content, name, line):
    with pytest.raises(EmoError) as error:
        read(content, name)
    said = str(error.value)
    assert said.startswith(f"parameter 'extra', {name}: ") and line in said and "\n" not in said


def test_a_missing_file_is_one_line():
    with pytest.raises(EmoError, match="parameter 'extra': there is no file nowhere.parquet"):
        extra.read("nowhere.parquet", BOOK)


def test_the_names_that_are_taken_are_those_of_the_tables():
    assert extra.TAKEN == (
        *results.SYSTEMS,
        *dialogues.REFERENCES,
        *emotion_controls.CONTROLS,
    )


def test_a_name_that_is_taken_is_refused_before_anything_is_asked(capsys):
    nowhere = ("--model", "m", "--endpoint", "http://127.0.0.1:9/v1", "--wait", "0")
    assert cli.main(["answers", "eqsr-dpo", *nowhere]) == 2
    said = capsys.readouterr().err
    assert said.startswith("emo: 'eqsr-dpo' is the name of a row") and len(said.splitlines()) == 1


def test_the_help_names_the_chapters_that_take_such_answers(capsys):
    assert cli.main(["answers", "--help"]) == 0
    named = re.search(r"chapters (\d) and (\d)", " ".join(capsys.readouterr().out.split()))
    take = [p.stem for p in NOTEBOOKS.glob("*.ipynb") if "extra" in parameters.declared(p.stem)]
    assert sorted(named.groups()) == sorted(name[:2].lstrip("0") for name in take)
