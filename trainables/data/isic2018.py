"""ISIC 2018 task 3: seven kinds of skin lesion, as the challenge publishes them."""

from typing import Any, Literal

from pydantic import Field

from evenkeel.trainables.data.published import PublishedSingleLabel

DIAGNOSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
PARTS = {"train": "Training", "val": "Validation", "test": "Test"}
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"


class Isic2018(PublishedSingleLabel):
    """ISIC 2018 task 3 (Codella et al. 2019; HAM10000, Tschandl et al. 2018): seven diagnoses, one an image."""

    name: Literal["isic2018"] = "isic2018"
    test_fraction: float | None = Field(
        None, gt=0, lt=0.9, description="share of the training images carved as test; the challenge's test if none"
    )

    def layout(self) -> dict[str, Any]:
        parts = {"all": "Training"} if self.test_fraction else PARTS
        stems = {part: f"ISIC2018_Task3_{name}" for part, name in parts.items()}
        return {
            "tables": {part: f"{stem}_GroundTruth/{stem}_GroundTruth.csv" for part, stem in stems.items()},
            "images": {part: f"{stem}_Input" for part, stem in stems.items()},
            "image_column": "image",
            "label_columns": list(DIAGNOSES),
            "group_table": {"file": LESIONS, "image": "image", "group": "lesion_id"},
            "test_fraction": self.test_fraction,
        }
