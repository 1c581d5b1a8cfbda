"""What was understood of a data set, before any cluster time is spent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Oddity:
    """Something that may not be meant, as a text, and the key under `data:` that settles it."""

    text: str
    key: str

    def __str__(self) -> str:
        return f"{self.text} (data.{self.key})"


@dataclass(frozen=True)
class ClassCount:
    """A class and its positives in train, val and test, as the tables split them (validation is carved later)."""

    name: str
    train: int
    val: int
    test: int


@dataclass(frozen=True)
class DataSummary:
    """Tables as read, images, rows by split, classes, labels an image -> images, the first rows, what looks odd.

    A first row is its file, its labels and its split. `refusal` says why `load` will refuse, where that is known.
    """

    tables: list[str]
    images: str
    rows: dict[str, int]
    classes: list[ClassCount]
    labels_per_image: dict[int, int]
    num_missing: int
    first_rows: list[tuple[str, str, str]]
    odd: list[Oddity]
    refusal: str | None = None
