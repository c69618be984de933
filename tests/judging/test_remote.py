"""Typed decisions from servers: a local one of either form, and `transformers serve` itself,
against the same model in this process.
"""

import subprocess
import sys
import time

import psutil
import pytest
from local_server import completion

from emo_utils.judging import remote
from emo_utils.judging.decisions import Judge
from emo_utils.models import registry, serving
from emo_utils.project import EmoError

QUESTIONS = {
    "warm": {
        "type": "score",
        "instructions": "How warm is it?",
        "criteria": ["Cold.", "Lukewarm.", "Warm."],
    },
    "tone": {
        "type": "choice",
        "instructions": "What is the tone?",
        "criteria": {"calm": "A polite one", "angry": None, "sad": None},
    },
}
STATES = [f"Take {n} tablets and come back. " * (1 + n % 3) for n in range(9)]


@pytest.fixture(scope="module")
def judge(tiny):
    return Judge("tiny-llama", "float32")


def systemone(judge):
    """/v1/systemone as transformers' own handler words its answers."""

    def reply(path, body):
        assert path == "/v1/systemone" and set(body) == {"model", "state", "questions"}
        found = judge._forward(body["state"], body["questions"])
        return 200, {
            "model": body["model"],
            "answers": {
                name: {"type": body["questions"][name]["type"], "probabilities": p}
                for name, p in found.items()
            },
        }

    return reply


def decisions(judge):
    """The Decisions API, worded by hand from the client's types:
    predicates, choices and levels instead of our questions.
    """

    def reply(path, body):
        assert path == "/v1/decisions"
        answers = []
        for asked in body["questions"]:
            ours = {"type": asked["type"], "instructions": asked["instructions"]}
            ours["criteria"] = (
                [level["description"] for level in asked["levels"]]
                if asked["type"] == "score"
                else {c["value"]: c.get("description") for c in asked["choices"]}
            )
            found = judge._forward(body["input"], {"q": ours})["q"]
            best = max(found, key=found.get)
            if asked["type"] == "score":
                answers.append(
                    {
                        "type": "score",
                        "name": asked["name"],
                        "confidence": found[best],
                        "score": sum(int(k) * p for k, p in found.items()),
                        "probabilities": [
                            {
                                "label": asked["levels"][int(k)]["label"],
                                "value": int(k) + 1,
                                "probability": p,
                            }
                            for k, p in found.items()
                        ],
                    }
                )
            else:
                answers.append(
                    {
                        "type": "choice",
                        "name": asked["name"],
                        "choice": best,
                        "confidence": found[best],
                        "probabilities": [{"value": k, "probability": p} for k, p in found.items()],
                    }
                )
        usage = {
            "input_tokens": 1,
            "output_tokens": 0,
            "total_tokens": 1,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        return 200, {"model": body["model"], "answers": answers, "usage": usage}

    return reply


def endpoint(kind: str, address: str) -> str:
    return f"decisions+{address}" if kind == "decisions" else address


FORMS = {"systemone": systemone, "decisions": decisions}


@pytest.mark.parametrize("kind", FORMS)
def test_a_server_gives_the_probabilities_of_this_process(judge, start, tmp_path, kind):
    local = start(FORMS[kind](judge))
    reader = remote.reader(
        "tiny", "float32", tmp_path / "kept.sqlite", endpoint(kind, local.address)
    )
    states = [*STATES, STATES[0]]
    found, ours = reader.decide(states, QUESTIONS), judge.decide(states, QUESTIONS)
    assert found[["state", "question", "option"]].equals(ours[["state", "question", "option"]])
    assert found.probability.tolist() == pytest.approx(ours.probability.tolist(), abs=1e-6)
    assert len(local.asked) == len(STATES) and reader.asked == 2 * len(STATES), (
        "equal texts are asked about once"
    )
    again = remote.reader(
        "tiny", "float32", tmp_path / "kept.sqlite", endpoint(kind, local.address)
    )
    assert again.decide(states, QUESTIONS).equals(found) and len(local.asked) == len(STATES)
    other = remote.reader(
        "another", "float32", tmp_path / "kept.sqlite", endpoint(kind, local.address)
    )
    other.decide(states[:1], QUESTIONS)
    assert len(local.asked) == len(STATES) + 1, (
        "another model's answers are not taken from the store"
    )


def test_transformers_serve_gives_the_probabilities_of_this_process(judge, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = registry.folder("tiny-llama")
    with serving.transformers_serve(folder, "float32", tmp_path / "serve.log") as address:
        found = remote.reader(str(folder), "float32", endpoint=address).decide(STATES, QUESTIONS)
    ours = judge.decide(STATES, QUESTIONS)
    assert found.probability.tolist() == pytest.approx(ours.probability.tolist(), abs=1e-5)


@pytest.mark.parametrize("end", ["killed", "closed"])
def test_a_server_ends_with_whoever_started_it(end):
    """The kernel that started it may be killed, and then nobody is left to stop it."""
    waiting = [sys.executable, "-c", "import time; time.sleep(600)", "the server"]
    starts = (
        "import subprocess, sys, time; from emo_utils.models import serving; "
        f"subprocess.Popen([sys.executable, '-c', serving._MINDER, *{waiting!r}], "
        "stdin=subprocess.PIPE); time.sleep(600)"
    )
    starter = (
        subprocess.Popen([sys.executable, "-c", starts])
        if end == "killed"
        else subprocess.Popen(
            [sys.executable, "-c", serving._MINDER, *waiting], stdin=subprocess.PIPE
        )
    )
    deadline, below = time.monotonic() + 60, []
    while (
        not any(
            "the server" in each.cmdline() and "sys.exit" not in each.cmdline()[2] for each in below
        )
        and time.monotonic() < deadline
    ):
        below = psutil.Process(starter.pid).children(recursive=True)
        time.sleep(0.1)
    assert len(below) == (2 if end == "killed" else 1)
    starter.kill() if end == "killed" else starter.stdin.close()
    starter.wait(30)
    assert psutil.wait_procs(below, timeout=30)[1] == []


def test_yes_or_no_is_a_predicate_of_the_decisions_api(start):
    seen = []

    def reply(path, body):
        seen.append(body["questions"][0])
        return 200, {
            "model": "m",
            "answers": [{"type": "predicate", "name": "safe", "probability": 0.75}],
            "usage": {
                "input_tokens": 1,
                "output_tokens": 0,
                "total_tokens": 1,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        }

    question = {
        "type": "noul",
        "instructions": "Is it safe?",
        "criteria": {"true": "no harm", "false": None},
    }
    found = remote.reader("m", "float32", endpoint=f"decisions+{start(reply).address}").decide(
        ["x"], {"safe": question}
    )
    assert dict(zip(found.option, found.probability)) == {"true": 0.75, "false": 0.25}
    assert seen == [
        {"type": "predicate", "name": "safe", "instructions": "Is it safe? Yes means: no harm"}
    ]


def test_what_a_server_refuses_is_unscored_and_the_rest_is_scored(judge, start):
    good = systemone(judge)
    local = start(
        lambda path, body: (
            (400, {"error": {"message": "too long"}}) if "7" in body["state"] else good(path, body)
        )
    )
    found = remote.reader("tiny", "float32", endpoint=local.address).decide(STATES, QUESTIONS)
    missing = found[found.probability.isna()]
    assert set(missing.state) == {7} and len(missing) == 6 and len(found) == 6 * len(STATES)


def test_a_text_that_alone_is_left_does_not_stop_a_run(judge, start, tmp_path):
    """After a stop only the text that the server refuses may be left:
    it is unscored, and not taken for a server that answers nothing.
    """
    good = systemone(judge)
    local = start(
        lambda path, body: (
            (400, {"error": {"message": "too long"}}) if "7" in body["state"] else good(path, body)
        )
    )
    found = remote.reader("tiny", "float32", endpoint=local.address).decide(STATES[7:8], QUESTIONS)
    assert found.probability.isna().all() and len(found) == 6


def test_a_refusal_of_the_decisions_api_leaves_one_question_unscored(judge, start):
    good = decisions(judge)

    def reply(path, body):
        status, answer = good(path, body)
        answer["answers"][1] = {"type": "refusal", "name": "tone"}
        return status, answer

    found = remote.reader("tiny", "float32", endpoint=f"decisions+{start(reply).address}").decide(
        STATES[:2], QUESTIONS
    )
    assert found.groupby("question").probability.apply(lambda p: p.notna().all()).to_dict() == {
        "tone": False,
        "warm": True,
    }


@pytest.mark.parametrize(
    "status, answer, told",
    [
        (
            400,
            {"error": {"message": "labels are no single tokens"}},
            "does not take these questions for tiny.*labels are no single tokens",
        ),
        (500, {"error": {"message": "out of memory"}}, "does not answer.*out of memory.*are kept"),
        (
            401,
            {"error": {"message": "no such key sk-secret-1"}},
            r"does not answer.*no such key \(the key\)",
        ),
        (
            200,
            {"answers": {"warm": {"type": "score", "probabilities": {"0": 0.5, "1": 0.5}}}},
            "did not answer in the form of SystemOne",
        ),
        (
            200,
            {"answers": {"warm": {"type": "noul", "noul": 0.5}}},
            "did not answer in the form of SystemOne",
        ),
        (200, {"answers": {}}, "did not answer in the form of SystemOne"),
        (
            200,
            {
                "answers": {
                    "warm": {"type": "score", "probabilities": {"0": 0.5, "1": 0.5, "2": 0.5}}
                }
            },
            "did not answer in the form of SystemOne",
        ),
        (200, "<html>hello</html>", "did not answer in the form|does not answer"),
    ],
)
def test_a_failure_is_one_line_that_names_the_endpoint(start, monkeypatch, status, answer, told):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1")
    local = start(lambda path, body: (status, answer))
    with pytest.raises(EmoError, match=told) as error:
        remote.reader("tiny", "float32", endpoint=local.address).decide(
            STATES, {"warm": QUESTIONS["warm"]}
        )
    said = str(error.value)
    assert local.address in said and "\n" not in said and "sk-secret-1" not in said


def test_nobody_listens(start):
    address = start(lambda path, body: (200, {})).address
    closed = address.replace(address.rsplit(":", 1)[1], "1/v1")
    with pytest.raises(EmoError, match=f"{closed} does not answer"):
        remote.reader("tiny", "float32", endpoint=closed).decide(["x"], QUESTIONS)


def test_what_was_answered_before_a_failure_is_kept(judge, start, tmp_path):
    good, broken = systemone(judge), []
    local = start(
        lambda path, body: (
            good(path, body)
            if "8" not in body["state"] or broken
            else (500, {"error": {"message": "down"}})
        )
    )
    reader = remote.reader("tiny", "float32", tmp_path / "kept.sqlite", local.address)
    with pytest.raises(EmoError, match="does not answer"):
        reader.decide(STATES, QUESTIONS)
    asked = [body["state"] for body in local.asked]
    broken.append(True)
    whole = reader.decide(STATES, QUESTIONS)
    again = [body["state"] for body in local.asked[len(asked) :]]
    assert whole.probability.notna().all()
    # A text whose turn had not come when the other failed was not asked about before.
    assert sorted(again) == sorted({*STATES} - ({*asked} - {STATES[8]})), (
        "only the text that failed is asked about again"
    )


@pytest.mark.parametrize("given", ["ftp+http://127.0.0.1/v1", "somewhere", "decision"])
def test_an_endpoint_of_no_known_kind_is_named(given):
    with pytest.raises(EmoError, match="is none of: http://HOST/v1"):
        remote.reader("tiny", "float32", endpoint=given)


def test_openais_own_api_needs_a_key():
    with pytest.raises(EmoError, match="OPENAI_API_KEY is not set"):
        remote.reader("gpt-6-luna", "float32", endpoint="decisions")


def test_the_address_of_the_environment_is_asked_and_named(start, monkeypatch):
    local = start(lambda path, body: (200, completion("1")))
    monkeypatch.setenv("OPENAI_BASE_URL", local.address)
    reader = remote.reader("m", "float32", endpoint="chat")
    reader.decide(["one"], {"warm": QUESTIONS["warm"]})
    assert len(local.asked) == 1
    assert local.address in reader.identity and local.address in reader.signature


def test_no_endpoint_is_this_process(tiny):
    assert isinstance(remote.reader("tiny-llama", "float32"), Judge)


# Chat completions


@pytest.mark.parametrize(
    "reply, expected",
    [
        (completion("2"), [0.0, 1.0, 0.0]),
        (completion(" 3.\n"), [0.0, 0.0, 1.0]),
        (
            completion("2", {"2": -0.5, " 1": -1.5, "Well": -0.1, "9": -0.2}),
            [0.26894142, 0.73105858, 0.0],
        ),  # e^-1.5 and e^-0.5 over their sum
        (completion("**1**"), [1.0, 0.0, 0.0]),
        (completion("1)"), [1.0, 0.0, 0.0]),
        (completion("Option 2"), [0.0, 1.0, 0.0]),
        (completion("**Answer:** 3."), [0.0, 0.0, 1.0]),
        (completion("The best option is (2)"), [0.0, 1.0, 0.0]),
        (completion("2: Lukewarm."), [0.0, 1.0, 0.0]),
        (completion("<think>\nOption 1? No.\n</think>\n\n3"), [0.0, 0.0, 1.0]),
        (completion("<think>Hm</think>3", {"<think>": -0.1, "1": -3.0}), [0.0, 0.0, 1.0]),
        (completion("2: Warm."), None),
        (completion("1.5"), None),
        (completion("1/3"), None),
        (completion("-1"), None),
        (completion("1 or 2"), None),
        (completion("Option 4"), None),
        (completion("It is 2"), None),
        (completion("7"), None),
        (completion(""), None),
        (completion("I cannot", {"2": -3.0, "I": -0.1}), None),
    ],
)
def test_a_chat_service_gives_a_level_or_leaves_it_unscored(start, tmp_path, reply, expected):
    local = start(lambda path, body: (200, reply))
    reader = remote.reader("m", "float32", tmp_path / "kept.sqlite", f"chat+{local.address}")
    found = reader.decide(['A text with "quotes"\n1: Cold.'], {"warm": QUESTIONS["warm"]})
    assert (
        found.probability.isna().all()
        if expected is None
        else found.probability.tolist() == pytest.approx(expected)
    )
    [asked] = local.asked
    content = asked["messages"][0]["content"]
    assert '"A text with \\"quotes\\"\\n1: Cold."' in content and "2: Lukewarm." in content, (
        "the text cannot pass for a line of the question"
    )
    assert asked["temperature"] == 0
    remote.reader("m", "float32", tmp_path / "kept.sqlite", f"chat+{local.address}").decide(
        ['A text with "quotes"\n1: Cold.'], {"warm": QUESTIONS["warm"]}
    )
    assert len(local.asked) == 1, "answers are kept"


def test_choices_are_numbered_with_their_names_or_descriptions(start, tmp_path):
    local = start(lambda path, body: (200, completion("3")))
    found = remote.reader("m", "float32", tmp_path / "kept.sqlite", f"chat+{local.address}").decide(
        ["x"], {"tone": QUESTIONS["tone"]}
    )
    assert dict(zip(found.option, found.probability, strict=True)) == {
        "calm": 0.0,
        "angry": 0.0,
        "sad": 1.0,
    }
    assert "1: A polite one\n2: angry\n3: sad" in local.asked[0]["messages"][0]["content"]


def test_a_service_without_logprobs_is_asked_without_them_from_then_on(start, tmp_path):
    local = start(
        lambda path, body: (
            (400, {"error": {"message": "logprobs is not supported"}})
            if "logprobs" in body
            else (200, completion("1"))
        )
    )
    reader = remote.reader("m", "float32", tmp_path / "kept.sqlite", f"chat+{local.address}")
    found = reader.decide(["one", "two"], {"warm": QUESTIONS["warm"]})
    assert found.probability.tolist() == [1.0, 0.0, 0.0] * 2 and not reader.logprobs


def test_a_judge_that_no_reply_can_be_read_of_is_not_asked_everything(start, tmp_path):
    local = start(lambda path, body: (200, completion("Well, it depends.")))
    reader = remote.reader("m", "float32", tmp_path / "kept.sqlite", f"chat+{local.address}")
    texts = [f"text {n}" for n in range(60)]
    with pytest.raises(EmoError, match="none of the first .* replies of m .*'Well, it depends.'"):
        reader.decide(texts, {"warm": QUESTIONS["warm"]})
    assert len(local.asked) <= remote.UNREAD + 2 * remote.AT_ONCE
    before, good = len(local.asked), start(lambda path, body: (200, completion("1")))
    local.server.RequestHandlerClass = good.server.RequestHandlerClass
    again = remote.reader("m", "float32", tmp_path / "kept.sqlite", f"chat+{local.address}")
    assert again.decide(texts, {"warm": QUESTIONS["warm"]}).probability.notna().all()
    assert before and len(good.asked) == 60, "nothing that could not be read was kept"


def test_a_judge_that_is_mostly_read_may_be_unreadable_at_first(start):
    local = start(
        lambda path, body: (
            200,
            completion("2" if "text 3" in body["messages"][0]["content"] else "Well."),
        )
    )
    reader = remote.reader("m", "float32", endpoint=f"chat+{local.address}")
    found = reader.decide([f"text {n}" for n in range(5)], {"warm": QUESTIONS["warm"]})
    assert found.probability.notna().sum() == 3


def test_a_chat_judge_is_asked_in_the_services_words(start):
    def reply(path, body):
        for name in ("max_tokens", "temperature", "logprobs"):
            if name in body:
                return 400, {"error": {"message": f"Unsupported parameter: '{name}'"}}
        return 200, completion("2")

    local = start(reply)
    reader = remote.reader("m", "float32", endpoint=f"chat+{local.address}")
    found = reader.decide(["one"], {"warm": QUESTIONS["warm"]})
    assert found.probability.tolist() == [0.0, 1.0, 0.0]
    assert local.asked[-1]["max_completion_tokens"] == remote.CHAT_TOKENS


def test_a_model_that_thinks_too_long_stops_the_run_and_nothing_is_kept(start, tmp_path):
    silent = completion("")
    silent["choices"][0]["finish_reason"] = "length"
    replies = iter([silent, completion("3")])
    local = start(lambda path, body: (200, next(replies)))
    ask = lambda: remote.reader(
        "m", "float32", tmp_path / "kept.sqlite", f"chat+{local.address}"
    ).decide(["one"], {"warm": QUESTIONS["warm"]})  # noqa: E731
    with pytest.raises(EmoError, match="wrote nothing within 2048 tokens"):
        ask()
    assert ask().probability.tolist() == [0.0, 0.0, 1.0]
