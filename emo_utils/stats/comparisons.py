"""Whether two systems differ: paired tests, corrections for several of them, what could have been
seen.
"""

import numpy as np
import scipy.stats


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
    the chance of one false call stays at 5 %.
    """
    from statsmodels.stats.multitest import multipletests  # half a second to import

    p_values = np.asarray(p_values, dtype=float)
    return multipletests(p_values, method="holm")[1] if len(p_values) else p_values


def detectable(differences, power: float = 0.8) -> float:
    """Smallest true mean difference that this many pairs, spread as they are, would show at 5 %
    with the given power in a paired t-test, in the units of the differences; NaN below two pairs.
    """
    from statsmodels.stats.power import TTestPower

    differences = np.asarray(differences, dtype=float)
    if len(differences) < 2:
        return float("nan")
    deviations = TTestPower().solve_power(nobs=len(differences), alpha=0.05, power=power)
    return float(deviations * differences.std(ddof=1))
