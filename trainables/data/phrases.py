"""Numbers and lists as messages about data say them."""

from collections.abc import Iterable

NUM_CHARACTERS_SHOWN = 80
NUM_LISTED = 5
"""How many items of a list a message names."""


def plural(number: int, noun: str, many: str | None = None) -> str:
    """`1 row`, `2 rows`; `many` is the plural of a noun that does not take an s."""
    return f"{number:,} {noun if number == 1 else many or f'{noun}s'}"


def first_few(items: Iterable[object], most: int = NUM_LISTED) -> str:
    """The first items of a list, and how many more there are."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def shortened(text: str) -> str:
    """A text that may be long, as a message shows it."""
    return text if len(text) <= NUM_CHARACTERS_SHOWN else f"{text[:NUM_CHARACTERS_SHOWN]}..."
