"""The presets of real sets, on the real images: whole tables as counted by their README, a few images decoded."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from evenkeel.study.file.read import PRESETS, load_study
from evenkeel.trainables.data.csv.listing import list_images
from evenkeel.trainables.data.csv.reading import read_rows
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.stratify import rows_of

SHARED = Path(__file__).parents[3] / "shared" / "data"
FOLDERS = {"corel5k": "corel5k", "nih-cxr14": "nih_cxr14_1000", "ham10000": "ham10000", "eyepacs-dr": "eyepacs_dr"}
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the small real image sets are not beside this checkout")


def data_of(preset: str, root: Path):
    return load_study(preset, [f"data.root={root}"]).data


def counted(folder: str, marks: int) -> dict[str, int]:
    """Class -> images, from the table of a set in the README; Markdown rows with `marks` numbers."""
    (section,) = re.findall(rf"^## data/{folder}:.*?(?=^## )", (SHARED / "README.md").read_text(), flags=re.S | re.M)
    rows = re.findall(r"^\| (\w+) \| (\d+)" + r" \| \d+" * (marks - 1) + r" \|$", section, flags=re.M)
    return {name: int(number) for name, number in rows if name != "images"}


@pytest.mark.parametrize(
    ("preset", "rows"),
    [("nih-cxr14", 1000), ("ham10000", 10_015), ("eyepacs-dr", 6_742)],
)
def test_every_label_is_where_the_readme_counts_it(preset, rows):
    found = data_of(preset, SHARED / FOLDERS[preset]).describe()
    assert sum(found.rows.values()) == rows and found.refusal is None
    assert {c.name: c.train + c.val + c.test for c in found.classes} == counted(FOLDERS[preset], 4)


def test_corel5k_has_its_words():
    found = data_of("corel5k", SHARED / "corel5k").describe()
    (line,) = re.findall(r"^All 260 classes as word train/test: (.*)$", (SHARED / "README.md").read_text(), re.M)
    wanted = {word: (int(train), int(test)) for word, train, test in re.findall(r"(\S+) (\d+)/(\d+)", line)}
    assert {c.name: (c.train, c.test) for c in found.classes} == wanted and len(wanted) == 260


def few_rows(preset: str, folder: Path) -> Path:
    """The set with every table cut to some rows of each of its patients, the zips as they are."""
    for file in (SHARED / FOLDERS[preset]).iterdir():
        if file.suffix == ".zip" or "classes" in file.name:
            (folder / file.name).symlink_to(file)
            continue
        with file.open(newline="") as table:
            header, *rows = csv.reader(table)
        with (folder / file.name).open("w", newline="") as table:
            csv.writer(table).writerows([header, *rows[:: max(1, len(rows) // 300)]])
    return folder


@pytest.mark.parametrize("preset", FOLDERS)
def test_images_are_decoded_and_groups_stay_on_one_side(preset, tmp_path):
    data = data_of(preset, few_rows(preset, tmp_path))
    data = data.model_copy(update={"drop_empty_classes": True})
    found = load(data, 24, tmp_path / "cache")
    assert found.images.shape[:3] == (len(found.targets), 24, 24) and len(found.targets) > 250
    assert found.images.reshape(len(found.images), -1).std(1).min() > 0
    carved = rows_of(found.split, found.targets, found.group, data.validation, 1)
    assert all(len(at) > 10 for at in carved.values())
    if found.group is not None:
        train, val, test = (set(found.group[at].tolist()) for at in carved.values())
        assert not (train & val or train & test or val & test)
    if preset in ("ham10000", "eyepacs-dr"):
        assert (found.targets.sum(1) == 1).all()


def test_every_preset_says_what_it_reproduces():
    assert all(load_study(path.stem).reproduces for path in PRESETS.glob("*.yaml"))


def test_folds_of_the_xrays_are_patients_apart():
    root = SHARED / "nih_cxr14_1000"
    data = data_of("nih-cxr14", root)
    seen: list[set[str]] = []
    for fold in range(5):
        rows = read_rows(data.model_copy(update={"fold": fold}), list_images(data))
        seen.append(set(rows.group[rows.split == 2].tolist()))
        assert 180 <= np.sum(rows.split == 2) <= 220
        assert not seen[-1] & set(rows.group[rows.split == 0].tolist())
    assert sum(map(len, seen)) == len(set.union(*seen)) == 264
