"""Answers of systems, and the instructions that models are given."""
