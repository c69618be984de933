"""What came back: replies read, judged by the gates, and counted."""

from collections.abc import Callable

from pydantic import BaseModel, ValidationError

from emo_utils.models.chat_replies import ChatReply
from emo_utils.rewriting import gates, requests
from emo_utils.rewriting.requests import Settings
from emo_utils.rewriting.sources import Task


def parse(text: str, schema: type[BaseModel]) -> BaseModel:
    """The object in a reply, with or without a code fence around it.

    Raises ValidationError when it does not fit.
    """
    start, end = text.find("{"), text.rfind("}")
    return schema.model_validate_json(text[start : end + 1] if 0 <= start < end else text)


def judge_reply(
    task: Task, text: str, emotion_gate: Callable[[str, str, str], str] | None = None
) -> tuple[dict, str]:
    """The fields of a reply and the reason against them: empty when the reply can be kept."""
    try:
        found = parse(text, requests.SCHEMAS[task.name]).model_dump()
    except ValidationError as error:
        if gates.refusal(text):
            return {}, "the reply declines the task"
        complaint = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'reply'}: {e['msg']}" for e in error.errors()
        )
        return {}, f"not the asked-for JSON object ({complaint[:160]})"
    for name, value in found.items():
        if reason := gates.check(
            name, getattr(task.row, gates.REWRITES[name]), value, requests.instruction(task)
        ):
            return found, reason
    reason = (
        emotion_gate(task.row.question, found["emotional_question"], task.emotion)
        if emotion_gate and task.emotion
        else ""
    )
    return found, reason


def reason_against(
    task: Task,
    reply: ChatReply,
    settings: Settings,
    emotion_gate: Callable[[str, str, str], str] | None = None,
) -> str:
    """Why a reply cannot be kept, or an empty text."""
    _, reason = judge_reply(task, reply.text, emotion_gate)
    if reason and reply.cut:
        why = reply.fault or "its tokens ended before the reply did; write less"
        return f"cut off: {why} (--max-tokens is {settings.max_tokens})"
    if reason and reply.called:
        return f"tool call: {reply.fault or 'the model called a tool beside its answer'}"
    return f"not the asked-for JSON object ({reply.fault})" if reply.fault else reason


def is_final(reply: ChatReply, reason: str, attempt: int, settings: Settings) -> bool:
    """Whether nothing more is asked for a row: its reply is kept, was the last one allowed, or is
    such as another attempt would give again: without a token left for an answer, or the call of a
    tool.
    """
    as_before = bool(reply.cut and reply.fault) or reply.called
    return not reason or attempt >= settings.attempts or as_before


# The store


def outcome_of(reason: str, attempt: int) -> str:
    """Where a row ends: kept, repaired (kept after another attempt), refused,
    unscored (no emotion could be read), or set aside.
    """
    if reason:
        return {"refusal": "refused", "unscored": "unscored"}.get(kind_of(reason), "set aside")
    return "kept" if attempt == 1 else "repaired"


def kind_of(reason: str) -> str:
    """A reason without what is particular to the row, for counting."""
    for word in (
        "cut off",
        "tool call",
        "declines",
        "JSON object",
        "not English",
        "words where",
        "repeats the original",
        "repeats the instruction",
        "lacks",
        "does not express",
        "refused the request",
        "unscored",
    ):
        if word in reason:
            return {
                "lacks": "facts lost",
                "words where": "length",
                "JSON object": "not the asked-for JSON object",
                "declines": "refusal",
            }.get(word, word)
    return reason[:60]
