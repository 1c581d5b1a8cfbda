"""Numbers and lists as sentences show them."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from evenkeel.reports.statistics.intervals import Interval

SIGNED = "{:+.3f}"
PLAIN = "{:.3f}"
PERCENT = "{:.0%}"
SIGNED_PERCENT = "{:+.0%}"
METHOD_WORDS = {"loss": "method", "losses": "methods", "published defaults": "defaults"}
MIN_SETTINGS = 64
"""2^6 Sobol points: below it the tails of a box are not seen, and the page warns."""


def number(value: float, form: str = PLAIN) -> str:
    """A number, or a dash where there is none; what rounds to zero has no sign."""
    if not np.isfinite(value):
        return "–"
    text = form.format(value)
    return text if text.strip("+-0.%") else text.lstrip("+-")


def with_interval(interval: Interval, form: str = PLAIN) -> str:
    """`0.012 [0.004, 0.020]`; no brackets when no end is known, a dash for one that is not."""
    if not np.isfinite([interval.low, interval.high]).any():
        return number(interval.value, form)
    return f"{number(interval.value, form)} [{number(interval.low, form)}, {number(interval.high, form)}]"


def loses(drop: Interval) -> str:
    """A change as a loss: `loses 0.031 [0.008, 0.049]` for a sure drop, else `loses at most 0.004`, its low end."""
    lost = Interval(-drop.value, -drop.high, -drop.low, drop.n)
    if not np.isfinite(lost.value):
        return "was not measured"
    if drop.high < 0 or (not np.isfinite(drop.low) and lost.value > 0):
        return f"loses {with_interval(lost)}"
    return f"loses at most {number(lost.high)}" if lost.high > 0 else "loses nothing"


def p_value(p: float) -> str:
    """`p = 0.031`, `p < 0.001`, or a dash."""
    if not np.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def with_symbol(name: str, symbol: str) -> str:
    """`gamma_neg (γ−)`, and the name alone where the symbol is no other."""
    return name if symbol == name else f"{name} ({symbol})"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def some_of(names: Sequence[str], most: int) -> str:
    """As `listed`, but of many the first: `a, b and 3 more`."""
    return listed(names if len(names) <= most else [*names[:most], f"{len(names) - most} more"])


def counted(num: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{num:,} {noun}{'' if num == 1 else 's'}"


def level(value: object) -> str:
    """A hyperparameter's value as an axis shows it: three digits, whole numbers whole."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:g}"


def few_settings_warning(numbers: Iterable[int]) -> str:
    """A warning where a loss has too few random settings, or nothing."""
    least = min(numbers, default=MIN_SETTINGS)
    if least >= MIN_SETTINGS:
        return ""
    points = MIN_SETTINGS.bit_length() - 1
    return f" With {least} settings the intervals are wide: give at least {MIN_SETTINGS} (sobol.m {points})."


def of_methods(text: str, names: Iterable[str]) -> str:
    """A text about losses as one about methods; in `names`, as of a metric called log loss, a loss stays one."""
    kept = {name: name for name in names if "loss" in name.lower()}
    words = METHOD_WORDS | kept
    longest_first = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", lambda match: words[match[0]], text)
