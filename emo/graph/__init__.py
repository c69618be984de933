"""The steps of the book: what they depend on, which are due, sweeps, clusters."""
