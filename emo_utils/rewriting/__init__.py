"""Rewriting dialogues with a language model: sources, requests, gates, store, batches."""
