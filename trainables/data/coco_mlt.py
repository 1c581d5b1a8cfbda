"""COCO-MLT: a long-tailed subset of MS COCO."""

from typing import ClassVar, Literal

from evenkeel.trainables.data.mlt import Mlt


class CocoMlt(Mlt):
    """COCO-MLT (Wu et al. 2020): 1,909 training and 5,000 test images (train and val of COCO 2017), 80 classes."""

    prefix: ClassVar[str] = "coco"
    name: Literal["coco-mlt"] = "coco-mlt"
