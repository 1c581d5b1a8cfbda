"""Image models by name, with their weights and their normalisation. The only module that imports timm and open_clip."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.errors import TrainableError, nearest
from trainables.models.settings import Backbone
from trainables.models.torchvision_pair import import_torchvision

BATCH = 256


@dataclass(frozen=True)
class ImageModel:
    """A model from normalised pixels [B, channels, S, S] to features [B, D]; mean and std [1, channels, 1, 1]."""

    module: nn.Module
    mean: Tensor
    std: Tensor

    def pixels(self, images: np.ndarray) -> Tensor:
        """Images [B, S, S, channels] uint8 as the model wants them."""
        pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).to(self.mean.device, torch.float32)
        return (pixels / 255 - self.mean) / self.std

    @torch.inference_mode()
    def features(self, images: np.ndarray) -> np.ndarray:
        """Features [N, D] float32 of images [N, S, S, channels] uint8, in evaluation mode."""
        self.module.eval()
        parts = [
            self.module(self.pixels(images[start : start + BATCH])).flatten(1).float().cpu().numpy()
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate(parts)


def build(backbone: Backbone, channels: int, device: str) -> ImageModel:
    """The model without its classifier. Raises TrainableError for an unknown model or weights that do not fit."""
    import_torchvision()
    maker = {"timm": build_timm, "open_clip": _open_clip}[backbone.library]
    module, mean, std = maker(backbone, channels)
    shape = (1, channels, 1, 1)
    return ImageModel(
        module.to(device),
        _per_channel(backbone.mean or mean, channels).view(shape).to(device),
        _per_channel(backbone.std or std, channels).view(shape).to(device),
    )


def _per_channel(values: Any, channels: int) -> Tensor:
    values = list(values)
    if len(values) not in (1, channels):
        return torch.tensor([sum(values) / len(values)] * channels)
    return torch.tensor(values * (channels // len(values)), dtype=torch.float32)


def build_timm(backbone: Backbone, channels: int) -> tuple[nn.Module, Any, Any]:
    """(the model without its classifier, mean, std of its normalisation). Raises TrainableError."""
    import timm

    name = f"{backbone.name}.{backbone.pretrained}" if isinstance(backbone.pretrained, str) else backbone.name
    if not timm.is_model(name):
        hint = nearest(name, timm.list_models())
        raise TrainableError(f"trainable.backbone.name: timm has no model {name!r}; {hint}")
    model: Any = timm.create_model(
        name, pretrained=bool(backbone.pretrained), in_chans=channels, num_classes=0, **backbone.model_args
    )
    if backbone.weights:
        head = str(model.pretrained_cfg.get("classifier", ""))
        load_weights(model, backbone.weights_file(), head=head, key="trainable.backbone.weights")
    config = timm.data.resolve_model_data_config(model)
    return model, config["mean"], config["std"]


def _open_clip(backbone: Backbone, channels: int) -> tuple[nn.Module, Any, Any]:
    import open_clip

    if backbone.name not in open_clip.list_models():
        hint = nearest(backbone.name, open_clip.list_models())
        raise TrainableError(f"trainable.backbone.name: open_clip has no model {backbone.name!r}; {hint}")
    if channels != 3:
        raise TrainableError(f"data.grey: open_clip models take 3 channels, the images have {channels}")
    pretrained = backbone.weights or backbone.pretrained or None
    model = open_clip.create_model(backbone.name, pretrained=pretrained, **backbone.model_args)
    return model.visual, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD


def load_weights(model: nn.Module, path: Path, *, key: str, head: str | None = None) -> None:
    """Load a local file; the weights of its classifier (`head`) are left out, everything else must fit.

    Raises TrainableError naming the `key` of the study file.
    """
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
        raise TrainableError(f"{key}: {path} does not fit the model ({reason})") from error
