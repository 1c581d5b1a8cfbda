"""Errors that a person can act on, and the exit codes scripts can use."""

EXIT_OK = 0
EXIT_FAILED_TRIALS = 1
EXIT_BAD_INPUT = 2
EXIT_CLUSTER = 3
EXIT_STORAGE = 4
EXIT_FAULT = 5
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """A user's mistake. The message names the file or key, the value, the rule and the way out; no traceback."""


class StorageError(UserError):
    """A place that cannot be written or read: full, closed, away. The message names it; what was recorded stays."""


class ClusterError(Exception):
    """The cluster could not be reached or gave up; what was recorded stays."""
