"""The published long-tail lists are read as they are."""

import numpy as np
import pytest

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data import data_set
from evenkeel.trainables.data.load import load
from tests.data.makers import write
from tests.data.published import coco_mlt, voc_mlt


@pytest.mark.parametrize("make", [voc_mlt, coco_mlt])
def test_rows_labels_and_splits_follow_the_lists(make, tmp_path):
    found = load(make(tmp_path), 8, tmp_path / "cache")
    wanted = np.zeros((24, 4), dtype=np.uint8)
    wanted[np.arange(24), np.arange(24) % 4] = wanted[np.arange(24), (np.arange(24) + 1) % 4] = 1
    assert np.array_equal(found.targets[:24], wanted) and not found.targets[24:].any()
    assert np.array_equal(found.images[:24, 4, 4, 0], 8 * np.arange(24))
    assert found.split[:24].tolist() == [0] * 16 + [2] * 8
    assert len(found.rows("test")) == (9 if make is coco_mlt else 8)
    assert found.classes[1] == ("traffic light" if make is coco_mlt else "bicycle")


def test_lists_may_lie_elsewhere(tmp_path):
    here = voc_mlt(tmp_path / "a")
    lists = tmp_path / "lists"
    lists.mkdir()
    for path in (tmp_path / "a").glob("voc_*.txt"):
        path.rename(lists / path.name)
    there = here.model_copy(update={"lists": str(lists)})
    assert len(load(there, 8, tmp_path / "cache").targets) == 24
    with pytest.raises(TrainableError, match=r"data.root: .*voc_labels.txt does not exist.*docs/data.md"):
        here.fingerprint()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("voc_lt_train.txt", "VOCdevkit/VOC2012/JPEGImages/2008_000000.jpg 4", "line 1: class numbers must be 0 to 3"),
        (
            "voc_lt_train.txt",
            "gone/a.jpg 0\ngone/b.jpg 1",
            r"data.root: 2 images of 10 cannot be had: images 'gone/a.jpg', 'gone/b.jpg': no such file in",
        ),
        ("voc_labels.txt", "aeroplane", "line 1: 'aeroplane' is not a name and a number"),
        ("voc_labels.txt", "aeroplane 1", "numbers must be 0 to 0"),
    ],
)
def test_faults_are_named_with_their_line(file, text, message, tmp_path):
    voc_mlt(tmp_path)
    write(tmp_path, {file: text})
    with pytest.raises(TrainableError, match=message):
        data_set({"name": "voc-mlt", "root": str(tmp_path)}).load(8, tmp_path / "cache")


def test_bad_images_are_named_together_and_may_be_skipped(tmp_path):
    data = voc_mlt(tmp_path)
    write(tmp_path, {"VOCdevkit/VOC2007/JPEGImages/000016.jpg": b"no picture"})
    gone = tmp_path / "VOCdevkit/VOC2012/JPEGImages/2008_000003.jpg"
    gone.unlink()
    with pytest.raises(TrainableError, match=r"2 images of 24 cannot be had: .*000003.jpg.*000016.jpg.*on_bad_image"):
        data.load(8, tmp_path / "cache")
    found = load(data.model_copy(update={"on_bad_image": "skip"}), 8, tmp_path / "cache")
    kept = np.delete(np.arange(24), [3, 16])
    assert np.array_equal(found.images[:, 4, 4, 0], 8 * kept) and found.split.tolist() == [0] * 15 + [2] * 7
    assert np.array_equal(found.targets.argmax(1), np.array([0, 1, 2, 0] * 6)[kept]) and len(found.skipped) == 2


@pytest.mark.parametrize("make", [voc_mlt, coco_mlt])
def test_the_lists_describe_themselves(make, tmp_path):
    summary = make(tmp_path).describe()
    assert summary.rows == {"train": 16, "val": 0, "test": 9 if make is coco_mlt else 8} and summary.refusal is None
    assert [(c.train, c.test) for c in summary.classes] == [(8, 4)] * 4
    assert summary.tables[0].endswith("lt_train.txt: 16 rows, images and class numbers")


def test_missing_images_are_ten_names_and_a_count(tmp_path):
    data = voc_mlt(tmp_path)
    for path in tmp_path.rglob("*.jpg"):
        path.unlink()
    refusal = data.describe().refusal
    assert refusal.startswith(
        "data.root: 24 images of 24 cannot be had: images 'VOCdevkit/VOC2012/JPEGImages/2008_000000.jpg'"
    )
    assert refusal.count(".jpg") == 10 and "and 14 more; mend them" in refusal and "\n" not in refusal


def test_the_pickles_of_the_original_code_are_refused_by_name(tmp_path):
    write(tmp_path, {"class_freq.pkl": b"x", "class_split.pkl": b"x"})
    with pytest.raises(
        TrainableError, match=r"class_freq.pkl, class_split.pkl, pickles .*take the lists of LMPT's code"
    ):
        data_set({"name": "voc-mlt", "root": str(tmp_path)}).describe()
