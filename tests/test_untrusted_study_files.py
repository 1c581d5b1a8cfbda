"""A study file that only a machine writes is refused in one line, at once, whatever it holds."""

import pytest

from evenkeel.study.errors import UserError
from evenkeel.study.file.designs import SearchDesign, SobolDesign
from evenkeel.study.file.read import MAX_STUDY_BYTES, load_study
from evenkeel.study.file.text import MAX_NODES, read_yaml
from evenkeel.trainables import TRAINABLES
from evenkeel.trainables.models.clip_settings import TextTower


def doubled(opening: str, closing: str) -> str:
    """Eight lines, each of which uses the one before six times: 6^7 values from a few hundred letters."""
    lines = [
        f"{b}: &{b} {opening}{', '.join(6 * [f'*{a}'])}{closing}" for a, b in zip("abcdefg", "bcdefgh", strict=True)
    ]
    return "\n".join([f"a: &a {opening}1, 1{closing}", *lines])


REFUSED = {
    "30,000 keys": ("".join(f"k{i}: {i}\n" for i in range(30_000)), "more than 20,000 keys and values"),
    "aliases of aliases": (doubled("[", "]"), "more than 20,000 keys and values"),
    "aliases in mappings": (doubled("{x: [", "]}"), "more than 20,000 keys and values"),
    "an alias of itself": ("a: &a [*a]\n", "an alias stands within what it names"),
    "an alias of itself in a mapping": ("a: &a {b: *a}\n", "an alias stands within what it names"),
    "deep lists": ("a: " + 60 * "[" + 60 * "]", "nested deeper than 50 levels"),
    "deep keys": (60 * "? " + "a", "nested deeper than 50 levels"),
    "a long number": (f"a: {5000 * '9'}", "a number of 5,000 digits; at most 300"),
    "a long number of base 60": ("a: " + ":".join(1000 * ["59"]), "a number of 2,999 digits; at most 300"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_a_machine_writes_is_refused(case):
    text, rule = REFUSED[case]
    with pytest.raises(ValueError, match=rule) as refusal:
        read_yaml(text)
    assert str(refusal.value).startswith("line ") and "\n" not in str(refusal.value)


def test_aliases_of_a_person_are_read():
    assert read_yaml("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}") == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}


def test_a_long_list_is_read():
    assert len(read_yaml(f"[{', '.join(map(str, range(MAX_NODES - 1)))}]")) == MAX_NODES - 1


@pytest.mark.parametrize("path", ["image_size", "epochs", "batch", "lr", "weight_decay"])
def test_numbers_that_fill_a_disk_or_a_century_have_a_bound(path):
    for name in ("probe", "finetune", "lm-clip", "prompt"):
        field = TRAINABLES[name].model_json_schema()["properties"][path]
        assert field["maximum"] <= 1_000_000


def test_sizes_of_a_text_tower_and_seeds_of_a_search_have_a_bound():
    for size in TextTower.model_json_schema()["properties"].values():
        assert size["maximum"] <= 100_000
    for design in (SearchDesign, SobolDesign):
        seed = design.model_json_schema()["properties"]["seed"]
        assert (seed["minimum"], seed["maximum"]) == (0, 2**32 - 1)


ODD_VALUES = {
    "a label of two lines": (
        'losses: [{loss: bce, label: "a\\nb"}]',
        r"losses.0.label: must be one line of visible text",
    ),
    "an escape in a label": (
        'losses: [{loss: bce, label: "\\e[31mred"}]',
        r"must be one line of visible .*x1b\[31mred",
    ),
    "an empty label": ('losses: [{loss: bce, label: ""}]', "losses.0.label: must be one line of visible text, got ''"),
    "half a letter in a label": ('losses: [{loss: bce, label: "\\ud800"}]', "losses.0.label: Input should be a valid"),
    "a long label": (f"losses: [{{loss: bce, label: {5000 * 'x'}}}]", r"at most 100 characters, got 'x{95,97}\.\.\.$"),
    "201 losses": (f"losses: [{', '.join(f'{{loss: bce, label: l{i}}}' for i in range(201))}]", "at most 200 items"),
    "a resource without a name": ("resources: {custom: {'': 1}}", "resources.custom"),
    "less than nothing": ("resources: {custom: {a: -1}}", "resources.custom.a: Input should be greater than or equal"),
    "a storage of nothing": ("storage: ''", "storage: must be a path, got ''"),
    "a storage with a NUL": ('storage: "a\\0b"', r"storage: must be a path, got 'a\\x00b'"),
}


@pytest.mark.parametrize("case", ODD_VALUES)
def test_an_odd_value_is_named_in_a_short_line(case, tmp_path):
    line, rule = ODD_VALUES[case]
    (tmp_path / "odd.yaml").write_text(f"extends: demo\n{line}\n")
    with pytest.raises(UserError, match=rule) as refusal:
        load_study(str(tmp_path / "odd.yaml"))
    _, problem = str(refusal.value).splitlines()
    assert len(problem) < 200


def test_a_file_that_is_long_to_read_is_not_read(tmp_path):
    (tmp_path / "odd.yaml").write_text("extends: demo\n" + MAX_STUDY_BYTES * "#")
    with pytest.raises(UserError, match=r"odd.yaml: a study file of 500,014 bytes; at most 500,000"):
        load_study(str(tmp_path / "odd.yaml"))
