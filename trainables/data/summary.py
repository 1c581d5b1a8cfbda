"""What was understood of a data set, before any cluster time is spent."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Oddity:
    """Something that may not be meant, as a text, and the key under `data:` (or another part) that settles it."""

    text: str
    key: str
    part: str = "data"

    def __str__(self) -> str:
        return f"{self.text} ({self.part}.{self.key})"


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

    A first row is its file, its labels and its split. `refusal` says why `load` will refuse, where that is
    known. `label_sets` are the labels that train rows have together, with their number; `captions` the sentences of
    each row that may be trained on, None where the data has none.
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
    label_sets: dict[tuple[str, ...], int] = field(default_factory=dict)
    captions: list[list[str]] | None = None
