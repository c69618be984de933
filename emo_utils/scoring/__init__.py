"""Scores of an answer without a judge: emotion, overlap, facts, readability, marks of sentences."""
