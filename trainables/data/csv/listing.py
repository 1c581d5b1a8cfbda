"""From tables and folders of images to a listing: every row with its image."""

from dataclasses import replace
from pathlib import Path

from evenkeel.trainables.data.csv.class_lists import read_class_lists
from evenkeel.trainables.data.csv.dialects import Dialect
from evenkeel.trainables.data.csv.joining import JoinedTable, cells_by_image, with_joins
from evenkeel.trainables.data.csv.rows import Listing
from evenkeel.trainables.data.csv.sentences import sentences_of
from evenkeel.trainables.data.csv.settings import CsvSettings
from evenkeel.trainables.data.csv.splitting import split_names
from evenkeel.trainables.data.csv.table import Table, found_by
from evenkeel.trainables.data.csv.tables import read_table
from evenkeel.trainables.data.image_lookup import ImageFile, ImageSource, image_source, is_image
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.errors import TrainableError

FOLDER_COLUMN = "folder"
"""The column, where there are no tables, that holds the name of an image's folder; `folder.0` that of the outermost."""


def list_images(data: CsvSettings) -> Listing:
    """Read the tables and find every row's image. Raises TrainableError for a table that cannot be read rightly."""
    read_tables = _tables(data)
    sources = {part: [image_source(path, "images") for path in paths] for part, paths in data.image_paths().items()}
    read_tables = read_tables or [(part, _table_of_folders(data, inside)) for part, inside in sources.items()]
    parts, read = zip(*read_tables, strict=True)
    extended, joined = with_joins(data, list(read))
    tables = list(zip(parts, extended, strict=True))
    parts_N = [part for part, table in tables for _ in table.rows]
    lines = [table.line(row) for _, table in tables for row in range(len(table.rows))]
    ids = [name for _, table in tables for name in _ids(data, table)]
    listing = Listing(tables, list(map(str, joined)), parts_N, lines, ids, [], [])
    listing = _with_split_cells(data, listing)
    captions, lines_of_tables = sentences_of(data, listing)
    listing = replace(listing, captions=captions, joined=[*listing.joined, *lines_of_tables])
    return replace(listing, files=_files(data, listing, sources))


def _tables(data: CsvSettings) -> list[tuple[str, Table]]:
    if data.class_lists:
        return [(part, read_class_lists(data, part)) for part in data.tables]
    columns = tuple(data.columns) if data.columns else None
    dialect = Dialect(data.delimiter, data.encoding, columns, data.image_column)
    paths = [(part, path) for part, inside in data.table_paths().items() for path in inside]
    read = [(part, read_table(path, "tables", dialect, data.named_columns())) for part, path in paths]
    return [(part, table.row_an_item(data.image_column)) for part, table in read]


def _with_split_cells(data: CsvSettings, listing: Listing) -> Listing:
    """The listing with the cells that say the split, from a column or from a table of their own."""
    if data.split_column:
        return replace(listing, split_cells=listing.cells(data.split_column, "split_column"))
    if not data.split_table:
        return listing
    spec = data.split_table
    cells, table = cells_by_image(data, "split_table", (spec.image, spec.split), listing.ids)
    num = sum(map(bool, cells))
    text = JoinedTable(table, [spec.image], len(cells), num)
    return replace(listing, split_cells=cells, joined=[*listing.joined, str(text)])


def _files(data: CsvSettings, listing: Listing, sources: dict[str, list[ImageSource]]) -> list[ImageFile | str]:
    """The image of each row: in the table's own container, else in the folders of its part or split."""
    splits = split_names(data, listing.split_cells)
    files: list[ImageFile | str] = []
    for part, table in listing.tables:
        inside = {id(archive): archive for archive in table.pictures.values()}
        own = [ImageSource(table.path, archive.names, archive) for archive in inside.values()]
        if data.image_column in table.pictures:
            (source,) = [s for s in own if s.archive is table.pictures[data.image_column]]
            files += [ImageFile(source, name) for name in _ids(data, table)]
            continue
        for _ in table.rows:
            row = len(files)
            near = own or sources.get(part) or (sources.get(splits[row]) if splits else None)
            files.append(_image_file(near or [s for several in sources.values() for s in several], listing.ids[row]))
    return files


def _table_of_folders(data: CsvSettings, sources: list[ImageSource]) -> Table:
    """The table that folders of images make: each file, and the name of the folder it lies in."""
    names = [name for source in sources for name in source.names if is_image(name)]
    if not names:
        raise TrainableError(f"data.images: there are no images in {', '.join(str(source.path) for source in sources)}")
    folders = [name.split("/")[:-1] for name in names]
    depth = max(map(len, folders))
    levels = [f"{FOLDER_COLUMN}.{level}" for level in range(depth)]
    rows = [
        [name, inside[-1] if inside else "", *inside, *[""] * (depth - len(inside))]
        for name, inside in zip(names, folders, strict=True)
    ]
    columns = [data.image_column, FOLDER_COLUMN, *levels]
    return Table(Path(data.root), columns, rows, list(range(1, len(rows) + 1)), ",", unit="image")


def _ids(data: CsvSettings, table: Table) -> list[str]:
    cells = table.column(data.image_column, "image_column")
    lines = [table.line(row) for row in range(len(cells))]
    cells = found_by(data.image_pattern, cells, "image_pattern", lines)
    empty = [line for line, cell in zip(table.lines, cells, strict=True) if not cell]
    if empty:
        raise TrainableError(
            f"data.image_column: {table.path} has no image id in {plural(len(empty), 'row')} ({table.unit} "
            f"{first_few(empty)}); give one, or remove the row"
        )
    return [data.image_name.replace("{}", cell) for cell in cells] if data.image_name else cells


def _image_file(sources: list[ImageSource], name: str) -> ImageFile | str:
    """The one file that `name` means, or why there is none."""
    hits = [ImageFile(source, hit) for source in sources for hit in source.find(name)]
    hits = hits or [ImageFile(source, hit) for source in sources for hit in source.find_loosely(name)]
    if len(hits) == 1:
        return hits[0] if hits[0].exists() else f"{hits[0]} is a link that leads nowhere"
    if hits:
        return f"may be {' or '.join(map(str, hits[:3]))}; write its folder in the table, or give one folder"
    first = next((source.names[0] for source in sources if source.names), None)
    example = f", which holds files such as {first}" if first else ", where there are no images"
    closed = [folder for source in sources for folder in source.closed]
    leave = f"; {closed[0]} cannot be listed: make it readable" if closed else ""
    return f"no such file in {', '.join(str(source.path) for source in sources)}{example}{leave}"
