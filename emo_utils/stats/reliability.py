"""Agreement between raters."""

import numpy as np


def krippendorff_alpha(counts: np.ndarray) -> float:
    """Krippendorff's alpha for ordinal values (Krippendorff, 2011): 1 - observed over expected
    disagreement; NaN where all values are equal.

    counts: how many raters gave each value to each item, shape (items, values), values in order;
    items with one rating say nothing.
    """
    import krippendorff

    counts = counts[counts.sum(axis=1) > 1]
    if (counts.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    return float(
        krippendorff.alpha(
            value_counts=counts,
            level_of_measurement="ordinal",
            value_domain=np.arange(counts.shape[1]),
        )
    )
