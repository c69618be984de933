"""Rewriting through an OpenAI-compatible endpoint: real local servers, well-behaved and not."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from emo_utils import data, rewrite, serve
from emo_utils.project import EmoError

ROW = {"id": "r1", "question": "Why does my knee click?", "answer": "Crepitus, harmless."}
GOOD = {"emotional_question": "Why, why does it click?", "soothing_response": "It is harmless."}
OPTIONS = {"temperature": 0.0, "seed": 10, "max_tokens": 50}


@contextlib.contextmanager
def server(*replies):
    """A server that gives these replies in turn (the last one again and again); yields its address and the requests it got."""
    asked: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append({"path": self.path, "key": self.headers["Authorization"], **json.loads(self.rfile.read(int(self.headers["Content-Length"])))})
            message = {"role": "assistant", "content": replies[min(len(asked), len(replies)) - 1]}
            body = json.dumps({"id": "1", "object": "chat.completion", "created": 0, "model": "m",
                               "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}).encode()
            self.send_response(200)
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


# The stub of the smoke profile


def test_the_stub_answers_both_tasks():
    with serve.scripted_stub() as address:
        api = rewrite.client(address)
        er = rewrite.rewrite(api, "scripted-stub", ROW, **OPTIONS)
        eqsr = rewrite.rewrite(api, "scripted-stub", ROW, "fear", **OPTIONS)
    assert er["id"] == eqsr["id"] == "r1" and er["attempts"] == eqsr["attempts"] == 1
    assert set(er) == {"id", "attempts", "raw", "empathetic_response"} and er["empathetic_response"]
    assert set(eqsr) == {"id", "attempts", "raw", "emotional_question", "soothing_response"} and eqsr["soothing_response"]


def test_the_stub_is_gone_after_its_block():
    with serve.scripted_stub() as address:
        pass
    api = rewrite.client(address).with_options(max_retries=0, timeout=2)
    with pytest.raises(Exception, match="Connection error"):
        rewrite.rewrite(api, "scripted-stub", ROW, **OPTIONS)


# A server that misbehaves


def test_a_fenced_object_after_a_reply_that_is_no_json():
    fenced = f"Here it is:\n```json\n{json.dumps(GOOD, indent=2)}\n```"
    with server("Of course! I will.", fenced) as (address, asked):
        found = rewrite.rewrite(rewrite.client(address), "m", ROW, "fear", **OPTIONS)
    assert found == {"id": "r1", "attempts": 2, "raw": fenced} | GOOD
    first, second = asked
    assert [m["role"] for m in first["messages"]] == ["user"]
    # The second request shows the model its reply and the complaint, and has a seed of its own.
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][:2] == [first["messages"][0], {"role": "assistant", "content": "Of course! I will."}]
    assert "JSON" in second["messages"][2]["content"]
    assert first["seed"] != second["seed"]
    assert {(a["model"], a["temperature"], a["max_tokens"]) for a in asked} == {("m", 0.0, 50)}


def test_a_server_that_is_always_wrong_leaves_an_error_and_its_last_reply():
    with server("no", "still no", '{"emotional_question": ""}') as (address, asked):
        found = rewrite.rewrite(rewrite.client(address), "m", ROW, "fear", **OPTIONS)
    assert len(asked) == 3 == found["attempts"]
    assert found["id"] == "r1" and found["raw"] == '{"emotional_question": ""}'
    assert "emotional_question" in found["error"] and "soothing_response" in found["error"]
    assert set(found) == {"id", "attempts", "raw", "error"}
    # Each further request carries the last reply only, so that requests do not grow.
    assert [len(a["messages"]) for a in asked] == [1, 3, 3]
    assert asked[2]["messages"][1]["content"] == "still no"


def test_an_extra_field_is_not_accepted():
    with server(json.dumps(GOOD | {"note": "hi"}), json.dumps(GOOD)) as (address, asked):
        found = rewrite.rewrite(rewrite.client(address), "m", ROW, "fear", **OPTIONS)
    assert found["attempts"] == 2 and "note" not in found
    assert "note" in asked[1]["messages"][2]["content"]


def test_a_reply_without_content_is_asked_for_again():
    with server(None, json.dumps({"empathetic_response": "x"})) as (address, _):
        found = rewrite.rewrite(rewrite.client(address), "m", ROW, **OPTIONS)
    assert found["attempts"] == 2 and found["empathetic_response"] == "x"


def test_attempts_can_be_limited():
    with server("no") as (address, asked):
        found = rewrite.rewrite(rewrite.client(address), "m", ROW, **OPTIONS, attempts=1)
    assert len(asked) == found["attempts"] == 1 and found["raw"] == "no" and found["error"]


# The client


@pytest.mark.parametrize("address", ["", "https://api.example.com/v1"])
def test_without_a_key_there_is_no_client_for_a_service(address):
    with pytest.raises(EmoError, match="OPENAI_API_KEY"):
        rewrite.client(address)


def test_the_key_comes_from_the_environment_and_a_local_server_needs_none(monkeypatch):
    with server(json.dumps({"empathetic_response": "x"})) as (address, asked):
        rewrite.rewrite(rewrite.client(address), "m", ROW, **OPTIONS)
        monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
        rewrite.rewrite(rewrite.client(address), "m", ROW, **OPTIONS)
    assert asked[1]["key"] == "Bearer secret-1" != asked[0]["key"]
    assert asked[0]["path"] == "/v1/chat/completions"
    assert rewrite.client("https://api.example.com/v1").max_retries >= 3


# Prompts and replies


@pytest.mark.parametrize("emotion", ["", *data.EMOTIONS])
def test_the_prompt_holds_question_answer_emotion_and_form(emotion):
    messages, schema = rewrite.request(ROW, emotion)
    (message,) = messages
    assert message["role"] == "user"
    assert ROW["question"] in message["content"] and ROW["answer"] in message["content"]
    assert set(schema.model_fields) == ({"emotional_question", "soothing_response"} if emotion else {"empathetic_response"})
    assert all(f'"{field}"' in message["content"] for field in schema.model_fields)
    if emotion:
        assert f"who feels {emotion}" in message["content"]
    assert "{emotion}" not in message["content"]


@pytest.mark.parametrize("text", [
    '{"empathetic_response": "a"}', '  {"empathetic_response": "a"}\n', '```json\n{"empathetic_response": "a"}\n```',
    'Sure:\n{"empathetic_response": "a"}\nI hope this helps.',
])
def test_an_object_is_found_in_its_reply(text):
    assert rewrite.parse(text, rewrite.EmpatheticAnswer).empathetic_response == "a"


def test_braces_inside_the_text_stay():
    assert rewrite.parse('{"empathetic_response": "a {b} c"}', rewrite.EmpatheticAnswer).empathetic_response == "a {b} c"


@pytest.mark.parametrize("text", ["", "{}", "none", "[]", '{"empathetic_response": ""}', '{"empathetic_response": 3}', '{"empathetic_response": "a"', "}{", '{"empathetic_response": "a", "b": 1}'])
def test_what_does_not_fit_is_refused(text):
    with pytest.raises(ValidationError):
        rewrite.parse(text, rewrite.EmpatheticAnswer)
