"""Standard output as commands use it: tables by rich, whole lines when piped, any encoding."""

import errno
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evenkeel.study.plain_text import visible_lines

MAX_CELL = 1000
"""Characters of a cell: a label of somebody else's may be a book."""
UNLIMITED_COLUMNS = 10_000
"""Columns of what is no terminal: nothing is folded or cut."""


class PlainConsole(Console):
    """Shows text as it is: nothing in a label or a path is markup, an emoji's name or a terminal's escape."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Rich's way from a string to what is printed, tables' cells included."""
        return super().render_str(visible_lines(text), **options)

    def on_broken_pipe(self) -> None:
        """Leave a reader that went away to the command, as for all that is printed; rich would end the process."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def make_console() -> PlainConsole:
    """A console on standard output. Symbols that its encoding lacks are replaced."""
    if sys.stdout.encoding and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    width = None if sys.stdout.isatty() else UNLIMITED_COLUMNS
    return PlainConsole(file=sys.stdout, width=width)


def make_table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, num_words: int = 1, totals: bool = False
) -> Table:
    """A table without lines around its cells; on a narrow terminal cells are folded, never cut.

    The first `num_words` columns stand to the left, numbers to the right; the last row is bold if it holds `totals`.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(headers))
    for number, header in enumerate(headers):
        table.add_column(header, justify="left" if number < num_words else "right", overflow="fold")
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell)[:MAX_CELL] for cell in row] for row in rows]
    for number, row in enumerate(cells):
        table.add_row(*row, style="bold" if totals and number == len(cells) - 1 else None)
    return table


def print_table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, num_words: int = 1, totals: bool = False
) -> None:
    """Print what `make_table` gives."""
    make_console().print(make_table(headers, rows, num_words=num_words, totals=totals))
