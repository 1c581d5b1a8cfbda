"""What every data set promises, ours and the one of docs/adding_a_data_set.md."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evenkeel.trainables import TrainableError
from evenkeel.trainables.cache import made_once
from evenkeel.trainables.data import DATA_SETS, data_set
from evenkeel.trainables.data.load import load
from evenkeel.trainables.settings import PLACE, Settings, decisive, places
from tests.data.makers import csv_table, six, write
from tests.data.published import aptos2019, coco_mlt, cxr_lt, isic2018, medmnist, voc_mlt

PAGE = Path(__file__).parents[2] / "docs" / "adding_a_data_set.md"
SHARED = Path(__file__).parents[3] / "shared" / "data"
SIDE = 32


def of_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The module and an .npz file as docs/adding_a_data_set.md has them."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.S | re.M)
    write(folder, {"my_data.py": code})
    squares(folder / "squares.npz")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "my_data", raising=False)
    importlib.invalidate_caches()
    return data_set({"name": "my_data:NpzImages", "file": str(folder / "squares.npz")})


def squares(path: Path) -> None:
    rng = np.random.default_rng(0)
    targets = np.eye(2, dtype=np.uint8)[np.arange(60) % 2]
    images = rng.integers(0, 60, (60, SIDE, SIDE, 3), dtype=np.uint8)
    images[targets[:, 1] == 1, 8:24, 8:24] = 200
    split = np.repeat([0, 1, 2], 20).astype(np.uint8)
    np.savez(path, images=images, targets=targets, split=split, classes=np.array(["plain", "square"]))


EXAMPLES = {
    "digits-mlt": lambda folder, _: data_set({"name": "digits-mlt"}),
    "csv": lambda folder, _: csv_table(six(folder)),
    "cxr-lt": lambda folder, _: cxr_lt(folder),
    "isic2018": lambda folder, _: isic2018(folder),
    "aptos2019": lambda folder, _: aptos2019(folder),
    "medmnist": lambda folder, _: medmnist(folder),
    "voc-mlt": lambda folder, _: voc_mlt(folder),
    "coco-mlt": lambda folder, _: coco_mlt(folder),
    "my_data:NpzImages": of_the_page,
}
"""How a small one of each is made: a new data set adds a line."""


def test_every_data_set_has_an_example():
    by_function = {"by-function"}  # has no images of its own: tests/test_function.py
    assert set(EXAMPLES) >= set(DATA_SETS) - by_function


@pytest.fixture(params=EXAMPLES)
def example(request, tmp_path, monkeypatch):
    return EXAMPLES[request.param](tmp_path, monkeypatch)


def test_identity_is_stable_json_without_places(example, tmp_path):
    again = data_set(example.model_dump(mode="json"))
    assert example.fingerprint() == again.fingerprint() and example.identity() == again.identity()
    text = json.dumps(example.identity())
    assert str(tmp_path) not in text and example.fingerprint() in text
    assert not set(places(example)) & set(example.identity())


def test_new_keys_that_are_not_set_leave_the_ids_alone(tmp_path):
    first_version = {
        "name", "tables", "images", "image_column", "label_column", "separator", "label_columns", "classes_table",
        "split_column", "group_column", "test_fraction", "validation", "min_positives", "drop_empty_classes", "grey",
    }  # fmt: skip
    assert set(csv_table(six(tmp_path)).identity()) == first_version | {"fingerprint"}
    assert set(csv_table(tmp_path, delimiter=",").identity()) == first_version | {"fingerprint", "delimiter"}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the small real image sets are not beside this checkout")
def test_the_fingerprint_of_zips_is_that_of_the_first_version():
    from evenkeel.study.file.read import load_study

    data = load_study("corel5k", [f"data.root={SHARED / 'corel5k'}"]).data
    assert data.identity()["fingerprint"] == "910ad80b389c3c7f"


def test_identity_stays_when_the_files_move(example, tmp_path):
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    shutil.copytree(tmp_path, moved)
    settings = example.model_dump(mode="json")
    set_places = [key for key in places(example) if settings[key]]
    there = settings | {key: settings[key].replace(str(tmp_path), str(moved)) for key in set_places}
    assert data_set(there).identity() == example.identity()


def test_load_gives_what_is_promised(example, tmp_path):
    found = load(example, SIDE, tmp_path / "cache")
    rows, classes = found.targets.shape
    assert found.images.shape[:3] == (rows, SIDE, SIDE) and found.images.shape[3] in (1, 3)
    assert found.images.dtype == found.targets.dtype == found.split.dtype == np.uint8
    assert found.split.shape == (rows,) and set(found.split) <= {0, 1, 2} and set(found.targets.ravel()) <= {0, 1}
    assert len(found.classes) == classes and all(isinstance(name, str) for name in found.classes)
    assert found.group is None or found.group.shape == (rows,)
    assert (found.targets[found.rows("train")].sum(0) > 0).all() and len(found.rows("test"))


def test_loads_the_same_from_its_cache(example, tmp_path):
    first, again = (load(example, SIDE, tmp_path / "cache") for _ in range(2))
    assert np.array_equal(first.images, again.images) and np.array_equal(first.targets, again.targets)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"digits-mlt"}))
def test_missing_files_are_a_trainable_error(name, tmp_path, monkeypatch):
    example = EXAMPLES[name](tmp_path, monkeypatch)
    gone = example.model_copy(update={key: str(tmp_path / "nowhere") for key in places(example)})
    with pytest.raises(TrainableError, match="nowhere.*does not exist"):
        gone.fingerprint()


def test_importing_the_data_sets_is_light():
    code = (
        "import sys, evenkeel.trainables.data; print(sorted({'torch', 'pandas', 'PIL', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_data_set_of_the_page_runs(tmp_path, monkeypatch):
    from evenkeel.study.cli import main

    of_the_page(tmp_path, monkeypatch)
    (study,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), flags=re.S | re.M)
    write(tmp_path, {"squares.yaml": study})
    monkeypatch.chdir(tmp_path)
    assert main(["run", "squares.yaml", "--serial"]) == 0
    assert len(list((tmp_path / "studies" / "squares").rglob("*.json"))) >= 4


class TestMadeOnce:
    def test_makes_files_and_folders_once(self, tmp_path):
        for name, make in {
            "a.npy": lambda at: at.write_text(at.suffix),
            "b": lambda at: (at.mkdir(), (at / "x").write_text("1")),
        }.items():
            calls = []
            for _ in range(2):
                made_once(tmp_path / "deep" / name, lambda at, make=make, calls=calls: (calls.append(at), make(at)))
            assert len(calls) == 1 and not calls[0].exists()
        assert (tmp_path / "deep" / "a.npy").read_text() == ".npy" and (tmp_path / "deep" / "b" / "x").is_file()

    def test_a_fault_leaves_nothing(self, tmp_path):
        def faulty(at):
            at.mkdir()
            (at / "half").write_text("")
            raise KeyError("x")

        with pytest.raises(KeyError):
            made_once(tmp_path / "a", faulty)
        assert {path.suffix for path in tmp_path.iterdir()} <= {".lock"}


def test_places_and_switches_are_found_in_inner_models_too():
    from typing import Annotated

    from evenkeel.trainables.settings import SWITCH

    class Inner(Settings):
        file: Annotated[str, PLACE]

    class Outer(Settings):
        root: Annotated[str, PLACE]
        inner: Inner
        late: Annotated[int | None, SWITCH] = None

    outer = Outer(root="r", inner=Inner(file="f"))
    assert places(outer) == ["root", "inner.file"]
    assert decisive(outer) == {"inner": {}}
    assert decisive(outer.model_copy(update={"late": 2})) == {"inner": {}, "late": 2}
