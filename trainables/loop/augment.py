"""Augmentation of whole batches on the device, another draw for every image: kornia's operations."""

from collections.abc import Callable

from torch import Tensor

from evenkeel.trainables.errors import TrainableError
from evenkeel.trainables.loop.settings import Augmentation

SHARPNESS = 2.0


def augmentation(settings: Augmentation, channels: int, image_size: int) -> Callable[[Tensor], Tensor]:
    """From images [B, channels, S, S] in [0, 1] to the same, drawn from torch's generator.

    Raises TrainableError for colour jitter of grey images.
    """
    from kornia import augmentation as kornia

    if settings.jitter and channels != 3:
        raise TrainableError("trainable.augment.jitter: needs colour images, these are grey; leave it out")
    s, size = settings, (image_size, image_size)
    steps = [
        (s.crop < 1, lambda: kornia.RandomResizedCrop(size, scale=(s.crop, 1.0), p=1.0)),
        (s.flip > 0, lambda: kornia.RandomHorizontalFlip(p=s.flip)),
        (s.rotate > 0, lambda: kornia.RandomRotation(s.rotate, p=1.0)),
        (s.sharpen > 0, lambda: kornia.RandomSharpness(SHARPNESS, p=s.sharpen)),
        (s.jitter > 0, lambda: kornia.ColorJitter(s.jitter, s.jitter, s.jitter, 0.0, p=1.0)),
        (s.erase > 0, lambda: kornia.RandomErasing(p=s.erase)),
    ]
    chosen = [make() for is_used, make in steps if is_used]
    return kornia.AugmentationSequential(*chosen) if chosen else lambda images: images
