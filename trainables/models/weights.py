"""Local files of weights in the forms in which people publish them; never more than tensors and settings is read."""

import re
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path, PosixPath
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evenkeel.trainables.errors import TrainableError

INSIDE = (
    "state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema", "ema", "net", "teacher", "student",
    "checkpoint", "weights", "params", "module", "network", "backbone",
)  # fmt: skip
"""Where checkpoints keep the weights."""

WRAPPERS = ("module", "_orig_mod", "model", "backbone", "encoder", "net", "student", "teacher")
"""Names that wrapping classes put before every key."""

SLOW_COPIES = ("encoder_k", "momentum", "target")
"""Names of the copy that contrastive methods keep beside the model that they train."""

HARMLESS: list[Any] = [
    Namespace,
    SimpleNamespace,
    defaultdict,
    PosixPath,
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    np.float64(0).__reduce__()[0],
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?")),
]
"""What stands beside weights in checkpoints (arguments, a best score) and runs nothing when it is read."""

FORMER_NAMES = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
"""What torchvision up to 0.2 called the layers of a DenseNet."""

NUM_NAMES_SHOWN = 4
ZIP = b"PK\x03\x04"


Converter = Callable[[dict[str, Tensor]], Mapping[str, Tensor]]


def load_weights(
    model: nn.Module,
    path: Path,
    *,
    key: str,
    part: str | None = None,
    heads: Collection[str] = (),
    convert: Converter | None = None,
) -> None:
    """Load a file into `model`; the weights of classifiers (`heads`) are left out, everything else must fit.

    `part` says which copy is meant where a checkpoint holds several. What does not fit as it is may do so after
    `convert`, which raises what it likes for weights that it does not know. Raises TrainableError naming the `key` of
    the study file, what is missing and what is left over.
    """
    expected = model.state_dict()
    state = _present_names(read_weights(path, key, part))
    copies = copies_in(state, expected)
    if len(copies) > 1:
        raise _several(path, key, [prefix.rstrip(".") for prefix in copies])
    state = unwrapped(state, expected, copies)
    state = {name: value for name, value in state.items() if not _is_of(name, heads)}
    problems = _other_kinds(state, expected) or _misfits(state, expected)
    if problems and convert and not _other_kinds(state, expected):
        with suppress(Exception):
            converted = convert(dict(state))
            if not _misfits(converted, expected):
                state, problems = dict(converted), ""
    if problems:
        raise TrainableError(f"{key}: {path} does not fit the model ({problems}); give the weights of this model")
    model.load_state_dict(state, strict=False)


def _present_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of torchvision up to 0.2 (`denselayer1.norm.1.weight`) as they are today (`denselayer1.norm1.weight`)."""
    return {FORMER_NAMES.sub(r"\1\2", name): value for name, value in state.items()}


def _is_of(name: str, modules: Collection[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _other_kinds(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Whole numbers for a layer of real ones (quantised weights), which would be taken as they are; in words.

    How many batches a batch norm has seen may be a real number, as averaging over checkpoints leaves it.
    """
    names = [
        f"{name} {str(state[name].dtype).removeprefix('torch.')}"
        for name, value in expected.items()
        if name in state and name in _needed(expected) and state[name].is_floating_point() != value.is_floating_point()
    ]
    return f"of another kind: {_some(names)}" if names else ""


def _misfits(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """What is wrong, in words; empty when everything fits."""
    problems = {
        "missing": sorted(_needed(expected) - state.keys()),
        "left over": sorted(state.keys() - expected.keys()),
        "of another shape": [
            f"{name} {list(state[name].shape)} for {list(value.shape)}"
            for name, value in expected.items()
            if name in state and state[name].shape != value.shape
        ],
    }
    return "; ".join(f"{kind}: {_some(names)}" for kind, names in problems.items() if names)


def _needed(expected: Collection[str]) -> set[str]:
    """Old checkpoints do not count the batches of batch norms."""
    return {name for name in expected if not name.endswith("num_batches_tracked")}


def read_weights(path: Path, key: str, part: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file or a checkpoint, or of its `part`, by name, in their shapes.

    Raises TrainableError for a file that holds none, and for one that keeps several copies.
    """
    contents = _read(path, key)
    if part:
        contents = _part(contents, part)
    while True:
        kept = [n for n in INSIDE if isinstance(contents, Mapping) and _holds_tensors(contents.get(n))]
        if len(kept) > 1:
            raise _several(path, key, kept)
        if not kept:
            break
        contents = contents[kept[0]]
    tensors = {k: v for k, v in contents.items() if isinstance(v, Tensor)} if isinstance(contents, Mapping) else {}
    if not tensors:
        problem = f"no weights in its part {part!r}" if part else "no weights"
        raise TrainableError(f"{key}: {path} holds {problem}; save them with torch.save(model.state_dict(), ...)")
    return tensors


def _holds_tensors(contents: Any) -> bool:
    """Whether tensors stand in a mapping, or in one of its own mappings."""
    if not isinstance(contents, Mapping):
        return False
    return any(isinstance(value, Tensor) or _holds_tensors(value) for value in contents.values())


def _part(contents: Any, part: str) -> Mapping[str, Any]:
    """What is called `part`, or stands under it, here or inside; empty when nothing does."""
    if not isinstance(contents, Mapping):
        return {}
    first, _, remainder = part.partition(".")
    if isinstance(inner := contents.get(first), Mapping):
        return _part(inner, remainder) if remainder else inner
    direct: Mapping[str, Any] = _inside(contents, part)
    return direct or next((inside for name in INSIDE if (inside := _part(contents.get(name), part))), direct)


def _inside(contents: Any, part: str) -> dict[str, Any]:
    """What stands under a part of the keys, alone or behind the names of wrapping classes (`module.encoder_q.`)."""
    pattern = re.compile(rf"(?:(?:{'|'.join(WRAPPERS)})\.)*{re.escape(part)}\.(?=.)")
    items = contents.items() if isinstance(contents, Mapping) else ()
    matches = ((pattern.match(str(name)), str(name), value) for name, value in items)
    return {name[match.end() :]: value for match, name, value in matches if match}


def _under(contents: Any, prefix: str) -> dict[str, Any]:
    """What stands under a prefix of the keys, without it."""
    entries = contents.items() if isinstance(contents, Mapping) else ()
    return {name.removeprefix(prefix): value for name, value in entries if str(name).startswith(prefix)}


def _several(path: Path, key: str, parts: list[str]) -> TrainableError:
    return TrainableError(
        f"{key}: {path} holds the model {len(parts)} times ({', '.join(parts)}); say which with {key}_part: {parts[0]}"
    )


def copies_in(state: Mapping[str, Tensor], expected: Collection[str]) -> list[str]:
    """The prefixes under which all of the model's weights stand, whatever their shapes.

    Not among them is that of a slow copy beside the one it follows.
    """
    required = _needed(expected)
    last = max(sorted(required), key=len)
    prefixes = sorted({name.removesuffix(last) for name in state if f".{name}".endswith(f".{last}")})
    whole = [prefix for prefix in prefixes if all(prefix + name in state for name in required)]
    if "" in whole:
        return [""]
    return [prefix for prefix in whole if not any(name in prefix for name in SLOW_COPIES)] or whole


def unwrapped(state: dict[str, Tensor], expected: Collection[str], copies: list[str]) -> dict[str, Tensor]:
    """The tensors, in their shapes, without the names of wrapping classes.

    The model's weights stand in one part of what was saved (`encoder_q.`, `net.backbone.`), beside projectors, criteria
    and the like; where no part has them all, the wrappers that stand before every key are taken off.
    """
    if copies:
        return _under(state, copies[0])
    own = {name.partition(".")[0] for name in expected}
    while True:
        first = {name.partition(".")[0] for name in state}
        wrapper = next(iter(first))
        if len(first) > 1 or wrapper not in WRAPPERS or wrapper in own:
            return state
        state = {name.partition(".")[2]: value for name, value in state.items()}


def _read(path: Path, key: str) -> Any:
    try:
        with path.open("rb") as file:
            begins = file.read(16)
        if begins[8:9] == b"{" and not begins.startswith(ZIP):
            return _read_safetensors(path)
        if not begins.startswith((ZIP, b"\x80")):
            raise ValueError(f"it begins with {begins!r}" if begins else "it is empty")
        with torch.serialization.safe_globals(HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        reason = next((line for line in str(error).splitlines() if "GLOBAL" in line), str(error).splitlines()[0])
        raise TrainableError(
            f"{key}: {path} holds more than tensors ({reason.strip()[:120]}); save the weights alone, with "
            "torch.save(model.state_dict(), ...)"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainableError(f"{key}: {path} cannot be read ({reason}); is it whole, and a file of weights?") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors; of tied ones, of which `safetensors.torch.save_model` writes one, all names."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        tied = file.metadata() or {}
    return tensors | {name: tensors[kept] for name, kept in tied.items() if kept in tensors}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NUM_NAMES_SHOWN} more" if len(names) > NUM_NAMES_SHOWN else ""
    return ", ".join(names[:NUM_NAMES_SHOWN]) + more
