"""What was understood of a study's data, as `plan` and `doctor STUDY` print it."""

from evenkeel.study.terminal import make_console, print_table
from evenkeel.trainables.data.phrases import plural
from evenkeel.trainables.data.summary import ClassCount, DataSummary

NUM_CLASSES = 12
"""How many classes are shown: the largest and the smallest."""


def show_data(summary: DataSummary) -> None:
    """Tables, images, splits, classes, the first rows, and one line for each thing that looks odd."""
    out = make_console()
    for line in (*summary.tables, summary.images):
        out.print(line)
    rows = ", ".join(f"{number:,} {name}" for name, number in summary.rows.items())
    labels = ", ".join(f"{number:,} with {n}" for n, number in summary.labels_per_image.items())
    out.print(f"rows: {rows}; labels an image: {labels}")
    if summary.num_missing:
        out.print(f"{summary.num_missing:,} labels are missing: left out of losses and metrics")
    out.print()
    number = plural(len(summary.classes), "class", "classes")
    print_table([number, "train", "val", "test"], _largest_and_smallest(summary.classes))
    out.print()
    print_table(["first rows", "labels", "split"], summary.first_rows, num_words=3)
    out.print()
    for odd in summary.odd:
        out.print(f"odd: {odd}")
    if summary.odd:
        out.print()


def _largest_and_smallest(classes: list[ClassCount]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [(c.name, c.train, c.val, c.test) for c in sorted(classes, key=_size)]
    if len(rows) <= NUM_CLASSES:
        return rows
    half = NUM_CLASSES // 2
    return [*rows[:half], ("...", "", "", ""), *rows[-half:]]


def _size(count: ClassCount) -> int:
    return -(count.train + count.val + count.test)
