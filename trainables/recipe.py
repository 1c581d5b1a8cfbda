"""What a paper's table says of a model, so that a report can tell what its numbers may stand beside."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a loss was trained, as far as papers print it. Empty or 0: the trainable does not say."""

    trainable: str = ""
    backbone: str = ""
    """The architecture without the tag of its weights, as `convnext_base` or `ViT-B-16`."""
    image_size: int = 0
    """Pixels of a side."""
    contrastive: bool = False
    """Whether a contrastive loss is part of the total."""
    sampling: bool = False
    """Whether rows are drawn by class weights."""


def architecture(name: str) -> str:
    """A model's name without the tag of its weights and without the activation that its weights want."""
    return name.split(".")[0].removesuffix("-quickgelu")
