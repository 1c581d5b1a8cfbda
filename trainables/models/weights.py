"""Local files of weights in the forms in which people publish them; never more than tensors and settings is read."""

from argparse import Namespace
from collections.abc import Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from trainables.errors import TrainableError

INSIDE = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema", "net", "teacher", "student")
"""Where checkpoints keep the weights, the first that is there."""

WRAPPERS = ("module", "_orig_mod", "model", "backbone", "encoder", "net", "student", "teacher")
"""Names that wrapping classes put before every key."""

NUM_SHOWN = 4


def load_weights(model: nn.Module, path: Path, *, key: str, heads: Collection[str] = ()) -> None:
    """Load a file into `model`; the weights of classifiers (`heads`) are left out, everything else must fit.

    Raises TrainableError naming the `key` of the study file, what is missing and what is left over.
    """
    wanted = model.state_dict()
    state = unwrapped(read_weights(path, key), wanted)
    state = {name: value for name, value in state.items() if name.rpartition(".")[0] not in heads}
    problems = {
        "missing": sorted(wanted.keys() - state.keys()),
        "left over": sorted(state.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {list(state[name].shape)} for {list(value.shape)}"
            for name, value in wanted.items()
            if name in state and state[name].shape != value.shape
        ],
    }
    if any(problems.values()):
        said = "; ".join(f"{kind}: {_some(names)}" for kind, names in problems.items() if names)
        raise TrainableError(f"{key}: {path} does not fit the model ({said}); give the weights of this model")
    model.load_state_dict(state)


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
    """The tensors without the names of wrapping classes that stand before every key and are not the model's own."""
    own = {name.partition(".")[0] for name in wanted}
    while True:
        first = {name.partition(".")[0] for name in state}
        wrapper = next(iter(first))
        if len(first) > 1 or wrapper not in WRAPPERS or wrapper in own:
            return state
        state = {name.partition(".")[2]: value for name, value in state.items()}


def _read(path: Path, key: str) -> Any:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals([Namespace]):
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
