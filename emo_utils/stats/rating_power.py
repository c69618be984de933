"""What a study with human raters can see, by simulation: EmplifAI's has 100 dialogues a system, in
groups of ten that three raters share (Section 5.4).

A rating is a dialogue's quality, the rater's leniency and noise, on a scale where all three
together have a variance of 1; it is rounded to a level where that is asked. The paper prints no
variance and no agreement of its raters, so their reliability is a parameter here, and no finding.
"""

from dataclasses import dataclass

import numpy as np
import scipy.stats

MIDDLE, SPREAD = 3.5, 1.0  # of ratings from 1 to 5: where they lie, and their standard deviation


@dataclass(frozen=True)
class Design:
    """A rating study. dialogues: of a system; raters: of each dialogue; group: dialogues that the
    same raters read; reliability: the share of a single rating's variance that is the dialogue's
    quality; leniency: the share that is the rater's; rounded: to the levels 1 to 5.
    """

    dialogues: int = 100
    raters: int = 3
    group: int = 10
    reliability: float = 0.4
    leniency: float = 0.1
    rounded: bool = True

    def people(self, quality: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """The mean rating of each dialogue, shape (studies, dialogues) as their quality, which is
        standard normal.
        """
        studies, count = quality.shape
        groups = -(-count // self.group)
        lenient = draw.normal(size=(studies, groups, self.raters)) * self.leniency**0.5
        lenient = np.repeat(lenient, self.group, axis=1)[:, :count]
        noise = draw.normal(size=(studies, count, self.raters))
        noise *= (1 - self.reliability - self.leniency) ** 0.5
        ratings = self.reliability**0.5 * quality[..., None] + lenient + noise
        ratings = MIDDLE + SPREAD * ratings
        return (np.clip(np.round(ratings), 1, 5) if self.rounded else ratings).mean(axis=-1)


def correlations(design: Design, true: float, studies: int, seed: int) -> np.ndarray:
    """The correlation of judge and people that each of so many studies would measure.

    true: correlation of the judge's score with the dialogues' quality, in [-1, 1].
    """
    draw = np.random.default_rng(seed)
    quality = draw.normal(size=(studies, design.dialogues))
    judge = true * quality + (1 - true**2) ** 0.5 * draw.normal(size=quality.shape)
    people = design.people(quality, draw)
    centred = [values - values.mean(axis=1, keepdims=True) for values in (judge, people)]
    norms = [np.sqrt((values**2).sum(axis=1)) for values in centred]
    return (centred[0] * centred[1]).sum(axis=1) / (norms[0] * norms[1])


def seen(correlation: np.ndarray, dialogues: int) -> np.ndarray:
    """Whether each correlation over so many dialogues differs from 0 at 5 % (two-sided t test)."""
    t = correlation * np.sqrt((dialogues - 2) / (1 - correlation**2))
    return np.abs(t) > scipy.stats.t.ppf(0.975, dialogues - 2)


def differences_seen(design: Design, true: float, studies: int, seed: int) -> np.ndarray:
    """Whether each of so many studies finds that two systems differ in people's mean rating, at 5 %
    (paired t test over dialogues that answer the same situations, each system with raters of its
    own).

    true: the difference in points of the scale from 1 to 5; a situation makes half of a dialogue's
    quality, which is an assumption.
    """
    draw = np.random.default_rng(seed)
    situation = draw.normal(size=(studies, design.dialogues))
    qualities = [
        np.sqrt(0.5) * situation + np.sqrt(0.5) * draw.normal(size=situation.shape)
        for _ in range(2)
    ]
    step = true / (SPREAD * design.reliability**0.5)  # in standard deviations of quality
    first = design.people(qualities[0] + step, draw)
    second = design.people(qualities[1], draw)
    return scipy.stats.ttest_rel(first, second, axis=1).pvalue < 0.05
