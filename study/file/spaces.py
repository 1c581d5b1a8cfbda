"""The space of a loss by name: ours, or `SPACE` beside a user's own `module:Class`."""

import importlib

from search_spaces import SPACES, Space
from trainables.errors import nearest


def space_of(loss: str) -> Space:
    """Raises ValueError for an unknown loss or a user's module without a space."""
    if ":" in loss:
        module = loss.partition(":")[0]
        try:
            return importlib.import_module(module).SPACE
        except ImportError as error:
            raise ValueError(f"cannot import {module!r} ({error}); check the module path") from error
        except AttributeError as error:
            raise ValueError(
                f"{module!r} has no SPACE; put a search_spaces.Space of that name beside the loss"
            ) from error
    if loss not in SPACES:
        raise ValueError(f"unknown loss {loss!r}; {nearest(loss, SPACES)}")
    return SPACES[loss]
