"""Where the model looks: Grad-CAM of a few test images (RAL Fig. 3), as a picture of the record."""

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

from evenkeel.trainables.measures.base import Column, Evidence, Measured, Needs

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


@dataclass(frozen=True)
class GradCamMaps:
    """A test image of up to eight classes, frequent to rare, beside the map of that class: `gradcam.jpg`.

    Maps (Selvaraju et al. 2017) are taken at the last convolution, those of a transformer at the tokens that enter its
    last block; a model with neither has none.
    """

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {}

    def compute(self, evidence: Evidence) -> Measured:
        from evenkeel.trainables.measures.thumbnails import pick_images, plain, sheet

        trained = evidence.trained
        assert trained is not None
        layer, (rows, classes) = mapped_layer(trained.module), pick_images(evidence)
        if layer is None or not classes:
            return Measured()
        pixels = trained.images("test", rows)
        maps = cams(trained.module, layer, trained.normalised(pixels), classes)
        lines = [(image, laid_over(image, map_)) for image, map_ in zip(plain(pixels), maps, strict=True)]
        path = trained.folder / "gradcam.jpg"
        path.write_bytes(sheet(lines, [_title(evidence.classes, c) for c in classes]))
        return Measured(files={"gradcam": str(path)})


def _title(names: tuple[str, ...], c: int) -> str:
    """A class's name where the picture's letters can write it."""
    return names[c] if names and names[c].isascii() else f"class {c}"


def mapped_layer(module: "nn.Module") -> "nn.Module | None":
    """Where maps are taken: the last convolution, or the first norm of the last block when that one cuts patches."""
    from torch import nn

    named = list(module.named_modules())
    tower = [part for name, part in named if "visual." in name] or [part for _, part in named]
    last = next((part for part in reversed(tower) if isinstance(part, nn.Conv2d)), None)
    if last is None or last.kernel_size == (1, 1) or last.kernel_size != last.stride:
        return last
    norms = [part for name, part in named if name.endswith(("norm1", "ln_1")) and part in tower]
    return norms[-1] if norms else last


def as_picture(activation: "Tensor") -> "Tensor":
    """Channels [B, D, h, w] of tokens [B, T, D] (those before the square of patches are left out) or [B, h, w, D]."""
    if activation.ndim == 3:
        side = isqrt(activation.shape[1])
        activation = activation[:, -side * side :].unflatten(1, (side, side))
    return activation.movedim(-1, 1)


def cams(module: "nn.Module", layer: "nn.Module", images: "Tensor", classes: list[int]) -> "np.ndarray":
    """Maps [B, S, S] in [0, 1], one an image, of its class."""
    import torch

    from evenkeel.trainables.models.torchvision_pair import import_torchvision

    import_torchvision()
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    reshape = as_picture if isinstance(layer, torch.nn.LayerNorm) else None
    with torch.enable_grad(), GradCAM(model=module, target_layers=[layer], reshape_transform=reshape) as cam:
        return cam(input_tensor=images.clone().requires_grad_(), targets=[ClassifierOutputTarget(c) for c in classes])


def laid_over(image: "np.ndarray", map_: "np.ndarray") -> "np.ndarray":
    """The map in colour over the image [S, S, 3] in [0, 1]."""
    from pytorch_grad_cam.utils.image import show_cam_on_image

    return show_cam_on_image(image, map_, use_rgb=True).astype("float32") / 255
