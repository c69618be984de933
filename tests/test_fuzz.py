"""Made-up input for the parsers that are ours: each takes it, or says in a line what is wrong.

The examples are the same in every run.
"""

import json
import math
import os
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_ratings import SYSTEMS, content, key
from test_ratings import dialogues as dialogues_of

from emo import drift
from emo_utils.claims import deciding, predicates
from emo_utils.data import dialogues
from emo_utils.experiment import parameters, results
from emo_utils.judging import remote
from emo_utils.models import chat_replies, chat_requests
from emo_utils.people import forms, rating_kit
from emo_utils.project import EmoError
from emo_utils.rewriting import batches, gates, outcomes, requests, sources
from emo_utils.rewriting.store import Store
from emo_utils.scoring import emotion

MANY = int(
    os.environ.get("EMO_FUZZ", "1")
)  # times the examples of an ordinary run: the night makes more
settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    max_examples=40 * MANY,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fixed")

TEXTS = st.text(max_size=60) | st.sampled_from(
    ["", " ", "\0", "\ud800", "1e999", "NaN", "=1+1", "<script>", "none", "一", "\u202e"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    for name, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from places(inner, (*path, name))


@st.composite
def spoiled(draw, whole):
    """A whole JSON value with one place replaced by anything, or taken out."""
    copy = json.loads(json.dumps(whole))
    path = draw(st.sampled_from([p for p in places(copy) if p]))
    parent = copy
    for name in path[:-1]:
        parent = parent[name]
    if draw(st.booleans()):
        parent[path[-1]] = draw(VALUES)
    else:
        del parent[path[-1]]
    return copy


def in_a_line(error) -> bool:
    return bool(str(error)) and len(str(error)) < 2000 and "Traceback" not in str(error)


# Rows of dialogues


WHOLE = {
    "id": "a",
    "emotion": "fear",
    "question": "q",
    "answer": "a",
    "emotional_question": "e",
    "soothing_response": "s",
}


@given(
    st.lists(spoiled(WHOLE) | VALUES, max_size=3).map(
        lambda rows: "\n".join(json.dumps(row) for row in rows).encode("utf-8", "surrogatepass")
    )
    | st.binary(max_size=80)
)
@example(b"\xef\xbb\xbf{}")
@example(b"\xff\xfe{")
def test_rows_are_read_or_refused(tmp_path, written):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(written)
    try:
        rows = dialogues.load("eqsr", file=str(path))
    except EmoError as error:
        assert in_a_line(error) and "rows.jsonl" in str(error)
    else:
        assert rows and all(
            isinstance(row[name], str) and row[name].strip() for row in rows for name in WHOLE
        )


# Records


RECORD = {
    "table": "t",
    "system": "s",
    "metric": "m",
    "value": 0.5,
    "ci_low": 0.4,
    "ci_high": 0.6,
    "n": 10,
    "unscored": 0,
    "group": "all",
    "scorer": "x",
    "seed": 1,
    "signature": "how",
    "interval": "items",
}
RUN = {
    "records": [RECORD],
    "fingerprint": {"notebook": "a", "parameters": {"beta": 1}, "upstream": {}},
    "versions": {"torch": "1"},
    "device": "d",
    "git_commit": "c",
    "dirty": False,
    "started": "",
    "seconds": 1.0,
    "peak_memory_mb": 5,
}


@given(spoiled({"runs": {"01": RUN, "02": RUN}}))
def test_kept_records_are_compared_or_refused(tmp_path, kept):
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(kept), encoding="utf-8", errors="surrogatepass")
    try:
        before = drift.read(path)
    except EmoError as error:
        assert in_a_line(error) and "kept.json" in str(error)
        return
    moved = drift.compare(before, {"01": RUN, "02": RUN})
    assert set(moved.state) <= {"same", "inside", "outside", "no interval", "new", "gone"}
    assert drift.summary(moved) and drift.page(
        moved, drift.verdicts(before, {"01": RUN, "02": RUN})
    )


@given(spoiled(RECORD))
def test_a_record_is_whole_or_none(changed):
    try:
        record = results.Record.model_validate(changed)
    except ValueError:
        return
    assert record.n >= 0 and not math.isnan(record.value) and record.ci_low <= record.ci_high


# Predicates of claims


WORDS = st.sampled_from(
    [
        "and",
        "at",
        "least",
        "of",
        "in",
        "within",
        "on",
        "plus",
        "minus",
        "times",
        ",",
        ">",
        ">=",
        "=",
        "<",
        "2",
        "-0.1",
        "tuned",
        "others",
        "base",
        "eqsr-dpo",
        "emodoctor.table1",
        "mean",
        "*",
        "emodoctor.table1/base/mean",
        "",
        "0",
        "nan",
        "1e9",
    ]
)
COLUMNS = {"emodoctor.table1": ["empathetic", "mean", "max"]}


@given(st.lists(WORDS, max_size=14).map(" ".join) | TEXTS)
@example("tuned > base on emodoctor.table1 *")
@example("at least 0 of base > prompt on emodoctor.table1 mean")
def test_a_predicate_is_parsed_or_quoted_back(text):
    try:
        tests = predicates.parse(text, COLUMNS)
    except EmoError as error:
        assert in_a_line(error) and "claims.yaml" in str(error)
        return
    held, evidence = deciding.decide(tests, lambda comparison: (0.1, 0.05, 0.2))
    assert held in (True, False, None) and len(evidence) == sum(
        len(test.comparisons) for test in tests
    )


# Forms that people returned


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "kit"
    forms.make_sheets(dialogues_of(6), folder, group_size=6, raters=1)
    return folder


def returned(kit) -> dict:
    sheet = next(iter(key(kit)["sheets"]))
    given = {code: dict.fromkeys(rating_kit.RUBRICS, 3) for code in key(kit)["sheets"][sheet]}
    return {
        "kit": key(kit)["kit"],
        "sheet": sheet,
        "rater": "r",
        "saved": "2026",
        "ratings": given,
        "comments": {next(iter(given)): "well"},
    }


@given(spoil=st.data())
@settings(max_examples=40 * MANY)
def test_a_returned_form_is_taken_or_left_out_by_name(kit, spoil):
    assert content(kit, next(iter(key(kit)["sheets"]))) and SYSTEMS
    (kit / "returned" / "one.json").write_text(
        json.dumps(spoil.draw(spoiled(returned(kit)))), encoding="utf-8"
    )
    found, left_out, _ = rating_kit.read_back(kit)
    assert len(found) or any("one.json" in line for line in left_out)
    assert set(found.value) <= {1, 2, 3, 4, 5}


@given(spoil=st.data())
@settings(max_examples=40 * MANY)
def test_a_key_is_taken_or_refused(kit, spoil):
    whole = (kit / "key.json").read_text(encoding="utf-8")
    (kit / "returned" / "one.json").write_text(json.dumps(returned(kit)), encoding="utf-8")
    try:
        (kit / "key.json").write_text(
            json.dumps(spoil.draw(spoiled(json.loads(whole)))), encoding="utf-8"
        )
        found, *_ = rating_kit.read_back(kit)
        assert isinstance(found, pd.DataFrame)
    except EmoError as error:
        assert in_a_line(error)
    finally:
        (kit / "key.json").write_text(whole, encoding="utf-8")


# What judges answer


QUESTION = {
    "warm": {"type": "score", "instructions": "?", "criteria": ["cold", "warm"]},
    "kind": {"type": "noul", "instructions": "?"},
}
ANSWER = {
    "answers": {
        "warm": {"type": "score", "probabilities": {"0": 0.25, "1": 0.75}},
        "kind": {"type": "noul", "noul": 0.5},
    }
}


def asked(kind, reply):
    judge = kind.__new__(kind)
    judge.name, judge.address, judge.answered = "m", "http://h/v1", False
    judge.wording, judge.unread = chat_requests.Wording(), []
    judge.api = SimpleNamespace(post=lambda *_, **__: reply)
    return judge._forward("text", QUESTION)


@given(spoiled(ANSWER) | VALUES)
@example({"answers": ANSWER["answers"] | {"kind": {"type": "noul", "noul": -1}}})
@example({"answers": ANSWER["answers"] | {"kind": {"type": "noul", "noul": float("nan")}}})
def test_a_servers_decision_is_a_probability_for_every_option_or_refused(reply):
    try:
        found = asked(remote.SystemOne, reply)
    except EmoError as error:
        assert in_a_line(error)
        return
    for name, options in (("warm", ["0", "1"]), ("kind", ["true", "false"])):
        assert (
            list(found[name]) == options
            and sum(found[name].values()) == pytest.approx(1, abs=0.02)
            and all(0 <= p <= 1 for p in found[name].values())
        )


@given(TEXTS | st.integers(-1, 4).map(str) | st.none())
def test_a_chat_judges_words_choose_an_option_or_none(reply):
    choice = {"message": {"content": reply}, "finish_reason": "stop"}
    found = asked(remote.Chat, {"choices": [choice]})
    for options in found.values():
        assert all(p is None for p in options.values()) or sum(options.values()) == pytest.approx(1)


COMPLETION = {
    "choices": [
        {
            "finish_reason": "length",
            "message": {"content": "<think>a</think>b", "refusal": None, "tool_calls": []},
        }
    ],
    "error": {"message": "a"},
}


@given(spoiled(COMPLETION) | VALUES)
def test_a_chat_reply_is_a_text_or_says_why_there_is_none(answer):
    try:
        reply = chat_replies.read(answer)
    except (AttributeError, LookupError, TypeError, ValueError):
        return
    assert isinstance(reply.text, str) and bool(reply.text) != bool(reply.fault)


@given(TEXTS | st.floats().map(lambda x: f">>{x}") | st.floats(0, 1).map(str))
@example(">>1.5")
@example("0.896 or so")
def test_emollamas_number_is_between_0_and_1_or_missing(text):
    value = emotion.parse_emollama(text)
    assert value is None or 0 <= value <= 1


# Rewrites


REWRITE = {
    "emotional_question": (
        "I am so afraid that my left knee will never stop hurting after all of this."
    ),
    "soothing_response": "I understand. Rest it for 4 weeks, and it will be better.",
}
TASK = sources.Task(
    sources.Row(1, "a", "My left knee hurts. What now?", "Rest it for 4 weeks."), "fear"
)


@given(
    spoiled(REWRITE).map(json.dumps)
    | TEXTS
    | VALUES.map(json.dumps)
    | TEXTS.map(lambda text: f"```json\n{json.dumps(REWRITE)}\n```{text}")
)
@example("{" * 3000)
@example('{"emotional_question": 1e400}')
def test_a_reply_of_a_rewriter_is_kept_or_turned_down_with_a_reason(reply):
    fields, reason = outcomes.judge_reply(TASK, reply)
    assert isinstance(reason, str) and (reason or set(fields) == set(REWRITE))
    assert outcomes.outcome_of(reason, 1) in ("kept", "refused", "unscored", "set aside")


@given(
    st.lists(
        st.binary(max_size=60)
        | spoiled(
            {
                "custom_id": "a.1",
                "response": {
                    "body": {
                        "choices": [{"message": {"content": "x"}}],
                        "usage": {"prompt_tokens": 1},
                    }
                },
            }
        ).map(lambda v: json.dumps(v).encode("utf-8", "surrogatepass")),
        max_size=4,
    )
)
@example([b"\r\x00"])  # one line: only a line feed ends one
@settings(max_examples=30 * MANY)
def test_results_of_a_batch_are_taken_or_counted(tmp_path, lines):
    path = tmp_path / "result.jsonl"
    path.write_bytes(b"\n".join(lines))
    report = batches.read_batch(
        path, [TASK], requests.Settings("m"), Store(tmp_path / "store.sqlite")
    )
    assert report.asked == 0 and report.counts["failed"] + report.counts["of another run"] <= sum(
        line.count(b"\n") + 1 for line in lines
    )


@given(TEXTS, TEXTS)
def test_gates_say_something_of_any_two_texts(source, told):
    assert isinstance(gates.check("answer", source, told), str)


# Parameters


@given(TEXTS | VALUES)
def test_a_parameter_has_its_type_and_domain_or_is_refused(value):
    for parameter in parameters.declared("03_dpo").values():
        try:
            found = parameter.check(value)
        except parameters.ParameterError as error:
            assert in_a_line(error) and parameter.name in str(error)
        else:
            assert type(found) is parameters.TYPES[parameter.type]
