"""Labels as published: each row is the cells and the right targets, or the right message."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.csv.labels import label_lists
from evenkeel.trainables.data.load import load
from tests.data.makers import csv_table, six, write

SPLITS = ["train", "train", "val", "val", "test", "test"]
LISTS = [["cat", "dog"], ["dog"], ["cat"], [], ["cat"], ["dog", "cat"]]


def table(cells):
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    rows = zip(quoted, SPLITS, strict=True)
    return "image_id,tags,split\n" + "".join(f"im{i},{cell},{split}\n" for i, (cell, split) in enumerate(rows))


def joined(separator):
    return [separator.join(labels) for labels in LISTS]


SAID = ["cat;dog", "dog", "cat", "No Finding", "cat", "dog;cat"]
CELLS = {
    "a separator": (joined(";"), {}),
    "a separator of two characters": (joined("||"), {"separator": "||"}),
    "blanks around labels": (joined(" ; "), {}),
    "an empty label at the end": ([f"{cell};" for cell in joined(";")], {}),
    "a label twice": (["cat;dog;cat", *joined(";")[1:]], {}),
    "Python lists": ([str(labels) for labels in LISTS], {"separator": ","}),
    "Python lists, no separator given": ([str(labels) for labels in LISTS], {"separator": None}),
    "JSON lists": ([str(labels).replace("'", '"') for labels in LISTS], {}),
    "numpy arrays": (["['cat' 'dog']", "['dog']", "['cat']", "[]", "['cat']", "['dog' 'cat']"], {}),
    "lists with nan": (["['cat', 'dog']", "['dog']", "['cat', nan]", "[nan]", "['cat']", "['dog', 'cat', None]"], {}),
    "tuples": (["('cat', 'dog')", "('dog',)", "('cat',)", "", "('cat',)", "('dog', 'cat')"], {}),
    "lists without quotes": (["[cat, dog]", "[dog]", "[cat]", "[]", "[cat]", "[dog, cat]"], {}),
    "a label that means none": (SAID, {"none_labels": ["No Finding"]}),
    "several that mean none": ([c.replace("No Finding", "N/A") for c in SAID], {"none_labels": ["N/A", "-"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_lists_in_a_cell(name, tmp_path):
    cells, keys = CELLS[name]
    write(six(tmp_path), {"labels.csv": table(cells)})
    found = load(csv_table(tmp_path, **keys), 8, tmp_path / "cache")
    assert found.classes == ["cat", "dog"]
    assert found.targets.tolist() == [[1, 1], [0, 1], [1, 0], [0, 0], [1, 0], [1, 1]]


def columns(positive="1", negative="0", **at):
    """One column a class; `r3cat="-1"` puts another value into row 3 of cat."""
    targets = [[1, 1], [0, 1], [1, 0], [0, 0], [1, 0], [1, 1]]
    cells = [[positive if on else negative for on in row] for row in targets]
    for place, value in at.items():
        cells[int(place[1])][["cat", "dog"].index(place[2:])] = value
    rows = "".join(f"im{i},{a},{b},{s}\n" for i, ((a, b), s) in enumerate(zip(cells, SPLITS, strict=True)))
    return "image_id,cat,dog,split\n" + rows


SPELLINGS = [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("TRUE", "FALSE"), ("yes", "no"), ("Y", "N"), ("1.", "00"),
    ("positive", "Negative"), ("present", "absent")]  # fmt: skip


@pytest.mark.parametrize(("positive", "negative"), SPELLINGS)
@pytest.mark.parametrize("wanted", [["cat", "dog"], "all but [im]", "all but []", {"all_but": ["im"]}])
def test_one_column_a_class(positive, negative, wanted, tmp_path):
    lines = columns(positive, negative).splitlines()
    content = "\n".join([f"im,{lines[0]}", *(f"9,{line}" for line in lines[1:])])
    if wanted == "all but []":
        content = "\n".join(lines)
    write(six(tmp_path), {"labels.csv": content})
    found = load(csv_table(tmp_path, label_columns=wanted), 8, tmp_path / "cache")
    assert found.classes == ["cat", "dog"] and found.label_mask is None
    assert found.targets.tolist() == [[1, 1], [0, 1], [1, 0], [0, 0], [1, 0], [1, 1]]


UNSURE = {"r1cat": "-1.0", "r3cat": "", "r3dog": "-1"}
MEANINGS = [
    ({"uncertain": "negative"}, [0, 0, 0], []),
    ({"uncertain": "positive"}, [1, 0, 1], []),
    ({"uncertain": "missing"}, [0, 0, 0], [(1, 0), (3, 1)]),
    ({"uncertain": "missing", "blank": "missing"}, [0, 0, 0], [(1, 0), (3, 0), (3, 1)]),
    ({"uncertain": "negative", "blank": "positive"}, [0, 1, 0], []),
]


@pytest.mark.parametrize(("keys", "values", "missing"), MEANINGS)
def test_blanks_and_minus_one_mean_what_the_study_says(keys, values, missing, tmp_path):
    write(six(tmp_path), {"labels.csv": columns(**UNSURE)})
    found = load(csv_table(tmp_path, label_columns=["cat", "dog"], **keys), 8, tmp_path / "cache")
    assert [found.targets[1, 0], found.targets[3, 0], found.targets[3, 1]] == values
    unknown = [] if found.label_mask is None else [tuple(at) for at in np.argwhere(~found.label_mask)]
    assert unknown == missing


REFUSED = [
    (columns(**UNSURE), {}, r"'-1.0' \(1 times\).*labels.csv line 3, column 'cat'.*data.uncertain and data.blank"),
    (columns(r3cat=""), {}, r"blank \(1 times\), first in labels.csv line 5.*with data.blank: positive"),
    (columns(r3cat="nan"), {"uncertain": None}, "'nan' .1 times.*data.blank"),
    (columns(r3cat="maybe", r1cat="-1"), {"uncertain": "positive"}, "'maybe' .1 times.*must be 0 or 1"),
    (columns(r3cat="0.5"), {}, "'0.5' .1 times.*must be 0 or 1"),
    (columns(), {"label_columns": ["cat", "dgo"]}, "no column 'dgo'; did you mean 'dog'"),
    (columns(), {"label_columns": "all but [dgo]"}, "no column 'dgo' to leave out; did you mean 'dog'"),
    (columns(), {"label_columns": "all but [cat, dog]"}, "no label at all"),
    (columns().replace("dog", "cat"), {"label_columns": "all but []"}, "has 2 columns 'cat'"),
]


@pytest.mark.parametrize(("content", "keys", "message"), REFUSED)
def test_other_values_are_refused_with_their_counts(content, keys, message, tmp_path):
    write(six(tmp_path), {"labels.csv": content})
    with pytest.raises(TrainableError, match=message):
        load(csv_table(tmp_path, **({"label_columns": ["cat", "dog"]} | keys)), 8, tmp_path / "cache")


def test_a_classes_table_names_columns_too(tmp_path):
    write(six(tmp_path), {"labels.csv": columns(), "classes.csv": "code;name\ncat;Felis\ndog;Canis\n"})
    spec = {"file": "classes.csv", "label": "code", "name": "name"}
    found = load(csv_table(tmp_path, label_columns=["dog", "cat"], classes_table=spec), 8, tmp_path / "cache")
    assert found.classes == ["Canis", "Felis"]


@pytest.mark.parametrize(("content", "message"), [("code;name\ncat;a\ncat;b\n", "lists 'cat' more than once")])
def test_a_classes_table_lists_each_class_once(content, message, tmp_path):
    write(six(tmp_path), {"classes.csv": content})
    spec = {"file": "classes.csv", "label": "code", "name": "name"}
    with pytest.raises(TrainableError, match=message):
        csv_table(tmp_path, classes_table=spec).describe()


ODD = {
    "a separator forgotten": (joined("|"), {"separator": None}, "'cat|dog'; is '|' the separator? (data.separator)"),
    "another separator": (joined("|"), {}, "';' occurs in none of 5 cells; is '|' the separator? (data.separator)"),
    "a separator for single labels": (["cat", "dog"] * 3, {}, "one label an image?"),
    "a word for none": (SAID, {}, "'No Finding' is a class of 1 image"),
    "a none label that never occurs": (joined(";"), {"none_labels": ["Nothing"]}, "'Nothing' occurs nowhere"),
    "a none label beside others": (joined(";"), {"none_labels": ["dog"]}, "'dog' stands beside other labels in 2"),
    "a class of one image": (["cat;owl", *joined(";")[1:]], {}, "1 class with a single image: owl"),
    "a class that all images have": (["cat"] * 6, {"separator": None}, "every image is cat"),
    "two spellings": (["cat;Cat", *joined(";")[1:]], {}, "differ only in case, blanks or dashes: Cat, cat"),
    "a class that test lacks": (["cat;owl", "owl", *joined(";")[2:]], {}, "in test, unscored there: owl"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_looks_odd_is_said_with_the_key_that_settles_it(name, tmp_path):
    cells, keys, message = ODD[name]
    write(six(tmp_path), {"labels.csv": table(cells)})
    odd = csv_table(tmp_path, **keys).describe().odd
    assert any(message in str(each) for each in odd), odd


@pytest.mark.parametrize("cells", [joined(";"), ["cat;dog;owl", "owl;dog", "cat", "", "owl;cat", "dog"]])
def test_ordinary_tables_are_not_odd(cells, tmp_path):
    write(six(tmp_path), {"labels.csv": table(cells)})
    few = ("positive in", "every image of test")  # of two rows
    assert [o for o in csv_table(tmp_path).describe().odd if not any(text in str(o) for text in few)] == []


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(WORDS.map(str.strip).filter(bool), max_size=4), min_size=1, max_size=5))
def test_json_lists_come_back_as_they_were(lists):
    import json

    cells = [json.dumps(labels) for labels in lists]
    assert label_lists(cells, "tags", None)[0] == lists


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("[](){}'\"\\,; ab|"), max_size=10), max_size=6), st.sampled_from([None, ";", " "])
)
def test_any_cells_are_labels_or_refused(cells, separator):
    try:
        lists, _ = label_lists([cell.strip() for cell in cells], "tags", separator)
    except TrainableError as error:
        assert str(error).startswith("data.label_column: tags")
    else:
        assert len(lists) == len(cells) and all(
            label == label.strip() and label for labels in lists for label in labels
        )
