"""Any data set that is a table of labels with folders or zips of images."""

import hashlib
from dataclasses import replace
from pathlib import Path

from evenkeel.trainables.data.checksums import identity_lines
from evenkeel.trainables.data.csv.listing import list_images
from evenkeel.trainables.data.csv.overview import describe_rows
from evenkeel.trainables.data.csv.reading import read_rows
from evenkeel.trainables.data.csv.rows import Rows
from evenkeel.trainables.data.csv.settings import CsvSettings
from evenkeel.trainables.data.csv.tables import table_content
from evenkeel.trainables.data.decoding import ImageFormat
from evenkeel.trainables.data.image_lookup import ImageFile
from evenkeel.trainables.data.image_set import ImageArray, ImageSet, no_images
from evenkeel.trainables.data.summary import DataSummary
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.settings import at_home


class CsvTable(CsvSettings):
    """A table of labels with a split column (or none), or one table a split; images in folders or zips."""

    def fingerprint(self) -> str:
        """Hash of the tables' bytes, of what zips list, and of the images in folders that the tables speak of."""
        digest = hashlib.sha256()
        for path, key in self.content_paths():
            for content in table_content(path, key):
                digest.update(content)
        files = {file for file in list_images(self).files if isinstance(file, ImageFile)}
        for line in identity_lines(files, self.image_paths()):
            digest.update(line.encode())
        return digest.hexdigest()[:16]

    def load(self, image_size: int, cache: Path) -> ImageSet:
        """Decode what is not in the cache yet. Raises TrainableError that lists every image that cannot be had."""
        rows = read_rows(self, list_images(self))
        image_format = ImageFormat(image_size, self.grey, self.stored, self.intensity)
        available = self.available(rows.ids, rows.files, image_format, cache, at_home(self.root))
        kept = rows if len(available.rows) == len(rows.ids) else rows.take(available.rows)
        return replace(self._image_set(kept, available.images), skipped=available.skipped)

    def describe(self) -> DataSummary:
        """What was understood of tables and folders; a few images are opened. Raises TrainableError."""
        listing = list_images(self)
        absent = {row: file for row, file in enumerate(listing.files) if isinstance(file, str)}
        if len(absent) == len(listing.files) and (refusal := self.refusal(listing.ids, absent)):
            raise TrainableError(refusal)
        rows = read_rows(self, listing)
        return describe_rows(self, self.validation, listing, rows, self._image_set(rows, no_images(len(rows.ids))))

    def _image_set(self, rows: Rows, images: ImageArray) -> ImageSet:
        labels = rows.labels
        loaded = ImageSet(
            images, labels.targets, rows.split, rows.group, labels.classes, labels.label_mask, captions=rows.captions
        )
        return loaded.keep_classes(loaded.train_counts() > 0) if self.drop_empty_classes else loaded
