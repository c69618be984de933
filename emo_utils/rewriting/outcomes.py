"""What came back: replies read, judged by the gates, and counted."""

from collections.abc import Callable

from pydantic import BaseModel, ValidationError

from emo_utils.project import storable
from emo_utils.rewriting import gates, requests
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


# The store


def text_of(content, refusal) -> str:
    """The text of a reply as it can be stored."""
    text = content or refusal or ""
    if not isinstance(text, str):
        raise TypeError(f"the reply is {type(text).__name__}, not text")
    return storable(text)


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
