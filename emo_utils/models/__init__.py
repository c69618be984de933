"""Pinned weights: registry, fetching, conversion, loading, precision, embeddings, serving."""
