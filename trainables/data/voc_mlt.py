"""VOC-MLT: a long-tailed subset of Pascal VOC."""

from typing import ClassVar, Literal

from evenkeel.trainables.data.mlt import Mlt


class VocMlt(Mlt):
    """VOC-MLT (Wu et al. 2020): 1,142 training images of VOC 2012, 4,952 test images of VOC 2007, 20 classes."""

    prefix: ClassVar[str] = "voc"
    name: Literal["voc-mlt"] = "voc-mlt"
