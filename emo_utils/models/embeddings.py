"""Sentences and their embeddings: what similarity of texts and the contrast scorer of emotion are
computed from.
"""

import re
import warnings

import numpy as np

from emo_utils.models import loading

# A full stop after these ends no sentence; nor does one inside a number or after a single letter
# that no apostrophe stands before.
_SHORT = (
    r"(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\be\.g)(?<!\bi\.e)"
    r"(?<!\bvs)(?<!\betc)(?<!\bapprox)(?<!(?<!['’])\b[A-Za-z])"
)
_END = re.compile(rf"(?:{_SHORT}\.|[!?]+)[\"')\]]*\s+|\n+")


def sentences(text: str) -> list[str]:
    """The sentences of an English text, without the marks of lists and without pieces that hold no
    word.

    Our own, as no library tried does better: of 8,736 texts of this project pysbd 0.3.4 (last
    released in 2021) divides 123 otherwise and sentencex 1.0.32 divides 203, both for the most part
    by joining sentences after "me.", "May." or "ok.". Of twenty such texts read for each, ours is
    right in 10 and 12, the library in 5 and 3 (a unit of one letter, as in "5 mmol/L.", ends no
    sentence here), and most others are quotations of two sentences, which ours divides.
    """
    pieces, start = [], 0
    for end in [*_END.finditer(text), None]:
        pieces.append(text[start : end.end() if end else len(text)])
        start = end.end() if end else start
    pieces = [re.sub(r"^(?:[-*•]|\d{1,2}[.)])\s+", "", piece.strip()) for piece in pieces]
    return [piece for piece in pieces if re.search(r"[^\W\d_]{2}", piece)]


def load(name: str, dtype: str = "float32"):
    """The encoder of a registered name, from its local folder.

    dtype: "bfloat16" computes its matrix products so, which is three times as fast where the
    machine has units for it; cosines move by two thousandths at most.
    """
    with warnings.catch_warnings():
        # The smoke profile's stand-in is no sentence model: the library chooses how its tokens are
        # pooled.
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        encoder = SentenceTransformer(str(loading.note(name)), local_files_only=True)
    encoder.matrix_dtype = dtype
    return encoder


def after_opening(text: str) -> str:
    """A text from its second sentence on; all of it where it has one."""
    return " ".join(sentences(text)[1:]) or text


def embed(encoder, texts: list[str]) -> np.ndarray:
    """Embeddings of length 1, shape (texts, width), fp32; equal texts are computed once.

    A text is cut at the encoder's limit of tokens.
    """
    different = list(dict.fromkeys(texts))
    if not different:
        return np.zeros((0, encoder.get_embedding_dimension()), dtype=np.float32)
    import torch

    with torch.autocast(
        encoder.device.type, torch.bfloat16, enabled=encoder.matrix_dtype == "bfloat16"
    ):
        found = encoder.encode(
            different, batch_size=32, normalize_embeddings=True, show_progress_bar=False
        )
    place = {text: i for i, text in enumerate(different)}
    return found[[place[text] for text in texts]]
