"""CXR-LT 2023: long-tailed findings on the chest X-rays of MIMIC-CXR-JPG."""

from typing import Any, Literal

from pydantic import Field

from evenkeel.trainables.data.published import Published

FINDINGS = (
    "Atelectasis", "Calcification of the Aorta", "Cardiomegaly", "Consolidation", "Edema", "Emphysema",
    "Enlarged Cardiomediastinum", "Fibrosis", "Fracture", "Hernia", "Infiltration", "Lung Lesion", "Lung Opacity",
    "Mass", "No Finding", "Nodule", "Pleural Effusion", "Pleural Other", "Pleural Thickening", "Pneumomediastinum",
    "Pneumonia", "Pneumoperitoneum", "Pneumothorax", "Subcutaneous Emphysema", "Support Devices", "Tortuous Aorta",
)  # fmt: skip


class CxrLt(Published):
    """CXR-LT 2023 (Holste et al., PhysioNet): 26 findings, several an image, on MIMIC-CXR-JPG's X-rays."""

    name: Literal["cxr-lt"] = "cxr-lt"
    train_table: str = Field("train.csv", description="the challenge's labelled table, under root")
    test_table: str | None = Field(None, description="a labelled test table, under root; else test is carved")
    images: str = Field("files", description="folder (or zip) of the images, under root")
    test_fraction: float = Field(0.2, gt=0, lt=0.9, description="share of the rows carved as test without test_table")
    group_by: Literal["patient", "image"] = Field(
        "patient", description="what stays on one side of a split; the paper's 8:2 split goes by image"
    )
    grey: bool = Field(True, description="read one channel: the X-rays are grey")

    def layout(self) -> dict[str, Any]:
        official = {"tables": {"train": self.train_table, "test": self.test_table}}
        carved = {"tables": {"all": self.train_table}, "test_fraction": self.test_fraction}
        return (official if self.test_table else carved) | {
            "images": dict.fromkeys(("train", "test") if self.test_table else ("all",), self.images),
            "image_column": "path",
            "label_columns": list(FINDINGS),
            "group_column": "subject_id" if self.group_by == "patient" else None,
            "grey": self.grey,
        }
