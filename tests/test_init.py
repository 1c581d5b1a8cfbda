"""`evenkeel init`: forms of data and training functions become study files that `plan` accepts, guesses marked."""

import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from evenkeel.study.cli import main
from evenkeel.study.errors import EXIT_BAD_INPUT
from evenkeel.study.file.read import load_study
from evenkeel.study.file.schema import render_schema
from evenkeel.trainables import TrainableError, own_code
from evenkeel.trainables.data import data_set
from evenkeel.trainables.data.guess.guess import guess_data
from evenkeel.trainables.function.first_look import look_at_function
from tests.data import test_kinds, test_published_forms
from tests.data.makers import shade, write, zipped

EXAMPLES = Path(__file__).parent.parent / "examples"
BLOCKS = test_published_forms.BLOCKS | test_kinds.BLOCKS
FILES = {form: test_published_forms.FORMS[form] for form in test_published_forms.FORMS} | test_kinds.PAGE_FILES
NO_HEADER = "VOC and COCO lists"
"""Their lists do not say how the classes are called."""
ONE_CELL = "RSNA's hemorrhages"
"""Image and label stand in one cell: only patterns take them apart."""


def folder_of(form, tmp_path):
    """The folder of a form of docs/data.md, with the block that the page gives for it."""
    keys = yaml.safe_load(BLOCKS[form])["data"]
    if form in test_kinds.PAGE_FILES:
        write(tmp_path / keys["root"], FILES[form]())
    else:
        write(tmp_path, FILES[form]()[0])
    return tmp_path / keys["root"], keys | {"root": str(tmp_path / keys["root"])}


@pytest.mark.parametrize("form", [form for form in FILES if form != ONE_CELL])
def test_a_form_of_the_page_is_understood_without_its_block(form, tmp_path):
    folder, keys = folder_of(form, tmp_path)
    guess, expected = guess_data(folder), data_set(keys).describe()
    summary = guess.summary
    assert summary and summary.refusal is None and summary.labels_per_image == expected.labels_per_image
    assert summary.rows == expected.rows
    if form == NO_HEADER:
        assert "no header line" in guess.unsure["columns"][0]
    else:
        assert [count.name for count in summary.classes] == [count.name for count in expected.classes]


@pytest.mark.parametrize("form", ["NIH ChestX-ray14", "Plain folders", "Open Images"])
def test_the_file_for_a_folder_passes_plan_and_the_schema(form, tmp_path, capsys, monkeypatch):
    folder, _ = folder_of(form, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["init", str(folder), "-o", "first.yaml"]) == 0
    assert "then: evenkeel plan first.yaml" in capsys.readouterr().out
    text = Path("first.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=") and "# check: " in text
    jsonschema.validate(yaml.safe_load(text), json.loads(render_schema()))
    assert main(["plan", "first.yaml"]) == 0


@pytest.mark.parametrize("example", ["plain_pytorch", "any_language"])
def test_the_file_for_a_training_function_passes_plan(example, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(own_code, "FOLDERS", [str(tmp_path)])
    monkeypatch.setitem(sys.modules, "train", None)  # another example's may be there
    sys.modules.pop("train")
    for path in (EXAMPLES / example).glob("train.*"):
        write(tmp_path, {path.name: path.read_bytes()})
    monkeypatch.chdir(tmp_path)
    assert main(["init", "."]) == 0 and main(["plan", "study.yaml"]) == 0, capsys.readouterr().err
    assert "takes no seed" not in capsys.readouterr().out
    study = load_study("study.yaml")
    assert study.trainable.name == "train.py:train" and study.spaces


def test_plan_says_of_a_function_without_a_seed_what_differs_then(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(own_code, "FOLDERS", [str(tmp_path)])
    study = "name: s\ntrainable: {name: 'seedless_here.py:train'}\nspaces: {rate: {low: 0, high: 1}}\nmetric: f1\n"
    write(
        tmp_path,
        {"seedless_here.py": "def train(rate=0.5): ...\n", "s.yaml": f"{study}designs: {{sweep: {{}}}}\nseeds: 2\n"},
    )
    assert main(["plan", str(tmp_path / "s.yaml")]) == 0
    assert "seedless_here.py:train takes no seed: its trials differ from seed to seed only" in capsys.readouterr().out


def test_a_function_is_read_and_not_run(tmp_path):
    source = (
        "raise SystemExit\ndef helper(x): pass\ndef fit(seed, data, size, *, lr=0.01, momentum=0.9, depth=4, epochs=3,"
    )
    source += " name='a', nested=True):\n    return {'val': {'f1': 1}}\n"
    look = look_at_function(write(tmp_path, {"own.py": source}) / "own.py")
    assert (look.reference, look.supplied, look.required) == ("own.py:fit", ["seed", "data"], ["size"])
    assert look.metric == "f1" and look.spaces == {
        "lr": {"low": 0.001, "high": 0.1, "log": True},
        "momentum": {"low": 0.45, "high": 1},
        "depth": {"low": 2, "high": 8},
    }


def test_the_metric_is_what_the_function_returns_and_not_what_its_source_mentions(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(own_code, "FOLDERS", [str(tmp_path)])
    source = "def train(seed, alpha=0.0001):\n    loss = 'log_loss'\n"
    source += "    return {split: {'rmse': 1.0, 'accuracy': 0.5} for split in ('val', 'test')}\n"
    look = look_at_function(write(tmp_path, {"both_scores.py": source}) / "both_scores.py")
    assert look.metric == "accuracy" and look.spaces == {"alpha": {"low": 1e-5, "high": 0.001, "log": True}}
    write(tmp_path, {"own_score.py": source.replace(", 'accuracy': 0.5", "")})
    assert main(["init", str(tmp_path / "own_score.py")]) == 0
    assert "study.yaml: 2 lines to check; then: evenkeel plan" in capsys.readouterr().out
    assert main(["plan", str(tmp_path / "study.yaml"), "--try"]) == 0
    out = capsys.readouterr().out
    assert "rmse 1 on test" in out and "seed 0: the default" in out
    study = load_study(str(tmp_path / "study.yaml"))
    assert study.metric == "rmse" and study.measures[-1].better == "lower"


def test_images_in_one_zip_have_the_folder_as_their_class(tmp_path):
    names = [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(8)]
    write(tmp_path, {"pets.zip": zipped({name: shade(200) for name in names})})
    guess = guess_data(tmp_path)
    assert guess.keys["images"] == {"all": "pets.zip"} and guess.keys["test_fraction"] == 0.2
    assert guess.summary and [count.name for count in guess.summary.classes] == ["cat", "dog"]


def test_a_split_that_patients_cross_is_not_used(tmp_path):
    rows = "".join(
        f"im{i},{i // 2},{'cat' if i % 3 else 'dog'},{'test' if i % 4 == 0 else 'train'}\n" for i in range(40)
    )
    write(tmp_path, {"t.csv": f"image,patient_id,label,split\n{rows}"} | {f"im{i}.png": shade(99) for i in range(40)})
    guess = guess_data(tmp_path)
    assert guess.summary and guess.summary.refusal is None
    assert "split_column" not in guess.keys and guess.keys["group_column"] == "patient_id"
    assert "groups cross its splits" in guess.unsure["test_fraction"][0]


def test_what_the_guess_cannot_settle_is_said_in_the_file(tmp_path):
    """A table that names images which are not there is refused by `plan`; the file says so first."""
    rows = "".join(f"im{i},{'cat' if i % 2 else 'dog'}\n" for i in range(20))
    write(tmp_path, {"labels.csv": f"file,kind\n{rows}"} | {f"images/im{i}.png": shade(9) for i in range(15)})
    assert main(["init", str(tmp_path)]) == 0
    assert "# check: refused: data.images: 5 images of 20 cannot be had" in (tmp_path / "study.yaml").read_text()


@pytest.mark.parametrize(
    ("files", "words", "message"),
    [
        ({"a.txt": "b"}, [], "there are no images"),
        ({"study.yaml": ""}, [], "is there already"),
        ({"train.py": "x = 1"}, [], "there is no function train"),
        ({"train.py": "def train(seed:"}, [], "cannot be read as Python"),
        ({"train.py": "def train(seed): pass"}, ["-o", "elsewhere.yaml"], "lies beside the function"),
        ({"im.png": shade(9)}, ["-o", "no/such/folder.yaml"], "cannot be written"),
    ],
)
def test_a_folder_of_nothing_is_refused_in_one_line(files, words, message, tmp_path, capsys):
    assert main(["init", str(write(tmp_path, files)), *words]) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_folder_that_is_not_there_is_named(capsys):
    assert main(["init", "no-such-folder"]) == EXIT_BAD_INPUT and "no such folder" in capsys.readouterr().err
    with pytest.raises(TrainableError, match="there are no images"):
        guess_data(Path(__file__).parent / "faults")
