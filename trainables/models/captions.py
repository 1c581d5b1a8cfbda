"""Texts made of labels: one prompt a class, one caption an image (LM-CLIP paper, sections III.A and IV.B)."""

import numpy as np

TEMPLATE = "a photo of a {}"


def class_prompts(classes: list[str], template: str = TEMPLATE) -> list[str]:
    """One text a class: the template filled with its name as the label file writes it."""
    return [template.format(name) for name in classes]


def captions(targets: np.ndarray, classes: list[str], template: str = TEMPLATE) -> list[str]:
    """One text a row of targets [N, C]: the template filled with the names of its classes, joined by commas."""
    return [template.format(", ".join(classes[c] for c in np.flatnonzero(row))) for row in targets]


def numbered(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """(each text once, in order of appearance; the number of each text, [N])."""
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    return list(numbers), codes
