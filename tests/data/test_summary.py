"""What was understood of the data is shown by `plan`, `doctor STUDY` and `run`, before any trial."""

import re

import pytest

from evenkeel.study.cli import main
from evenkeel.trainables.data.summary import ClassCount
from tests.data.makers import csv_table, six, write

STUDY = """
name: own
data: {name: csv, root: ., tables: {all: labels.csv}, images: {all: images}, label_column: tags, split_column: split%s}
trainable: {image_size: 32, epochs: 1, backbone: {name: test_resnet}}
losses: [bce]
designs: {sweep: {}}
seeds: 1
"""


def study(folder, keys=""):
    return str(write(six(folder), {"own.yaml": STUDY % keys}) / "own.yaml")


def test_a_summary_counts_what_the_tables_say(tmp_path):
    found = csv_table(six(tmp_path)).describe()
    assert found.rows == {"train": 2, "val": 2, "test": 2} and found.labels_per_image == {1: 4, 2: 2}
    assert found.classes == [ClassCount("cat", 1, 1, 2), ClassCount("dog", 2, 1, 1)]
    assert found.first_rows[0] == ("im0.png", "cat, dog", "train") and found.refusal is None


def forgotten(folder):
    """A study that forgets its separator; every class has a training image but for one."""
    path = study(folder, ", drop_empty_classes: true")
    table = (folder / "labels.csv").read_text().replace("dog;cat,test", "cat;dog,test").replace("im1,dog", "im1,cat")
    write(folder, {"labels.csv": table})
    return path


def test_plan_shows_the_data_and_what_looks_odd(tmp_path, capsys):
    assert main(["plan", forgotten(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "labels.csv: 6 rows" in shown and "2 train, 2 val, 2 test" in shown
    assert "odd: without a separator tags has 3 classes such as 'cat;dog'; is ';' the separator?" in shown


def test_run_says_what_looks_odd_before_it_checks(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", forgotten(tmp_path), "--serial"]) == 0
    said = capsys.readouterr().err
    assert 0 < said.index("is ';' the separator?") < said.index("checking data")


@pytest.mark.parametrize("command", ["plan", "run"])
def test_missing_images_end_a_command_in_one_line(command, tmp_path, capsys, monkeypatch):
    path = study(tmp_path, ', separator: ";"')
    (tmp_path / "images" / "im1.png").unlink()
    write(tmp_path, {"images/im0.png": b"x"})
    monkeypatch.chdir(tmp_path)
    assert main([command, path, *(["--serial"] if command == "run" else [])]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evenkeel:")]
    assert "image 'im1': no such file" in line and ("image 'im0'" in line) == (command == "run")


def test_a_column_that_the_table_lacks_ends_plan(tmp_path, capsys):
    assert main(["plan", study(tmp_path, ", group_column: patient")]) == 2
    assert "data.group_column: " in capsys.readouterr().err


def test_doctor_looks_at_a_study(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("_ray", "_mlflow", "_data", "_write_access"):
        monkeypatch.setattr(f"evenkeel.study.commands.doctor.{name}", lambda: "checked elsewhere")
    assert main(["doctor", study(tmp_path, ', separator: ";"')]) == 0
    assert "ok  study         own: 6 rows, 2 classes" in capsys.readouterr().out
    assert main(["doctor", study(tmp_path, ', separator: ";"'), "--set", "data.image_column=id"]) == 1
    assert "NO  study         data.image_column: " in capsys.readouterr().out


def test_what_cannot_be_scored_ends_plan_too(tmp_path, capsys):
    path = study(tmp_path, ', separator: ";"')
    table = (tmp_path / "labels.csv").read_text()
    write(tmp_path, {"labels.csv": table.replace("cat,test", ",test").replace("dog;,test", ",test")})
    assert main(["plan", path]) == 2
    assert "no class has a positive in test (2 images), so nothing can be scored" in capsys.readouterr().err


def test_run_says_which_images_it_leaves_out(tmp_path, capsys, monkeypatch):
    path = study(tmp_path, ', separator: ";", on_bad_image: skip')
    write(tmp_path, {"images/im1.png": b"x"})
    monkeypatch.chdir(tmp_path)
    assert main(["run", path, "--serial"]) == 0
    assert re.search("data: 1 image left out: image 'im1': .*im1.png cannot be decoded", capsys.readouterr().err)


def test_a_class_that_every_test_image_has_is_named(tmp_path):
    """Its ROC AUC is undefined there. The six have a cat in test twice, a dog once."""
    odd = csv_table(six(tmp_path)).describe().odd
    assert [str(each) for each in odd if "every image" in str(each)] == [
        "every image of test is cat: nothing can be told apart there (data.min_positives)"
    ]


def test_classes_that_a_carved_validation_lacks_are_named(tmp_path):
    found = csv_table(six(tmp_path), validation={"fraction": 0.25}).describe()
    assert any("1 class without a positive in the validation that seed 0 carves" in str(odd) for odd in found.odd)
