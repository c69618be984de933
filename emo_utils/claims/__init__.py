"""The papers' claims as predicates, their verdicts, and the ledger of all."""
