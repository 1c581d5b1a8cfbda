"""Numbers, texts and overrides as people write them: the right value, or one line that says what is wrong."""

import os
import re

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evenkeel.study.cli import main
from evenkeel.study.errors import EXIT_BAD_INPUT, UserError
from evenkeel.study.file.read import load_study
from evenkeel.study.file.study import StudyConfig
from evenkeel.study.file.text import read_yaml
from evenkeel.trainables import TRAINABLES
from evenkeel.trainables.data import DATA_SETS
from evenkeel.trainables.settings import Settings, is_place

NUMBERS = {
    "1e-1": 0.1,
    "1e1": 10.0,
    "1E5": 1e5,
    "-2e3": -2000.0,
    "+1e2": 100.0,
    ".5e1": 5.0,
    "1.e2": 100.0,
    "1.0e-1": 0.1,
}
TEXTS = ["1e", "e1", "1e1x", "0x1e1z", "v1e1", "1e1.5"]


@pytest.mark.parametrize("text", NUMBERS)
def test_exponents_are_numbers(text):
    assert read_yaml(f"a: [{text}]") == {"a": [NUMBERS[text]]} and type(read_yaml(text)) is float


@pytest.mark.parametrize("text", TEXTS)
def test_other_words_stay_texts(text):
    assert read_yaml(text) == text


@pytest.mark.parametrize(
    ("text", "base"),
    [("1:30", "sixty"), ("1:30.5", "sixty"), ("-2:00:00", "sixty"), ("010", "eight"), ("007", "eight")],
)
def test_a_number_that_a_person_would_read_otherwise_is_asked_for(text, base):
    with pytest.raises(ValueError, match=f"line 1, column 4: YAML reads {text} as a number of base {base}; write a"):
        read_yaml(f"a: {text}")
    assert read_yaml(f"a: '{text}'") == {"a": text}


def test_levels_and_fixed_values_may_have_exponents():
    study = load_study("demo", ["losses=[{loss: asl, fixed: {clip: 1e-1}, levels: {gamma_neg: [1e-1, 4.0, 1e1]}}]"])
    assert study.losses[0].levels["gamma_neg"] == [0.1, 4.0, 10.0] and study.losses[0].fixed["clip"] == 0.1


WRONG = {
    "data.separator=,": "',' is not valid YAML",
    "losses=[bce": "'[bce' is not valid YAML (line 1, column",
    "data.separator=|": "'|' reads as nothing",
    "data.separator=#": "'#' reads as nothing",
    "data.separator=-": "'-' reads as nothing",
    "data.separator= ": "' ' reads as nothing",
    "seeds={a: 1, a: 2}": "the key 'a' appears twice",
    "name=2020-99-01": "is not valid YAML (month",
    "seeds": "must be key=value",
}


@pytest.mark.parametrize("override", WRONG)
def test_overrides_that_are_no_yaml_are_named(override, capsys):
    assert main(["plan", "demo", "--set", override]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--set {override!r}" in line and WRONG[override] in line


@pytest.mark.parametrize(("text", "value"), [("null", None), ("~", None), ("", None), ("';'", ";"), ("';,'", ";,")])
def test_overrides_of_nothing_and_of_texts(text, value, tmp_path):
    (tmp_path / "own.yaml").write_text("extends: demo\nname: own\ndescription: x\n")
    assert load_study(str(tmp_path / "own.yaml"), [f"tracking={text}"]).tracking == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "line 1, column 1: the key 'name' appears twice"),
        ("data: {name: x\n", "not valid YAML: line"),
        ("- 1\n", "is a mapping of keys to values"),
        ("seeds: 2020-99-01\n", "not valid YAML: month"),
        ("[" * 3000, "not valid YAML"),
        ("a: \x07\n", "not valid YAML"),
    ],
)
def test_a_study_file_that_is_no_yaml_is_named_in_one_line(text, message, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        load_study(str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_byte_order_mark_is_no_part_of_a_study(tmp_path):
    (tmp_path / "own.yaml").write_bytes("extends: demo\nname: own\n".encode("utf-8-sig"))
    assert load_study(str(tmp_path / "own.yaml")).name == "own"


LEAVES = (
    st.none() | st.booleans() | st.integers(-3, 99) | st.floats() | st.text("abc ,;[]{}#&*!|>%@`'\"-.~\n", max_size=6)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "name",
        "data",
        "data.name",
        "data.x.y",
        "trainable",
        "trainable.lr",
        "trainable.backbone",
        "losses",
        "designs",
        "designs.sweep",
        "seeds",
        "metric",
        "margin",
        "resources",
        "resources.workers",
        "spaces",
        "storage",
        "tracking",
        "x",
    ]
)


@settings(max_examples=150, deadline=None)
@given(KEYS, VALUES)
def test_any_value_is_a_study_or_a_clear_error(key, value):
    read_or_refused([f"{key}={yaml.safe_dump(value, default_flow_style=True)}"])


@settings(max_examples=150, deadline=None)
@given(KEYS, st.text("ab1e ,;[]{}:#&*!|>%@`'\"-.~=\n", max_size=12))
@example(key="storage", text="~1")
@example(key="data.name", text=".:1")
@example(key="data.name", text=":1")
def test_any_text_is_a_study_or_a_clear_error(key, text):
    read_or_refused([f"{key}={text}"])


def read_or_refused(overrides):
    try:
        load_study("demo", overrides)
    except UserError as error:
        assert str(error)


PLACES = {
    "data.root": {"data": {"name": "csv", "root": "HERE", "images": {"all": "x"}, "label_column": "folder",
                           "test_fraction": 0.2}},
    "trainable.backbone.weights": {"trainable": {"name": "probe", "image_size": 32,
                                                 "backbone": {"name": "test_resnet", "weights": "HERE"}}},
    "trainable.model.weights": {"trainable": {"name": "lm-clip", "model": {"name": "RN50", "weights": "HERE"}}},
    "storage": {"storage": "HERE"},
    "tracking": {"tracking": "sqlite:///HERE"},
}  # fmt: skip
"""Every key that says where something lies."""


@pytest.mark.parametrize("key", PLACES)
def test_a_relative_path_is_meant_from_the_folder_of_its_file(key, tmp_path, monkeypatch):
    """And in an override from the working folder: workers have other ones."""
    folder, elsewhere = tmp_path / "studies", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    probe = {"name": "probe", "image_size": 32, "backbone": {"name": "test_resnet"}}
    whole = {"name": "own", "data": {"name": "digits-mlt"}, "trainable": probe, "losses": [{"loss": "asl"}], "seeds": 1}
    text = yaml.safe_dump(whole | {"designs": {"sweep": {}}} | PLACES[key]).replace("HERE", "sub/it")
    (folder / "own.yaml").write_text(text)
    monkeypatch.chdir(elsewhere)

    def lies(*overrides):
        value = load_study(str(folder / "own.yaml"), list(overrides)).model_dump(mode="json")
        for part in key.split("."):
            value = value[part]
        return value.removeprefix("sqlite:///")

    assert lies() == str(folder / "sub" / "it")
    prefix = "sqlite:///" if key == "tracking" else ""
    assert lies(f"{key}={prefix}sub/it") == str(elsewhere / "sub" / "it")
    assert lies(f"{key}={prefix}~/it") == os.path.expanduser("~/it")
    assert lies(f"{key}={prefix}/it") == "/it"


def test_no_key_of_a_place_is_forgotten():
    """A text that names a file or folder of this machine is one of the above, or lies under one."""
    no_path_names = {"intensity", "image_pattern", "label_pattern"}  # speak of files, and are none
    models = [StudyConfig, *TRAINABLES.values(), *DATA_SETS.values()]
    seen = {}
    while models:
        model = models.pop()
        for name, field in model.model_fields.items():
            models += [m for m in (field.annotation, *getattr(field.annotation, "__args__", ())) if is_settings(m)]
            if re.search(r"\b(file|folder|folders|local)\b", field.description or "") and name not in no_path_names:
                seen[f"{model.__name__}.{name}"] = is_place(field)
    under_root = {"CsvTable.image_lists", "CsvTable.tables", "CsvTable.images", "CsvTable.split_lists", "CxrLt.images"}
    no_path = {
        "MeasureEntry.name",
        "MethodEntry.function",
        "CsvTable.image_column",
        "CsvTable.image_name",
        "StudyConfig.name",
    }
    assert {key for key, place in seen.items() if not place} <= under_root | no_path | {"StudyConfig.tracking"}
    assert {"Backbone.weights", "Clip.weights", "CsvTable.root", "StudyConfig.storage"} <= seen.keys()


def is_settings(model):
    return isinstance(model, type) and issubclass(model, Settings)


STRAYS = {
    "name=2026-11-24": "name: must be a text, got datetime.date(2026, 11, 24); put it in quotes",
    "data={name: csv, root: ., images: {all: x}, label_column: t, test_fraction: 0.2, none_labels: [no]}":
        "data.none_labels.0: must be a text, got False; put it in quotes",
    "data={name: csv, root: ., images: {all: x}, label_columns: [1], test_fraction: 0.2}":
        "data.label_columns: a column's name is a text, got 1; put it in quotes",
    "data={name: csv, root: ., images: {all: x}, label_columns: cat, test_fraction: 0.2}":
        "data.label_columns: must be a list of columns, or all but [a, b], got 'cat'",
    "data={name: csv, root: 's3://b/x', images: {all: x}, label_column: t, test_fraction: 0.2}":
        "data.root: must be a path of this machine, got 's3://b/x'; download it, or mount it as a folder",
    f"name={'x' * 300}": "name: String should have at most 100 characters",
    "losses=bce": "losses: must be a list, as [a, b], got 'bce'",
    "trainable.backbone=resnet50": "trainable.backbone: must be a mapping of keys to values, as {key: value}",
    "trainable.epochs=yes": "epochs must be a number, got true",
    "seeds=yes": "seeds: must be a number of seeds, or a list of whole numbers, got True; write seeds: 6",
    "seeds=[1, 1.0]": "must be a number of seeds, or a list of whole numbers, got [1, 1.0]",
    "seeds=[1, 1]": "must be different numbers from 0 to 4294967295, got [1, 1]",
    "seeds=[-1]": "must be different numbers from 0 to 4294967295, got [-1]",
    "seeds=[4294967296]": "must be different numbers from 0 to 4294967295, got [4294967296]",
    "seeds=0": "must be a number of seeds, or a list of whole numbers, got 0",
}  # fmt: skip


@pytest.mark.parametrize("override", STRAYS)
def test_values_of_another_kind_are_said_in_plain_words(override):
    with pytest.raises(UserError) as error:
        load_study("demo", [override])
    assert STRAYS[override] in str(error.value), str(error.value)


def test_a_logarithm_from_zero_names_its_key(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("extends: demo\nspaces: {lr: {low: 0, high: 0.1, log: true}}\n")
    with pytest.raises(UserError, match=r"spaces.lr.low: a logarithm needs more than 0, got 0$"):
        load_study(str(path))


@pytest.mark.parametrize("name", ["st?x", "50% off", "a#b", "plain"])
def test_a_folder_whose_name_ends_an_address_keeps_its_database(name, tmp_path):
    """By SQLAlchemy, which reads the address."""
    from sqlalchemy.engine import make_url

    from evenkeel.study.file.locations import own_database_uri

    assert make_url(own_database_uri(tmp_path / name)).database == str(tmp_path / name / "mlflow.db")


def test_null_removes_inherited_ranges(tmp_path):
    ranges = "spaces: {lr: {low: 0.001, high: 0.02, log: true}, epochs: {low: 10, high: 40}}"
    (tmp_path / "base.yaml").write_text(f"extends: demo\n{ranges}\n")
    for text, left in (("spaces: null", []), ("spaces: {lr: null}", ["epochs"])):
        (tmp_path / "study.yaml").write_text(f"extends: base.yaml\n{text}\n")
        assert list(load_study(str(tmp_path / "study.yaml")).spaces) == left


def test_one_loss_is_changed_by_its_label():
    study = load_study("demo", ["losses.asl.gamma_neg=2", "losses.bal.label=mine"])
    changed = {loss.label: loss for loss in study.losses}
    assert changed["asl"].fixed == {"focusing": "full", "gamma_neg": 2} and "mine" in changed and "bal" not in changed
    assert changed["bce"] == load_study("demo").losses[0]
    with pytest.raises(UserError, match="losses.assl: no entry of losses has that label; did you mean 'asl'"):
        load_study("demo", ["losses.assl.gamma_neg=2"])


def test_a_backbone_that_does_not_exist_is_refused_by_plan(capsys):
    assert main(["plan", "demo", "--set", "trainable.backbone.name=resnet5000"]) == EXIT_BAD_INPUT
    assert "trainable.backbone.name: timm has no model 'resnet5000'; did you mean" in capsys.readouterr().err
