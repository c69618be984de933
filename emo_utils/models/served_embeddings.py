"""Embeddings by an OpenAI-compatible service, each text paid for once."""

import numpy as np
import openai

from emo_utils.experiment.store import Store
from emo_utils.project import EmoError, first_line, service_address, sha256_json

AT_ONCE = 64  # texts in a request


def embed(
    texts: list[str], api: openai.OpenAI, model: str, endpoint: str, store: Store
) -> np.ndarray:
    """Embeddings of length 1, shape (texts, width); an empty text stands as a blank, which services
    take.

    endpoint: the address behind `api`, empty for OpenAI's own; it is part of the store's keys.
    Raises EmoError, which names endpoint and model, where there are none.
    """
    texts = [text or " " for text in texts]
    endpoint = service_address(endpoint)
    keys = {text: sha256_json([endpoint, model, text]) for text in dict.fromkeys(texts)}
    missing = [text for text in keys if store.get(keys[text]) is None]
    try:
        for first in range(0, len(missing), AT_ONCE):
            part = missing[first : first + AT_ONCE]
            for item in api.embeddings.create(model=model, input=part).data:
                store.put(keys[part[item.index]], item.embedding)
    except (openai.OpenAIError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise EmoError(
            f"{endpoint or 'OpenAI'} gave no embeddings by {model}: {first_line(error)}"
        ) from None
    vectors = np.array([store.get(keys[text]) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
