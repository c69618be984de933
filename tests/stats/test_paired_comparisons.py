"""Strengths from paired comparisons: by hand, and by three other implementations."""

import json
import math

import choix
import numpy as np
import pandas as pd
import pytest

from emo_utils.judging.preference import SYSTEMS
from emo_utils.report import kept_runs
from emo_utils.stats import intervals
from emo_utils.stats.paired_comparisons import bradley_terry, strength_intervals


def results_of(seed, systems=6, each=8, outcomes=(0.0, 0.5, 1.0)):
    """Random results: `each` of every pair of systems."""
    rng = np.random.default_rng(seed)
    every = [(a, b) for a in range(systems) for b in range(a + 1, systems)]
    first, second = np.array(every * each).T
    return first, second, rng.choice(outcomes, size=len(first))


def test_strengths_of_two_systems_by_hand():
    """Wins w of n, and a tie of each with an average system:
    s and -s solve n (w/n - p(2s)) = p(s) - 1/2.
    """
    strengths = bradley_terry([0] * 10, [1] * 10, [1.0] * 8 + [0.0] * 2, 2)
    s = strengths[0]
    assert strengths.sum() == pytest.approx(0) and s > 0
    assert 8 - 10 / (1 + math.exp(-2 * s)) == pytest.approx(1 / (1 + math.exp(-s)) - 0.5, abs=1e-6)


def test_strengths_equal_a_second_implementation():
    """Against scipy's optimizer on the same likelihood, with random results of six systems."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(3)
    first, second = np.array([(a, b) for a in range(6) for b in range(a + 1, 6)] * 8).T
    win = rng.choice([0.0, 0.5, 1.0], size=len(first))

    def negative(s):
        z = s[first] - s[second]
        return -(win * z - np.logaddexp(0, z)).sum() - (0.5 * s - np.logaddexp(0, s)).sum()

    best = minimize(negative, np.zeros(6), tol=1e-10).x
    assert bradley_terry(first, second, win, 6) == pytest.approx(best - best.mean(), abs=1e-4)
    doubled = bradley_terry(np.tile(first, 2), np.tile(second, 2), np.tile(win, 2), 6)
    assert bradley_terry(first, second, win, 6, weight=np.full(len(win), 2.0)) == pytest.approx(
        doubled
    )


def test_a_system_that_always_wins_has_a_finite_strength():
    strengths = bradley_terry([0] * 20, [1] * 20, [1.0] * 20, 2)
    assert np.isfinite(strengths).all() and 1 < strengths[0] < 6


def test_length_is_taken_out_of_strengths():
    """A judge that only counts words: the longer system leads in raw strengths,
    and hardly when length is fitted beside them.
    """
    rng = np.random.default_rng(0)
    first, second = np.array([(a, b) for a in range(3) for b in range(a + 1, 3)] * 60).T
    log_length = (
        np.array([0.6, 0.0, -0.6])[first]
        - np.array([0.6, 0.0, -0.6])[second]
        + rng.normal(scale=1.0, size=len(first))
    )
    win = (log_length > 0).astype(float)
    raw = bradley_terry(first, second, win, 3)
    controlled = bradley_terry(first, second, win, 3, lengths=log_length)
    assert raw[0] - raw[2] > 1.0 and abs(controlled[0] - controlled[2]) < 0.4 * (raw[0] - raw[2])


def by_choix(first, second, win, systems, weight=None):
    """Strengths by choix: a pair enters as two games, a tie as one won by each, and one more player
    that ties with all systems is the average one.
    """
    games, weight = [], np.ones(len(win), dtype=int) if weight is None else weight
    for a, b, w, times in zip(first, second, win, weight, strict=True):
        games += [(a, b)] * int(2 * w * times) + [(b, a)] * int(2 * (1 - w) * times)
    for system in range(systems):
        games += [(system, systems), (systems, system)]
    strengths = choix.opt_pairwise(systems + 1, games, alpha=0, tol=1e-12)
    spectral = choix.ilsr_pairwise(systems + 1, games, alpha=0, tol=1e-12)
    assert np.allclose(strengths, spectral, atol=1e-6)
    return strengths[:systems] - strengths[:systems].mean()


@pytest.mark.parametrize("seed", range(5))
def test_strengths_are_those_of_choix(seed):
    first, second, win = results_of(seed)
    ours = bradley_terry(first, second, win, 6)
    assert ours == pytest.approx(by_choix(first, second, win, 6), abs=1e-6)
    drawn = np.random.default_rng(seed).integers(0, 4, size=len(win))
    ours = bradley_terry(first, second, win, 6, weight=drawn)
    assert ours == pytest.approx(by_choix(first, second, win, 6, drawn), abs=1e-6)


def test_many_results_give_the_strengths_of_choix_without_its_average_system():
    """The tie with an average system, which the package does not know, hardly counts then."""
    first, second, win = results_of(1, each=400, outcomes=(0.0, 1.0))
    games = [(a, b) if w else (b, a) for a, b, w in zip(first, second, win, strict=True)]
    plain = choix.opt_pairwise(6, games, alpha=0, tol=1e-12)
    assert bradley_terry(first, second, win, 6) == pytest.approx(plain - plain.mean(), abs=1e-3)


def by_regression(first, second, win, systems, weight, lengths):
    """Strengths by statsmodels: a logistic regression with the ties as rows of their own."""
    import statsmodels.api as sm

    rows, effects = np.arange(len(win)), systems + 1
    design = np.zeros((len(win), effects))
    design[rows, first], design[rows, second], design[:, -1] = 1, -1, lengths
    model = sm.GLM(
        np.r_[win, np.full(effects, 0.5)],
        np.r_[design, np.eye(effects)],
        family=sm.families.Binomial(),
        freq_weights=np.r_[weight, np.ones(effects)],
    )
    strengths = model.fit(tol=1e-12, tol_criterion="params").params[:systems]
    return strengths - strengths.mean()


@pytest.mark.parametrize("seed", range(5))
def test_strengths_beside_lengths_are_those_of_a_logistic_regression(seed):
    first, second, win = results_of(seed)
    rng = np.random.default_rng(seed)
    lengths = rng.normal(size=len(win)) + win
    weight = rng.integers(1, 4, size=len(win))
    ours = bradley_terry(first, second, win, 6, weight, lengths)
    regression = by_regression(first, second, win, 6, weight, lengths)
    assert ours == pytest.approx(regression, abs=1e-9)


@pytest.mark.parametrize("question", ["knowledge", "emotion"])
def test_the_kept_strengths_follow_from_the_kept_pairs(question):
    """The shares of pairs that the book keeps give its strengths back, by ours and by choix."""
    content = json.loads(kept_runs.PREFERENCE.read_text(encoding="utf-8"))
    records = pd.DataFrame(content["records"])
    won = records[
        (records.table == f"emodoctor.figure2.pairs.{question}") & (records.group == "win")
    ]
    first, second, win = [], [], []
    for r in won.itertuples():
        a, b = (SYSTEMS.index(system) for system in r.system.split(" over "))
        points = np.full(r.n, 0.5)  # any results with this sum give the same strengths
        spare = round(2 * r.value * r.n) - r.n
        points[: abs(spare)] += np.sign(spare) / 2
        first, second, win = first + [a] * r.n, second + [b] * r.n, [*win, *points]
    table = f"emodoctor.figure2.tournament.{question}"
    kept = records[(records.table == table) & (records.metric == "strength")]
    kept = kept.set_index("system").value.loc[list(SYSTEMS)].to_numpy()
    assert bradley_terry(first, second, win, 6) == pytest.approx(kept, abs=1e-9)
    assert by_choix(first, second, win, 6) == pytest.approx(kept, abs=1e-6)


def test_intervals_of_strengths_resample_whole_questions():
    """The same by hand: every sample written out as a longer list of pairs."""
    names = ["a", "b", "c"]
    first, second, win = results_of(4, systems=3, each=12)
    units = np.repeat([f"q{i}" for i in range(12)], 3)
    lengths = np.linspace(-1, 1, len(win))
    frame = strength_intervals(
        [names[k] for k in first], [names[k] for k in second], win, names, units, 42, lengths
    )
    draws = [
        bradley_terry(first[rows], second[rows], win[rows], 3, lengths=lengths[rows])
        for rows in intervals.resample_units(units, 42)
    ]
    low, high = np.transpose([intervals.interval(of_one, 12) for of_one in np.transpose(draws)])
    assert frame.system.tolist() == names
    assert frame.value.tolist() == bradley_terry(first, second, win, 3, lengths=lengths).tolist()
    assert frame.ci_low.tolist() == pytest.approx(low.tolist(), abs=1e-9)
    assert frame.ci_high.tolist() == pytest.approx(high.tolist(), abs=1e-9)
