"""What was recorded: the ledger, its records, and the trial table made from them."""
