"""What a rewriting will cost, before it starts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from emo_utils.project import PROFILES, EmoError, first_line, is_local
from emo_utils.rewriting import requests, sources
from emo_utils.rewriting.requests import Settings
from emo_utils.rewriting.sources import Task
from emo_utils.rewriting.store import Store

PRICES = PROFILES / "prices.yaml"
CHARACTERS_A_TOKEN = 4.0  # rule of thumb for English; only for the estimate before the first call
OUTPUT_OVER_INPUT = 1.6  # words of our rewrites over words of what is rewritten


# What it will cost


def price(model: str, endpoint: str, path: Path = PRICES) -> tuple[float, float] | None:
    """US dollars for a million tokens read and written; None for a model without a known price.

    On this machine a model without a price costs nothing. One with a price is a service behind a
    proxy.
    """
    if endpoint == "local":
        return 0.0, 0.0
    try:
        found = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(model)
        if found and not all(0 <= float(found[way]) < math.inf for way in ("input", "output")):
            raise ValueError(
                f"a price is a number from 0 on, not {found['input']} and {found['output']}"
            )
        if found:
            return float(found["input"]), float(found["output"])
        return (0.0, 0.0) if is_local(endpoint) else None
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise EmoError(
            f"{path.name} is no table of prices ({first_line(error)}); "
            f"a line of it is: {model}: {{input: DOLLARS, output: DOLLARS}}"
        ) from None


def dollars(tokens: tuple[float, float], rate: tuple[float, float] | None) -> float | None:
    return None if rate is None else (tokens[0] * rate[0] + tokens[1] * rate[1]) / 1e6


@dataclass
class Plan:
    """What a run would ask for, before it asks: rewrites, those already in the store,
    tokens and dollars estimated.
    """

    rewrites: int = 0
    done: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0
    rate: tuple[float, float] | None = None

    @property
    def cost(self) -> float | None:
        return dollars((self.tokens_in, self.tokens_out), self.rate)

    def __str__(self) -> str:
        cost = (
            "cost unknown (no price for this model)"
            if self.cost is None
            else f"about {self.cost:.2f} US dollars"
        )
        return (
            f"{self.rewrites} rewrites, {self.done} of them in the store; "
            f"{self.tokens_in / 1e6:.2f} M tokens to read, "
            f"{self.tokens_out / 1e6:.2f} M to write (estimated), {cost}"
        )


def plan(tasks: Iterable[Task], settings: Settings, store: Store, prices: Path = PRICES) -> Plan:
    """Count what is to be asked.

    Tokens are estimated from characters; what is in the store costs nothing.
    """
    found = Plan(rate=price(settings.model, settings.endpoint, prices))
    for part in sources.chunks(tasks):
        known = store.last([requests.key(task, settings) for task in part])
        for task in part:
            found.rewrites += 1
            if (reply := known.get(requests.key(task, settings))) and reply.final:
                found.done += 1
                continue
            found.tokens_in += len(requests.messages(task)[0]["content"]) / CHARACTERS_A_TOKEN
            found.tokens_out += (
                OUTPUT_OVER_INPUT
                * len(task.row.answer + (task.row.question if task.emotion else ""))
                / CHARACTERS_A_TOKEN
            )
    return found
