"""Image data sets with multi-hot labels. A data set is one file here and one line in DATA_SETS."""

from typing import Annotated, Any, Union

from pydantic import Field

from trainables.data.aptos2019 import Aptos2019
from trainables.data.coco_mlt import CocoMlt
from trainables.data.csv_table import CsvTable
from trainables.data.cxr_lt import CxrLt
from trainables.data.digits import DigitsMlt
from trainables.data.image_set import SPLITS, DataSet, ImageSet
from trainables.data.isic2018 import Isic2018
from trainables.data.medmnist import MedMnist
from trainables.data.settings import DataSettings
from trainables.data.voc_mlt import VocMlt
from trainables.settings import chosen

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
}

AnyData: Any = Annotated[Union[tuple(DATA_SETS.values())], Field(discriminator="name")]  # noqa: UP007
"""What `data:` of a study file may hold, for the schema that editors read."""


def data_set(settings: Any) -> DataSet:
    """The data set that `settings["name"]` names (or is): one of ours, or a user's `module:Class`.

    Raises ValueError naming the nearest valid name (pydantic's ValidationError for a wrong key or value).
    """
    return chosen("data set", settings, DATA_SETS)
