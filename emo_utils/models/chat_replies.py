"""What a chat service sent back: the final text without the model's thinking, why there is none,
and what a refusal means for the requests that follow.
"""

import email.utils
import re
import time
from dataclasses import dataclass

from emo_utils.project import EmoError, first_line, storable

# How models mark what they think before they answer. A chat template may write the first mark
# itself, so that only the second is in the reply.
THINKING = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
QUOTA = re.compile(
    r"insufficient[_ ](?:quota|balance|funds|credits?)|billing hard limit|"
    r"(?:credit|account) balance is too low|exceeded your current quota(?!.*retry in)",
    re.IGNORECASE | re.DOTALL,
)
SAID = 10.0  # seconds of a pause that is said
LONGEST_PAUSE = 300.0  # seconds that a service may ask to wait for before it is left alone


class NoReply(ValueError):
    """The body of a chat completion with no choice but what went wrong, in the service's words."""


@dataclass(frozen=True)
class ChatReply:
    """A reply as it can be used.

    text: the final answer, stripped. fault: why there is none, or empty. cut: whether the reply
    ended where the tokens did. thought: whether the model thought before it answered. called:
    whether it called a tool, which nobody here answers.
    """

    text: str
    fault: str = ""
    cut: bool = False
    thought: bool = False
    finished: bool = True
    called: bool = False


def read(answer: dict) -> ChatReply:
    """The reply in the body of a chat completion.

    Raises NoReply where the body says in its place what went wrong, and ValueError, TypeError,
    LookupError or AttributeError where it has another form.
    """
    choices = answer.get("choices")
    if not choices:
        if said := _own_words(answer):
            raise NoReply(f"the reply holds no choice{said}")
        raise ValueError("it holds no choice")
    choice = choices[0]
    message, ended = choice["message"], choice.get("finish_reason")
    written = _text_of(message.get("content"))
    text, thought = final_text(written)
    thought = thought or bool(message.get("reasoning_content") or message.get("reasoning"))
    called = bool(message.get("tool_calls") or message.get("function_call"))
    cut, fault = ended == "length", ""
    if not text:
        if refused := storable(str(message.get("refusal") or "")).strip():
            text = refused
        elif cut and thought:
            fault = "its tokens ended while the model was still thinking"
        elif cut:
            fault = "its tokens ended before the model wrote anything"
        elif ended == "content_filter":
            fault = "the service's content filter took the answer away"
        elif called:
            fault = "the model called a tool in place of answering"
        elif thought:
            fault = "the model thought and then wrote no answer"
        else:
            fault = "the reply is empty"
    return ChatReply(text, fault, cut, thought, ended == "stop", called)


def final_text(written: str) -> tuple[str, bool]:
    """What a model wrote without the thinking before it, and whether there was any.

    Thinking that never ends leaves no text.
    """
    text, thought = written.strip(), False
    for opened, closed in THINKING:
        begins = text.startswith(opened)
        before, mark, after = text.rpartition(closed)
        if mark and (begins or opened not in before):
            text, thought = after.strip(), True
        elif begins:
            return "", True
    return re.sub(r"<\|(?:return|end)\|>$", "", text) if thought else text, thought


def _text_of(content) -> str:
    """A message's content: a text, parts of which some are texts, or nothing."""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        content = "".join(part.get("text") or "" for part in content if part.get("type") == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError(f"the reply is {type(content).__name__}, not text")
    return storable(content or "")


def _own_words(answer: dict) -> str:
    error = answer.get("error")
    said = error.get("message") if isinstance(error, dict) else error
    return f": {' '.join(str(said).split())[:200]}" if said else ""


def quota_used_up(error: BaseException) -> bool:
    """Whether a service refuses because nothing is left to pay with: to ask again cannot help."""
    return getattr(error, "status_code", None) == 402 or bool(
        getattr(error, "status_code", None) in (403, 429) and QUOTA.search(str(error))
    )


def quota_message(place: str, error: BaseException, kept: str) -> str:
    return (
        f"{place} says that the quota is used up ({first_line(error)}); {kept}. "
        "Add to the account's balance or raise its limit, then run the same command again"
    )


def asked_to_wait(error: BaseException) -> float | None:
    """Seconds for which a refusal asks to wait (`Retry-After`: seconds or a date), or None.

    Raises EmoError where that is longer than `LONGEST_PAUSE`.
    """
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    given = headers.get("retry-after")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        if (parsed := email.utils.parsedate_tz(given)) is None:
            return None
        seconds = email.utils.mktime_tz(parsed) - time.time()
    if not seconds <= LONGEST_PAUSE:
        raise EmoError(
            f"the service asks to wait {seconds:.0f} seconds ({first_line(error)}); "
            "what was answered is kept: run the same command again after that"
        )
    if seconds > SAID:
        print(f"the service asks to wait {seconds:.0f} seconds ({first_line(error)})")
    return max(seconds, 0.0)
