"""Cosines with a reference, by an encoder and a service of known vectors."""

import numpy as np
import pandas as pd

from emo_utils.models import embeddings, served_embeddings
from emo_utils.scoring import reference_similarity

ROWS = pd.DataFrame(
    {"answer": ["same", "other", "  "], "reference": ["same", "same", "same"]}, index=[4, 1, 7]
)
VECTORS = {"same": [1.0, 0.0], "other": [0.6, 0.8], "  ": [0.0, 1.0]}


def test_an_encoder_gives_cosines_and_nothing_to_an_empty_answer(monkeypatch):
    monkeypatch.setattr(embeddings, "load", lambda *given: given)
    monkeypatch.setattr(
        embeddings, "embed", lambda encoder, texts: np.array([VECTORS[t] for t in texts])
    )
    found = reference_similarity.by_encoder("an encoder", "float32", ROWS)
    assert found.index.tolist() == [4, 1, 7]
    assert found[[4, 1]].tolist() == [1.0, 0.6] and np.isnan(found[7])


def test_a_service_is_asked_with_its_store(monkeypatch, tmp_path):
    asked = []

    def embed(texts, api, model, endpoint, store):
        asked.append((model, endpoint, str(api.base_url)))
        return np.array([VECTORS[t] for t in texts])

    monkeypatch.setattr(served_embeddings, "embed", embed)
    path = tmp_path / "kept.sqlite"
    found = reference_similarity.by_service("ada", "http://127.0.0.1:9/v1", ROWS, path)
    assert found.tolist() == [1.0, 0.6, 0.0] and path.is_file()
    assert set(asked) == {("ada", "http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/")}
