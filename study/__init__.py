"""Studies: what to run, where, what was recorded; the command line."""

__version__ = "0.2.0"
