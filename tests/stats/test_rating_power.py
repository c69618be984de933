"""Simulated rating studies against cases whose answer is known."""

import numpy as np
import pytest
import scipy.stats

from emo_utils.stats import rating_power
from emo_utils.stats.rating_power import Design

# A single rating that is the dialogue's quality and nothing else.
PERFECT = Design(reliability=1.0, leniency=0.0, rounded=False)


@pytest.mark.parametrize("true", [0.1, 0.2, 0.3])
def test_without_rater_noise_the_power_is_fisher_s(true):
    found = rating_power.correlations(PERFECT, true, 4_000, seed=1)
    power = rating_power.seen(found, PERFECT.dialogues).mean()
    expected = scipy.stats.norm.cdf(np.arctanh(true) * np.sqrt(97) - 1.96)
    assert power == pytest.approx(expected, abs=0.03)


def test_where_nothing_is_there_five_percent_is_seen():
    found = rating_power.correlations(Design(leniency=0.0), 0.0, 4_000, seed=2)
    assert rating_power.seen(found, 100).mean() == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize("raters", [1, 3, 10])
def test_rater_noise_weakens_a_correlation_as_spearman_and_brown_say(raters):
    design = Design(raters=raters, reliability=0.4, leniency=0.0, rounded=False)
    measured = rating_power.correlations(design, 0.6, 1_000, seed=3).mean()
    of_mean = 0.4 * raters / (1 + 0.4 * (raters - 1))
    assert measured == pytest.approx(0.6 * of_mean**0.5, abs=0.01)


def test_ratings_are_levels_and_lenient_raters_move_their_whole_group():
    draw = np.random.default_rng(4)
    rated = Design(raters=1).people(draw.normal(size=(50, 100)), draw)
    assert set(np.unique(rated)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    only_lenient = Design(reliability=0.0, leniency=1.0, rounded=False)
    of_group = only_lenient.people(np.zeros((1, 25)), draw)[0]
    assert len(np.unique(of_group[:10])) == 1 and len(np.unique(of_group)) == 3


def test_a_difference_without_rater_noise_has_the_power_of_a_paired_t_test():
    """Two qualities that share half of their variance differ with a variance of 1."""
    true = 0.3
    power = rating_power.differences_seen(PERFECT, true, 2_000, seed=5).mean()
    shift = true * np.sqrt(100)
    expected = 1 - scipy.stats.nct.cdf(scipy.stats.t.ppf(0.975, 99), 99, shift)
    assert power == pytest.approx(expected, abs=0.03)
    none = rating_power.differences_seen(PERFECT, 0.0, 2_000, seed=6).mean()
    assert none == pytest.approx(0.05, abs=0.012)


def test_more_raters_see_more():
    powers = [
        rating_power.seen(
            rating_power.correlations(Design(raters=r), 0.3, 1_000, seed=7), 100
        ).mean()
        for r in (1, 3, 10)
    ]
    assert powers == sorted(powers) and powers[0] + 0.1 < powers[2]
