"""digits-mlt, tables of labels, splits: real images, and everything that can be wrong with them."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data import data_set
from evenkeel.trainables.data.digits import DigitsMlt, _pools
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.stratify import carve

SHARED = Path(__file__).parents[2] / "shared" / "data"
DIGITS_SHA256 = "63fd2bcee596c93d6e82ec8e86d9664a70958ae15c8d7a168c23c6b2208d22db"


@pytest.fixture(scope="module")
def digits():
    return DigitsMlt().load(32, Path())


class TestDigits:
    def test_bytes_are_the_same_everywhere(self, digits):
        digest = hashlib.sha256(digits.images.tobytes() + digits.targets.tobytes()).hexdigest()
        assert digest == DIGITS_SHA256

    def test_sizes_and_imbalance(self, digits):
        assert digits.images.shape == (7000, 32, 32, 1) and digits.images.dtype == np.uint8
        assert [len(digits.rows(s)) for s in ("train", "val", "test")] == [4000, 1000, 2000]
        counts = digits.targets[digits.rows("train")].sum(0)
        assert counts.max() / counts.min() >= 100
        for split in ("val", "test"):
            flat = digits.targets[digits.rows(split)].sum(0)
            assert flat.max() / flat.min() < 2

    def test_every_scene_has_one_to_four_digits(self, digits):
        assert set(digits.targets.sum(1)) == {1, 2, 3, 4}

    def test_rare_digits_come_with_frequent_ones(self, digits):
        targets = digits.targets[digits.rows("train")]
        order = np.argsort(targets.sum(0))
        with_rarest = targets[targets[:, order[0]] == 1]
        assert (with_rarest[:, order[-3:]].sum(1) > 0).mean() > 0.7

    def test_another_composition_shows_other_scenes_of_the_same_kind(self, digits):
        other = DigitsMlt(composition=3)
        found, train = other.load(32, Path()), digits.rows("train")
        assert "composition" not in DigitsMlt().identity() and other.identity() != DigitsMlt(composition=4).identity()
        assert not (found.images == digits.images).all((1, 2, 3)).any()
        counts, profile = (images.targets[train].sum(0).astype(int) for images in (found, digits))
        assert (abs(counts - profile) < 4 * np.sqrt(profile)).all() and (counts != profile).any()

    def test_no_original_is_in_two_splits(self):
        pools = _pools(np.random.default_rng(0))
        seen = [{image.tobytes() for images in pools[s] for image in images} for s in ("train", "val", "test")]
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]

    def test_has_a_fixed_validation_split(self):
        assert DigitsMlt().validation is None
        with pytest.raises(ValueError, match="unknown key 'validation'"):
            data_set({"name": "digits-mlt", "validation": {"fraction": 0.2}})


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 10), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Six images in a zip, a table with labels, split and patient."""
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for i in range(6):
            archive.writestr(f"im{i}.png", png(40 * i))
    (tmp_path / "labels.csv").write_text(
        "image_id,labels,split,patient\n"
        "im0,cat;dog,train,a\nim1,dog,train,a\nim2,cat,val,b\nim3,dog,val,c\nim4,cat,test,d\nim5,dog;cat,test,e\n"
    )
    return tmp_path


def table(folder, **changes):
    return data_set(
        {
            "name": "csv",
            "root": str(folder),
            "tables": {"all": "labels.csv"},
            "images": {"all": "images.zip"},
            "image_column": "image_id",
            "label_column": "labels",
            "separator": ";",
            "split_column": "split",
            "group_column": None,
            "grey": False,
        }
        | changes
    )


def edit(folder, old, new):
    table = folder / "labels.csv"
    table.write_text(table.read_text().replace(old, new))


class TestTable:
    def test_reads_labels_splits_and_pixels(self, folder, tmp_path):
        found = load(table(folder), 8, tmp_path / "cache")
        assert found.classes == ["cat", "dog"]
        assert found.targets.tolist() == [[1, 1], [0, 1], [1, 0], [0, 1], [1, 0], [1, 1]]
        assert found.split.tolist() == [0, 0, 1, 1, 2, 2]
        assert found.images.shape == (6, 8, 8, 3)
        assert found.images[:, 4, 4, 0].tolist() == [0, 40, 80, 120, 160, 200]

    def test_a_folder_of_images_is_as_good_as_a_zip(self, folder, tmp_path):
        (folder / "images").mkdir()
        with zipfile.ZipFile(folder / "images.zip") as archive:
            archive.extractall(folder / "images")
        zipped = load(table(folder), 8, tmp_path / "one")
        plain = load(table(folder, images={"all": "images"}), 8, tmp_path / "two")
        assert np.array_equal(zipped.images, plain.images)

    def test_one_column_a_class(self, folder, tmp_path):
        (folder / "labels.csv").write_text("image_id,split,cat,dog\nim0,train,1,1\nim1,val,0,1\nim2,test,1,0\n")
        found = load(table(folder, label_column=None, label_columns=["cat", "dog"]), 8, tmp_path / "cache")
        assert found.targets.tolist() == [[1, 1], [0, 1], [1, 0]]

    def test_drops_empty_classes_on_request(self, folder, tmp_path):
        edit(folder, "im4,cat,", "im4,cat;bird,")
        with pytest.raises(TrainableError, match=r"no positive in train \(bird\).*drop_empty_classes"):
            load(table(folder), 8, tmp_path / "cache")
        assert load(table(folder, drop_empty_classes=True), 8, tmp_path / "cache").classes == ["cat", "dog"]

    def test_identity_follows_the_contents_not_the_place(self, folder, tmp_path):
        before = table(folder).identity()
        moved = folder.rename(tmp_path.parent / f"{tmp_path.name}-moved")
        assert table(moved).identity() == before
        edit(moved, "im1,dog", "im1,cat")
        assert table(moved).identity() != before

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (("im3,dog,val,c", "im3,dog,val,a"), None),
            (("im0,cat;dog,", "im9,cat;dog,"), "image 'im9': no such file in"),
            (
                ("im1,dog,train", "im0,dog,train"),
                "1 of them with different labels.* image 'im0' .labels.csv line 2",
            ),
            (("im1,dog,train", "im1,dog,tarin"), "unknown split 'tarin'; did you mean 'train'"),
        ],
    )
    def test_bad_rows(self, folder, tmp_path, change, message):
        edit(folder, *change)
        chosen = table(folder, group_column="patient")
        message = message or "group 'a' is in train and in val; groups must not cross splits"
        with pytest.raises(TrainableError, match=message):
            load(chosen, 8, tmp_path / "cache")

    def test_empty_and_corrupt_images_are_named(self, folder, tmp_path):
        for content, message in (
            (b"", "im6.png is empty"),
            (png(1)[:45], "im6.png cannot be decoded"),
            (b"x", "decoded"),
        ):
            with zipfile.ZipFile(folder / "more.zip", "w") as archive:
                for i in range(6):
                    archive.writestr(f"im{i}.png", png(i))
                archive.writestr("im6.png", content)
            edit(folder, "im0,", "im6,") if "im6" not in (folder / "labels.csv").read_text() else None
            with pytest.raises(TrainableError, match=message):
                load(table(folder, images={"all": "more.zip"}), 8, tmp_path / "cache")

    def test_a_label_that_no_class_list_names(self, folder, tmp_path):
        (folder / "classes.csv").write_text("word\ncat\ndogs\n")
        spec = {"file": "classes.csv", "label": "word", "name": "word"}
        with pytest.raises(
            TrainableError,
            match="labels.csv line 2 has label 'dog' in labels, which no class.*did you mean 'dogs'",
        ):
            load(table(folder, classes_table=spec), 8, tmp_path / "cache")

    def test_missing_files_and_columns_are_named(self, folder, tmp_path):
        with pytest.raises(TrainableError, match=r"data.tables: .*nothing.csv does not exist"):
            load(table(folder, tables={"all": "nothing.csv"}), 8, tmp_path / "cache")
        with pytest.raises(TrainableError, match="no column 'lables'; did you mean 'labels'"):
            load(table(folder, label_column="lables"), 8, tmp_path / "cache")
        (folder / "broken.zip").write_bytes(b"no zip")
        with pytest.raises(TrainableError, match="not a zip file"):
            load(table(folder, images={"all": "broken.zip"}), 8, tmp_path / "cache")

    def test_an_unknown_data_set_names_the_nearest(self):
        with pytest.raises(ValueError, match="did you mean 'digits-mlt'"):
            data_set({"name": "digit-mlt"})


class TestCarve:
    def test_keeps_groups_together_and_every_class_in_train(self, rng):
        targets = (rng.random((300, 12)) < np.geomspace(0.4, 0.004, 12)).astype(np.uint8)
        targets[0, -1] = 1
        group = rng.integers(0, 90, 300)
        chosen = carve(targets, group, fraction=0.2, rng=rng)
        assert 0.12 < chosen.mean() <= 0.25
        assert not set(group[chosen]) & set(group[~chosen])
        assert (targets[~chosen].sum(0)[targets.sum(0) > 0] > 0).all()

    def test_takes_about_the_same_share_of_every_class(self, rng):
        targets = (rng.random((2000, 6)) < [0.5, 0.3, 0.1, 0.05, 0.02, 0.01]).astype(np.uint8)
        chosen = carve(targets, None, fraction=0.25, rng=rng)
        shares = targets[chosen].sum(0) / targets.sum(0)
        assert shares == pytest.approx(0.25, abs=0.1)

    def test_is_seeded(self):
        targets = np.eye(6, dtype=np.uint8)[np.arange(60) % 6]
        one, again, other = (carve(targets, None, fraction=0.3, rng=np.random.default_rng(s)) for s in (1, 1, 2))
        assert np.array_equal(one, again) and not np.array_equal(one, other)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the small real image sets are not beside this checkout")
class TestRealSets:
    """Labels and splits of real sets as they lie; pixels at a small size."""

    def test_chest_x_rays_cross_patients_and_are_refused_until_resplit(self, tmp_path):
        names = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Consolidation"]
        chosen = table(
            SHARED / "nih_cxr14_1000",
            tables={"all": "nih_cxr14_labels.csv"},
            images={s: f"nih_cxr14_{s}.zip" for s in ("train", "val", "test")},
            label_column=None,
            label_columns=names,
            group_column="patient_id",
            grey=True,
        )
        with pytest.raises(TrainableError, match="groups must not cross splits"):
            load(chosen, 16, tmp_path)
        found = load(chosen.model_copy(update={"split_column": None, "test_fraction": 0.2}), 16, tmp_path)
        assert len(found.images) == 1000 and found.images.shape[-1] == 1
        assert not set(found.group[found.split == 0]) & set(found.group[found.split == 2])

    def test_corel_has_the_usual_260_classes(self, tmp_path):
        from evenkeel.study.file.read import load_study

        data = load_study("corel5k", [f"data.root={SHARED / 'corel5k'}"]).data
        found = load(data, 8, tmp_path)
        assert len(found.classes) == 260 and found.classes[0] == "city"
        counts = found.targets[found.rows("train")].sum(0)
        assert (counts.max(), counts.min()) == (1004, 1)
        assert (len(found.rows("train")), len(found.rows("test"))) == (4500, 499)
