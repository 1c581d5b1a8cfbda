"""The one error that means: the user's data or settings are wrong, and here is the way out."""

import difflib
from collections.abc import Iterable


class TrainableError(ValueError):
    """A mistake in data or settings. The message names the place, the value, the rule and the way out."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint for a misspelt `name`: the nearest valid one when there is one, else all of them."""
    options = sorted(valid)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(options)}"
