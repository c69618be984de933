"""What chat services send back and what they do not take: replies with and without thinking,
refusals that name a field, quotas and pauses.
"""

import time
from email.utils import formatdate
from types import SimpleNamespace

import httpx
import openai
import pytest

from emo_utils.models import chat_replies, chat_requests
from emo_utils.project import EmoError, first_line

WORDS = "Rest it, and let a doctor look at it."


def reply(content, ended="stop", **more) -> dict:
    message = {"role": "assistant", "content": content} | more
    return {"choices": [{"index": 0, "finish_reason": ended, "message": message}]}


def refusal(status: int, body: dict, kind=openai.BadRequestError, headers=None):
    request = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")
    response = httpx.Response(status, json=body, request=request, headers=headers)
    return kind(f"Error code: {status} - {body}", response=response, body=body.get("error", body))


@pytest.mark.parametrize(
    "content",
    [
        WORDS,
        f"<think>\nShe asks about {{warmth}}.\n</think>\n\n{WORDS}",
        f"She asks about warmth.\n</think>\n{WORDS}",
        f"<think></think><think>Again.</think> {WORDS}",
        f"<thinking>Hm.</thinking>\n{WORDS}",
        f"[THINK]Hm.[/THINK]{WORDS}",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{WORDS}<|return|>",
        [{"type": "text", "text": WORDS}],
        [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": WORDS}],
    ],
)
def test_the_answer_is_what_follows_the_thinking(content):
    found = chat_replies.read(reply(content))
    assert (found.text, found.fault, found.finished) == (WORDS, "", True)


def test_an_answer_may_speak_of_marks_that_it_does_not_open_with():
    assert chat_replies.final_text("Write <think> before it.") == (
        "Write <think> before it.",
        False,
    )


@pytest.mark.parametrize(
    "answer, fault, cut",
    [
        (reply("<think>\nShe asks", "length"), "while the model was still thinking", True),
        (reply(None, "length", reasoning_content="She asks"), "was still thinking", True),
        (reply("", "length"), "before the model wrote anything", True),
        (reply(None, reasoning="She asks"), "thought and then wrote no answer", False),
        (reply(None, "content_filter"), "content filter", False),
        (reply(None, "tool_calls", tool_calls=[{"id": "a"}]), "called a tool", False),
        (reply(" \n"), "the reply is empty", False),
    ],
)
def test_a_reply_without_an_answer_says_why(answer, fault, cut):
    found = chat_replies.read(answer)
    assert fault in found.fault and (found.text, found.cut) == ("", cut)


def test_a_body_without_a_reply_gives_the_services_own_words():
    for choices in ([], None):
        with pytest.raises(chat_replies.NoReply, match="no choice: upstream is busy"):
            chat_replies.read({"choices": choices, "error": {"message": "upstream\nis busy"}})


@pytest.mark.parametrize(
    "status, message, used_up",
    [
        (429, {"message": "You exceeded your current quota.", "code": "insufficient_quota"}, True),
        (402, {"message": "Insufficient Balance"}, True),
        (403, {"message": "Your credit balance is too low"}, True),
        (429, {"message": "You exceeded your current quota. Please retry in 36 s."}, False),
        (429, {"message": "slow down"}, False),
        (403, {"message": "no access to this model"}, False),
    ],
)
def test_a_used_up_quota_is_told_from_too_many_requests(status, message, used_up):
    error = refusal(status, {"error": message}, openai.APIStatusError)
    assert chat_replies.quota_used_up(error) is used_up
    assert not chat_replies.quota_used_up(TimeoutError())


def test_a_pause_is_given_in_seconds_or_as_a_date():
    def asked(given):
        headers = {"retry-after": given} if given else None
        return chat_replies.asked_to_wait(
            refusal(429, {"error": {"message": "slow down"}}, openai.RateLimitError, headers)
        )

    assert (asked(None), asked("2.5"), asked("soon"), asked("-1")) == (None, 2.5, None, 0.0)
    assert 1 < asked(formatdate(time.time() + 5, usegmt=True)) <= 5
    assert chat_replies.asked_to_wait(TimeoutError()) is None
    with pytest.raises(EmoError, match="wait 900 seconds .*run the same command again after that"):
        asked("900")


BODY = {
    "model": "m",
    "messages": [],
    "temperature": 0.3,
    "seed": 1,
    "max_tokens": 90,
    "response_format": {"type": "json_schema"},
    "logprobs": True,
    "top_logprobs": 5,
}


def service(*unknown, words=None):
    """What a service does that does not know some fields; what it was asked."""
    asked = []

    def post(body):
        asked.append(body)
        for name in unknown:
            if name in body:
                told = words or {"error": {"message": f"Unsupported parameter: '{name}'"}}
                raise refusal(400, told)
        return "answer"

    return post, asked


@pytest.mark.parametrize(
    "unknown, words",
    [
        (("seed",), None),
        (("max_tokens",), {"error": {"message": "use it", "param": "max_tokens"}}),
        (("response_format",), {"error": {"message": "This response_format is unavailable"}}),
        (("response_format",), {"error": {"message": "json_schema is not supported"}}),
        (("seed",), {"detail": [{"loc": ["body", "seed"], "input": "max_tokens"}]}),
        (("top_logprobs",), None),
        (("max_tokens", "temperature", "seed"), None),
    ],
)
def test_a_field_that_is_refused_is_left_out_from_then_on(unknown, words, capsys):
    post, asked = service(*unknown, words=words)
    wording = chat_requests.Wording()
    assert [wording.send(BODY, post) for _ in range(3)] == ["answer"] * 3
    assert len(asked) == 3 + len(unknown)
    gone = {*unknown} | ({"logprobs"} if "top_logprobs" in unknown else set())
    kept = {name: value for name, value in BODY.items() if name not in gone}
    if "max_tokens" in unknown:
        kept["max_completion_tokens"] = 90
    assert asked[-1] == kept
    assert capsys.readouterr().out.count("does not take") == 1


def test_a_refusal_that_names_a_field_by_chance_changes_nothing_for_the_others():
    wording, asked = chat_requests.Wording(), []

    def post(body):
        asked.append(body)
        raise refusal(400, {"error": {"message": "filtered: 'I have a temperature of 39'"}})

    with pytest.raises(openai.BadRequestError):
        wording.send(BODY, post)
    assert len(asked) == 2 and wording.of(BODY) == BODY


def test_a_refusal_that_names_no_field_is_sent_once():
    post, asked = service("model", words={"error": {"message": "no"}})
    with pytest.raises(openai.BadRequestError):
        chat_requests.Wording().send(BODY, post)
    assert len(asked) == 1


def test_an_error_is_told_in_the_servers_own_words():
    said = first_line(refusal(400, {"error": {"message": "The prompt\nwas filtered.", "code": 7}}))
    assert said == "Error code: 400 - The prompt was filtered."
    assert first_line(SimpleNamespace(body={"message": ""})) == "namespace(body={'message': ''})"
