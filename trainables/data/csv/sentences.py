"""The sentences that describe an image, in a column of its table or in a table of their own."""

from evenkeel.trainables.data.csv.joining import JoinedTable, cells_of_images, refuse_strangers
from evenkeel.trainables.data.csv.rows import Listing
from evenkeel.trainables.data.csv.settings import CsvSettings
from evenkeel.trainables.data.csv.table import is_blank, structure


def sentences_of(data: CsvSettings, listing: Listing) -> tuple[list[list[str]] | None, list[str]]:
    """The sentences of each row, [N] lists, None where the settings name none; what is to be said of their tables.

    A cell is a sentence, or a list of them. Raises TrainableError.
    """
    if data.caption_column:
        return [_sentences(cell) for cell in listing.cells(data.caption_column, "caption_column")], []
    spec = data.caption_table
    if not spec:
        return None, []
    sentences: list[list[str]] = [[] for _ in listing.ids]
    tables = []
    for path in data.matching(spec.file, "caption_table.file"):
        stated, table = cells_of_images(data, "caption_table", path, (spec.image, spec.caption), listing.ids)
        tables.append(JoinedTable(table, [spec.image], len(stated), sum(map(bool, stated))))
        for row, cells in zip(sentences, stated, strict=True):
            row += [sentence for cell in cells for sentence in _sentences(cell)]
    refuse_strangers("caption_table", tables[0].table, spec.image, listing.ids, sentences)
    return sentences, list(map(str, tables))


def _sentences(cell: str) -> list[str]:
    items = structure(cell) if cell.startswith("[") else None
    texts = map(str, items) if isinstance(items, list) else [cell]
    return [" ".join(text.split()) for text in texts if not is_blank(text)]
