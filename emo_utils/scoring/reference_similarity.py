"""How near answers are in meaning to a reference: cosines of embeddings, by an encoder of this
machine or a service (chapter 10.1).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from emo_utils.experiment.store import Store
from emo_utils.judging import remote
from emo_utils.models import embeddings, served_embeddings


def by_encoder(name: str, dtype: str, rows: pd.DataFrame) -> pd.Series:
    """Cosine of each row's answer with its reference by a registered encoder; missing for an empty
    answer, which means nothing.
    """
    encoder = embeddings.load(name, dtype)
    first, second = (
        embeddings.embed(encoder, texts.tolist()) for texts in (rows.answer, rows.reference)
    )
    nothing = rows.answer.str.strip() == ""
    return pd.Series(np.where(nothing, np.nan, (first * second).sum(axis=1)), rows.index)


def by_service(name: str, endpoint: str, rows: pd.DataFrame, store: Path) -> pd.Series:
    """The same by an embedding model behind an OpenAI-compatible service, each text paid for once:
    the file `store` keeps it. endpoint: its address, ending in /v1 (empty: OpenAI).
    """
    api, kept = remote.Chat(name, endpoint).api, Store(store)
    first, second = (
        served_embeddings.embed(texts.tolist(), api, name, endpoint, kept)
        for texts in (rows.answer, rows.reference)
    )
    return pd.Series((first * second).sum(axis=1), rows.index)
