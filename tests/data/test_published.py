"""Published layouts are read as they are: labels, splits and groups follow from how the files were made."""

import hashlib
import json

import numpy as np
import pytest

from evenkeel.study.errors import UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.run.data_facts import refuse_several_labels
from evenkeel.trainables import TrainableError
from evenkeel.trainables.data import data_set
from evenkeel.trainables.data.cxr_lt import FINDINGS
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.medmnist import VOLUME_SIZES
from evenkeel.trainables.data.medmnist_classes import CLASSES, SEVERAL_LABELS, VOLUMES
from evenkeel.trainables.data.stratify import rows_of
from tests.data.makers import csv_table, shade, write
from tests.data.published import DIAGNOSES, aptos2019, cxr_lt, isic2018, medmnist

MEDMNIST_INFO = "763b5eb12cbcf902369ec9f54308aa49ac7a18a8895805959c1cba5d53fc170f"


def rows(data, found):
    return rows_of(found.split, found.targets, found.group, data.validation, 0)


def sides(found, at):
    return [set(found.group[which].tolist()) for which in at.values()]


class TestCxrLt:
    def test_reads_findings_grey_images_and_patients(self, tmp_path):
        found = load(cxr_lt(tmp_path), 8, tmp_path / "cache")
        assert found.classes == list(FINDINGS) and len(found.classes) == 26 and found.images.shape == (130, 8, 8, 1)
        patient = found.group.astype(int) - 10_000_000
        wanted = np.zeros((130, 26), dtype=np.uint8)
        wanted[np.arange(130), patient % 26] = wanted[np.arange(130), (patient + 1) % 26] = 1
        assert np.array_equal(found.targets, wanted)
        assert np.abs(found.images[:, 4, 4, 0].astype(int) - patient).max() <= 2

    def test_no_patient_is_on_two_sides(self, tmp_path):
        data = cxr_lt(tmp_path)
        found = load(data, 8, tmp_path / "cache")
        train, val, test = sides(found, rows(data, found))
        assert train and val and test and not (train & val or train & test or val & test)

    def test_the_papers_split_goes_by_image(self, tmp_path):
        data = cxr_lt(tmp_path, group_by="image")
        found = load(data, 8, tmp_path / "cache")
        assert found.group is None and len(found.rows("test")) == 26

    def test_a_labelled_test_table_is_the_test(self, tmp_path):
        data = cxr_lt(tmp_path)
        table = (tmp_path / "train.csv").read_text().splitlines()
        write(tmp_path, {"train.csv": "\n".join(table[:-26]), "test.csv": "\n".join([table[0], *table[-26:]])})
        found = load(data.model_copy(update={"test_table": "test.csv"}), 8, tmp_path / "cache")
        assert found.rows("test").tolist() == list(range(104, 130))


class TestIsic2018:
    def test_reads_the_challenges_parts(self, tmp_path):
        data = isic2018(tmp_path)
        found = load(data, 8, tmp_path / "cache")
        assert found.classes == list(DIAGNOSES)
        assert [len(found.rows(s)) for s in ("train", "val", "test")] == [70, 7, 14]
        assert found.targets.argmax(1)[:6].tolist() == [0, 0, 1, 1, 2, 2] and (found.targets.sum(1) == 1).all()
        assert (found.images[:, 0, 0, 0] == np.arange(91)).all()

    def test_validation_is_carved_by_lesion_and_test_is_left_alone(self, tmp_path):
        data = isic2018(tmp_path)
        found = load(data, 8, tmp_path / "cache")
        carved = rows(data, found)
        train, val, test = sides(found, carved)
        assert not (train & val or train & test or val & test)
        assert carved["test"].tolist() == list(range(77, 91))
        assert found.group[0] == found.group[1] == "HAM_0000000" and len(set(found.group[70:])) == 21

    def test_without_the_challenges_test_one_is_carved_from_train(self, tmp_path):
        found = load(isic2018(tmp_path, test_fraction=0.2), 8, tmp_path / "cache")
        test, train = (set(found.group[found.rows(s)].tolist()) for s in ("test", "train"))
        assert len(found.split) == 70 and not test & train
        assert (found.targets[found.rows("test")].sum(0) > 0).all()


class TestAptos2019:
    def test_reads_grades_and_ignores_the_unlabelled_test(self, tmp_path):
        data = aptos2019(tmp_path)
        found = load(data, 8, tmp_path / "cache")
        assert found.classes == ["0", "1", "2", "3", "4"]
        assert found.targets.argmax(1).tolist() == [i % 5 for i in range(60)]
        carved = rows(data, found)
        assert {name: len(at) for name, at in carved.items()} == {"train": 38, "val": 10, "test": 12}
        for at in (carved["val"], carved["test"]):
            assert set(found.targets[at].sum(0).tolist()) <= {2, 3}

    def test_an_error_says_where_the_layout_is_shown(self, tmp_path):
        with pytest.raises(TrainableError, match=r"train.csv does not exist.*docs/data.md.*aptos2019"):
            aptos2019(tmp_path / "a").model_copy(update={"root": str(tmp_path)}).load(8, tmp_path)


class TestMedMnist:
    def test_has_the_packages_splits_and_names(self, tmp_path):
        found = load(medmnist(tmp_path), 28, tmp_path / "cache")
        assert [len(found.rows(s)) for s in ("train", "val", "test")] == [28, 14, 14]
        assert found.classes[:2] == ["actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma"]
        assert found.images.shape == (56, 28, 28, 3) and isinstance(found.images, np.memmap)
        assert (found.images[..., 0].reshape(56, -1) == np.arange(56)[:, None]).all() and not found.images[..., 1].any()
        assert found.targets.argmax(1).tolist() == [i % 7 for i in range(56)]

    def test_chestmnist_is_grey_with_several_labels(self, tmp_path):
        data = medmnist(tmp_path, "chestmnist", 64)
        found = load(data, 64, tmp_path / "cache")
        assert found.images.shape == (56, 64, 64, 1) and not data.softmax
        assert np.flatnonzero(found.targets[13]).tolist() == [0, 13]

    @pytest.mark.parametrize("size", [28, 64, 128, 224])
    def test_every_size_has_its_file_and_is_resized(self, tmp_path, size):
        found = load(medmnist(tmp_path, "retinamnist", size), 16, tmp_path / "cache")
        assert found.images.shape == (56, 16, 16, 3)
        assert (found.images[..., 0].reshape(56, -1) == np.arange(56)[:, None]).all()

    @pytest.mark.parametrize("size", [28, 64])
    def test_of_volumes_the_middle_slice_is_taken(self, tmp_path, size):
        data = medmnist(tmp_path, "fracturemnist3d", size, slice="middle")
        found = load(data, 28, tmp_path / "cache")
        assert found.images.shape == (56, 28, 28, 1) and len(found.classes) == 3
        assert (found.images.reshape(56, -1) == np.arange(56)[:, None]).all()

    def test_plan_and_doctor_show_it(self, tmp_path):
        said = medmnist(tmp_path).describe()
        assert said.images == "dermamnist.npz: 56 images, pictures of 28 x 28 pixels"
        assert said.rows == {"train": 28, "val": 14, "test": 14} and said.labels_per_image == {1: 56}
        assert [(c.train, c.val, c.test) for c in said.classes] == [(4, 2, 2)] * 7
        assert said.first_rows[0] == ("train image 0", said.classes[0].name, "train") and not said.odd

    def test_validation_can_be_carved_anew_by_seed(self, tmp_path):
        data = medmnist(tmp_path, validation={"fraction": 0.25})
        found = load(data, 28, tmp_path / "cache")
        carved = rows(data, found)
        assert carved["test"].tolist() == list(range(42, 56)) and 8 <= len(carved["val"]) <= 12

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (b"no zip", "is no .npz file"),
            ({"train_images": np.zeros((2, 28, 28), np.uint8)}, "holds no val_images"),
            ({"train_images": np.zeros((2, 28, 28), np.float32)}, "does not hold rows of bytes"),
        ],
    )
    def test_a_damaged_file_is_named(self, tmp_path, damage, message):
        data = medmnist(tmp_path)
        if isinstance(damage, bytes):
            (tmp_path / "dermamnist.npz").write_bytes(damage)
        else:
            np.savez(tmp_path / "dermamnist.npz", **damage)
        with pytest.raises(TrainableError, match=f"data.root.*dermamnist.npz {message}"):
            data.load(28, tmp_path / "cache")

    def test_labels_of_another_set_are_refused(self, tmp_path):
        medmnist(tmp_path, "dermamnist")
        (tmp_path / "dermamnist.npz").rename(tmp_path / "retinamnist.npz")
        with pytest.raises(TrainableError, match=r"labels \[28, 1\] up to 6, not those of retinamnist"):
            medmnist_at(tmp_path, "retinamnist").load(28, tmp_path / "cache")


def medmnist_at(root, dataset):
    from evenkeel.trainables.data import data_set

    return data_set({"name": "medmnist", "root": str(root), "dataset": dataset})


class TestTask:
    def test_one_hot_needs_exactly_one_label(self, tmp_path):
        isic2018(tmp_path)
        path = tmp_path / "ISIC2018_Task3_Test_GroundTruth" / "ISIC2018_Task3_Test_GroundTruth.csv"
        path.write_text(path.read_text().replace("1.0", "0.0", 1))
        with pytest.raises(TrainableError, match=r"data.task: 1 of 91 images .*row 77.*one-vs-rest"):
            isic2018_at(tmp_path, "one-hot").load(8, tmp_path / "cache")
        assert isic2018_at(tmp_path, "one-vs-rest").load(8, tmp_path / "cache").targets[77].sum() == 0

    def test_one_vs_rest_refuses_softmax_losses_and_one_hot_takes_both(self, tmp_path):
        aptos2019(tmp_path)
        study = ["data={name: aptos2019, root: " + str(tmp_path) + "}", "losses=[ral, ral-softmax]"]
        refuse_several_labels(load_study("demo", study), (1,))
        with pytest.raises(UserError, match=r"ral-softmax .*data.task: one-hot"):
            refuse_several_labels(load_study("demo", [*study, "data.task=one-vs-rest"]), (1,))


def isic2018_at(root, task):
    from evenkeel.trainables.data import data_set

    return data_set({"name": "isic2018", "root": str(root), "task": task})


class TestGroupTable:
    def table(self, root, **changes):
        rows = "".join(f"im{i},{'ab'[i % 2]}\n" for i in range(40))
        files = {f"images/im{i}.png": shade(i) for i in range(40)}
        write(root, files | {"labels.csv": "image_id,tags\n" + rows, "homes.csv": homes(36)})
        given = {"group_table": {"file": "homes.csv", "image": "image", "group": "home"}, "test_fraction": 0.2}
        return csv_table(root, **given | changes)

    def test_groups_come_from_a_table_of_their_own(self, tmp_path):
        found = self.table(tmp_path).load(8, tmp_path / "cache")
        assert found.group[:8].tolist() == ["h0"] * 4 + ["h1"] * 4 and len(set(found.group[36:])) == 4
        test, train = (set(found.group[found.rows(s)].tolist()) for s in ("test", "train"))
        assert test and not test & train

    def test_decides_the_identity(self, tmp_path):
        data = self.table(tmp_path)
        first = data.fingerprint()
        (tmp_path / "homes.csv").write_text(homes(40))
        assert data.fingerprint() != first

    def test_ids_that_never_match_are_an_error(self, tmp_path):
        data = self.table(tmp_path)
        (tmp_path / "homes.csv").write_text("image,home\nother,h0\n")
        with pytest.raises(TrainableError, match=r"data.group_table: .*homes.csv speaks of none.*'other'.*'im0'"):
            data.load(8, tmp_path / "cache")

    def test_excludes_a_group_column(self, tmp_path):
        with pytest.raises(ValueError, match="group_table and group_column exclude each other"):
            self.table(tmp_path, group_column="patient")


def homes(num: int) -> str:
    return "image,home\n" + "".join(f"im{i},h{i // 4}\n" for i in range(num))


class TestFolds:
    def test_are_disjoint_grouped_and_cover_all(self, tmp_path):
        made = TestGroupTable().table(tmp_path)
        sets = [made.model_copy(update={"fold": k}).load(8, tmp_path / "cache") for k in range(5)]
        test = [set(found.rows("test").tolist()) for found in sets]
        assert sum(map(len, test)) == len(set.union(*test)) == 40 and max(map(len, test)) <= 9
        for found in sets:
            assert not set(found.group[found.rows("test")]) & set(found.group[found.rows("train")])

    def test_are_chosen_with_test_fraction_alone(self, tmp_path):
        with pytest.raises(ValueError, match="test_fraction 0.2 makes 5 folds, counted from 0, got 5"):
            TestGroupTable().table(tmp_path, fold=5)
        with pytest.raises(ValueError, match="fold: needs test_fraction"):
            csv_table(tmp_path, fold=1)


def test_the_classes_of_medmnist_are_the_packages():
    """A hash of what INFO of medmnist 3.0.2 says of each set: its labels by number, whether an image has several, and
    its sizes; the package itself is too heavy to be installed for this alone."""
    said = {
        name: [list(classes), name in SEVERAL_LABELS, list(VOLUME_SIZES) if name in VOLUMES else [28, 64, 128, 224]]
        for name, classes in CLASSES.items()
    }
    assert hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest() == MEDMNIST_INFO


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"dataset": "organmnist3d"},
            "is a set of volumes, and trainables take pictures; give slice: middle, or one of pa",
        ),
        ({"dataset": "organmnist3d", "slice": "middle", "size": 128}, "volumes are published at"),
        ({"dataset": "dermamnist", "slice": "middle"}, "dermamnist is a set of pictures; leave it out"),
        ({"dataset": "dermanist"}, "did you mean"),
    ],
)
def test_other_sets_of_medmnist_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        data_set({"name": "medmnist"} | keys)
