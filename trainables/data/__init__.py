"""Image data sets with multi-hot labels: the embedded digits-mlt and any table of labels with its images."""

from trainables.data.image_set import SPLITS, ImageSet, load, source_of
from trainables.data.splits import carve

__all__ = ["SPLITS", "ImageSet", "carve", "load", "source_of"]
