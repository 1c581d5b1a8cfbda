"""CLIP models: image and text towers by name, or small ones; everything that a trainable needs of open_clip."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evenkeel.trainables.data.image_set import ImageArray
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.image_batch import to_unit_range
from evenkeel.trainables.models.build import build_timm, check_size
from evenkeel.trainables.models.clip_settings import Clip, Normalisation
from evenkeel.trainables.models.published import check_clip_name, clip_preprocessing
from evenkeel.trainables.models.settings import Backbone
from evenkeel.trainables.models.text import TextEncoder, unit
from evenkeel.trainables.models.torchvision_pair import import_torchvision
from evenkeel.trainables.models.weights import load_weights

ENCODER_BATCH = 256


@dataclass(frozen=True, eq=False)
class ClipModel:
    """Both towers; `mean` and `std` [1, 3, 1, 1]. Embeddings are as the towers give them, not normalised."""

    module: Any
    text: TextEncoder
    mean: Tensor
    std: Tensor

    @property
    def device(self) -> torch.device:
        return self.mean.device

    @property
    def logit_scale(self) -> Tensor:
        """Logarithm of the factor of the cosines, a scalar."""
        return self.module.logit_scale.reshape(())

    def pixels(self, images: Tensor) -> Tensor:
        """Images [B, S, S, 1 or 3] uint8 as the image tower wants them, [B, 3, S, S] in its precision."""
        return self.normalised(to_unit_range(images, self.device))

    def normalised(self, images: Tensor) -> Tensor:
        """Images [B, 1 or 3, S, S] in [0, 1] as the image tower wants them."""
        return ((images.expand(-1, 3, -1, -1) - self.mean) / self.std).to(self.logit_scale.dtype)

    def encode_images(self, images: Tensor) -> Tensor:
        """Embeddings [B, D] of images [B, S, S, 1 or 3] uint8."""
        return self.module.encode_image(self.pixels(images))

    @torch.inference_mode()
    def embeddings(self, images: ImageArray, rows: np.ndarray) -> Iterator[Tensor]:
        """Embeddings [B, D] of some rows of images, batch after batch, in evaluation mode, unit norm."""
        self.module.eval()
        for batch in Reader(images, self.device).batches(rows, ENCODER_BATCH):
            yield unit(self.encode_images(batch))


def build_clip(clip: Clip, image_size: int, normalisation: Normalisation, device: str) -> ClipModel:
    """The model with its weights, all parameters in float32. Raises TrainableError."""
    import_torchvision()
    module = _small(clip, clip.image, image_size) if clip.image else _published(clip, image_size)
    mean, std = _normalisation(module, clip, normalisation)
    module = module.to(device)
    return ClipModel(module, TextEncoder.of(module, clip.name), *(_channels(v).to(device) for v in (mean, std)))


def _channels(values: Any) -> Tensor:
    return torch.tensor(list(values), dtype=torch.float32).view(1, 3, 1, 1)


def _published(clip: Clip, image_size: int) -> nn.Module:
    import open_clip

    name = clip.name or ""
    check_clip_name(name, clip.pretrained)
    # The activation belongs to the weights: OpenAI's were trained with QuickGELU, which the plain name does not say.
    quick = bool(clip.pretrained and open_clip.get_pretrained_cfg(name, clip.pretrained).get("quick_gelu"))
    source = str(clip.weights_file()) if clip.weights else clip.pretrained
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return open_clip.create_model(name, pretrained=source, force_quick_gelu=quick, force_image_size=image_size)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainableError(
            f"trainable.model: the weights {source!r} of {name} cannot be had ({reason}); give a local file as weights"
        ) from error


def _small(clip: Clip, image: Backbone, image_size: int) -> nn.Module:
    """open_clip's CLIP with a timm tower, whose trunk `image` describes."""
    import open_clip
    from open_clip.tokenizer import _tokenizer

    trunk, mean, std = build_timm(image, 3)
    check_size(trunk, image, 3, image_size)
    with torch.inference_mode():
        dimension = trunk(torch.zeros(1, 3, image_size, image_size)).shape[-1]
    towers: dict[str, Any] = {
        "vision_cfg": {"timm_model_name": image.name, "timm_pool": "", "image_size": image_size},
        "text_cfg": clip.text.model_dump() | {"vocab_size": _tokenizer.vocab_size},
    }
    module: Any = open_clip.CLIP(embed_dim=clip.embedding, **towers)
    module.visual.trunk = trunk
    module.visual.head = nn.Linear(dimension, clip.embedding, bias=False)
    if clip.weights:
        load_weights(module, clip.weights_file(), key="trainable.model.weights", part=clip.weights_part)
    module.visual.preprocess_cfg = {"mean": image.mean or mean, "std": image.std or std}
    return module


def _normalisation(module: Any, clip: Clip, normalisation: Normalisation) -> tuple[Any, Any]:
    needs_words = normalisation != "model" or clip.weights
    if needs_words and (stated := clip_preprocessing(clip, normalisation)):
        return stated.mean, stated.std
    config = module.visual.preprocess_cfg
    return config["mean"], config["std"]
