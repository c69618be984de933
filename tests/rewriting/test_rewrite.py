"""The rewriter against real local servers, well-behaved, scripted and misbehaving;
killed, doubled and in batches (the long soak: soak_rewrite.py).
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import llm_server
import psutil
import pytest
import soak_rewrite
from filelock import Timeout
from pydantic import ValidationError
from soak_rewrite import consultations, exported, log_lines

from emo import cli
from emo_utils.data import dialogues
from emo_utils.data.arms import ARMS
from emo_utils.generation import prompts
from emo_utils.models import serving
from emo_utils.project import EmoError
from emo_utils.rewriting import batches, costs, gates, live, outcomes, requests, sources
from emo_utils.rewriting.requests import Settings
from emo_utils.rewriting.sources import Row, Task
from emo_utils.rewriting.store import Reply, Store

QUESTION = (
    "My left knee clicks on the stairs after 3 days of walking in the hills. "
    "I took ibuprofen 400 mg twice. Is that serious?"
)
ANSWER = (
    "Crepitus, harmless by itself. Ibuprofen 400 mg with food for 5 days at most; "
    "come back if it swells or locks."
)
ER, EQSR = Task(Row(1, "r1", QUESTION, ANSWER)), Task(Row(1, "r1", QUESTION, ANSWER), "fear")
TOLD = (
    "What you feel on the stairs is crepitus, harmless by itself, however loud it seems at night. "
    "Ibuprofen 400 mg with food for 5 days at most is fine; "
    "come back to us if the knee swells or locks, and do write again if the worry stays."
)
FELT = (
    "I lay awake again and listened to my left knee. It clicks on the stairs since those 3 days "
    "of walking in the hills, and each time my stomach drops. I took ibuprofen 400 mg twice. "
    "Is that serious, will I lose the leg?"
)
GOOD_ER, GOOD_EQSR = (
    json.dumps({"empathetic_response": TOLD}),
    json.dumps({"emotional_question": FELT, "soothing_response": TOLD}),
)


def many(count: int, tag: str = "") -> list[Task]:
    """Different ER tasks with numbers, units and a drug."""
    return [
        Task(
            Row(
                i + 1,
                f"p{i}",
                f"{QUESTION} That is case {tag}{i}.",
                f"{ANSWER} That is case {tag}{i}.",
            )
        )
        for i in range(count)
    ]


def run(tasks, settings: Settings, store: Store, **options) -> live.Report:
    return live.run(lambda: tasks, settings, store, **options)


def outcome(report: live.Report) -> dict[str, int]:
    return {name: count for name, count in report.counts.items() if count}


def kept(tasks, settings: Settings, store: Store, folder) -> list[dict]:
    """Every exported row, the kept ones first."""
    live.export(tasks, settings, store, folder)
    return [
        json.loads(line)
        for file in ("er", "eqsr", "set_aside")
        for line in (folder / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "replies.sqlite")


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """A well-behaved server for the whole file; yields its address and its log."""
    log = tmp_path_factory.mktemp("server") / "log"
    with llm_server.running(log=log) as address:
        yield address, log


@contextlib.contextmanager
def scripted(*replies):
    """A server that gives these replies in turn (the last one again and again);
    yields its address and the requests it got.

    A reply is the content of a message, a whole message, or a pair of status and body.
    A callable is given the request's headers.
    """
    asked: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(
                {
                    "path": self.path,
                    "key": self.headers["Authorization"],
                    **json.loads(self.rfile.read(int(self.headers["Content-Length"]))),
                }
            )
            reply = replies[min(len(asked), len(replies)) - 1]
            reply = reply(self.headers) if callable(reply) else reply
            status, payload = reply if isinstance(reply, tuple) else (200, completion(reply))
            body = json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    here = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=here.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{here.server_port}/v1", asked
    finally:
        here.shutdown()
        here.server_close()


def completion(content, usage=None) -> dict:
    message = (
        {"role": "assistant", "content": None} | content
        if isinstance(content, dict)
        else {"role": "assistant", "content": content}
    )
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    } | ({"usage": usage} if usage else {})


# The key that a reply is stored under


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "https://b.example/v1"},
        {"model": "n"},
        {"temperature": 0.4},
        {"seed": 43},
        {"max_tokens": 600},
        {"structured": False},
    ],
    ids=str,
)
def test_the_key_changes_with_what_shapes_a_reply(change):
    plain = Settings("m", "https://a.example/v1")
    for task in (ER, EQSR):
        assert requests.key(task, dataclasses.replace(plain, **change)) != requests.key(task, plain)


@pytest.mark.parametrize(
    "change", [{"concurrency": 3}, {"attempts": 5}, {"timeout": 1.0}, {"deadline": 9.0}], ids=str
)
def test_the_key_does_not_change_with_how_a_reply_is_fetched(change):
    assert requests.key(ER, dataclasses.replace(Settings("m"), **change)) == requests.key(
        ER, Settings("m")
    )


def test_the_key_changes_with_the_input_and_not_with_its_place():
    tasks = [
        ER,
        EQSR,
        Task(EQSR.row, "anxiety"),
        Task(Row(1, "r1", QUESTION + " Now?", ANSWER)),
        Task(Row(1, "r1", QUESTION, ANSWER + " Rest.")),
    ]
    assert len({requests.key(task, Settings("m")) for task in tasks}) == len(tasks)
    assert requests.key(Task(Row(9, "other", QUESTION, ANSWER)), Settings("m")) == requests.key(
        ER, Settings("m")
    )


@pytest.mark.parametrize("name, task", [("er", ER), ("eqsr", EQSR)])
def test_the_key_changes_with_the_prompt(tmp_path, monkeypatch, name, task):
    before = {t.name: requests.key(t, Settings("m")) for t in (ER, EQSR)}
    shutil.copytree(prompts.FOLDER, tmp_path / "prompts")
    with open(tmp_path / "prompts" / f"{name}.txt", "a", encoding="utf-8") as handle:
        handle.write("Be brief.\n")
    monkeypatch.setattr(prompts, "FOLDER", tmp_path / "prompts")
    assert {
        t for t in before if requests.key({"er": ER, "eqsr": EQSR}[t], Settings("m")) != before[t]
    } == {name}


# Requests and replies


@pytest.mark.parametrize("emotion", ["", *dialogues.EMOTIONS])
def test_the_request_holds_question_answer_emotion_and_form(emotion):
    body = requests.request(
        Task(ER.row, emotion), None, 1, Settings("m", temperature=0.5, seed=7, max_tokens=90)
    )
    (message,) = body["messages"]
    fields = {"emotional_question", "soothing_response"} if emotion else {"empathetic_response"}
    assert (
        message["role"] == "user"
        and QUESTION in message["content"]
        and ANSWER in message["content"]
    )
    assert (
        all(f'"{field}"' in message["content"] for field in fields)
        and "{emotion}" not in message["content"]
    )
    assert (f"who feels {emotion}" in message["content"]) == bool(emotion)
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.5, 90)
    form = body["response_format"]["json_schema"]
    assert (
        form["strict"]
        and set(form["schema"]["required"]) == fields
        and form["schema"]["additionalProperties"] is False
    )
    assert "response_format" not in requests.request(ER, None, 1, Settings("m", structured=False))


@pytest.mark.parametrize(
    "text",
    [
        '{"empathetic_response": "a"}',
        '  {"empathetic_response": "a"}\n',
        '```json\n{"empathetic_response": "a"}\n```',
        'Sure:\n{"empathetic_response": "a"}\nI hope this helps.',
    ],
)
def test_an_object_is_found_in_its_reply(text):
    assert outcomes.parse(text, requests.EmpatheticAnswer).empathetic_response == "a"


def test_braces_inside_the_text_stay():
    assert (
        outcomes.parse(
            '{"empathetic_response": "a {b} c"}', requests.EmpatheticAnswer
        ).empathetic_response
        == "a {b} c"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "none",
        "[]",
        '{"empathetic_response": ""}',
        '{"empathetic_response": 3}',
        '{"empathetic_response": "a"',
        "}{",
        '{"empathetic_response": "a", "b": 1}',
    ],
)
def test_what_does_not_fit_is_refused(text):
    with pytest.raises(ValidationError):
        outcomes.parse(text, requests.EmpatheticAnswer)


# One row: kept, repaired, refused, set aside


def test_a_good_reply_is_kept(store, tmp_path):
    with scripted(GOOD_ER, f"Here it is:\n```json\n{GOOD_EQSR}\n```") as (address, asked):
        settings = Settings("m", address, concurrency=1)
        report = run([ER, EQSR], settings, store)
    assert outcome(report) == {"kept": 2} and report.asked == len(asked) == 2 and not report.reasons
    shared = {"id": "r1", "number": 1, "question": QUESTION, "answer": ANSWER, "arm": "overt"}
    assert kept([ER, EQSR], settings, store, tmp_path) == [
        shared | {"empathetic_response": TOLD},
        shared | {"emotion": "fear", "emotional_question": FELT, "soothing_response": TOLD},
    ]


@pytest.mark.parametrize(
    "bad, reason",
    [
        ("Of course! I will.", "not the asked-for JSON object"),
        (None, "not the asked-for JSON object"),
        (GOOD_ER[:60], "not the asked-for JSON object"),
        (json.dumps({"empathetic_response": TOLD, "note": "hi"}), "note"),
        (json.dumps({"empathetic_response": TOLD.replace("400 mg", "some")}), "lacks 400"),
        (json.dumps({"empathetic_response": ANSWER}), "only repeats the original"),
        (json.dumps({"empathetic_response": "So sorry."}), "write more"),
        ("I'm sorry, but I can't help with that.", "declines"),
        ({"refusal": "I'm sorry, but I cannot assist with that."}, "declines"),
    ],
)
def test_a_bad_reply_is_repaired_with_its_reason(store, bad, reason):
    with scripted(bad, GOOD_ER) as (address, asked):
        report = run([ER], Settings("m", address), store)
    assert outcome(report) == {"repaired": 1} and report.asked == 2 and report.reasons.total() == 1
    first, second = asked
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "user"] and second[
        "messages"
    ][0] == first["messages"][0]
    given = bad if isinstance(bad, str) else (bad or {}).get("refusal", "(nothing)")
    assert second["messages"][1]["content"] == given and reason in second["messages"][2]["content"]
    assert first["seed"] != second["seed"]  # the same seed might give the same reply


def test_a_patient_who_cannot_help_worrying_is_no_refusal(store):
    reply = json.dumps(
        {
            "emotional_question": "I can't help worrying, I'm sorry but I am scared. " + FELT,
            "soothing_response": TOLD,
        }
    )
    with scripted(reply) as (address, _):
        assert outcome(run([EQSR], Settings("m", address), store)) == {"kept": 1}


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_attempts_are_exhausted_and_the_row_set_aside_with_its_last_reply(
    store, tmp_path, attempts
):
    replies = ["no", "still no", '{"empathetic_response": ""}']
    with scripted(*replies) as (address, asked):
        settings = Settings("m", address, attempts=attempts)
        report = run([ER], settings, store)
    assert len(asked) == report.asked == attempts and outcome(report) == {"set aside": 1}
    assert [len(a["messages"]) for a in asked] == [1, 3, 3][
        :attempts
    ]  # the last reply only, so that requests do not grow
    assert attempts < 3 or asked[2]["messages"][1]["content"] == "still no"
    (row,) = kept([ER], settings, store, tmp_path)
    assert (
        row["task"] == "er"
        and row["attempts"] == attempts
        and row["reply"] == replies[attempts - 1]
        and "JSON" in row["reason"]
    )


def test_a_row_that_is_declined_each_time_counts_as_refused(store, tmp_path):
    with scripted("I'm sorry, but I can't help with that.") as (address, asked):
        settings = Settings("m", address, attempts=2)
        assert outcome(run([EQSR], settings, store)) == {"refused": 1} and len(asked) == 2
    (row,) = kept([EQSR], settings, store, tmp_path)
    assert (row["task"], row["emotion"], row["reason"]) == (
        "eqsr",
        "fear",
        "the reply declines the task",
    )


@pytest.mark.parametrize(
    "reply, expected", [(GOOD_ER, {"repaired": 1}), ("no", {"set aside": 1})], ids=["good", "bad"]
)
def test_a_row_is_finished_also_where_fewer_attempts_are_allowed_than_it_had(
    store, tmp_path, reply, expected
):
    settings = Settings("m", "local", attempts=3)
    with scripted("no", "no", (500, {})) as (address, _):
        assert outcome(run([ER], settings, store, api=live.client(address, retries=0))) == {
            "failed": 1
        }
    with scripted(reply) as (address, asked):
        assert (
            outcome(
                run(
                    [ER],
                    dataclasses.replace(settings, attempts=2),
                    store,
                    api=live.client(address),
                )
            )
            == expected
            and len(asked) == 1
        )
    assert len(kept([ER], settings, store, tmp_path)) == 1


def test_no_attempt_and_no_concurrency_are_mistakes():
    for wrong in ({"attempts": 0}, {"concurrency": 0}):
        with pytest.raises(EmoError, match="1 or more"):
            Settings("m", **wrong)


@pytest.mark.parametrize(
    "content",
    [
        "half an emoji \ud83d",
        "a\x00b",
        "{" * 5000,
        '{"empathetic_response": "half \\ud83d"}',
        "é" * 9000,
    ],
    ids=["surrogate", "NUL", "braces", "escaped surrogate", "long"],
)
def test_an_odd_reply_is_asked_for_again(store, tmp_path, content):
    with scripted(content) as (address, _):
        settings = Settings("m", address, attempts=2)
        assert outcome(run([ER], settings, store)) == {"set aside": 1}
    assert len(kept([ER], settings, store, tmp_path)) == 1


@pytest.mark.parametrize(
    "payload",
    [
        [],
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [{"message": None}]},
        completion(["a", "list"]),
        completion(7),
        "text",
    ],
    ids=str,
)
def test_a_response_that_is_no_completion_is_a_failure_of_the_endpoint(store, payload):
    with scripted((200, payload)) as (address, _):
        report = run([ER], Settings("m", address), store)
    assert outcome(report) == {"failed": 1} and report.asked == 0 and report.failure


def test_the_emotion_gate_is_asked_about_the_question_and_its_reason_handed_on(store):
    seen = []

    def gate(plain, rewritten, emotion):
        seen.append((plain, rewritten, emotion))
        return (
            ""
            if len(seen) > 1
            else "emotional_question does not express fear more than the plain question"
        )

    with scripted(GOOD_EQSR, GOOD_EQSR, GOOD_ER) as (address, asked):
        report = run([EQSR, ER], Settings("m", address, concurrency=1), store, emotion_gate=gate)
    assert (
        outcome(report) == {"repaired": 1, "kept": 1} and seen == [(QUESTION, FELT, "fear")] * 2
    )  # ER has no emotion
    assert "does not express fear more" in asked[1]["messages"][2][
        "content"
    ] and report.reasons == {"does not express": 1}


def test_what_the_emotion_gate_cannot_read_counts_as_unscored(store):
    with scripted(GOOD_EQSR) as (address, _):
        report = run(
            [EQSR],
            Settings("m", address, attempts=1),
            store,
            emotion_gate=lambda *texts: "unscored: a question is too long",
        )
    assert outcome(report) == {"unscored": 1}


def test_a_server_started_by_this_process_may_know_the_model_by_another_name(store):
    settings = Settings("Qwen/Qwen", "local")
    with scripted(GOOD_ER) as (address, asked):
        run([ER], settings, store, api=live.client(address), served_as="/cache/qwen")
        assert [a["model"] for a in asked] == ["/cache/qwen"]
    assert (
        costs.plan([ER], settings, store).done == 1
    )  # the folder and the port are no part of the key


def test_the_stub_of_the_smoke_profile_passes_the_gates(store):
    with serving.scripted_stub() as address:
        assert outcome(run([ER, EQSR], Settings("scripted-stub", address), store)) == {"kept": 2}


# Nothing is asked twice


def test_a_second_run_asks_nothing(calm, store, tmp_path):
    address, log = calm
    tasks, settings = many(40, "again"), Settings("m", address)
    before = len(log_lines(log))
    assert outcome(run(tasks, settings, store)) == {"kept": 40}
    assert len(log_lines(log)) == before + 40
    first = kept(tasks, settings, store, tmp_path / "first")
    again = run(tasks, settings, Store(store.path))
    assert (
        again.asked == 0
        and "nothing to do" in live.summary(again)
        and len(log_lines(log)) == before + 40
    )
    assert kept(tasks, settings, store, tmp_path / "second") == first
    # What is new is asked, what is known is not.
    assert run([*tasks, *many(45, "again")], settings, store).asked == 5


def test_equal_rows_are_asked_once_and_exported_each(calm, store, tmp_path):
    address, log = calm
    settings = Settings("m", address)
    apart = many(300, "equal")
    tasks = [apart[0], apart[0], *apart, apart[0]]  # side by side, and hundreds of rows away
    before = len(log_lines(log))
    assert run(tasks, settings, store).asked == 300
    assert (
        Counter(log_lines(log)[before:]).most_common(1)[0][1] == 1
        and len(log_lines(log)) == before + 300
    )
    assert live.export(tasks, settings, store, tmp_path)["er"] == 303


def test_another_temperature_is_another_reply(calm, store):
    settings = Settings("m", calm[0])
    assert [
        run([ER], s, store).asked
        for s in (settings, dataclasses.replace(settings, temperature=0.9), settings)
    ] == [1, 1, 0]


# Endpoints that do not serve


def test_a_wrong_key_ends_the_run_and_says_so(calm, store, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "bad-key-1")
    with pytest.raises(EmoError, match="does not accept the key in OPENAI_API_KEY") as caught:
        run(many(50), Settings("m", calm[0]), store)
    assert "bad-key-1" not in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_model_ends_the_run_and_names_it(calm, store):
    with pytest.raises(EmoError, match="does not know the model 'unknown'"):
        run(many(50), Settings("unknown", calm[0]), store)


def test_a_server_that_is_down_ends_the_run_and_what_came_before_is_kept(calm, store):
    tasks, settings = many(80, "down"), Settings("m", "local", concurrency=4)
    assert run(tasks[:10], settings, store, api=live.client(calm[0])).asked == 10
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    with pytest.raises(
        EmoError,
        match=r"failed for \d+ rows in a row, last with .*Connect call failed.*start again",
    ):
        run(tasks, settings, store, api=live.client(closed, retries=0))
    with pytest.raises(EmoError, match="InternalServerError"):
        run(tasks, settings, store, api=live.client(calm[0], retries=0), served_as="down")
    assert run(tasks, settings, store, api=live.client(calm[0])).asked == 70


def test_a_few_rows_that_fail_are_reported_with_the_cause_and_asked_next_time(calm, store):
    settings = Settings("m", "local")
    report = run(
        many(5, "few"), settings, store, api=live.client(calm[0], retries=0), served_as="down"
    )
    assert (
        outcome(report) == {"failed": 5}
        and "run the same command again" in live.summary(report)
        and "503" in live.summary(report)
    )
    assert outcome(run(many(5, "few"), settings, store, api=live.client(calm[0]))) == {"kept": 5}


def test_a_request_that_is_refused_at_once_may_be_the_settings_fault(store):
    refusal = (400, {"error": {"message": "Unsupported parameter: 'max_tokens'"}})
    with (
        scripted(refusal) as (address, _),
        pytest.raises(EmoError, match="rows in a row, last with BadRequestError.*max_tokens"),
    ):
        run(many(60), Settings("m", "local", concurrency=2), store, api=live.client(address))
    with scripted(GOOD_ER) as (address, _):  # no row was written off
        assert costs.plan(many(60), Settings("m", "local"), store).done == 0


def test_a_request_that_is_refused_where_others_are_answered_is_the_rows_fault(store, tmp_path):
    with scripted(GOOD_ER, (400, {"error": {"message": "content filter"}})) as (address, asked):
        settings = Settings("m", address, concurrency=1)
        assert (
            outcome(run([ER, *many(1)], settings, store)) == {"kept": 1, "set aside": 1}
            and len(asked) == 2
        )
    assert "refused the request" in kept([ER, *many(1)], settings, store, tmp_path)[1]["reason"]


# Models that think, fields that a service does not take, quotas and pauses


def cut(content, **more) -> tuple[int, dict]:
    answer = completion({"content": content} | more)
    answer["choices"][0]["finish_reason"] = "length"
    return 200, answer


def test_the_thinking_of_a_model_is_no_part_of_its_reply(store, tmp_path):
    with scripted(f"<think>\n{{Hm}}, she is scared.\n</think>\n{GOOD_ER}") as (address, _):
        settings = Settings("m", address)
        assert outcome(run([ER], settings, store)) == {"kept": 1}
    assert kept([ER], settings, store, tmp_path)[0]["empathetic_response"] == TOLD


@pytest.mark.parametrize(
    "reply",
    [cut(None, reasoning_content="She is"), cut("<think>\nShe is"), cut(GOOD_ER[:50])],
    ids=["reasoning", "think", "torn"],
)
def test_a_model_whose_tokens_end_too_soon_stops_the_run_and_max_tokens_is_named(store, reply):
    with scripted(reply) as (address, asked), pytest.raises(EmoError) as caught:
        run(many(60), Settings("m", address, concurrency=8), store)
    assert "cut off" in str(caught.value) and "raise --max-tokens" in str(caught.value)
    assert "--max-tokens is 700" in str(caught.value) and len(asked) <= 12


def test_one_row_that_is_cut_is_paid_for_once(store, tmp_path):
    with scripted(GOOD_ER, cut("<think>\nShe is")) as (address, asked):
        settings = Settings("m", address, concurrency=1)
        report = run([ER, EQSR], settings, store)
    assert len(asked) == 2 and outcome(report) == {"kept": 1, "set aside": 1}
    assert report.reasons == {"cut off": 1}
    reason = kept([ER, EQSR], settings, store, tmp_path)[1]["reason"]
    assert "still thinking (--max-tokens is 700)" in reason


TOOL = {
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
}


@pytest.mark.parametrize(
    "message",
    [
        {"content": None} | TOOL,
        {"content": None, "function_call": TOOL["tool_calls"][0]["function"]},
        {"content": "Let me look that up."} | TOOL,
    ],
    ids=["tool", "function", "words"],
)
def test_a_row_that_is_answered_by_a_tool_call_is_paid_for_once_and_named(store, tmp_path, message):
    with scripted(GOOD_ER, (200, completion(message))) as (address, asked):
        settings = Settings("m", address, concurrency=1)
        report = run([ER, EQSR], settings, store)
    assert len(asked) == 2 and outcome(report) == {"kept": 1, "set aside": 1}
    assert report.reasons == {"tool call": 1} and "turned down: tool call 1" in live.summary(report)
    assert "the model called a tool" in kept([ER, EQSR], settings, store, tmp_path)[1]["reason"]


def test_an_answer_with_a_tool_call_beside_it_is_kept(store):
    with scripted((200, completion({"content": GOOD_ER} | TOOL))) as (address, _):
        assert outcome(run([ER], Settings("m", address), store)) == {"kept": 1}


@pytest.mark.parametrize("field", ["response_format", "seed", "max_tokens"])
def test_a_service_that_does_not_take_a_field_is_asked_without_it(store, field):
    asked = []

    def reply(headers):
        told = {"error": {"message": f"Unsupported parameter: '{field}'", "param": field}}
        return (400, told) if field in asked[-1] else GOOD_ER

    with scripted(reply) as (address, requests_):
        asked = requests_
        tasks = [Task(Row(i, f"r{i}", QUESTION + " Please." * i, ANSWER)) for i in range(4)]
        report = run(tasks, Settings("m", address, concurrency=4), store)
    assert outcome(report) == {"kept": 4} and report.asked == 4
    assert sum(field in body for body in asked) == 1 and "temperature" in asked[-1]
    assert field != "max_tokens" or asked[-1]["max_completion_tokens"] == 700


def test_a_used_up_quota_is_said_after_the_first_answer(store):
    told = {"message": "You exceeded your current quota.", "code": "insufficient_quota"}
    with (
        scripted((429, {"error": told})) as (address, asked),
        pytest.raises(EmoError, match="the quota is used up .*You exceeded your current quota"),
    ):
        run(many(60), Settings("m", address), store)
    assert len(asked) == 1


def test_a_service_that_asks_to_wait_is_waited_for_by_all(store):
    with WaitsFor(0.4) as server:
        report = run(many(12), Settings("m", server.address, concurrency=6), store)
    assert outcome(report) == {"kept": 12} or report.counts["failed"] == 0
    assert server.early == 0 and server.refused == 1


class WaitsFor:
    """A server that once asks to wait, and counts who does not."""

    def __init__(self, seconds: float):
        self.refused, self.early, until = 0, 0, [0.0]
        plain, lock, server = llm_server.Server(0, False, None, 0), threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    first = not server.refused
                    if first:
                        server.refused, until[0] = 1, time.monotonic() + seconds
                    server.early += not first and time.monotonic() < until[0] - 0.05
                answer = completion(plain.reply(body["messages"], 7))
                self.send_response(429 if first else 200)
                if first:
                    self.send_header("Retry-After", str(seconds))
                    answer = {"error": {"message": "slow down"}}
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self):
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


def test_what_is_refused_is_not_said_to_go_better_the_next_time(store):
    with scripted((400, {"error": {"message": "no such thing"}})) as (address, _):
        report = run([ER], Settings("m", address), store)
    told = live.summary(report)
    assert "change what is refused" in told and "no such thing" in told
    assert "same command again" not in told


# Keys


@pytest.mark.parametrize("address", ["", "https://api.example.com/v1"])
def test_without_a_key_there_is_no_client_for_a_service(address, store):
    with pytest.raises(EmoError, match="OPENAI_API_KEY"):
        run([ER], Settings("m", address), store)


def test_the_key_comes_from_the_environment_and_a_local_server_needs_none(monkeypatch, store):
    with scripted(GOOD_ER) as (address, asked):
        run([ER], Settings("m", address), store)
        monkeypatch.setenv("OPENAI_API_KEY", "secret-1\n")
        run(many(1), Settings("m", address), store)
    assert (
        asked[1]["key"] == "Bearer secret-1" != asked[0]["key"]
        and asked[0]["path"] == "/v1/chat/completions"
    )


def test_a_key_that_the_server_repeats_is_written_nowhere(monkeypatch, store, tmp_path):
    secret = "sk-planted-51c2"
    monkeypatch.setenv("OPENAI_API_KEY", secret)

    def repeat(status):
        return lambda headers: (
            status,
            {"error": {"message": f"request with {headers['Authorization']} is not accepted"}},
        )

    with scripted(repeat(401)) as (address, _), pytest.raises(EmoError) as caught:
        run([ER], Settings("m", address), store)
    with scripted(GOOD_ER, repeat(400), repeat(500)) as (address, asked):
        settings = Settings("m", address, concurrency=1)
        report = run([ER, *many(2)], settings, store, api=live.client(address, retries=0))
        assert {a["key"] for a in asked} == {f"Bearer {secret}"}
    kept([ER, *many(2)], settings, store, tmp_path)
    assert "(the key)" in str(caught.value) and secret not in str(caught.value) + live.summary(
        report
    ) + str(report)
    assert [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ] == []


# Cost


PRICED = Settings("gpt-test", "https://service.example/v1", concurrency=2)


@pytest.fixture
def prices(tmp_path):
    (tmp_path / "prices.yaml").write_text("gpt-test: {input: 1, output: 1000}\nother: {input: 5}\n")
    return tmp_path / "prices.yaml"


def test_the_plan_counts_rewrites_tokens_and_dollars(calm, store, prices):
    tasks = [*many(9, "plan"), EQSR]
    planned = costs.plan(tasks, PRICED, store, prices)
    assert (planned.rewrites, planned.done) == (10, 0)
    assert planned.tokens_in == pytest.approx(
        sum(len(m["content"]) for task in tasks for m in requests.messages(task)) / 4
    )
    assert planned.cost == pytest.approx(
        (planned.tokens_in + 1000 * planned.tokens_out) / 1e6
    ) and f"{planned.cost:.2f} US dollars" in str(planned)
    assert (
        planned.tokens_out >= sum(len(task.row.answer) for task in tasks) / 4
    )  # a rewrite is longer than its source
    run(tasks[:9], PRICED, store, prices=prices, api=live.client(calm[0]))
    after = costs.plan(tasks, PRICED, store, prices)
    assert (after.rewrites, after.done) == (10, 9) and after.cost < planned.cost / 2


def test_a_local_server_costs_nothing_and_an_unknown_price_is_said(store, prices):
    for address in ("local", "http://127.0.0.1:9/v1", "http://localhost:9/v1"):
        assert costs.plan([ER], Settings("m", address), store, prices).cost == 0
    unknown = costs.plan([ER], Settings("m", "https://service.example/v1"), store, prices)
    assert unknown.cost is None and "cost unknown" in str(unknown)


def test_a_model_with_a_price_costs_it_behind_a_proxy_of_this_machine_too(store, prices):
    behind = Settings("gpt-test", "http://localhost:9/v1")
    assert costs.plan([ER], behind, store, prices).cost > 0
    with pytest.raises(EmoError, match="more than the limit"):
        run(many(20), behind, store, limit=1e-6, prices=prices)


def test_the_shipped_price_table_has_the_papers_model():
    assert all(p > 0 for p in costs.price("gpt-4o-mini", ""))


def test_a_limit_below_the_estimate_stops_before_the_first_request(calm, store, prices):
    before = len(log_lines(calm[1]))
    needed = costs.plan(many(20), PRICED, store, prices).cost
    with pytest.raises(EmoError, match="more than the limit"):
        run(many(20), PRICED, store, limit=needed * 0.99, prices=prices, api=live.client(calm[0]))
    assert len(log_lines(calm[1])) == before


def test_a_limit_stops_a_run_that_costs_more_than_estimated_and_a_higher_one_goes_on(
    calm, store, prices
):
    tasks = many(40, "limit")
    limit = (
        costs.plan(tasks, PRICED, store, prices).cost * 1.02
    )  # the server's replies are longer than estimated
    with pytest.raises(
        EmoError, match=rf"the limit of {limit} US dollars is reached after \d+ replies"
    ):
        run(tasks, PRICED, store, limit=limit, prices=prices, api=live.client(calm[0]))
    spent, done = (
        costs.dollars(store.spent(), (1, 1000)),
        costs.plan(tasks, PRICED, store, prices).done,
    )
    assert 10 < done < 40
    assert limit <= spent <= limit + 2 * 1.2 * spent / done  # at most what was under way
    assert (
        run(tasks, PRICED, store, limit=10 * limit, prices=prices, api=live.client(calm[0])).asked
        == 40 - done
    )


def test_a_limit_holds_where_the_endpoint_counts_no_tokens(store, prices):
    tasks = many(40, "uncounted")
    limit = costs.plan(tasks, PRICED, store, prices).cost * 1.02
    long = json.dumps({"empathetic_response": TOLD + " That is for case 0 to 40." * 20})
    for usage in (None, {"prompt_tokens": None, "completion_tokens": 200, "total_tokens": None}):
        with (
            scripted((200, completion(long, usage))) as (address, _),
            pytest.raises(EmoError, match="is reached after"),
        ):
            run(
                tasks,
                dataclasses.replace(PRICED, seed=len(str(usage))),
                store,
                limit=limit,
                prices=prices,
                api=live.client(address),
            )


def test_a_limit_without_a_price_is_an_error_before_the_first_request(calm, store, prices):
    before = len(log_lines(calm[1]))
    with pytest.raises(EmoError, match="no price for 'm'; add it to prices.yaml"):
        run(
            [ER],
            Settings("m", "https://service.example/v1"),
            store,
            limit=5.0,
            prices=prices,
            api=live.client(calm[0]),
        )
    assert len(log_lines(calm[1])) == before
    assert (
        run([ER], Settings("m", calm[0]), store, limit=0.0, prices=prices).asked == 1
    )  # nothing is what a local server costs


@pytest.mark.parametrize(
    "content",
    [
        None,
        "gpt-test: 5\n",
        "- gpt-test\n",
        "gpt-test: {input: 1}\n",
        "{broken",
        "gpt-test: {input: cheap, output: 1}\n",
    ],
)
def test_a_price_table_that_cannot_be_read_is_an_error_that_shows_a_line(tmp_path, store, content):
    if content is not None:
        (tmp_path / "p.yaml").write_text(content)
    with pytest.raises(
        EmoError,
        match=r"p.yaml is no table of prices .*gpt-test: \{input: DOLLARS, output: DOLLARS\}",
    ) as caught:
        costs.plan([ER], PRICED, store, tmp_path / "p.yaml")
    assert "\n" not in str(caught.value)


# The store


def test_a_foreign_or_torn_store_is_an_error_in_one_line(tmp_path):
    (tmp_path / "text.sqlite").write_text("these are no replies\n" * 200)
    (tmp_path / "folder.sqlite").mkdir()
    with sqlite3.connect(tmp_path / "other.sqlite") as other:
        other.execute("CREATE TABLE replies (id INTEGER, said TEXT)")
    whole = Store(tmp_path / "whole.sqlite")
    for i in range(400):
        whole.add(f"key {i}", Reply(1, "text " * 40, "", True))
    whole.connection.close()
    content = (tmp_path / "whole.sqlite").read_bytes()
    (tmp_path / "torn.sqlite").write_bytes(content[: len(content) // 2])
    middle = len(content) // 8192 * 4096
    (tmp_path / "spoilt.sqlite").write_bytes(
        content[:middle] + bytes(4096) + content[middle + 4096 :]
    )
    for name in ("text", "folder", "other", "torn", "spoilt"):
        with pytest.raises(
            EmoError, match=f"{name}.sqlite is no store of replies .*move it away"
        ) as caught:
            Store(tmp_path / f"{name}.sqlite")
        assert "\n" not in str(caught.value)
    assert Store(tmp_path / "whole.sqlite").last(["key 7"])["key 7"].final


def test_the_latest_reply_counts_and_no_reply_is_overwritten(store):
    for attempt, text in ((1, "a"), (2, "b"), (1, "c"), (2, "d")):
        store.add("k", Reply(attempt, text, "", False, 10, 5))
    assert store.last(["k", "other"]) == {"k": Reply(2, "b", "", False, 10, 5)}
    assert store.spent() == (20, 10)


def test_many_processes_may_open_a_new_store_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        for place in range(10):
            assert [
                store.last(["k"]) for store in pool.map(Store, [tmp_path / f"{place}.sqlite"] * 8)
            ] == [{}] * 8


def test_one_process_fills_a_store_while_others_read(tmp_path, capsys):
    one, two = Store(tmp_path / "s.sqlite"), Store(tmp_path / "s.sqlite")
    one.lock.acquire()
    one.add("k", Reply(1, "a", "", True))
    assert two.last(["k"])["k"].text == "a"  # read without waiting
    waiting = threading.Thread(
        target=lambda: run([], Settings("m", "local"), two, api=live.client("http://127.0.0.1:1"))
    )
    waiting.start()
    waiting.join(1.0)
    assert waiting.is_alive() and "another process is filling s.sqlite" in capsys.readouterr().out
    one.lock.release()
    waiting.join(20.0)
    assert not waiting.is_alive()


# Interrupted, killed, doubled


def test_a_run_that_breaks_holds_no_rows_afterwards(calm, store):
    tasks, settings = (
        [Task(task.row, "fear") for task in many(60, "breaks")],
        Settings("m", calm[0], concurrency=4),
    )

    def broken(plain, rewritten, emotion):
        raise RuntimeError("the judge is out of memory")

    with pytest.raises(ExceptionGroup) as caught:
        run(tasks, settings, store, emotion_gate=broken)
    assert "out of memory" in str(caught.value.exceptions)
    started = time.monotonic()
    assert (
        run(tasks, settings, Store(store.path)).asked == 60
    )  # the same process, as in a notebook whose cell is run again
    assert time.monotonic() - started < 20


def inside_a_loop(function):
    """Call a plain function as a notebook's kernel does: with its event loop running."""

    async def cell():
        return function()

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(cell())
    finally:
        loop.close()


def test_a_run_works_inside_a_notebook(calm, store):
    settings = Settings("m", calm[0])
    assert inside_a_loop(lambda: run(many(10, "cell"), settings, store)).asked == 10
    with pytest.raises(EmoError, match="does not know the model"):
        inside_a_loop(lambda: run(many(10), Settings("unknown", calm[0]), store))


def test_interrupting_a_cell_ends_the_run_and_running_it_again_goes_on(store, tmp_path, request):
    # A shell starts background jobs with SIGINT ignored,
    # and then Python installs no handler of its own.
    request.addfinalizer(
        partial(
            signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler)
        )
    )
    with llm_server.running(latency=0.05, log=tmp_path / "log") as address:
        tasks, settings, here = (
            many(1000),
            Settings("m", address, concurrency=4),
            threading.get_ident(),
        )

        def interrupt():
            while len(log_lines(tmp_path / "log")) < 20:
                time.sleep(0.02)
            signal.pthread_kill(here, signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            inside_a_loop(lambda: run(tasks, settings, store))
        done = costs.plan(tasks, settings, store).done
        assert 0 < done < 500
        rest = inside_a_loop(
            lambda: run(tasks[: done + 40], settings, Store(store.path), api=live.client(address))
        )
        assert rest.asked == 40 and max(Counter(log_lines(tmp_path / "log")).values()) == 1


def test_a_run_killed_three_times_gives_the_same_files_and_asks_for_nothing_committed(tmp_path):
    found = soak_rewrite.soak(tmp_path, rows=200, kills=3, seed=7, latency=0.02)
    assert (
        found["kills"] == 3
        and found["committed_at_kills"] == sorted(found["committed_at_kills"])
        and 0 < found["committed_at_kills"][-1] < 200
    )
    assert found["asked_again"] == 0 and found["complete"] == 200 and found["equal"]
    assert sum(found["exported"].values()) == 200 and min(found["exported"].values()) > 0


def test_two_processes_on_one_store_ask_no_row_twice(tmp_path):
    source, rows = tmp_path / "rows.jsonl", 60
    tasks = soak_rewrite.tasks_of(consultations(source, rows), rows)
    with llm_server.running(latency=0.1, log=tmp_path / "log") as address:
        both = [
            soak_rewrite.start(
                source, rows, tmp_path / "s.sqlite", tmp_path / f"out{i}", address, concurrency=2
            )
            for i in range(2)
        ]
        assert [process.wait(60) for process in both] == [0, 0]
        replies = soak_rewrite.committed(tmp_path / "s.sqlite", tasks, address)
    assert len(replies) == rows and all(reply.final for reply in replies.values())
    assert Counter(log_lines(tmp_path / "log")) == {
        (soak_rewrite.name(task), 1): 1 for task in tasks
    }
    assert exported(tmp_path / "out0") == exported(tmp_path / "out1")


def test_a_killed_process_that_nobody_buried_does_not_hold_the_store(tmp_path):
    source, probe = tmp_path / "rows.jsonl", Store(tmp_path / "s.sqlite")
    consultations(source, 30)
    with llm_server.running(latency=30) as address:
        process = soak_rewrite.start(source, 30, tmp_path / "s.sqlite", tmp_path, address)

        def free() -> bool:
            try:
                with probe.lock.acquire(timeout=0):
                    return True
            except Timeout:
                return False

        while free():
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)  # and no wait: it stays a zombie
        time.sleep(0.5)
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE and free()
        process.wait()


# A server that misbehaves


def test_all_rows_end_complete_on_a_server_that_misbehaves(store, tmp_path):
    tasks = soak_rewrite.tasks_of(consultations(tmp_path / "rows.jsonl", 400), 400)
    numbers = {task: int(soak_rewrite.name(task)[:8], 16) for task in tasks}
    connection = Counter(llm_server.CONNECTION[n // 7 % 6] for n in numbers.values() if n % 7 == 0)
    content = Counter(llm_server.CONTENT[n // 11 % 4] for n in numbers.values() if n % 11 == 0)
    assert set(connection) == set(llm_server.CONNECTION) and set(content) == set(
        llm_server.CONTENT
    )  # every fault strikes
    with llm_server.running(faulty=True, hang=soak_rewrite.HANG) as address:
        settings = soak_rewrite.settings(address, concurrency=32)
        report = run(tasks, settings, store)
    hopeless = {
        task for task, n in numbers.items() if n % 55 == 0
    }  # their content is wrong each time
    assert report.counts["kept"] == sum(n % 11 != 0 for n in numbers.values())
    assert report.counts["repaired"] == sum(n % 11 == 0 for n in numbers.values()) - len(hopeless)
    assert (
        report.counts["refused"] + report.counts["set aside"] == len(hopeless) > 0
        and report.counts["failed"] == 0
    )
    rows = kept(tasks, settings, store, tmp_path)
    assert len(rows) == 400
    assert {(row["task"], row["number"]) for row in rows if "reason" in row} == {
        (task.name, task.row.number) for task in hopeless
    }
    for row in rows:
        for field, origin in gates.REWRITES.items():
            assert (
                "reason" in row
                or field not in row
                or gates.check(field, row[origin], row[field]) == ""
            )


# What comes out


def test_the_export_is_in_the_order_of_the_source_whatever_the_order_of_the_replies(
    store, tmp_path
):
    source = consultations(tmp_path / "rows.jsonl", 60)
    tasks = list(sources.select(source, 60, 60, seed=1).tasks(source))
    shuffled = random.Random(1).sample(tasks, len(tasks))
    with llm_server.running() as address:
        settings = Settings("m", address)
        run(shuffled, settings, store)
    assert live.export(tasks, settings, store, tmp_path) == {
        "er": 60,
        "eqsr": 60,
        "set_aside": 0,
    }
    for file, fields in (
        ("er", {"id", "number", "question", "answer", "empathetic_response", "arm"}),
        (
            "eqsr",
            {
                "id",
                "number",
                "emotion",
                "question",
                "answer",
                "emotional_question",
                "soothing_response",
                "arm",
            },
        ),
    ):
        rows = [json.loads(line) for line in (tmp_path / f"{file}.jsonl").read_text().splitlines()]
        assert [row["number"] for row in rows] == list(range(1, 61)) and all(
            set(row) == fields for row in rows
        )
        assert all(
            row["id"] == f"p{row['number'] - 1}"
            and row["answer"] in row.get("soothing_response", row.get("empathetic_response"))
            for row in rows
        )


def test_an_export_that_breaks_leaves_the_files_of_the_one_before(calm, store, tmp_path):
    tasks, settings = many(20, "atomic"), Settings("m", calm[0])
    run(tasks, settings, store)
    live.export(tasks[:10], settings, store, tmp_path / "out")
    before = exported(tmp_path / "out")

    def torn():
        yield from tasks[:15]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        live.export(torn(), settings, store, tmp_path / "out")
    assert exported(tmp_path / "out") == before and before["er.jsonl"].count(b"\n") == 10


def test_two_exports_at_once_give_whole_files(tmp_path, calm):
    tasks, settings = many(300, "both"), Settings("m", calm[0])
    run(tasks, settings, Store(tmp_path / "replies.sqlite"))
    code = (
        """if True:
        import pathlib, sys, time
        import test_rewrite as t
        address, folder, me, other = sys.argv[1], pathlib.Path(sys.argv[2]), *sys.argv[3:]
        tasks, settings, store = t.many(300, "both"), t.Settings("m", address), """
        """t.Store(folder / "replies.sqlite")
        (folder / me).touch()
        while not (folder / other).exists():
            time.sleep(0.01)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            t.live.export(tasks, settings, store, folder / "out")
    """
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, calm[0], str(tmp_path), *names],
            cwd=Path(__file__).parent,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        for names in (("one", "two"), ("two", "one"))
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    rows = [json.loads(line) for line in (tmp_path / "out" / "er.jsonl").read_text().splitlines()]
    assert [row["number"] for row in rows] == list(range(1, 301))
    assert not list((tmp_path / "out").glob(".*"))


# The Batch API


def answered(paths, change=lambda row, content: content) -> list[str]:
    """What the service gives back for these files, as lines of its result file,
    from the well-behaved server's replies.
    """
    server, lines = llm_server.Server(0, False, None, 0), []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            asked = json.loads(line)
            assert (asked["method"], asked["url"]) == ("POST", "/v1/chat/completions")
            content = change(asked, server.reply(asked["body"]["messages"], 7))
            lines.append(
                json.dumps(
                    {
                        "id": "b",
                        "custom_id": asked["custom_id"],
                        "error": None,
                        "response": {
                            "status_code": 200,
                            "body": completion(
                                content, {"prompt_tokens": 100, "completion_tokens": 50}
                            ),
                        },
                    }
                )
            )
    return lines


BATCH = Settings("gpt-4o-mini", attempts=2)


def test_batch_files_are_split_by_rows_and_by_size(store, tmp_path):
    tasks = many(25)
    by_rows = batches.write_batches(tasks, BATCH, store, tmp_path / "rows", rows=10)
    assert [len(path.read_text().splitlines()) for path in by_rows] == [10, 10, 5]
    longest = max(len(line) for path in by_rows for line in path.read_bytes().splitlines()) + 1
    by_size = batches.write_batches(tasks, BATCH, store, tmp_path / "size", size=3 * longest)
    assert len(by_size) in (8, 9) and all(
        0 < path.stat().st_size <= 3 * longest for path in by_size
    )
    assert (
        len(batches.write_batches(tasks, BATCH, store, tmp_path / "tiny", size=10)) == 25
    )  # a request is never cut
    one = batches.write_batches(tasks, BATCH, store, tmp_path / "one")
    contents = [b"".join(path.read_bytes() for path in paths) for paths in (by_rows, by_size, one)]
    assert len(one) == 1 and contents[0] == contents[1] == contents[2]
    ids = [json.loads(line)["custom_id"] for line in one[0].read_text().splitlines()]
    assert len(set(ids)) == 25 and all(len(i) <= 512 for i in ids)


def test_equal_rows_are_in_a_batch_once(store, tmp_path):
    (path,) = batches.write_batches([*many(300), *many(300)], BATCH, store, tmp_path)
    assert len(path.read_text().splitlines()) == 300


def test_batch_requests_are_those_of_a_run(store, tmp_path):
    (path,) = batches.write_batches([EQSR], BATCH, store, tmp_path)
    with scripted(GOOD_EQSR) as (address, asked):
        run([EQSR], dataclasses.replace(BATCH, endpoint=address), Store(tmp_path / "other.sqlite"))
    body = json.loads(path.read_text())["body"]
    assert body == {name: value for name, value in asked[0].items() if name not in ("path", "key")}


def test_results_in_any_order_give_what_a_run_gives(store, tmp_path):
    source = consultations(tmp_path / "rows.jsonl", 40)
    tasks = list(sources.select(source, 40, 20, seed=1).tasks(source))
    lines = answered(batches.write_batches(tasks, BATCH, store, tmp_path / "batches", rows=25))
    random.Random(2).shuffle(lines)
    (tmp_path / "result.jsonl").write_text("\n".join(lines) + "\n")
    report = batches.read_batch(tmp_path / "result.jsonl", tasks, BATCH, store)
    assert outcome(report) == {"kept": 60} and report.asked == 60 and report.tokens == [6000, 3000]
    assert batches.write_batches(tasks, BATCH, store, tmp_path / "rest") == []
    live.export(tasks, BATCH, store, tmp_path / "out")
    with llm_server.running() as address:  # the same rows, asked one by one
        other = Store(tmp_path / "other.sqlite")
        run(tasks, BATCH, other, api=live.client(address))
        live.export(tasks, BATCH, other, tmp_path / "asked")

    def plain(folder):
        return {
            name: [
                {
                    k: v.split("(case")[0] if isinstance(v, str) else v
                    for k, v in json.loads(line).items()
                }
                for line in content.splitlines()
            ]
            for name, content in exported(folder).items()
        }

    assert plain(tmp_path / "out") == plain(tmp_path / "asked")
    again = batches.read_batch(
        tmp_path / "result.jsonl", tasks, BATCH, store
    )  # reading a file twice changes nothing
    assert (
        outcome(again) == {"kept": 60}
        and costs.plan(tasks, BATCH, store).done == 60
        and store.spent() == (6000, 3000)
    )


def test_failed_foreign_and_broken_lines_are_counted_and_their_rows_come_again(store, tmp_path):
    tasks = many(20)
    lines = answered(batches.write_batches(tasks, BATCH, store, tmp_path))
    ids = [json.loads(line)["custom_id"] for line in lines]
    bad = [
        json.dumps({"custom_id": ids[0], "error": {"code": "batch_expired"}, "response": None}),
        json.dumps(
            {
                "custom_id": ids[1],
                "response": {"status_code": 500, "body": {"error": {"message": "oops"}}},
            }
        ),
        json.dumps({"custom_id": ids[2], "response": {"status_code": 200, "body": "text"}}),
        json.dumps({"custom_id": 7, "response": {"status_code": 200, "body": completion("x")}}),
        json.dumps(
            {"custom_id": ids[3], "response": {"status_code": 200, "body": completion(["x"])}}
        ),
        lines[4][:50],
        "[]",
        "",
        "null",
    ]
    foreign = [line.replace(ids[5], f"{'0' * 64}.1") for line in lines[5:6]]
    (tmp_path / "result.jsonl").write_bytes(
        "\n".join([*bad, *foreign, *lines[6:]]).encode() + b"\n\xff\xfe{}\n"
    )
    report = batches.read_batch(tmp_path / "result.jsonl", tasks, BATCH, store)
    assert outcome(report) == {"kept": 14, "failed": len(bad) + 1, "of another run": 1}
    (rest,) = batches.write_batches(tasks, BATCH, store, tmp_path / "rest")
    assert [json.loads(line)["custom_id"] for line in rest.read_text().splitlines()] == ids[:6]


def test_a_reply_that_fails_a_gate_is_in_the_next_batch_with_its_reason_then_set_aside(
    store, tmp_path
):
    tasks = many(10)
    first = batches.write_batches(tasks, BATCH, store, tmp_path / "1")
    spoil = {json.loads(line)["custom_id"] for line in first[0].read_text().splitlines()[:2]}
    (tmp_path / "1.jsonl").write_text(
        "\n".join(
            answered(
                first,
                lambda asked, content: (
                    content.replace("400", "some") if asked["custom_id"] in spoil else content
                ),
            )
        )
    )
    report = batches.read_batch(tmp_path / "1.jsonl", tasks, BATCH, store)
    assert outcome(report) == {"kept": 8, "to ask again": 2} and report.reasons == {"facts lost": 2}
    second = batches.write_batches(tasks, BATCH, store, tmp_path / "2")
    (again, _) = [json.loads(line) for line in second[0].read_text().splitlines()]
    assert (
        again["custom_id"] not in spoil
        and "lacks 400" in again["body"]["messages"][2]["content"]
        and "some mg" in again["body"]["messages"][1]["content"]
    )
    worse = {again["custom_id"]}
    (tmp_path / "2.jsonl").write_text(
        "\n".join(
            answered(
                second, lambda asked, content: "no" if asked["custom_id"] in worse else content
            )
        )
    )
    assert outcome(batches.read_batch(tmp_path / "2.jsonl", tasks, BATCH, store)) == {
        "repaired": 1,
        "set aside": 1,
    }
    assert batches.write_batches(tasks, BATCH, store, tmp_path / "3") == []
    assert live.export(tasks, BATCH, store, tmp_path / "out") == {
        "er": 9,
        "eqsr": 0,
        "set_aside": 1,
    }


def test_a_run_and_a_batch_share_the_store(calm, store, tmp_path):
    tasks, settings = many(10, "shared"), Settings("m", calm[0])
    run(tasks[:4], settings, store)
    (path,) = batches.write_batches(tasks, settings, store, tmp_path)
    assert len(path.read_text().splitlines()) == 6
    (tmp_path / "result.jsonl").write_text("\n".join(answered([path])))
    batches.read_batch(tmp_path / "result.jsonl", tasks, settings, store)
    assert run(tasks, settings, store).asked == 0


def test_a_missing_result_file_is_an_error_that_names_it(store, tmp_path):
    with pytest.raises(EmoError, match="there is no file .*nowhere.jsonl"):
        batches.read_batch(tmp_path / "nowhere.jsonl", [ER], BATCH, store)


# The command


@pytest.fixture
def command(calm, tmp_path, capsys):
    """`emo rewrite` on 30 rows, one of them torn;
    gives exit code, what it printed, what it complained of.
    """
    consultations(tmp_path / "rows.jsonl", 30, "command")
    with open(tmp_path / "rows.jsonl", "a") as handle:
        handle.write('{"question": "half\n')

    def call(*arguments, source="rows.jsonl", endpoint=calm[0]):
        code = cli.main(
            [
                "rewrite",
                str(tmp_path / source),
                "--endpoint",
                endpoint,
                "--model",
                "m",
                "--out",
                str(tmp_path / "out"),
                *map(str, arguments),
            ]
        )
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_the_command_rewrites_exports_and_says_what_it_did(command, calm, tmp_path):
    code, out, _ = command("--er", 20, "--eqsr", 15)
    assert code == 0
    assert (
        "30 usable rows, 1 set aside; 20 for ER, 15 for EQ+SR, 5 of them for both" in out
        and "35 rewrites, 0 of them in the store" in out
        and "35 kept" in out
    )
    assert [content.count(b"\n") for content in exported(tmp_path / "out").values()] == [20, 15, 0]
    assert json.loads((tmp_path / "out" / "unusable_rows.jsonl").read_text()) == {
        "number": 31,
        "id": "row-31",
        "reason": "not JSON",
    }
    before, files = len(log_lines(calm[1])), exported(tmp_path / "out")
    code, out, _ = command("--er", 20, "--eqsr", 15)
    assert code == 0 and "35 of them in the store" in out and "nothing to do" in out
    assert len(log_lines(calm[1])) == before and exported(tmp_path / "out") == files


def test_a_plan_asks_nothing(command, calm, tmp_path):
    before = len(log_lines(calm[1]))
    code, out, _ = command("--er", 30, "--plan")
    assert code == 0 and "30 rewrites, 0 of them in the store" in out and "0.00 US dollars" in out
    assert len(log_lines(calm[1])) == before and not (tmp_path / "out" / "er.jsonl").exists()


def test_the_address_of_the_environment_is_asked_and_stored(calm, command, monkeypatch, store):
    monkeypatch.setenv("OPENAI_BASE_URL", calm[0])
    code, out, _ = command("--er", 3, endpoint="")
    assert code == 0 and f"endpoint: {calm[0]} (OPENAI_BASE_URL)" in out and "3 kept" in out
    assert requests.key(ER, Settings("m")) == requests.key(ER, Settings("m", calm[0]))
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert requests.key(ER, Settings("m")) != requests.key(ER, Settings("m", calm[0]))


def test_a_plan_needs_no_key(command):
    code, out, _ = command("--er", 30, "--plan", "--model", "gpt-4o-mini", endpoint="")
    assert code == 0 and "US dollars" in out


@pytest.mark.parametrize(
    "arguments, options, complaint",
    [
        ([], {}, "say how many rows"),
        (["--er", "31"], {}, "31 rows were asked for and .* has 30 usable ones"),
        (["--er", "-3"], {}, "0 or more"),
        (["--er", "1"], {"source": "nowhere.jsonl"}, "there is no file"),
        (["--er", "1", "--question-field", "frage"], {}, "0 usable"),
        (["--er", "1", "--model", "unknown"], {}, "does not know the model 'unknown'"),
        (["--er", "1"], {"endpoint": ""}, "OPENAI_API_KEY"),
        (
            ["--er", "1", "--limit", "1"],
            {"endpoint": "https://service.example/v1"},
            "no price for 'm'",
        ),
        (["--er", "1", "--attempts", "0"], {}, r"must be in \[1, 10"),
        (["--er", "1", "--concurrency", "0"], {}, r"must be in \[1, 10"),
        (["--er", "1", "--read-batch", "nowhere.jsonl"], {}, "there is no file"),
        (
            ["--er", "1", "--prices", "nowhere.yaml"],
            {"endpoint": "https://service.example/v1"},
            "no table of prices",
        ),
    ],
)
def test_a_mistake_ends_in_one_helpful_line(command, arguments, options, complaint):
    code, _, err = command(*arguments, **options)
    assert code == 2 and err.startswith("emo: ") and err.count("\n") == 1
    assert re.search(complaint, err), err


def test_a_foreign_store_in_the_folder_is_a_mistake_in_one_line(command, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "replies.sqlite").write_text("no store\n" * 100)
    code, _, err = command("--er", 1)
    assert code == 2 and "is no store of replies" in err and err.count("\n") == 1


def test_rows_that_failed_give_an_exit_code_of_their_own(command, calm, monkeypatch):
    client = live.client
    monkeypatch.setattr(live, "client", lambda address: client(address, retries=0))
    code, out, _ = command("--er", 5, "--model", "down")
    assert code == 1 and "5 failed" in out and "run the same command again" in out


def test_batches_by_command(command, calm, tmp_path):
    before = len(log_lines(calm[1]))
    code, out, _ = command("--er", 12, "--write-batches")
    assert code == 0 and "send batch-001.jsonl to the Batch API" in out
    (tmp_path / "result.jsonl").write_text(
        "\n".join(answered([tmp_path / "out" / "batches" / "batch-001.jsonl"]))
    )
    code, out, _ = command("--er", 12, "--read-batch", tmp_path / "result.jsonl")
    assert (
        code == 0
        and "12 kept" in out
        and "er.jsonl 12 rows" in out
        and len(log_lines(calm[1])) == before
    )


def test_the_arm_of_the_instructions_is_named(command, tmp_path):
    for task in (ER, EQSR):
        assert "in so many words" in requests.instruction(task)
    assert requests.ARM in ARMS
    code, out, _ = command("--er", 3, "--eqsr", 2)
    assert code == 0 and "the instructions make the arm overt" in out
    assert "set_aside.jsonl 0 rows; rewrites of the arm overt" in out
    for file, count in (("er", 3), ("eqsr", 2)):
        lines = (tmp_path / "out" / f"{file}.jsonl").read_text().splitlines()
        assert [json.loads(line)["arm"] for line in lines] == ["overt"] * count


def test_the_key_of_the_environment_is_in_no_file_and_no_output(
    command, monkeypatch, tmp_path, calm
):
    secret = "sk-planted-7e4b90"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    said = [
        command("--er", 20, "--eqsr", 20),
        command("--er", 30, "--write-batches"),
        command("--er", 5, "--model", "unknown"),
        command("--er", 5, "--plan"),
        command("--er", 40),
    ]
    monkeypatch.setenv("OPENAI_API_KEY", f"bad-key-{secret}")
    said.append(command("--er", 30))
    assert [code for code, _, _ in said] == [0, 0, 2, 0, 2, 2]
    assert secret not in repr(said)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {
        "er.jsonl",
        "replies.sqlite",
        "batch-001.jsonl",
        "unusable_rows.jsonl",
    }
    assert [path.name for path in (*written, calm[1]) if secret.encode() in path.read_bytes()] == []
