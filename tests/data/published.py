"""Tiny sets in the layouts in which CXR-LT, ISIC 2018, APTOS 2019, MedMNIST, VOC-MLT and COCO-MLT are published."""

from pathlib import Path
from typing import Any

import numpy as np

from evenkeel.trainables.data import DataSet, data_set
from evenkeel.trainables.data.cxr_lt import FINDINGS
from evenkeel.trainables.data.medmnist_classes import CLASSES, VOLUMES
from tests.data.makers import Files, encoded, shade, write

DIAGNOSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def cxr_lt(root: Path, **changes: Any) -> DataSet:
    """130 X-rays of 65 patients: patient i has findings i and i + 1 (mod 26) on both; columns as in train.csv."""
    lines = [",".join(["dicom_id", "subject_id", "study_id", "ViewPosition", "age", "path", *FINDINGS])]
    files: Files = {}
    for i in range(65):
        for view in ("PA", "LL"):
            path = f"files/p10/p{10000000 + i}/s{i}/{i:08x}-{view}.jpg"
            labels = ["1" if c in (i % 26, (i + 1) % 26) else "0" for c in range(26)]
            lines.append(",".join([f"{i:08x}-{view}", str(10000000 + i), str(i), view, "50", path, *labels]))
            files[path] = grey_jpeg(i)
    write(root, files | {"train.csv": "\n".join(lines) + "\n"})
    return data_set({"name": "cxr-lt", "root": str(root)} | changes)


def isic2018(root: Path, **changes: Any) -> DataSet:
    """70 training images, two a lesion, 7 for validation and 14 to test; every seventh has the same diagnosis."""
    files: Files = {}
    at = 0
    for part, num in (("Training", 70), ("Validation", 7), ("Test", 14)):
        lines = ["image," + ",".join(DIAGNOSES)]
        for i in range(num):
            name = f"ISIC_{at:07d}"
            lines.append(",".join([name, *("1.0" if c == (i // 2 if num > 7 else i) % 7 else "0.0" for c in range(7))]))
            files[f"ISIC2018_Task3_{part}_Input/{name}.jpg"] = shade(at)
            at += 1
        stem = f"ISIC2018_Task3_{part}_GroundTruth"
        files[f"{stem}/{stem}.csv"] = "\n".join(lines) + "\n"
        files[f"ISIC2018_Task3_{part}_Input/ATTRIBUTION.txt"] = "by their authors"
    lesions = [f"ISIC_{i:07d},HAM_{i // 2:07d},histopathology" for i in range(70)]
    files["ISIC2018_Task3_Training_LesionGroupings.csv"] = "\n".join(
        ["image,lesion_id,diagnosis_confirm_type", *lesions, ""]
    )
    write(root, files)
    return data_set({"name": "isic2018", "root": str(root)} | changes)


def aptos2019(root: Path, **changes: Any) -> DataSet:
    """60 labelled images of grades 0 to 4, and unlabelled test images as the competition has them."""
    files: Files = {f"train_images/{i:012x}.png": shade(4 * i) for i in range(60)}
    files["train.csv"] = "id_code,diagnosis\n" + "".join(f"{i:012x},{i % 5}\n" for i in range(60))
    files |= {"test.csv": "id_code\nffff\n", "test_images/ffff.png": shade(9)}
    write(root, files)
    return data_set({"name": "aptos2019", "root": str(root)} | changes)


def medmnist(root: Path, dataset: str = "dermamnist", size: int = 28, **changes: Any) -> DataSet:
    """28, 14 and 14 images as the package's files have them; the red (or only) channel of image i is i, of a volume its
    middle slice."""
    grey, num = dataset == "chestmnist", len(CLASSES[dataset])
    arrays = {}
    for split, rows in (("train", range(28)), ("val", range(28, 42)), ("test", range(42, 56))):
        at = np.array(rows, dtype=np.uint8)
        images = np.zeros((len(at), size, size, 3), dtype=np.uint8)
        images[..., 0] = at[:, None, None]
        arrays[f"{split}_images"] = images[..., 0] if grey else images
        if dataset in VOLUMES:
            arrays[f"{split}_images"] = np.full((len(at), size, size, size), 255, dtype=np.uint8)
            arrays[f"{split}_images"][:, size // 2] = images[..., 0]
        one = (at % num)[:, None]
        arrays[f"{split}_labels"] = (np.arange(num) == one) | (np.arange(num) == (one + 1) % num) if grey else one
        arrays[f"{split}_labels"] = arrays[f"{split}_labels"].astype(np.uint8)
    root.mkdir(exist_ok=True)
    np.savez(root / f"{dataset}{'' if size == 28 else f'_{size}'}.npz", **arrays)
    return data_set({"name": "medmnist", "root": str(root), "dataset": dataset, "size": size} | changes)


def grey_jpeg(value: int) -> bytes:
    """A JPEG of one channel."""
    from PIL import Image

    return encoded(Image.new("L", (16, 12), value), "JPEG")


def voc_mlt(root: Path, **changes: Any) -> DataSet:
    """16 training and 8 test images of 4 classes, as LMPT and LM-CLIP publish their lists; image i is 8 i grey."""
    names = ["aeroplane", "bicycle", "diningtable", "tvmonitor"]
    at = {"train": "VOCdevkit/VOC2012/JPEGImages/2008_{:06d}.jpg", "test": "VOCdevkit/VOC2007/JPEGImages/{:06d}.jpg"}
    return _mlt(root, "voc", names, at, **changes)


def coco_mlt(root: Path, **changes: Any) -> DataSet:
    """The same of COCO: names of two words, blanks at the ends of lines, a test image without labels."""
    names = ["person", "traffic light", "hot dog", "tv"]
    at = {"train": "train2017/{:012d}.jpg", "test": "val2017/{:012d}.jpg"}
    found = _mlt(root, "coco", names, at, **changes)
    with (root / "coco_lt_test.txt").open("a") as file:
        file.write("val2017/000000000099.jpg\n")
    write(root, {"val2017/000000000099.jpg": shade(99)})
    return found


def _mlt(root: Path, prefix: str, names: list[str], at: dict[str, str], **changes: Any) -> DataSet:
    files: Files = {f"{prefix}_labels.txt": "".join(f"{name} {i} \n" for i, name in enumerate(names)).rstrip()}
    for split, numbers in (("train", range(16)), ("test", range(16, 24))):
        lines = [f"{at[split].format(i)} {i % 4} {(i + 1) % 4} \n" for i in numbers]
        files[f"{prefix}_lt_{split}.txt"] = "".join(lines)
        files |= {at[split].format(i): shade(8 * i) for i in numbers}
    write(root, files)
    return data_set({"name": f"{prefix}-mlt", "root": str(root)} | changes)
