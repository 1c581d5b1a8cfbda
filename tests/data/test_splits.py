"""Splits: sizes, groups, rare classes; what cannot be had is said before any trial."""

import numpy as np
import pytest

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.settings import Validation
from evenkeel.trainables.data.stratify import carve, folds, rows_of
from tests.data.makers import csv_table, shade, write


def table(folder, groups, tags=None, splits=None):
    """A row an image: the given groups, cat and dog in turn, or the given tags."""
    tags = tags or ["cat" if i % 2 else "dog" for i in range(len(groups))]
    splits = splits or [""] * len(groups)
    rows = "".join(f"im{i},{t},{g},{s}\n" for i, (t, g, s) in enumerate(zip(tags, groups, splits, strict=True)))
    images = {f"images/im{i}.png": shade(i % 256, 4) for i in range(len(groups))}
    return write(folder, {"labels.csv": "image_id,tags,patient,split\n" + rows} | images)


GROUPS = {
    "none": ([""] * 60, {}, (11, 13), None),
    "small groups": ([f"p{i // 3}" for i in range(60)], {}, (10, 15), None),
    "one large group": ([f"p{i // 3}" if i < 18 else "large" for i in range(60)], {}, (10, 15), None),
    "blank groups": ([f"p{i // 3}" if i < 18 else "" for i in range(60)], {}, (10, 15), "42 rows without a patient"),
    "groups that say NA": ([f"p{i // 3}" if i < 18 else "NA" for i in range(60)], {}, (10, 15), "42 rows without"),
    "nothing of the size": (
        [f"h{i // 6}" for i in range(60)],
        {"test_fraction": 0.05},
        None,
        "would be 3, but no group",
    ),
    "only large groups": (["a"] * 30 + ["b"] * 30, {}, None, "would be 12, but no group is small enough"),
    "too few small ones": (["a"] * 56 + list("bcde"), {}, (4, 4), "4 test rows where 12 were asked for"),
}


@pytest.mark.parametrize("name", GROUPS)
def test_test_rows_come_in_whole_groups(name, tmp_path):
    groups, keys, num_test, message = GROUPS[name]
    grouped = {} if name == "none" else {"group_column": "patient"}
    chosen = csv_table(table(tmp_path, groups), **({"test_fraction": 0.2, "validation": {}} | grouped | keys))
    if num_test is None:
        with pytest.raises(TrainableError, match=message):
            load(chosen, 8, tmp_path / "cache")
        return
    found = load(chosen, 8, tmp_path / "cache")
    assert num_test[0] <= len(found.rows("test")) <= num_test[1]
    test, rest = (np.array(groups)[found.split == code] for code in (2, 0))
    assert not (set(test) & set(rest)) - {"", "NA"}
    odd = [str(each) for each in chosen.describe().odd]
    assert message is None or any(message in each for each in odd), odd


def test_validation_that_falls_short_is_said(tmp_path):
    groups = ["large"] * 40 + [f"p{i}" for i in range(4)] + ["t"] * 16
    splits = ["train"] * 44 + ["test"] * 16
    chosen = csv_table(table(tmp_path, groups, None, splits), group_column="patient", validation={"fraction": 0.25})
    assert any("4 validation rows where 11 were asked for" in str(odd) for odd in chosen.describe().odd)


def test_an_official_val_that_is_carved_anew_is_said(tmp_path):
    chosen = csv_table(table(tmp_path, [""] * 12, None, ["train"] * 6 + ["val"] * 3 + ["test"] * 3), validation={})
    assert any("the 3 val rows of the tables join train" in str(odd) for odd in chosen.describe().odd)


UNSCORED = {
    "no positive in test": (["cat", "dog", "cat", "", ""], "no class has a positive in test .2 images., so nothing"),
    "no positive in val": (
        ["cat", "dog", "", "cat", "dog"],
        "no class has a positive in val .1 images., so thresholds",
    ),
    "a class without a training image": (
        ["cat", "cat", "dog", "cat", "dog"],
        "1 of 2 classes have no positive in train .dog",
    ),
}


@pytest.mark.parametrize("name", UNSCORED)
def test_what_cannot_be_scored_is_refused(name, tmp_path):
    tags, message = UNSCORED[name]
    chosen = csv_table(table(tmp_path, [""] * 5, tags, ["train", "train", "val", "test", "test"]))
    with pytest.raises(TrainableError, match=message):
        load(chosen, 8, tmp_path / "cache")


MIN = [
    ({"train": 4}, "no class has 4 positives in train .largest: dog, 3., so none is left; lower it"),
    ({"train": 1, "test": 3}, "no class has 3 positives in test .largest: dog, 2"),
]


@pytest.mark.parametrize(("least", "message"), MIN)
def test_min_positives_that_leave_nothing_are_refused(least, message, tmp_path):
    chosen = csv_table(table(tmp_path, [""] * 9, None, ["train"] * 5 + ["val"] + ["test"] * 3), min_positives=least)
    with pytest.raises(TrainableError, match=message):
        chosen.describe()


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"train": "labels.csv", "test": "other.csv"}, "line 2 says test, but it is a row of the train table"),
        ({"train": "gone.csv", "test": "labels.csv"}, "gone.csv does not exist"),
    ],
)
def test_tables_that_contradict_their_split_column(tables, message, tmp_path):
    table(tmp_path, [""] * 3, None, ["test", "train", "train"])
    write(tmp_path, {"other.csv": "image_id,tags,patient,split\nim9,cat,,test\n"})
    with pytest.raises(TrainableError, match=message):
        csv_table(tmp_path, tables=tables, split_column="split").describe()


def test_a_test_table_without_labels_cannot_be_scored(tmp_path):
    write(table(tmp_path, [""] * 3), {"test.csv": "image_id\nim9\n"})
    chosen = csv_table(tmp_path, tables={"train": "labels.csv", "test": "test.csv"}, validation={})
    with pytest.raises(TrainableError, match="test.csv has no column 'tags' .a test table without labels cannot be"):
        chosen.describe()


def test_rows_of_leaves_test_rows_alone_and_follows_the_seed(rng):
    targets = (rng.random((200, 3)) < 0.4).astype(np.uint8)
    split = np.repeat([0, 2], 100).astype(np.uint8)
    one, again, other = (rows_of(split, targets, None, Validation(), seed) for seed in (1, 1, 2))
    fixed = [rows_of(split, targets, None, Validation(per_seed=False), seed)["val"] for seed in (1, 2)]
    assert one["test"].tolist() == list(range(100, 200)) and len(one["val"]) == 20
    assert sorted([*one["train"], *one["val"]]) == list(range(100))
    assert one["val"].tolist() == again["val"].tolist() != other["val"].tolist()
    assert fixed[0].tolist() == fixed[1].tolist()


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_a_carve_never_overshoots_by_more_than_a_quarter(fraction, rng):
    for _ in range(20):
        group = rng.choice(40, size=300, p=rng.dirichlet(np.full(40, 0.3)))
        targets = (rng.random((300, 4)) < 0.3).astype(np.uint8)
        chosen = carve(targets, group, fraction=fraction, rng=rng)
        assert chosen.sum() <= 1.25 * round(fraction * 300) and not set(group[chosen]) & set(group[~chosen])


def test_a_study_without_validation_images_is_refused(tmp_path):
    chosen = csv_table(table(tmp_path, [""] * 12, None, ["train"] * 9 + ["test"] * 3))
    assert "no validation images; give data.validation" in chosen.describe().refusal
    assert csv_table(tmp_path, validation={"fraction": 0.3}).describe().refusal is None


@pytest.mark.parametrize("num", [3, 5])
def test_folds_are_alike_in_size_and_in_every_class(num, rng):
    targets = (rng.random((600, 6)) < [0.5, 0.3, 0.1, 0.05, 0.02, 0.01]).astype(np.uint8)
    group = rng.integers(0, 300, 600).astype(str)
    found = folds(targets, group, num=num, rng=np.random.default_rng(3))
    assert all(len(set(found[group == name])) == 1 for name in set(group))
    for fold in range(num):
        assert abs((found == fold).sum() - 600 / num) <= 0.1 * 600 / num
        assert (np.abs(targets[found == fold].sum(0) - targets.sum(0) / num) <= 3).all()
    assert np.array_equal(found, folds(targets, group, num=num, rng=np.random.default_rng(3)))
