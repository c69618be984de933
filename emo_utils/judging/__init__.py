"""Typed decisions of a judge, here or behind an endpoint, and preferences made of them."""
