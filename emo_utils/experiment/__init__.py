"""Parameters and profiles, runs and their records, provenance, stores: what makes a number
traceable.
"""
