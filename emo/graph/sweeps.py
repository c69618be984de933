"""Sweeps whose variants are steps of the book."""

from emo.graph import steps
from emo_utils.experiment import sweeps


def sweep(name: str, seeds: tuple[int, ...] = ()) -> dict:
    """A sweep as `sweeps.read` gives it, every variant checked: a mistake in the file stops here,
    with the name that it means.
    """
    content = sweeps.read(name, seeds)
    for variant in content["variants"]:
        steps.values(steps.step(variant), "embedded")
    return content
