"""How much of an answer repeats itself: what tells a broken model from a tuned one."""


def repeated(text: str) -> float:
    """Share, in [0, 1], of a text's 4-word sequences that came before in it; 0 below four words."""
    words = text.split()
    sequences = list(zip(*(words[start:] for start in range(4))))
    return 1 - len(set(sequences)) / len(sequences) if sequences else 0.0
