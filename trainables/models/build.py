"""Frozen feature extractors. The only module that imports timm and open_clip.

torchvision comes with both and is used by neither here. Its compiled operators are often built for another variant of
torch (a CPU build of torch beside the usual torchvision, say), and then importing it fails; declaring the two
operators that its import looks for is enough.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.errors import TrainableError, nearest

BATCH = 256


def extract(
    images: np.ndarray, targets: np.ndarray, train_rows: np.ndarray, settings: dict[str, Any], device: str
) -> np.ndarray:
    """Features [N, D] float32 of images [N, S, S, channels] uint8.

    With `warm_start` the backbone is first trained with BCE on the training rows, then frozen (decoupled training,
    Kang et al. 2020). Raises TrainableError for an unknown model, weights that do not fit, or non-finite features.
    """
    with _seeded(0), _all_threads():
        model, mean, std = _build(settings, images.shape[-1])
        model = model.to(device)
        if settings.get("warm_start"):
            _warm_start(model, images[train_rows], targets[train_rows], mean, std, settings["warm_start"])
        features = _features(model, images, mean, std)
    bad = np.flatnonzero(~np.isfinite(features).all(1))
    if len(bad):
        raise TrainableError(
            f"trainable.backbone: {settings['name']} gives non-finite features for {len(bad)} of {len(images)} images "
            f"(first: row {bad[0]}); check its weights, mean and std"
        )
    return features


def _build(settings: dict[str, Any], channels: int) -> tuple[nn.Module, Tensor, Tensor]:
    maker = {"timm": _timm, "open_clip": _open_clip}[settings["library"]]
    model, mean, std = maker(settings, channels)
    mean, std = settings.get("mean") or mean, settings.get("std") or std
    shape = (1, channels, 1, 1)
    return model, _per_channel(mean, channels).view(shape), _per_channel(std, channels).view(shape)


def _per_channel(values: Any, channels: int) -> Tensor:
    values = list(values)
    if len(values) not in (1, channels):
        return torch.tensor([sum(values) / len(values)] * channels)
    return torch.tensor(values * (channels // len(values)), dtype=torch.float32)


def _timm(settings: dict[str, Any], channels: int) -> tuple[nn.Module, Any, Any]:
    _declare_torchvision_operators()
    import timm

    name, weights, pretrained = settings["name"], settings.get("weights"), settings.get("pretrained")
    if isinstance(pretrained, str):
        name = f"{name}.{pretrained}"
    if not timm.is_model(name):
        raise TrainableError(
            f"trainable.backbone.name: timm has no model {name!r}; {nearest(name, timm.list_models())}"
        )
    model: Any = timm.create_model(
        name,
        pretrained=bool(pretrained),
        in_chans=channels,
        num_classes=0,
        **settings.get("model_args", {}),
    )
    if weights:
        _load(model, Path(weights), head=str(model.pretrained_cfg.get("classifier", "")))
    config = timm.data.resolve_model_data_config(model)
    return model, config["mean"], config["std"]


def _open_clip(settings: dict[str, Any], channels: int) -> tuple[nn.Module, Any, Any]:
    _declare_torchvision_operators()
    import open_clip

    name = settings["name"]
    if name not in open_clip.list_models():
        hint = nearest(name, open_clip.list_models())
        raise TrainableError(f"trainable.backbone.name: open_clip has no model {name!r}; {hint}")
    if channels != 3:
        raise TrainableError(f"data.grey: open_clip models take 3 channels, the images have {channels}")
    pretrained = settings.get("weights") or settings.get("pretrained") or None
    model = open_clip.create_model(name, pretrained=pretrained, **settings.get("model_args", {}))
    return model.visual, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD


def _load(model: nn.Module, path: Path, *, head: str) -> None:
    """Load a local file; the weights of its classifier (`head`) are left out, everything else must fit."""
    if not path.is_file():
        raise TrainableError(
            f"trainable.backbone.weights: {path} does not exist; give a safetensors or state-dict file"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, Any] = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        model.load_state_dict({key: value for key, value in state.items() if key.rpartition(".")[0] != head})
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainableError(f"trainable.backbone.weights: {path} does not fit the model ({reason})") from error


def _declare_torchvision_operators() -> None:
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _LIBRARIES.append(library)
    try:
        import torchvision  # noqa: F401
    except (RuntimeError, OSError) as error:
        raise TrainableError(f"torchvision does not fit this torch ({error}); install a matching pair") from error


_LIBRARIES: list[Any] = []


def _prepare(images: np.ndarray, mean: Tensor, std: Tensor, device: torch.device) -> Tensor:
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).to(device, torch.float32)
    return (pixels / 255 - mean.to(device)) / std.to(device)


@torch.inference_mode()
def _features(model: nn.Module, images: np.ndarray, mean: Tensor, std: Tensor) -> np.ndarray:
    model.eval()
    device = next(model.parameters()).device
    parts = [
        model(_prepare(images[start : start + BATCH], mean, std, device)).flatten(1).float().cpu().numpy()
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts)


def _warm_start(
    model: nn.Module, images: np.ndarray, targets: np.ndarray, mean: Tensor, std: Tensor, settings: dict[str, Any]
) -> None:
    device = next(model.parameters()).device
    head = nn.LazyLinear(targets.shape[1]).to(device)
    labels = torch.from_numpy(targets.astype(np.float32)).to(device)
    with torch.no_grad():
        model.eval()
        head(model(_prepare(images[:2], mean, std, device)).flatten(1))
    parameters = [*model.parameters(), *head.parameters()]
    batch, epochs = settings["batch"], settings["epochs"]
    optimiser = torch.optim.AdamW(parameters, lr=settings["lr"])
    steps = epochs * -(-len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=settings["lr"], total_steps=steps)
    order = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(images), generator=order).split(batch):
            logits = head(model(_prepare(images[rows.numpy()], mean, std, device)).flatten(1))
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels[rows.to(device)])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def _all_threads() -> Iterator[None]:
    """Features are made by one process while the others wait, so it may use every core."""
    import os

    before = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
