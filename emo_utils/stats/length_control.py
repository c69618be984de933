"""Means of systems with length controlled: what each would be rated at the same length."""

import numpy as np

from emo_utils.stats import intervals


def at_mean_length(values, groups, log_lengths, names) -> np.ndarray:
    """Mean value of each group at the mean log length, by least squares of the values on group and
    log length (an analysis of covariance with one slope for all groups); shape (names,).

    values, groups, log_lengths: one a row; log lengths are centred, so that 0 is their mean. NaN
    for all where a group of `names` has no row, or all rows are of the mean length.
    """
    groups, log_lengths = np.asarray(groups), np.asarray(log_lengths, dtype=float)
    design = np.column_stack([*(groups == name for name in names), log_lengths]).astype(float)
    if not design.any(axis=0).all():
        return np.full(len(names), np.nan)
    return np.linalg.lstsq(design, np.asarray(values, dtype=float), rcond=None)[0][:-1]


def at_mean_length_intervals(
    values, groups, log_lengths, units, seed: int
) -> dict[str, tuple[float, float, float]]:
    """`at_mean_length` of each group, in the order in which they appear, with its 95 % interval;
    whole units (all answers to one question, say) are resampled, and samples that lack a group are
    left out.
    """
    values, groups, log_lengths = map(np.asarray, (values, groups, log_lengths))
    names = list(dict.fromkeys(groups.tolist()))
    draws = np.array(
        [
            at_mean_length(values[rows], groups[rows], log_lengths[rows], names)
            for rows in intervals.resample_units(units, seed)
        ]
    )
    draws = draws[~np.isnan(draws).any(axis=1)]
    count = len(set(units))
    means = at_mean_length(values, groups, log_lengths, names).tolist()
    return {
        name: (mean, *intervals.interval(of_group, count))
        for name, mean, of_group in zip(names, means, draws.T, strict=True)
    }
