"""What `load` of a user's own data set gives: its form, and that it is the same at every call.

Every trial of a study, in whatever process, must see one data set; a trial's id holds only its fingerprint.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evenkeel.trainables.cache import write_whole
from evenkeel.trainables.data.identity import data_identity
from evenkeel.trainables.data.image_set import SPLITS, DataSet, ImageSet
from evenkeel.trainables.errors import TrainableError

DATA_PAGE = "docs/adding_a_data_set.md"
MAX_HASHED_IMAGES = 64
"""Spread over all rows: hashing every pixel at every start would take long."""


def check_own_contents(data: DataSet, loaded: object, image_size: int, cache: Path) -> ImageSet:
    """What was `loaded`, if it keeps to the contract. Raises TrainableError, one line.

    The first time on a machine it is loaded again to compare; afterwards with a note of it in the cache.
    """
    images = check_form(data.name, loaded, image_size)
    parts, note = _hash_parts(images), cache / f"contents-{_key(data, image_size)}.json"
    before, way_out = _read(note), f"; remove {note} if a library reads the same files otherwise since"
    if not before:
        again = check_form(data.name, data.load(image_size, cache), image_size)
        before, way_out = _hash_parts(again), ", and on no random draw"
    if changed := [name for name, digest in parts.items() if digest != before.get(name)]:
        raise TrainableError(
            f"data: {data.name}: load() gives other {changed[0]} at another call, with the same fingerprint (rule 4 of "
            f"{DATA_PAGE}); what it gives must depend on what is hashed alone{way_out}"
        )
    cache.mkdir(parents=True, exist_ok=True)
    write_whole(note, json.dumps(parts))
    return images


def check_form(name: str, loaded: object, image_size: int) -> ImageSet:
    """The same as an ImageSet. Raises TrainableError for another type, shape or value than `ImageSet` says."""
    if not isinstance(loaded, ImageSet):
        raise TrainableError(
            f"data: {name}: load() must give an ImageSet, got {type(loaded).__name__} (rule 4 of {DATA_PAGE})"
        )
    for field, rule, is_kept in _rules(loaded, image_size):
        value = getattr(loaded, field)
        if not _holds(is_kept):
            raise TrainableError(
                f"data: {name}: load() gives {field} that are not {rule}, got {_describe(value)} "
                f"(rule 4 of {DATA_PAGE})"
            )
    return loaded


def _rules(loaded: ImageSet, side: int) -> list[tuple[str, str, Callable[[], bool]]]:
    """Field, what it must be, whether it is; N rows and C classes are those of the targets [N, C]."""
    images, targets, mask = loaded.images, loaded.targets, loaded.label_mask
    num_rows, num_classes = _shape(targets) if len(_shape(targets)) == 2 else (0, 0)

    def are(values: object, kind: type, shape: tuple[int, ...]) -> bool:
        return isinstance(values, np.ndarray) and values.dtype == kind and values.shape == shape

    return [
        ("targets", "uint8 [N, C] of 0 and 1",
         lambda: are(targets, np.uint8, (num_rows, num_classes)) and bool((targets <= 1).all())),
        ("images", f"uint8 [{num_rows}, {side}, {side}, 1 or 3], a row for each of the targets",
         lambda: _shape(images) in [(num_rows, side, side, channels) for channels in (1, 3)]
         and images[: min(1, num_rows)].dtype == np.uint8),
        ("split", f"uint8 [{num_rows}] of 0, 1 and 2",
         lambda: are(loaded.split, np.uint8, (num_rows,)) and bool((loaded.split < len(SPLITS)).all())),
        ("group", f"None or an array [{num_rows}]",
         lambda: loaded.group is None or np.asarray(loaded.group).shape == (num_rows,)),
        ("classes", f"{num_classes} texts that differ",
         lambda: len(set(loaded.classes)) == num_classes == len(loaded.classes)
         and all(isinstance(text, str) for text in loaded.classes)),
        ("label_mask", "None or bool [N, C]",
         lambda: mask is None or are(mask, np.bool_, (num_rows, num_classes))),
        ("label_order", f"None or {num_rows} lists of numbers of classes",
         lambda: loaded.label_order is None or (len(loaded.label_order) == num_rows
                 and all(0 <= number < num_classes for row in loaded.label_order for number in row))),
        ("captions", f"None or {num_rows} lists of texts",
         lambda: loaded.captions is None or (len(loaded.captions) == num_rows
                 and all(isinstance(text, str) for row in loaded.captions for text in row))),
    ]  # fmt: skip


def _holds(is_kept: Callable[[], bool]) -> bool:
    try:
        return is_kept()
    except (TypeError, AttributeError, ValueError, IndexError):  # what a user gave has no such operation
        return False


def _shape(values: object) -> tuple[int, ...]:
    return tuple(getattr(values, "shape", ()))


def _describe(value: object) -> str:
    shape, kind = getattr(value, "shape", None), getattr(value, "dtype", type(value).__name__)
    return f"{kind} {list(shape)}" if shape is not None else f"{kind}: {value!r}"[:80]


def _hash_parts(data: ImageSet) -> dict[str, str]:
    """A hash of each part; of the images, of a sample of rows [M] spread over all."""
    rows = np.unique(np.linspace(0, max(0, len(data.images) - 1), MAX_HASHED_IMAGES).astype(int))[: len(data.images)]
    texts: dict[str, object] = {"classes": data.classes, "label_order": data.label_order, "group": _texts(data.group)}
    texts |= {} if data.captions is None else {"captions": data.captions}
    arrays = {"targets": data.targets, "split": data.split, "label_mask": data.label_mask}
    hashed = {name: np.ascontiguousarray(array).tobytes() for name, array in arrays.items() if array is not None}
    hashed |= {name: json.dumps(text, default=str).encode() for name, text in texts.items()}
    hashed["images"] = b"".join(np.ascontiguousarray(data.images[row]).tobytes() for row in rows)
    return {name: hashlib.sha256(content).hexdigest()[:16] for name, content in hashed.items()}


def _texts(group: np.ndarray | None) -> list[str] | None:
    return None if group is None else [str(name) for name in np.asarray(group).tolist()]


def _key(data: DataSet, image_size: int) -> str:
    return hashlib.sha256(json.dumps([data_identity(data), image_size], sort_keys=True).encode()).hexdigest()[:16]


def _read(note: Path) -> dict[str, str]:
    """The hashes of before; empty where none are kept, or not whole."""
    try:
        parts = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return parts if isinstance(parts, dict) else {}
