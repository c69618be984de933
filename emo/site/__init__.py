"""The pages that are no notebooks, and the build of the book."""
