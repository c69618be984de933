"""Whether two systems differ: paired tests, corrections for several of them, what could have been
seen.
"""

import numpy as np
import pandas as pd
import scipy.stats

from emo_utils.stats import intervals


def permutation_p(differences, seed: int, resamples: int = 9999) -> float:
    """Two-sided p-value of a mean of paired differences, shape (items,), under random signs; exact
    where there are few enough of them.
    """
    test = scipy.stats.permutation_test(
        (np.asarray(differences, dtype=float),),
        np.mean,
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)


def holm(p_values) -> np.ndarray:
    """Holm's adjusted p-values (Holm, 1979): below 5 % for all that may be called different while
    the chance of one false call stays at 5 %. Missing ones (NaN) are no tests and stay missing.
    """
    adjusted = np.array(p_values, dtype=float)
    tested = np.flatnonzero(~np.isnan(adjusted))
    rising = tested[np.argsort(adjusted[tested])]
    # The numbers of statsmodels' multipletests, which at each call looks through all garbage of the
    # process: a second where models are loaded.
    stepped = adjusted[rising] * np.arange(len(rising), 0, -1)
    adjusted[rising] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def detectable(differences) -> float:
    """Smallest true mean difference that this many pairs, spread as they are, would show at 5 %
    with a probability of .8 in a paired t-test, in the units of the differences; NaN below two
    pairs. (Other powers are left out: for two pairs statsmodels does not solve for all of them, and
    does not say so.)
    """
    from statsmodels.stats.power import TTestPower

    differences = np.asarray(differences, dtype=float)
    if len(differences) < 2:
        return float("nan")
    deviations = TTestPower().solve_power(nobs=len(differences), alpha=0.05, power=0.8)
    return float(deviations * differences.std(ddof=1))


def paired_differences(scores: pd.DataFrame, pairs, seed: int) -> pd.DataFrame:
    """Mean differences of pairs of systems, each over the items that both have a score for.

    scores: one row an item, one column a system. pairs: (system, minus) each.
    Returns one row a pair: system, minus, value with ci_low and ci_high (95 %), n,
    p (`permutation_p`), detectable (both in this module) and p_holm, adjusted for all pairs; below
    `intervals.ENOUGH` items in common the ends, p and p_holm are NaN.
    """
    rows = []
    for system, minus in pairs:
        differences = (scores[system] - scores[minus]).dropna().to_numpy()
        value, low, high = intervals.mean_interval(differences)
        enough = len(differences) >= intervals.ENOUGH
        rows.append(
            {
                "system": system,
                "minus": minus,
                "value": value,
                "ci_low": low,
                "ci_high": high,
                "n": len(differences),
                "p": permutation_p(differences, seed) if enough else float("nan"),
                "detectable": detectable(differences),
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table.p))
