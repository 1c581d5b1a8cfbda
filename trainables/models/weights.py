"""Local files of weights in the forms in which people publish them; never more than tensors and settings is read."""

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

from trainables.errors import TrainableError

INSIDE = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema", "net", "teacher", "student")
"""Where checkpoints keep the weights, the first that is there."""

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

NUM_SHOWN = 4


Converter = Callable[[dict[str, Tensor]], Mapping[str, Tensor]]


def load_weights(
    model: nn.Module, path: Path, *, key: str, heads: Collection[str] = (), convert: Converter | None = None
) -> None:
    """Load a file into `model`; the weights of classifiers (`heads`) are left out, everything else must fit.

    What does not fit as it is may do so after `convert`, which raises what it likes for weights that it does not know.
    Raises TrainableError naming the `key` of the study file, what is missing and what is left over.
    """
    wanted = model.state_dict()
    state = unwrapped(read_weights(path, key), wanted)
    state = {name: value for name, value in state.items() if not _is_of(name, heads)}
    problems = _misfits(state, wanted)
    if problems and convert:
        with suppress(Exception):
            converted = convert(dict(state))
            if not _misfits(converted, wanted):
                state, problems = dict(converted), ""
    if problems:
        raise TrainableError(f"{key}: {path} does not fit the model ({problems}); give the weights of this model")
    model.load_state_dict(state, strict=False)


def _is_of(name: str, modules: Collection[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _misfits(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """What is wrong, in words; empty when everything fits."""
    problems = {
        "missing": sorted(_needed(wanted) - state.keys()),
        "left over": sorted(state.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {list(state[name].shape)} for {list(value.shape)}"
            for name, value in wanted.items()
            if name in state and state[name].shape != value.shape
        ],
    }
    return "; ".join(f"{kind}: {_some(names)}" for kind, names in problems.items() if names)


def _needed(wanted: Collection[str]) -> set[str]:
    """Old checkpoints do not count the batches of batch norms."""
    return {name for name in wanted if not name.endswith("num_batches_tracked")}


def read_weights(path: Path, key: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file or a checkpoint. Raises TrainableError for a file that holds none."""
    contents = _read(path, key)
    for name in INSIDE:
        if isinstance(contents, Mapping) and isinstance(contents.get(name), Mapping):
            contents = contents[name]
            break
    tensors = {k: v for k, v in contents.items() if isinstance(v, Tensor)} if isinstance(contents, Mapping) else {}
    if not tensors:
        raise TrainableError(f"{key}: {path} holds no weights; save them with torch.save(model.state_dict(), ...)")
    return tensors


def unwrapped(state: dict[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """The tensors without the names of wrapping classes.

    The model's weights stand in one part of what was saved (`encoder_q.`, `net.backbone.`), beside projectors, criteria
    and the like; where no part has them all, the wrappers that stand before every key are taken off.
    """
    needed = _needed(wanted)
    last = max(sorted(needed), key=len)
    prefixes = {name.removesuffix(last) for name in state if f".{name}".endswith(f".{last}")}
    for prefix in sorted(prefixes, key=_order):
        if all(prefix + name in state for name in needed):
            return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    own = {name.partition(".")[0] for name in wanted}
    while True:
        first = {name.partition(".")[0] for name in state}
        wrapper = next(iter(first))
        if len(first) > 1 or wrapper not in WRAPPERS or wrapper in own:
            return state
        state = {name.partition(".")[2]: value for name, value in state.items()}


def _order(prefix: str) -> tuple[bool, int, str]:
    """Of several copies of a model: not the slow one that a contrastive method keeps beside it."""
    return any(name in prefix for name in SLOW_COPIES), len(prefix), prefix


def _read(path: Path, key: str) -> Any:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals(HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        found = next((line for line in str(error).splitlines() if "GLOBAL" in line), str(error).splitlines()[0])
        raise TrainableError(
            f"{key}: {path} holds more than tensors ({found.strip()[:120]}); save the weights alone, with "
            "torch.save(model.state_dict(), ...)"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainableError(f"{key}: {path} cannot be read ({reason}); is it whole, and a file of weights?") from error


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NUM_SHOWN} more" if len(names) > NUM_SHOWN else ""
    return ", ".join(names[:NUM_SHOWN]) + more
