"""Studies: what to run, where, what was recorded; the command line."""
