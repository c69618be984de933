"""Intervals, tests and agreement: numbers about numbers; knows nothing of the papers."""
