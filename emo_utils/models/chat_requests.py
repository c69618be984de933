"""Requests to chat services that call some fields by another name or do not know them: what a
service refuses is worded otherwise from then on.
"""

import re

import openai

REFUSALS = (openai.BadRequestError, openai.UnprocessableEntityError)
# Fields that a request can do without, and what a refusal calls them. `max_tokens` goes on as
# `max_completion_tokens`.
OPTIONAL = {
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "response_format": ("response_format", "json_schema", "structured output"),
    "seed": ("seed",),
    "temperature": ("temperature",),
    "logprobs": ("logprobs", "top_logprobs"),
}
TOGETHER = {"logprobs": ("logprobs", "top_logprobs")}


class Wording:
    """Which fields of a request a service does not take, learnt from its refusals.

    One for a client, shared by its threads. What is learnt stays only once a request was taken
    without it: a refusal of one text may name a field by chance.
    """

    def __init__(self):
        self.refused: set[str] = set()
        self.proven: set[str] = set()

    def of(self, body: dict) -> dict:
        """The request as this service takes it."""
        gone = {part for name in self.refused for part in TOGETHER.get(name, (name,))}
        worded = {name: value for name, value in body.items() if name not in gone}
        if "max_tokens" in gone and "max_tokens" in body:
            worded["max_completion_tokens"] = body["max_tokens"]
        return worded

    def learn(self, error: openai.APIStatusError, sent: dict, learnt: set[str]) -> bool:
        """Whether a refused request can be sent again in other words.

        sent: what was refused. learnt: what was learnt from earlier refusals of this request; the
        fields that this one names are added, or all are taken back where it names none.
        """
        named = {field for field in fields_named(error) if field in sent}
        if not named:
            self.refused -= learnt - self.proven
            return False
        learnt |= named
        self.refused |= named
        return True

    def taken(self, learnt: set[str]) -> None:
        """A request was taken after what was learnt from its refusals."""
        if news := learnt - self.proven:
            self.proven |= news
            self.refused |= news
            print(f"the service does not take {', '.join(sorted(news))}: asked without from now on")

    def send(self, body: dict, post):
        """What `post` gives for a request in this service's words; raises as it does."""
        learnt: set[str] = set()
        while True:
            sent = self.of(body)
            try:
                answer = post(sent)
            except REFUSALS as error:
                if not self.learn(error, sent, learnt):
                    raise
            else:
                self.taken(learnt)
                return answer


def fields_named(error: openai.APIStatusError) -> set[str]:
    """The optional fields that a refusal is about: by its `param` or `loc` where it has them, else
    by what it says. Some services repeat the whole request beside that.
    """
    body = error.body if isinstance(error.body, dict) else {}
    details = body.get("detail")
    places = [str(body.get("param"))] + [
        str(place)
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict)
        for place in detail.get("loc") or ()
    ]
    said = str(body.get("message") or error).lower()

    def among(texts) -> set[str]:
        return {
            field
            for field, words in OPTIONAL.items()
            if any(re.search(rf"\b{word}\b", text) for word in words for text in texts)
        }

    return among(places) or among([said])
