"""Means at the mean length against statsmodels' regression and against values by hand."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from emo_utils.stats import intervals, length_control


@pytest.fixture
def ratings() -> pd.DataFrame:
    """Two systems over 30 pairs; the second writes longer, and longer is rated higher."""
    generator = np.random.default_rng(2)
    frame = pd.DataFrame({"id": np.tile(range(30), 2), "system": np.repeat(["a", "b"], 30)})
    length = generator.normal(5.0, 0.5, size=60) + (frame.system == "b") * 0.8
    frame["log"] = length - length.mean()
    noise = generator.normal(0.0, 0.3, size=60)
    return frame.assign(rating=3.0 + 0.7 * frame.log - 0.4 * (frame.system == "b") + noise)


def regression(frame: pd.DataFrame) -> pd.Series:
    """Coefficients of a regression of the rating on system and log length."""
    design = pd.get_dummies(frame.system, dtype=float).assign(log=frame.log)
    return sm.OLS(frame.rating, design).fit().params


def test_the_means_are_those_of_a_regression_on_system_and_length(ratings):
    found = length_control.at_mean_length_intervals(
        ratings.rating, ratings.system, ratings.log, ratings.id, seed=3
    )
    fitted = regression(ratings)
    assert list(found) == ["a", "b"]
    for system, (mean, low, high) in found.items():
        assert mean == pytest.approx(fitted[system])
        assert low < mean < high and high - low < 0.5


def test_the_interval_is_that_of_regressions_on_samples_of_whole_pairs(ratings):
    found = length_control.at_mean_length_intervals(
        ratings.rating, ratings.system, ratings.log, ratings.id, seed=3
    )
    second = (ratings.system == "b").to_numpy(dtype=float)
    design = np.column_stack([1 - second, second, ratings.log])
    rating = ratings.rating.to_numpy()
    draws = [  # by the normal equations, which take a hundredth of the time of statsmodels
        np.linalg.solve(design[rows].T @ design[rows], design[rows].T @ rating[rows])[1]
        for rows in intervals.resample_units(ratings.id, 3)
    ]
    assert found["b"][1:] == pytest.approx(intervals.interval(draws, 30))


def test_what_length_alone_explains_is_taken_out():
    """Ratings that are the log length, whoever wrote: at the mean length both are rated 0."""
    logs = np.array([-2.0, -1.0, -1.0, 0.0, 1.0, 3.0])
    means = length_control.at_mean_length(logs, list("aaabbb"), logs, ["b", "a"])
    assert means == pytest.approx([0.0, 0.0], abs=1e-12)


def test_a_group_without_a_row_has_no_mean_and_its_samples_are_left_out():
    means = length_control.at_mean_length([1.0, 2.0], ["a", "a"], [-1.0, 1.0], ["a", "b"])
    assert np.isnan(means).all()
    # b wrote for one pair of twelve: samples without that pair say nothing.
    ratings, logs = [*range(12), 5.0], [*np.arange(12) - 5.5, 0.0]
    pairs = [*range(12), 1]
    found = length_control.at_mean_length_intervals(ratings, list("a" * 12 + "b"), logs, pairs, 0)
    assert found["b"][0] == pytest.approx(5.0) and np.isfinite(found["b"]).all()
