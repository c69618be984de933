"""The models that the measures of chapters 5 and 6 read with, loaded once for several of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emo_utils.judging import remote
from emo_utils.judging.decisions import Reader
from emo_utils.models import embeddings, loading


@dataclass(frozen=True)
class Instruments:
    """What scores, under the registered names by which records call it.

    embedding_model: of the encoder (of `embeddings.load`), for contrasts and similarity.
    reader_model: of the language_model (model and tokenizer), for what an answer keeps of a text.
    reader: who answers typed decisions; its own `name` is that of its model.
    """

    embedding_model: str
    encoder: Any
    reader_model: str
    language_model: tuple
    reader: Reader


def load(
    embedding_model: str,
    reader_model: str,
    scorer_model: str,
    dtype: str,
    store: Path | None = None,
    endpoint: str = "",
) -> Instruments:
    """Load all of them; dtype, store and endpoint as in `remote.reader`."""
    return Instruments(
        embedding_model,
        embeddings.load(embedding_model, dtype),
        reader_model,
        loading.load(reader_model, dtype),
        remote.reader(scorer_model, dtype, store, endpoint),
    )
