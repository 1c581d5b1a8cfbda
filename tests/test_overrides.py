"""Numbers, texts and overrides as people write them: the right value, or one line that says what is wrong."""

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from study.cli import main
from study.errors import UserError
from study.file.read import load_study
from study.file.text import read_yaml

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
