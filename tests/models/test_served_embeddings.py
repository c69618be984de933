"""Embeddings by a service: unit vectors in the order of the texts, each paid for once."""

import numpy as np
import openai
import pytest
from local_server import Local

from emo_utils.experiment.store import Store
from emo_utils.models import served_embeddings
from emo_utils.project import EmoError


@pytest.fixture
def service(monkeypatch):
    """A service whose vector of a text is its length and 4; it answers in the other order."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def reply(path, body):
        if body["model"] == "broken":
            return 404, {"error": {"message": "no such model"}}
        vectors = [
            {"object": "embedding", "index": k, "embedding": [float(len(text)), 4.0]}
            for k, text in enumerate(body["input"])
        ]
        return 200, {"object": "list", "model": body["model"], "data": vectors[::-1]}

    local = Local(reply)
    yield openai.OpenAI(base_url=local.address, api_key="local", max_retries=0), local
    local.server.shutdown()
    local.server.server_close()


def test_vectors_have_length_one_and_the_order_of_the_texts(service, tmp_path):
    api, local = service
    store = Store(tmp_path / "embeddings.sqlite")
    found = served_embeddings.embed(["abc", "", "abc"], api, "ada", local.address, store)
    expected = np.array([[3, 4], [1, 4], [3, 4]]) / np.sqrt([[25], [17], [25]])
    assert found == pytest.approx(expected)
    assert [body["input"] for body in local.asked] == [["abc", " "]], "an empty text is a blank"
    again = served_embeddings.embed(["", "abcd"], api, "ada", local.address, store)
    assert again[1] == pytest.approx([4 / np.sqrt(32)] * 2)
    assert [body["input"] for body in local.asked[1:]] == [["abcd"]], "nothing is paid for twice"
    served_embeddings.embed(["abc"], api, "another", local.address, store)
    assert local.asked[-1]["model"] == "another"


def test_many_texts_are_asked_for_in_parts(service, tmp_path):
    api, local = service
    texts = ["x" * k for k in range(1, 131)]
    found = served_embeddings.embed(
        texts, api, "ada", local.address, Store(tmp_path / "embeddings.sqlite")
    )
    assert [len(body["input"]) for body in local.asked] == [64, 64, 2] and found.shape == (130, 2)
    assert found[:, 0] / found[:, 1] * 4 == pytest.approx(np.arange(1, 131))


def test_a_service_that_fails_is_named(service, tmp_path):
    api, local = service
    store = Store(tmp_path / "embeddings.sqlite")
    with pytest.raises(EmoError, match=r"http://.* gave no embeddings by broken: .*no such model"):
        served_embeddings.embed(["a"], api, "broken", local.address, store)
    nowhere = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="local", max_retries=0)
    with pytest.raises(EmoError, match="OpenAI gave no embeddings by ada"):
        served_embeddings.embed(["a"], nowhere, "ada", "", store)
