"""Image models by name, with their weights and their normalisation. The only module that imports timm and open_clip."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.image_batch import to_unit_range
from evenkeel.trainables.models.hub import look_up_in_cache_if_unreachable
from evenkeel.trainables.models.published import check_name, preprocessing
from evenkeel.trainables.models.settings import HUB, Backbone
from evenkeel.trainables.models.torchvision_pair import import_torchvision
from evenkeel.trainables.models.weights import load_weights

ENCODER_BATCH = 256


@dataclass(frozen=True)
class ImageModel:
    """A model from normalised pixels [B, channels, S, S] to features [B, D]; mean and std [1, channels, 1, 1]."""

    module: nn.Module
    mean: Tensor
    std: Tensor

    def normalised(self, images: Tensor) -> Tensor:
        """Images [B, channels, S, S] in [0, 1] as the model takes them."""
        return (images - self.mean) / self.std

    def pixels(self, stored: Tensor) -> Tensor:
        """Stored images [B, S, S, channels] uint8 as the model takes them, [B, channels, S, S]."""
        return self.normalised(to_unit_range(stored, self.mean.device))

    @torch.inference_mode()
    def features(self, images: ImageArray, start: int = 0) -> Iterator[np.ndarray]:
        """Features [B, D] float32 of images [N, S, S, channels] uint8 from row `start` on, in evaluation mode."""
        self.module.eval()
        for batch in Reader(images, self.mean.device).batches(np.arange(start, len(images)), ENCODER_BATCH):
            yield self.module(self.pixels(batch)).flatten(1).float().cpu().numpy()


def build(backbone: Backbone, channels: int, device: str) -> ImageModel:
    """The model without its classifier. Raises TrainableError for an unknown model or weights that do not fit."""
    import_torchvision()
    maker = {"timm": build_timm, "open_clip": _open_clip}[backbone.library]
    module, mean, std = maker(backbone, channels)
    shape = (1, channels, 1, 1)
    for key, values in (("mean", backbone.mean), ("std", backbone.std)):
        if values and len(values) not in (1, 3, channels):
            raise TrainableError(
                f"trainable.backbone.{key}: {values} has {len(values)} values, the images have {channels} channels; "
                "give one a channel, or one for all"
            )
    return ImageModel(
        module.to(device),
        _per_channel(backbone.mean or mean, channels).view(shape).to(device),
        _per_channel(backbone.std or std, channels).view(shape).to(device),
    )


def check_size(module: nn.Module, backbone: Backbone, channels: int, image_size: int) -> None:
    """Try one empty image. Raises TrainableError when the model takes another size."""
    reason = misfit(module, channels, image_size)
    if reason is None:
        return
    config = getattr(module, "pretrained_cfg", None) or {}
    own = getattr(module, "image_size", None)  # open_clip's
    taken = config["input_size"][-1] if "input_size" in config else own[0] if isinstance(own, tuple) else own
    argument = "img_size" if backbone.library == "timm" else "force_image_size"
    raise TrainableError(
        f"trainable.image_size {image_size} does not fit {backbone.name}"
        + (f", which takes {taken}; set it, or give model_args: {{{argument}: {image_size}}}" if taken else "")
        + f" ({reason})"
    )


@torch.inference_mode()
def misfit(module: nn.Module, channels: int, size: int) -> str | None:
    """Why a model, in evaluation mode afterwards, does not take an image of this size; None if it does."""
    weight = next(module.parameters())
    try:
        module.eval()(torch.zeros(1, channels, size, size, device=weight.device, dtype=weight.dtype))
    except (AssertionError, RuntimeError, ValueError) as error:
        return " ".join(str(error).split())[:120]
    return None


def _per_channel(values: Any, channels: int) -> Tensor:
    """One value a channel; of three values for a grey image their mean, as of a model made for colour."""
    values = list(values)
    if len(values) not in (1, channels):
        return torch.tensor([sum(values) / len(values)] * channels)
    return torch.tensor(values * (channels // len(values)), dtype=torch.float32)


def build_timm(backbone: Backbone, channels: int) -> tuple[nn.Module, Any, Any]:
    """(the model without its classifier, mean, std of its normalisation). Raises TrainableError."""
    import timm

    name = f"{backbone.name}.{backbone.pretrained}" if isinstance(backbone.pretrained, str) else backbone.name
    of_hub = name.startswith(HUB)
    check_name(backbone)
    make = partial(timm.create_model, name, pretrained=bool(backbone.pretrained) or of_hub)
    own: dict[str, Any] = {"in_chans": channels, "num_classes": 0}
    model = _made(make, backbone, name, **own)
    if backbone.weights:
        heads = model.pretrained_cfg.get("classifier") or ()
        heads = (heads,) if isinstance(heads, str) else heads

        def as_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
            """timm's own way with its authors' files, another image size, another number of channels."""
            overlay = {"state_dict": state, "num_classes": 0, "classifier": None}
            return make(pretrained=True, pretrained_cfg_overlay=overlay, **own, **backbone.model_args).state_dict()

        load_weights(
            model,
            backbone.weights_file(),
            key="trainable.backbone.weights",
            part=backbone.weights_part,
            heads=heads,
            convert=as_published,
        )
    return model, *_statistics(backbone, timm.data.resolve_model_data_config(model))


def _open_clip(backbone: Backbone, channels: int) -> tuple[nn.Module, Any, Any]:
    import open_clip

    name = backbone.name
    check_name(backbone)
    if channels != 3:
        raise TrainableError(f"data.grey: open_clip models take 3 channels, the images have {channels}")
    model = _made(partial(open_clip.create_model, name, pretrained=backbone.pretrained or None), backbone, name)
    if backbone.weights:
        load_weights(model, backbone.weights_file(), key="trainable.backbone.weights", part=backbone.weights_part)
    return model.visual, *_statistics(backbone, open_clip.get_model_preprocess_cfg(model))


def _statistics(backbone: Backbone, of_model: dict[str, Any]) -> tuple[Any, Any]:
    """Mean and std of its images, from beside its weights or of the model itself."""
    stated = preprocessing(backbone) if backbone.weights else None
    return (stated.mean, stated.std) if stated else (of_model["mean"], of_model["std"])


def _made(make: Callable[..., Any], backbone: Backbone, name: str, **own: Any) -> Any:
    """The model, with the study's `model_args`. Raises TrainableError, one line, for whatever cannot be."""
    if taken := next((key for key in backbone.model_args if key in (*own, "pretrained", "model_name")), None):
        raise TrainableError(f"trainable.backbone.model_args: {taken} is set by evenkeel; leave it out")
    from_hub = bool(backbone.pretrained) or name.startswith(HUB)
    if from_hub:
        look_up_in_cache_if_unreachable()
    try:
        return make(**own, **backbone.model_args)
    except TypeError as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        reason = f"{name} takes no {unknown[1]!r}" if unknown else _line(error)
        raise TrainableError(f"trainable.backbone.model_args: {reason}") from error
    except Exception as error:
        if not from_hub:
            raise TrainableError(f"trainable.backbone: {name} cannot be built ({_line(error)})") from error
        raise TrainableError(
            f"trainable.backbone.pretrained: the weights of {name} cannot be had from the hub ({_line(error)}); give "
            "trainable.backbone.weights, a local file"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
