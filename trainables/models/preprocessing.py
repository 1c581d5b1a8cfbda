"""How images become what a model takes: what its publishers say, in the files that they put beside its weights."""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenkeel.trainables.errors import TrainableError

MAX_HEADER_BYTES = 10**8
"""Safetensors reads no longer header."""

RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers, which transformers writes."""


@dataclass(frozen=True)
class Preprocessing:
    """Mean and std of pixels in 0 to 1, a channel; how images got their size; who says so, and of which timm model."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    sizing: str
    source: str
    architecture: str | None = None

    def words(self, size: int) -> str:
        """In a line, beside what is done with all images here."""
        return (
            f"squeezed to {size} x {size} (bilinear); mean {_written(self.mean)}, std {_written(self.std)}, by "
            f"{self.source}{f'; it was trained on {self.sizing}' if self.sizing else ''}"
        )


def hub_words(size: int) -> str:
    """The same of a model whose hub is not asked."""
    return f"squeezed to {size} x {size} (bilinear); mean and std as its hub says"


def stated_beside(weights: Path, key: str) -> Preprocessing | None:
    """What a file of weights or the files beside it say, None if nothing.

    Raises TrainableError where they contradict each other; `key` (`trainable.backbone`) is what has the way out.
    """
    stated = [form for name, contents in _contents(weights, key) if (form := read(contents, name))]
    if len({(form.mean, form.std) for form in stated}) > 1:
        names = " and ".join(form.source for form in stated)
        raise TrainableError(f"{key}.mean: {names} beside {weights.name} differ; give {key}.mean and {key}.std")
    return stated[0] if stated else None


def read(contents: Mapping[str, Any], source: str) -> Preprocessing | None:
    """What a configuration of timm, open_clip or transformers says. Raises ValueError, TypeError for wrong kinds."""
    for form in FORMS:
        if stated := form(contents, source):
            return stated
    return None


def _contents(weights: Path, key: str) -> list[tuple[str, dict[str, Any]]]:
    contents = []
    for name in ("config.json", "open_clip_config.json", "preprocessor_config.json"):
        path = weights.with_name(name)
        if path.is_file():
            try:
                contents.append((name, dict(json.loads(path.read_text(encoding="utf-8")))))
            except (OSError, ValueError) as error:
                raise TrainableError(
                    f"{key}.weights: {path} cannot be read ({error}); mend or move it, or give {key}.mean and std"
                ) from error
    return [*contents, ("the metadata of the weights", _metadata(weights))]


def _metadata(weights: Path) -> dict[str, Any]:
    """What stands in the header of a safetensors file beside its tensors; values that are JSON are read."""
    with weights.open("rb") as file:
        begins = file.read(9)
        if len(begins) < 9 or begins[8:] != b"{":
            return {}
        (length,) = struct.unpack("<Q", begins[:8])
        header = _as_json(begins[8:] + file.read(min(length, MAX_HEADER_BYTES) - 1))
    noted = header.get("__metadata__") if isinstance(header, dict) else None  # what is cut off is said when it is read
    return {name: _as_json(value) for name, value in (noted or {}).items()}


def _as_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _timm(contents: Mapping[str, Any], source: str) -> Preprocessing | None:
    config = contents.get("pretrained_cfg", contents)
    if not isinstance(config, Mapping) or not config.get("mean") or not config.get("std"):
        return None
    size, crop = config.get("input_size"), config.get("crop_pct")
    sizing = [f"{size[-1]} pixels" if size else "", config.get("interpolation") or ""]
    sizing.append(f"{config.get('crop_mode') or 'center'} crop of {crop}" if crop else "")
    return _stated(config, source, sizing, contents.get("architecture") or config.get("architecture"))


def _open_clip(contents: Mapping[str, Any], source: str) -> Preprocessing | None:
    config = contents.get("preprocess_cfg")
    if not isinstance(config, Mapping) or not config.get("mean"):
        return None
    resize = f"resized by {config['resize_mode']}" if config.get("resize_mode") else ""
    return _stated(config, source, [config.get("interpolation") or "", resize])


def _transformers(contents: Mapping[str, Any], source: str) -> Preprocessing | None:
    if not contents.get("image_mean"):
        return None
    size = contents.get("crop_size") or contents.get("size")
    size = next(iter(size.values()), None) if isinstance(size, Mapping) else size
    sizing = [f"{size} pixels" if size else "", RESAMPLING.get(contents.get("resample", -1), "")]
    sizing.append("center crop" if contents.get("do_center_crop") else "")
    return _stated({"mean": contents["image_mean"], "std": contents["image_std"]}, source, sizing)


FORMS: tuple[Callable[[Mapping[str, Any], str], Preprocessing | None], ...] = (_open_clip, _transformers, _timm)


def _stated(
    config: Mapping[str, Any], source: str, sizing: list[str], architecture: str | None = None
) -> Preprocessing:
    mean, std = (tuple(map(float, config[name])) for name in ("mean", "std"))
    return Preprocessing(mean, std, ", ".join(filter(None, sizing)), source, architecture)


def _written(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
