"""Tables that say more of the rows of other tables: partners by columns that both have, or by the name of an image."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evenkeel.trainables.data.csv.columns import Join
from evenkeel.trainables.data.csv.dialects import Dialect
from evenkeel.trainables.data.csv.settings import CsvSettings
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.csv.tables import read_table
from evenkeel.trainables.data.image_lookup import id_key, meant
from evenkeel.trainables.data.phrases import first_few, plural, shortened
from evenkeel.trainables.errors import TrainableError


@dataclass(frozen=True)
class JoinedTable:
    """A table that was joined, and how many of the rows have a partner there."""

    table: Table
    by: Sequence[str]
    num_rows: int
    num_partners: int

    def __str__(self) -> str:
        by = " and ".join(self.by)
        return (
            f"{self.table.path.name}: {plural(len(self.table.rows), 'row')}, joined by {by}: "
            f"{self.num_partners:,} of {plural(self.num_rows, 'row')} found a partner"
        )


def with_joins(data: CsvSettings, tables: list[Table]) -> tuple[list[Table], list[JoinedTable]]:
    """The tables with the columns of all that the settings join to them. Raises TrainableError."""
    joined = []
    for number, join in enumerate(data.join):
        key = f"join.{number}"
        path = data.path(join.file, key)
        dialect = Dialect(data.delimiter, data.encoding, join.names())
        partner = read_table(path, key, dialect, {*join.by.values()})
        rows = partners_by_columns(data, join, tables, partner, key)
        if join.without_partner == "skip":
            tables = [
                t.take(n for n, found_row in enumerate(r) if found_row is not None)
                for t, r in zip(tables, rows, strict=True)
            ]
        else:
            _refuse_lonely(join, tables, rows, partner, key)
        num, paired = sum(map(len, rows)), sum(row is not None for numbers in rows for row in numbers)
        joined.append(JoinedTable(partner, list(join.by), num, paired))
        if join.without_partner == "skip":
            rows = [[row for row in numbers if row is not None] for numbers in rows]
        tables = [_extended(table, join, partner, numbers, key) for table, numbers in zip(tables, rows, strict=True)]
    return tables, joined


def partners_by_columns(
    data: CsvSettings, join: Join, tables: list[Table], partner: Table, key: str
) -> list[list[int | None]]:
    """The row of `partner` for each row of each table, None where there is none.

    Cells are compared as they are written; where there is one column, that of the image, also as names of images.
    Raises TrainableError for rows of the partner that are called alike and say different things.
    """
    theirs = zip(*(partner.column(name, f"{key}.by") for name in join.by.values()), strict=True)
    by_cells = defaultdict[tuple[str, ...], list[int]](list)
    for row, cells in enumerate(theirs):
        by_cells[cells].append(row)
    by_image = list(join.by) == [data.image_column]
    names = defaultdict[str, list[str]](list)
    for cells in by_cells if by_image else ():
        names[id_key(cells[0])].append(cells[0])
    rows: list[list[int | None]] = []
    for table in tables:
        ours = zip(*(table.column(name, f"{key}.by") for name in join.by), strict=True)
        rows.append([_one_partner(cells, by_cells, names, partner, key) for cells in ours])
    if not any(row is not None for numbers in rows for row in numbers):
        example = tuple(tables[0].column(name, key)[0] for name in join.by)
        raise TrainableError(
            f"data.{key}.by: {partner.path} has no partner for any row; the first row has "
            f"{first_few(map(repr, example))}, "
            f"there it is {first_few(map(repr, next(iter(by_cells))))}; give the columns that say the same"
        )
    return rows


def _one_partner(
    cells: tuple[str, ...],
    by_cells: dict[tuple[str, ...], list[int]],
    names: dict[str, list[str]],
    partner: Table,
    key: str,
) -> int | None:
    alike = [cells] if cells in by_cells else [(name,) for name in meant(cells[0], names.get(id_key(cells[0]), []))]
    rows = [row for other in alike for row in by_cells[other]]
    if len({tuple(partner.rows[row]) for row in rows}) > 1:
        places = " and ".join(partner.line(row) for row in rows[:3])
        raise TrainableError(
            f"data.{key}: {first_few(map(repr, cells))} has {len(rows)} partners that differ ({places}); join by more "
            "columns, or keep one row"
        )
    return rows[0] if rows else None


def _refuse_lonely(join: Join, tables: list[Table], rows: list[list[int | None]], partner: Table, key: str) -> None:
    lonely = [
        t.line(n) for t, numbers in zip(tables, rows, strict=True) for n, row in enumerate(numbers) if row is None
    ]
    if lonely and join.without_partner == "fail":
        raise TrainableError(
            f"data.{key}: {plural(len(lonely), 'row')} of {sum(map(len, rows)):,} have no partner in "
            f"{partner.path.name} "
            f"({first_few(lonely)}); give without_partner: skip (leave them out) or blank, or join by other columns"
        )


def _extended(table: Table, join: Join, partner: Table, rows: list[int | None], key: str) -> Table:
    columns = join.columns or [name for name in partner.columns if name and name not in join.by.values()]
    if twice := [name for name in columns if table.has(name)]:
        raise TrainableError(
            f"data.{key}: {table.path.name} and {partner.path.name} both have the column "
            f"{first_few(map(repr, twice))}; "
            f"name the columns to add, as columns: {[name for name in columns if name not in twice]}"
        )
    cells = [partner.column(name, f"{key}.columns") for name in columns]
    return table.joined(columns, [["" if row is None else column[row] for column in cells] for row in rows])


def cells_by_image(data: CsvSettings, key: str, columns: tuple[str, str], ids: list[str]) -> tuple[list[str], Table]:
    """For each image id what a table (`group_table`, `split_table`) says of it, blank where it says nothing.

    `columns` are those of the image and of what is said. Raises TrainableError for an image of which it says two
    things, and when it says something of none.
    """
    path = data.path(getattr(data, key).file, f"{key}.file")
    stated, table = cells_of_images(data, key, path, columns, ids)
    for name, cells in zip(ids, stated, strict=True):
        if len(cells) > 1:
            raise TrainableError(
                f"data.{key}: {path} gives image {name!r} the {key.removesuffix('_table')}s "
                f"{first_few(map(repr, sorted(cells)))}; keep one, or write folders as the tables do"
            )
    refuse_strangers(key, table, columns[0], ids, stated)
    return [cells[0] if cells else "" for cells in stated], table


def cells_of_images(
    data: CsvSettings, key: str, path: Path, columns: tuple[str, str], ids: list[str]
) -> tuple[list[list[str]], Table]:
    """For each image id the cells that a table has of it, each once, in its order. Raises TrainableError."""
    image, column = columns
    dialect = Dialect(encoding=data.encoding, columns=getattr(data, key).names())
    table = read_table(path, f"{key}.file", dialect, {image, column}).row_an_item(image)
    homes = defaultdict[str, dict[str, dict[str, None]]](lambda: defaultdict(dict))
    cells = table.column(column, f"{key}.{key.removesuffix('_table')}")
    for name, cell in zip(table.column(image, f"{key}.image"), cells, strict=True):
        homes[id_key(name)][name][cell] = None
    stated = []
    for name in ids:
        alike = homes.get(id_key(name), {})
        stated.append(list(dict.fromkeys(cell for other in meant(name, alike) for cell in alike[other])))
    return stated, table


def refuse_strangers(key: str, table: Table, image: str, ids: list[str], stated: list[list[str]]) -> None:
    """Raises TrainableError where a table says nothing of any image."""
    if not any(any(cells) for cells in stated):
        raise TrainableError(
            f"data.{key}: {table.path} speaks of none of the images, but of images such as "
            f"{shortened(table.column(image, key)[0])!r}; give the column in which ids are written as in the tables "
            f"({ids[0]!r})"
        )
