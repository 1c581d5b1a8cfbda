"""A file for each class (Pascal VOC's ImageSets, NUS-WIDE): ids with a value, ids alone, or values alone."""

import re
from pathlib import Path

from evenkeel.trainables.data.csv.dialects import read_text
from evenkeel.trainables.data.csv.settings import CLASS_MARK, CsvSettings
from evenkeel.trainables.data.csv.table import Table
from evenkeel.trainables.data.phrases import first_few, plural
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import at_home


def read_class_lists(data: CsvSettings, part: str) -> Table:
    """The files of `tables.{part}`, one a class, as one table with a column a class, in the order of their names.

    Raises TrainableError for lines that are no id and value, and for files that speak of other images.
    """
    pattern = data.tables[part]  # type: ignore[index]
    if not isinstance(pattern, str) or pattern.count(CLASS_MARK) != 1:
        raise TrainableError(f"data.tables.{part}: {pattern!r} must be one name with one {CLASS_MARK}")
    listed = {name: _values(data, path) for name, path in class_files(data, pattern).items()}
    ids = _ids(data, part)
    if ids is not None:
        listed = {name: _with_ids(data, name, values, ids) for name, values in listed.items()}
    elif alone := [name for name, values in listed.items() if any(not image_id for image_id, _ in values)]:
        raise TrainableError(
            f"data.tables.{part}: the lists of {first_few(alone)} hold values without image ids; give the list of ids "
            f"with data.image_lists: {{{part}: FILE}}"
        )
    cells = {name: dict(values) for name, values in listed.items()}
    images = list(dict.fromkeys(image_id for values in listed.values() for image_id, _ in values))
    rows = [[image_id, *(values.get(image_id) or "" for values in cells.values())] for image_id in images]
    kinds = {value is None for values in cells.values() for value in values.values()}
    if len(kinds) > 1:
        raise TrainableError(
            f"data.tables.{part}: some lists of {pattern} hold ids with values and some ids alone; give one kind"
        )
    if True in kinds:
        rows = [[row[0], *("1" if row[0] in values else "0" for values in cells.values())] for row in rows]
    path = data.path(".", "root") / pattern
    return Table(path, [data.image_column, *cells], rows, list(range(1, len(rows) + 1)), "list a class", unit="image")


def class_files(data: CsvSettings, pattern: str) -> dict[str, Path]:
    """Class -> its file. Raises TrainableError when there is none."""
    root = at_home(data.root)
    named = re.compile("([^/]+)".join(re.escape(part).replace(r"\*", "[^/]*") for part in pattern.split(CLASS_MARK)))
    paths = {
        path.relative_to(root).as_posix(): path for path in data.matching(pattern.replace(CLASS_MARK, "*"), "tables")
    }
    return {match[1]: paths[name] for name in paths if (match := named.fullmatch(name))}


def _values(data: CsvSettings, path: Path) -> list[tuple[str, str | None]]:
    """(image id, value) of each line; None for an id alone, no id for a value alone."""
    lines = [re.split(r"[\s,;]+", text.strip()) for text in read_text(path, "tables", data.encoding).splitlines()]
    no_ids = all(re.fullmatch(r"-?[01]", fields[0]) for fields in lines if fields[0] and len(fields) == 1)
    values: list[tuple[str, str | None]] = []
    for number, fields in enumerate(lines, 1):
        if len(fields) > 2:
            raise TrainableError(
                f"data.tables: {path}, line {number} has {plural(len(fields), 'field')}; a list of a class has an "
                "image "
                "id and a value a line"
            )
        if len(fields) == 2:
            values.append((fields[0], fields[1]))
        elif fields[0]:
            values.append(("", fields[0]) if no_ids else (fields[0], None))
    return values


def _ids(data: CsvSettings, part: str) -> list[str] | None:
    name = data.image_lists.get(part)  # type: ignore[call-overload]
    if name is None:
        return None
    text = read_text(data.path(name, "image_lists"), "image_lists", data.encoding)
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def _with_ids(
    data: CsvSettings, name: str, values: list[tuple[str, str | None]], ids: list[str]
) -> list[tuple[str, str | None]]:
    if len(values) != len(ids):
        raise TrainableError(
            f"data.image_lists: the list of class {name!r} has {plural(len(values), 'line')}, that of ids "
            f"{len(ids):,}; "
            "give the list that belongs to it"
        )
    return [(image_id, value) for image_id, (_, value) in zip(ids, values, strict=True)]
