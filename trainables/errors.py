"""The one error that means: the user's data or settings are wrong, and here is the way out."""

import re
from collections.abc import Iterable

MAX_NAMES = 60
"""Names that a message lists; libraries of models know thousands."""
MAX_WORDS, MAX_SHOWN = 160, 60
"""Characters that a message repeats of another's, and of a value."""


class TrainableError(ValueError):
    """A mistake in data or settings. The message names the place, the value, the rule and the way out."""


def in_one_line(error: BaseException) -> str:
    """`ValueError: no such file`, of what a user's code raised."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:MAX_WORDS]


def shown(value: object, most: int = MAX_SHOWN) -> str:
    """A value as a message shows it, in so many characters."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint for a misspelt `name`: the nearest valid one where it is near, else all of them, or the first of many.

    Near is one wrong letter of several, in capitals or not, one more for each four letters beyond, or a valid name of
    which `name` is a part between dashes, underscores or dots: "lambda" means "hill_lambda", "accuracy" does not mean
    "mauc".
    """
    options = sorted(valid)
    distances = ((_distance(name.lower(), option.lower()), option) for option in options)
    distance, closest = min(distances, default=(len(name), ""))
    if distance < len(name) and distance <= max(1, len(name) // 4):
        return f"did you mean {closest!r}?"
    holding = [option for option in options if name in re.split(r"[-_.]", option)]
    if len(holding) == 1:
        return f"did you mean {holding[0]!r}?"
    more = f" and {len(options) - MAX_NAMES:,} more" if len(options) > MAX_NAMES else ""
    return f"valid: {', '.join(options[:MAX_NAMES])}{more}"


def _distance(first: str, second: str) -> int:
    """Letters to insert, delete, replace or swap with a neighbour (optimal string alignment, after Damerau 1964)."""
    rows = [list(range(len(second) + 1))]
    for i, letter in enumerate(first, 1):
        row, above = [i], rows[-1]
        for j, other in enumerate(second, 1):
            costs = [row[-1] + 1, above[j] + 1, above[j - 1] + (letter != other)]
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                costs.append(rows[-2][j - 2] + 1)
            row.append(min(costs))
        rows.append(row)
    return rows[-1][-1]
