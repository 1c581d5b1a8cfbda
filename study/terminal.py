"""Standard output as commands use it: tables by rich, whole lines when piped, any encoding."""

import sys

from rich.console import Console
from rich.table import Table

WIDE = 10_000
"""Columns of what is no terminal: nothing is folded or cut."""


def console() -> Console:
    """A console on standard output. Symbols that its encoding lacks are replaced."""
    if sys.stdout.encoding and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    return Console(
        file=sys.stdout, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDE
    )


def table(*headings: str) -> Table:
    """An empty table without lines around its cells; on a narrow terminal cells are folded, never cut."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made
