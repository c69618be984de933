"""Servers on this machine for judges, asked without retries."""

import openai
import pytest
from local_server import Local

from emo_utils.judging import remote


@pytest.fixture
def start(monkeypatch):
    started = []
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    whole = openai.OpenAI
    monkeypatch.setattr(
        remote.openai, "OpenAI", lambda **given: whole(**given | {"max_retries": 0, "timeout": 5})
    )

    def one(reply):
        started.append(Local(reply))
        return started[-1]

    yield one
    for local in started:
        local.server.shutdown()
        local.server.server_close()
