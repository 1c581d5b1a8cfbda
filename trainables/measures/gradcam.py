"""Where the model looks: Grad-CAM of a few test images (RAL Fig. 3), as a picture of the record."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.measures.base import Column, Evidence, Measured, Needs

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

MOST_CLASSES = 8


@dataclass(frozen=True)
class GradCam:
    """The first test image of up to eight classes, beside the map of that class (Selvaraju et al. 2017): `gradcam.png`.

    Maps are taken at the last convolution; a model without one has none.
    """

    needs: Needs = "model"

    @property
    def columns(self) -> dict[str, Column]:
        return {}

    def compute(self, evidence: Evidence) -> Measured:
        import numpy as np
        import torch
        from PIL import Image

        trained, targets = evidence.trained, evidence.targets["test"].cpu()
        assert trained is not None
        layer = last_convolution(trained.module)
        classes = targets.any(0).nonzero().flatten().tolist()[:MOST_CLASSES]
        if layer is None or not classes:
            return Measured()
        rows = torch.tensor([int(targets[:, c].argmax()) for c in classes])
        pixels = trained.images("test", rows)
        maps = cams(trained.module, layer, trained.normalised(pixels), classes)
        plain = pixels.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).float().cpu().numpy()
        lines = [np.concatenate([p, laid_over(p, m)], axis=1) for p, m in zip(plain, maps, strict=True)]
        path = trained.folder / "gradcam.png"
        Image.fromarray((255 * np.concatenate(lines)).astype(np.uint8)).save(path)
        return Measured(files={"gradcam": str(path)})


def last_convolution(module: "nn.Module") -> "nn.Module | None":
    """The last two-dimensional convolution of a model, or None."""
    from torch import nn

    found = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    return found[-1] if found else None


def cams(module: "nn.Module", layer: "nn.Module", images: "Tensor", classes: list[int]) -> "np.ndarray":
    """Maps [B, S, S] in [0, 1], one an image, of its class."""
    import torch

    from trainables.models.torchvision_pair import import_torchvision

    import_torchvision()
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with torch.enable_grad(), GradCAM(model=module, target_layers=[layer]) as cam:
        return cam(input_tensor=images.clone(), targets=[ClassifierOutputTarget(c) for c in classes])


def laid_over(image: "np.ndarray", map_: "np.ndarray") -> "np.ndarray":
    """The map in colour over the image [S, S, 3] in [0, 1]."""
    from pytorch_grad_cam.utils.image import show_cam_on_image

    return show_cam_on_image(image, map_, use_rgb=True).astype("float32") / 255
