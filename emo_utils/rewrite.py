"""Rewriting dialogues with any OpenAI-compatible endpoint (EmoDoctor, Section 3.1).

ER: an empathetic answer. EQ+SR: the question with an emotion, and an answer that soothes it. A reply
that does not fit the schema is asked for again, then reported, never dropped.
"""

import json
import os

from openai import OpenAI
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emo_utils import prompts
from emo_utils.project import EmoError


class EmpatheticAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    empathetic_response: str = Field(min_length=1)


class SoothedDialogue(BaseModel):
    model_config = ConfigDict(extra="forbid")
    emotional_question: str = Field(min_length=1)
    soothing_response: str = Field(min_length=1)


def client(address: str = "") -> OpenAI:
    """A client for an endpoint; the key comes from OPENAI_API_KEY only (a local server needs none)."""
    local = address.startswith(("http://127.0.0.1", "http://localhost"))
    key = os.environ.get("OPENAI_API_KEY") or ("local" if local else "")
    if not key:
        raise EmoError("no key for the endpoint: set the environment variable OPENAI_API_KEY (keys are never parameters: papermill would write them into the notebook)")
    return OpenAI(base_url=address or None, api_key=key, timeout=180, max_retries=5)


def request(row: dict, emotion: str = "") -> tuple[list[dict], type[BaseModel]]:
    """Messages and schema for one row: ER without an emotion, EQ+SR with one."""
    schema = SoothedDialogue if emotion else EmpatheticAnswer
    instruction = prompts.text("eqsr", emotion=emotion) if emotion else prompts.text("er")
    form = json.dumps(dict.fromkeys(schema.model_fields, "..."))
    content = f"{instruction}\n\nPatient's question:\n{row['question']}\n\nDoctor's reply:\n{row['answer']}\n\nGive one JSON object and nothing else, of the form {form}"
    return [{"role": "user", "content": content}], schema


def parse(text: str, schema: type[BaseModel]) -> BaseModel:
    """The object in a reply, with or without a code fence around it. Raises ValidationError when it does not fit."""
    start, end = text.find("{"), text.rfind("}")
    return schema.model_validate_json(text[start : end + 1] if 0 <= start < end else text)


def rewrite(api: OpenAI, model: str, row: dict, emotion: str = "", *, temperature: float, seed: int, max_tokens: int, attempts: int = 3) -> dict:
    """Rewrite one row; returns id, attempts, the schema's fields or an `error`, and the last raw reply.

    `transformers serve` ignores schemas, so replies are validated here and asked for again with the complaint.
    """
    messages, schema = request(row, emotion)
    reply = ""
    for attempt in range(1, attempts + 1):
        answer = api.chat.completions.create(model=model, messages=messages, temperature=temperature, seed=seed + attempt, max_tokens=max_tokens)
        reply = answer.choices[0].message.content or ""
        try:
            return {"id": row["id"], "attempts": attempt, "raw": reply} | parse(reply, schema).model_dump()
        except ValidationError as error:
            complaint = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'reply'}: {e['msg']}" for e in error.errors())
            messages = [*messages[:1], {"role": "assistant", "content": reply}, {"role": "user", "content": f"That was not the asked-for JSON object ({complaint[:200]}). Give only the object."}]
    return {"id": row["id"], "attempts": attempts, "raw": reply, "error": complaint}
