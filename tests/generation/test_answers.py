"""Answers of a model behind a server: asked once each, waited for, kept."""

import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from local_server import Local

from emo import cli
from emo_utils.data import dialogues
from emo_utils.generation import prompts, served
from emo_utils.project import EmoError

ROWS = dialogues.load("test", 12)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(served, "AGAIN", 0.05)


def said(body, text=None, ended="stop"):
    return 200, {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
        "choices": [
            {
                "index": 0,
                "finish_reason": ended,
                "message": {
                    "role": "assistant",
                    "content": text or f"To: {body['messages'][-1]['content'][:30]}",
                },
            }
        ],
    }


def settings(server, **given):
    return served.Settings("m", server.address, **{"concurrency": 3, "wait": 5.0} | given)


def test_answers_have_the_form_of_the_books_own(tmp_path):
    server = Local(
        lambda path, body: said(
            body,
            ended="length"
            if body["messages"][-1]["content"] == ROWS[1]["emotional_question"]
            else "stop",
        )
    )
    frame = pd.read_parquet(
        served.write(
            "mine",
            settings(server, prompt="comfort", max_new_tokens=7, temperature=0.5),
            ROWS,
            tmp_path,
        )
    )
    assert list(frame) == ["id", "emotion", "system", "question", "answer", "tokens", "complete"]
    assert (
        frame.id.tolist() == [row["id"] for row in ROWS]
        and set(frame.system) == {"mine"}
        and set(frame.tokens) == {4}
    )
    assert frame.answer.tolist() == [
        f"To: {row['emotional_question'][:30]}".strip() for row in ROWS
    ] and frame.complete.tolist() == [True, False, *[True] * 10]
    asked = server.asked[0]
    assert asked["messages"][0] == {"role": "system", "content": prompts.text("comfort")} and (
        asked["max_tokens"],
        asked["temperature"],
    ) == (7, 0.5)


def test_nothing_is_asked_twice_and_another_setting_is_asked_anew(tmp_path):
    server = Local(lambda path, body: said(body))
    served.write("mine", settings(server), ROWS[:8], tmp_path)
    served.write("mine", settings(server), ROWS, tmp_path)
    assert len(server.asked) == 12
    served.write("mine", settings(server, temperature=0.7), ROWS[:2], tmp_path)
    assert len(server.asked) == 14


def test_a_server_that_is_away_is_waited_for(tmp_path):
    times = []

    def reply(path, body):
        times.append(1)
        return (503, {"error": {"message": "loading"}}) if 4 <= len(times) < 15 else said(body)

    server = Local(reply)
    assert len(pd.read_parquet(served.write("mine", settings(server), ROWS, tmp_path))) == 12


def test_one_that_stays_away_ends_the_run_in_a_line_and_keeps_what_it_gave(tmp_path):
    given = []

    def reply(path, body):
        given.append(1)
        return said(body) if len(given) <= 5 else (503, {"error": {"message": "gone"}})

    server = Local(reply)
    with pytest.raises(
        EmoError, match="gave no reply for 0 seconds .*the same command goes on"
    ) as error:
        served.write("mine", settings(server, wait=0.3, concurrency=1), ROWS, tmp_path)
    assert "\n" not in str(error.value)
    back = Local(lambda path, body: said(body))
    server.server.RequestHandlerClass, asked = back.server.RequestHandlerClass, back.asked
    served.write("mine", settings(server), ROWS, tmp_path)
    assert len(asked) == 7


@pytest.mark.parametrize(
    "status, content, message",
    [
        (401, {"error": {"message": "no such key"}}, "refuses .AuthenticationError"),
        (404, {"error": {"message": "no such model"}}, "refuses .NotFoundError"),
        (400, {"error": {"message": "too long"}}, "refuses .BadRequestError"),
        (200, "<html>Welcome</html>", "did not answer in the form of chat completions|refuses"),
        (200, {"choices": []}, "did not answer in the form"),
        (200, {"choices": [{"message": None}]}, "did not answer in the form"),
        (200, "[1]", "form"),
    ],
)
def test_what_refuses_or_is_no_such_server_is_named(tmp_path, status, content, message):
    server = Local(lambda path, body: (status, content))
    with pytest.raises(EmoError, match=message) as error:
        served.write("mine", settings(server), ROWS, tmp_path)
    assert "\n" not in str(error.value) and server.address in str(error.value)


ODD = ROWS[3]


@pytest.mark.parametrize(
    "status, content, told",
    [
        (400, {"error": {"message": "filtered by our policy"}}, "filtered by our policy"),
        (500, {"error": {"message": "cannot be processed"}}, "cannot be processed"),
        (200, {"choices": []}, "holds no choice"),
        (200, {"choices": None, "error": {"message": "upstream busy"}}, "upstream busy"),
        (200, {"choices": [{"message": {"content": None}}]}, "the reply is empty"),
    ],
)
@pytest.mark.parametrize("rows", [ROWS, [ODD, *ROWS[:2]]], ids=["among others", "first"])
def test_one_question_without_an_answer_is_named_and_the_others_answered(
    tmp_path, capsys, status, content, told, rows
):
    refused = [True]

    def reply(path, body):
        odd = body["messages"][-1]["content"] == ODD["emotional_question"]
        return (status, content) if odd and refused else said(body)

    server = Local(reply)
    frame = pd.read_parquet(served.write("mine", settings(server), rows, tmp_path))
    unanswered = frame[frame.answer == ""]
    assert unanswered.id.tolist() == [ODD["id"]] and not unanswered.complete.any()
    out = capsys.readouterr().out
    assert f"unanswered: {ODD['id']}: " in out and told in out
    assert f"1 of {len(rows)} questions have no answer of mine" in out
    refused.clear()
    before = len(server.asked)
    frame = pd.read_parquet(served.write("mine", settings(server), rows, tmp_path))
    assert (frame.answer != "").all() and len(server.asked) == before + 1


def test_thinking_is_no_answer_and_empty_answers_of_older_stores_are_asked_anew(tmp_path):
    thinking = Local(lambda path, body: said(body, "<think>\nHm.\n</think>\nRest it."))
    frame = pd.read_parquet(served.write("mine", settings(thinking), ROWS[:3], tmp_path))
    assert set(frame.answer) == {"Rest it."}
    store = served.Store(tmp_path / "mine.sqlite")
    keys = [key for (key,) in store.connection.execute("SELECT key FROM decisions").fetchall()]
    assert len(keys) == 3
    for key, kept in zip(keys, ("", "<think>Hm.", "<think>Hm.</think>\nSleep.")):
        store.put(key, [kept, 4, True])
    served.write("mine", settings(thinking), ROWS[:3], tmp_path)
    assert len(thinking.asked) == 5


def test_a_model_that_only_thinks_stops_the_run_and_max_new_tokens_is_named(tmp_path):
    server = Local(lambda path, body: said(body, "<think>\nShe asks", ended="length"))
    with pytest.raises(EmoError, match="still thinking .--max-new-tokens is 260.*raise --max-new"):
        served.write("mine", settings(server), ROWS, tmp_path)
    assert len(server.asked) <= 3 + 3


def test_a_used_up_quota_is_said_after_the_first_answer(tmp_path):
    told = {"message": "You exceeded your current quota.", "code": "insufficient_quota"}
    server = Local(lambda path, body: (429, {"error": told}))
    with pytest.raises(EmoError, match="the quota is used up .*You exceeded your current quota"):
        served.write("mine", settings(server), ROWS, tmp_path)
    assert len(server.asked) == 1


def test_a_server_without_max_tokens_and_seed_is_asked_in_its_words(tmp_path):
    def reply(path, body):
        for name in ("max_tokens", "seed"):
            if name in body:
                return 422, {"detail": [{"loc": ["body", name], "msg": "not permitted"}]}
        return said(body)

    server = Local(reply)
    served.write("mine", settings(server), ROWS[:4], tmp_path)
    assert len(server.asked) == 6 and server.asked[-1]["max_completion_tokens"] == 260


def test_a_killed_run_goes_on(tmp_path):
    def reply(path, body):
        time.sleep(0.1)
        return said(body)

    server = Local(reply)
    script = (
        "from pathlib import Path; from emo_utils.generation import served; "
        "from emo_utils.data import dialogues; "
        f"served.write('mine', served.Settings('m', {server.address!r}, concurrency=2), "
        f"dialogues.load('test', 12), Path({str(tmp_path)!r}))"
    )
    child = subprocess.Popen([sys.executable, "-c", script])
    while len(server.asked) < 6:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "mine.parquet").exists()
    served.write("mine", settings(server), ROWS, tmp_path)
    assert 12 <= len(server.asked) <= 12 + 3  # those under way at the kill, and no other


@pytest.mark.parametrize(
    "given, message",
    [
        (["../x", "--model", "m", "--endpoint", "http://127.0.0.1:9/v1"], "becomes a file's"),
        (["x", "--model", " ", "--endpoint", "http://h/v1"], "a model has a name"),
        (["x", "--model", "m", "--endpoint", "h"], "an endpoint an address"),
        (["x", "--model", "m", "--rows", "-1"], '"-1" for --rows'),
        (["x", "--model", "m", "--concurrency", "0"], '"0" for --concurrency'),
        (["x", "--model", "m"], "OPENAI_API_KEY is not set"),
    ],
)
def test_mistakes_on_the_command_line(given, message, capsys):
    assert cli.main(["answers", *given]) == 2
    told = capsys.readouterr().err
    assert message in told and len(told.strip().splitlines()) == 1


def test_the_command_names_what_scores_the_answers(tmp_path, monkeypatch, capsys):
    server = Local(lambda path, body: said(body))
    monkeypatch.setattr(served, "FOLDER", tmp_path)
    monkeypatch.setattr(served.write, "__defaults__", (tmp_path,))
    assert (
        cli.main(["answers", "mine", "--model", "m", "--endpoint", server.address, "--rows", "5"])
        == 0
    )
    assert (
        "emo run 05_emotion_scoring -p extra" in capsys.readouterr().out
        and len(pd.read_parquet(tmp_path / "mine.parquet")) == 5
    )


def test_the_command_ends_with_1_where_a_question_has_no_answer(tmp_path, monkeypatch, capsys):
    first = dialogues.load("test", 5)[0]["emotional_question"]
    server = Local(
        lambda path, body: (
            (400, {"error": {"message": "filtered"}})
            if body["messages"][-1]["content"] == first
            else said(body)
        )
    )
    monkeypatch.setattr(served.write, "__defaults__", (tmp_path,))
    command = ["answers", "mine", "--model", "m", "--endpoint", server.address, "--rows", "5"]
    assert cli.main(command) == 1 and "1 of 5 questions have no answer" in capsys.readouterr().out
