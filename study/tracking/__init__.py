"""MLflow, filled from the ledger by a process of its own, and read again."""
