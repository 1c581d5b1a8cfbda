"""Tables on the terminal."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from evenkeel.study.terminal import console


def show(headers: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1, totals: bool = False) -> None:
    """Print a table: the first `words` columns to the left, numbers to the right, the last row bold if `totals`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(headers))
    for number, header in enumerate(headers):
        table.add_column(header, justify="left" if number < words else "right", overflow="fold")
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    for number, row in enumerate(cells):
        table.add_row(*row, style="bold" if totals and number == len(cells) - 1 else None)
    console().print(table)
