"""What a rewriter is asked: an empathetic answer (ER), or the question with an emotion and an
answer that soothes it (EQ+SR; EmoDoctor, Section 3.1).
"""

import json
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from emo_utils.generation import prompts
from emo_utils.project import EmoError, service_address, sha256_bytes
from emo_utils.rewriting.sources import Task
from emo_utils.rewriting.store import Reply


class EmpatheticAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    empathetic_response: str = Field(min_length=1)


class SoothedDialogue(BaseModel):
    model_config = ConfigDict(extra="forbid")
    emotional_question: str = Field(min_length=1)
    soothing_response: str = Field(min_length=1)


SCHEMAS = {"er": EmpatheticAnswer, "eqsr": SoothedDialogue}
FORMATS = {
    name: {
        "type": "json_schema",
        "json_schema": {"name": name, "schema": schema.model_json_schema(), "strict": True},
    }
    for name, schema in SCHEMAS.items()
}


@dataclass(frozen=True)
class Settings:
    """How an endpoint is asked.

    endpoint: its address (empty: that of OPENAI_BASE_URL, or OpenAI's own), or `local` for a server
    on this machine whose port changes (then give `run` a client). attempts: replies paid for at
    most for one row. timeout: seconds without a byte before a request is sent again; deadline:
    seconds after which a row is left for later, with all repetitions.
    """

    model: str
    endpoint: str = ""
    temperature: float = 0.3
    seed: int = 42
    max_tokens: int = 700
    attempts: int = 3
    concurrency: int = 16
    timeout: float = 60.0
    deadline: float = 240.0
    structured: bool = True  # ask for the schema (servers that do not know it ignore it)

    def __post_init__(self):
        object.__setattr__(self, "endpoint", service_address(self.endpoint))
        if min(self.attempts, self.concurrency) < 1:
            raise EmoError(
                f"attempts ({self.attempts}) and concurrency ({self.concurrency}) are 1 or more"
            )


# The arm of the data (`emo_utils.data.arms`) whose manner both instructions ask for: empathy and
# comfort in so many words, beside the facts.
ARM = "overt"


def instruction(task: Task) -> str:
    """The instruction of a task, from `prompt_texts/`."""
    return prompts.text("eqsr", emotion=task.emotion) if task.emotion else prompts.text("er")


def messages(task: Task) -> list[dict]:
    """The messages of a first attempt."""
    form = json.dumps(dict.fromkeys(SCHEMAS[task.name].model_fields, "..."))
    content = (
        f"{instruction(task)}\n\nPatient's question:\n{task.row.question}\n\n"
        f"Doctor's reply:\n{task.row.answer}\n\n"
        f"Give one JSON object and nothing else, of the form {form}"
    )
    return [{"role": "user", "content": content}]


def key(task: Task, settings: Settings) -> str:
    """What a row's replies are stored under: a hash of endpoint, model, parameters, prompt and
    input.
    """
    asked = [
        settings.endpoint,
        settings.model,
        settings.temperature,
        settings.seed,
        settings.max_tokens,
        settings.structured,
        messages(task),
    ]
    return sha256_bytes(json.dumps(asked, ensure_ascii=False).encode("utf-8"))


def request(task: Task, before: Reply | None, attempt: int, settings: Settings) -> dict:
    """The body of a chat request; from the second attempt on with the last reply
    and what was wrong with it.
    """
    asked = messages(task)
    if before:
        asked += [
            {"role": "assistant", "content": before.text or "(nothing)"},
            {
                "role": "user",
                "content": (
                    f"That cannot be used: {before.reason}. "
                    "Give the whole JSON object again, with this mended, and nothing else."
                ),
            },
        ]
    body = {
        "model": settings.model,
        "messages": asked,
        "temperature": settings.temperature,
        "seed": settings.seed + attempt,
        "max_tokens": settings.max_tokens,
    }
    return body | ({"response_format": FORMATS[task.name]} if settings.structured else {})
