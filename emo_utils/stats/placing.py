"""Where a system stands on a measure's own scale, between two texts of which it is known what they
are worth.
"""

import pandas as pd

from emo_utils.stats import intervals


def between(scores: pd.DataFrame, system: str, zero: str, one: str, seed: int) -> dict | None:
    """The mean of a system as a share of the way from that of `zero` to that of `one`: value,
    ci_low, ci_high (95 %, questions resampled for the three together) and n, the questions that all
    three have a score for.

    scores: one row a question, one column a system. None below `intervals.ENOUGH` such questions,
    and where the interval of the way from zero to one holds 0: there is no scale then.
    """
    complete = scores[[system, zero, one]].dropna()
    if len(complete) < intervals.ENOUGH:
        return None
    (value, draws), (low, low_draws), (high, high_draws) = (
        intervals.mean_draws(complete[name].to_numpy(), seed) for name in complete
    )
    way = high_draws - low_draws
    shortest, longest = intervals.interval(way, len(complete))
    if shortest <= 0 <= longest or not way.all():
        return None
    ci_low, ci_high = intervals.interval((draws - low_draws) / way, len(complete))
    return {
        "value": (value - low) / (high - low),
        "ci_low": ci_low,
        "ci_high": ci_high,
        "n": len(complete),
    }
