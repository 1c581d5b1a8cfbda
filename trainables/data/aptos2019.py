"""APTOS 2019 Blindness Detection: five grades of diabetic retinopathy, as Kaggle publishes them."""

from typing import Any, Literal

from pydantic import Field

from evenkeel.trainables.data.published import PublishedSingleLabel


class Aptos2019(PublishedSingleLabel):
    """APTOS 2019 (Kaggle): grades 0 to 4, one an image; the competition's test labels were never published."""

    name: Literal["aptos2019"] = "aptos2019"
    test_fraction: float = Field(0.2, gt=0, lt=0.9, description="share of the training images carved as test")

    def layout(self) -> dict[str, Any]:
        return {
            "tables": {"all": "train.csv"},
            "images": {"all": "train_images"},
            "image_column": "id_code",
            "label_column": "diagnosis",
            "test_fraction": self.test_fraction,
        }
