"""Image data sets with multi-hot labels. A data set is one file here and one line in DATA_SETS."""

from typing import Annotated, Any, Union

from pydantic import Field

from evenkeel.trainables.data.aptos2019 import Aptos2019
from evenkeel.trainables.data.coco_mlt import CocoMlt
from evenkeel.trainables.data.csv.data_set import CsvTable
from evenkeel.trainables.data.cxr_lt import CxrLt
from evenkeel.trainables.data.digits import DigitsMlt
from evenkeel.trainables.data.function_data import FunctionData
from evenkeel.trainables.data.image_set import SPLITS, DataSet, ImageSet
from evenkeel.trainables.data.isic2018 import Isic2018
from evenkeel.trainables.data.medmnist import MedMnist
from evenkeel.trainables.data.settings import DataSettings
from evenkeel.trainables.data.voc_mlt import VocMlt
from evenkeel.trainables.settings import make_settings

__all__ = ["DATA_SETS", "SPLITS", "AnyData", "DataSet", "ImageSet", "data_set"]

DATA_SETS: dict[str, type[DataSettings]] = {
    "digits-mlt": DigitsMlt,
    "csv": CsvTable,
    "cxr-lt": CxrLt,
    "isic2018": Isic2018,
    "aptos2019": Aptos2019,
    "medmnist": MedMnist,
    "voc-mlt": VocMlt,
    "coco-mlt": CocoMlt,
    "by-function": FunctionData,
}

AnyData: Any = Annotated[Union[tuple(DATA_SETS.values())], Field(discriminator="name")]  # noqa: UP007
"""What `data:` of a study file may hold, for the schema that editors read."""


def data_set(settings: Any) -> DataSet:
    """The data set that `settings["name"]` names (or is): one of ours, or a user's `module:Class`.

    Raises ValueError naming the nearest valid name (pydantic's ValidationError for a wrong key or value).
    """
    return make_settings("data set", settings, DATA_SETS)
