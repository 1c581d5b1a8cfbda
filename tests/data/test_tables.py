"""Tables as people publish them: each row is an input and its right value, or its right message."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data.csv.dialects import Dialect
from evenkeel.trainables.data.csv.tables import read_table
from evenkeel.trainables.data.load import load
from tests.data.makers import csv_table, shade, six, write

PLAIN = [["image_id", "tags", "split"]] + [
    [f"im{i}", tags, split]
    for i, (tags, split) in enumerate(
        zip(["cat dog", "dog", "cat", "dog", "cat", "dog cat"], ["train"] * 2 + ["val"] * 2 + ["test"] * 2, strict=True)
    )
]
"""Separated by a blank, so that every delimiter but the blank can be tried."""


def text(delimiter=",", rows=PLAIN, newline="\n", end=""):
    return newline.join(delimiter.join(row) + end for row in rows) + newline


HEADER, *ROWS = PLAIN
QUOTED = [HEADER, *([a, f'"{b}"', c] for a, b, c in ROWS)]
READ = {
    "comma": text(),
    "semicolon": text(";"),
    "tab": text("\t"),
    "pipe": text("|"),
    "a line that names the delimiter": "sep=;\n" + text(";"),
    "Windows line ends": text(newline="\r\n"),
    "old Mac line ends": text(newline="\r"),
    "byte order mark": text().encode("utf-8-sig"),
    "utf-16": text().encode("utf-16"),
    "quoted": text(rows=QUOTED),
    "quoted after a blank": text(", ", QUOTED),
    "blanks around cells": text(" , "),
    "every line ends with a comma": text(end=","),
    "only rows end with a comma": text(rows=[HEADER, *([*row, ""] for row in ROWS)]),
    "blank lines": text().replace("\n", "\n\n"),
    "empty rows of a spreadsheet": text() + ",,\n,,\n",
    "header repeated": text() + text(),
    "rows repeated": text() + text(rows=ROWS),
    "an index column without a name": text(rows=[["", *HEADER], *([str(i), *row] for i, row in enumerate(ROWS))]),
    "a quoted field over two lines elsewhere": text(rows=[[*HEADER, "note"], *([*row, '"a,\nb"'] for row in ROWS)]),
}


@pytest.mark.parametrize("name", READ)
def test_is_read_rightly(name, tmp_path):
    content = READ[name]
    write(six(tmp_path), {"labels.csv": content})
    found = load(csv_table(tmp_path, separator=" "), 8, tmp_path / "cache")
    assert found.classes == ["cat", "dog"]
    assert found.targets.tolist() == [[1, 1], [0, 1], [1, 0], [0, 1], [1, 0], [1, 1]]
    assert found.split.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.images[:, 4, 4, 0].tolist() == [0, 40, 80, 120, 160, 200]


def changed(old, new):
    return text().replace(old, new)


REFUSED = {
    "empty": ("", "labels.csv is empty"),
    "blank": ("\n \n", "labels.csv is empty"),
    "only a header": ("image_id,tags,split\n", "has a header line and no rows"),
    "too many fields": (changed("cat dog", "cat,dog"), "labels.csv, line 2 has 4 fields, 3 expected"),
    "too few fields": (changed("im3,dog,val", "im3,dog"), "line 5 has 2 fields, 3 expected"),
    "several such lines": (changed(",val", ""), r"line 4 has 2 fields, 3 expected \(so are lines 5\)"),
    "an open quote": (changed("im2,cat", 'im2,"cat'), "line 4: .*quotes"),
    "text after a quote": (changed("im2,cat", 'im2,"cat"x'), "line 4: .*quotes"),
    "cp1252": (changed("dog", "h\xe9ron").encode("cp1252"), "not UTF-8: byte 0xe9 in line 2.*encoding: cp1252"),
    "utf-16 without a mark": (text().encode("utf-16-le"), "holds NULs.*encoding: utf-16"),
    "a workbook": (b"PK\x03\x04rest", "is a zip or an Excel workbook.*save it as CSV"),
    "gzip": (b"\x1f\x8brest", "is damaged .*; fetch it again"),
    "a page": ("\n<!DOCTYPE html><p>404, gone", "is a page of HTML or XML, not a table"),
    "a pointer": ("version https://git-lfs.github.com/spec/v1\nsize 9\n", "is a pointer of Git LFS"),
    "JSON that is no table": ('{"version": 3, "author": {"name": "a"}}', "JSON with the keys 'version', 'author'"),
    "JSON that was cut off": ('[{"image_id": "im0", "tags": ', "is broken JSON"),
    "lines above the header": ("# of 2026\n" + text(), "header line must be the first, which reads '# of 2026'"),
    "no such column": (changed("tags", "labels"), "has no column 'tags'; did you mean 'labels'|has no column 'tags'"),
    "another delimiter": (text("~"), "has no column.*give data.delimiter"),
    "a column twice": (text(rows=[[*HEADER, "tags"], *([*r, "x"] for r in ROWS)]), "2 columns 'tags' .columns 2 and 4"),
    "no id": (changed("im3,", ","), r"has no image id in 1 row \(line 5\)"),
    "an unknown split": (changed("im3,dog,val", "im3,dog,vla"), "line 5 has the unknown split 'vla'; did you"),
    "a blank split": (changed("im3,dog,val", "im3,dog, "), "line 5 has the unknown split ''"),
    "the same image in train and test": (text() + "im0,cat dog,test\n", "1 of them with different labels, split"),
    "the same image under two names": (text() + "im0.png,cat,train\n", "image 'im0' .*line 2 and labels.csv line 8"),
    "lists beside plain cells": (changed("im3,dog", "im3,['dog']"), "lists as a program prints them"),
    "one row a label": (text() + "im1,cat,train\n", "'im1' .*keep one row for each, or give data.row_per: label"),
    "no label at all": (text(rows=[HEADER, *([a, "", c] for a, _, c in ROWS)]), "no label at all"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_with_the_place(name, tmp_path):
    content, message = REFUSED[name]
    write(six(tmp_path), {"labels.csv": content})
    with pytest.raises(TrainableError, match=message) as error:
        load(csv_table(tmp_path, separator=" "), 8, tmp_path / "cache")
    assert "\n" not in str(error.value) and str(error.value).startswith("data")


DIALECTS = {
    "a delimiter by name": (text("~"), {"delimiter": "~"}),
    "tabs by name": (text("\t"), {"delimiter": "tab"}),
    "an encoding": (text().encode("cp500"), {"encoding": "cp500"}),
    "splits as numbers": (
        changed("train", "0").replace("val", "1").replace("test", "2"),
        {"split_values": {0: "train", 1: "val", "2": "test"}},
    ),
    "splits as folds": (
        changed("train", "7").replace("val", "3").replace("test", "4"),
        {"split_values": {"rest": "train", 3: "val", 4: "test"}},
    ),
    "a split to skip": (
        text() + "im9,cat,extra\n", {"split_values": {"extra": "skip"}},
    ),
    "a row a label": (
        text(rows=[HEADER, *([a, tag, c] for a, tags, c in ROWS for tag in tags.split())]), {"row_per": "label"},
    ),
    "a long cell": (text(rows=[HEADER, *([a, " ".join([b] * 40000), c] for a, b, c in ROWS)]), {}),
    "no header": (text(rows=ROWS), {"columns": HEADER}),
    "no header, semicolons": (text(";", rows=ROWS), {"columns": HEADER}),
    "no header, runs of blanks": (
        "".join(f"{a}   {b.replace(' ', '+')}\t{c} \n" for a, b, c in ROWS), {"columns": HEADER, "separator": "+"},
    ),
}  # fmt: skip


def test_another_encoding_than_the_one_named(tmp_path):
    """What reads without an error may still read as other words."""
    six(tmp_path)
    content = changed("dog", "h\xe9ron")
    write(tmp_path, {"labels.csv": content.encode()})
    odd = csv_table(tmp_path, separator=" ", encoding="cp1252").describe().odd
    assert [str(o) for o in odd if "encoding" in str(o)] == [
        "labels.csv is UTF-8 too, and reads otherwise as cp1252 (data.encoding)"
    ]
    with pytest.raises(TrainableError, match="is not UTF-16, it holds no NUL; leave data.encoding out"):
        csv_table(tmp_path, separator=" ", encoding="utf-16").describe()
    write(tmp_path, {"labels.csv": content.encode("cp1252")})
    assert not any("encoding" in str(o) for o in csv_table(tmp_path, separator=" ", encoding="cp1252").describe().odd)


def test_what_a_split_value_explains_must_occur(tmp_path):
    write(six(tmp_path), {"labels.csv": text() + "im9,cat,extra\n"})
    odd = csv_table(tmp_path, separator=" ", split_values={"extra": "skip", 7: "val"}).describe().odd
    assert {"'7' occurs nowhere (data.split_values)", "1 row of the splits to skip: left out (data.split_values)"} <= {
        str(o) for o in odd
    }


@pytest.mark.parametrize("name", DIALECTS)
def test_keys_name_the_dialect(name, tmp_path):
    content, keys = DIALECTS[name]
    write(six(tmp_path), {"labels.csv": content})
    found = load(csv_table(tmp_path, **({"separator": " "} | keys)), 8, tmp_path / "cache")
    assert found.targets.tolist() == [[1, 1], [0, 1], [1, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delimiter": "ab"}, "must be one character or one of comma"),
        ({"encoding": "utf-88"}, "unknown encoding 'utf-88'"),
        ({"image_name": "x.png"}, "must hold {} where the id goes"),
        ({"separator": None, "label_columns": ["cat"], "none_labels": ["x"]}, "none_labels: only for label_column"),
        ({"split_values": {"a": "train"}, "split_column": None, "test_fraction": 0.2}, "needs the split_column"),
        ({"split_values": {"a": "tset"}}, "split_values.a"),
        ({"separator": None, "label_columns": ["cat"], "row_per": "label"}, "row_per: label is for label_column"),
        ({"uncertain": "positive"}, "uncertain: only for label_columns"),
        ({"label_columns": ["cat", "dog", "cat"]}, "'cat' is named twice"),
        ({"label_columns": []}, "name at least one column"),
        ({"test_fraction": 0.2, "split_column": "split"}, "test_fraction and split_column exclude each other"),
        ({"test_fraction": 0.2, "tables": {"train": "a", "test": "b"}}, "test_fraction and a test table exclude"),
        ({"test_fraction": 0.2, "tables": {"train": "a", "val": "b"}}, "test_fraction needs one table"),
        (
            {"test_fraction": 0.2, "min_positives": {"test": 1}},
            "min_positives.test: needs a split that",
        ),
        ({"split_column": None}, "nothing is kept for testing"),
        ({"split_column": None, "tables": {"train": "a"}}, "nothing is kept for testing"),
        ({"split_column": None, "tables": {"test": "a"}}, "nothing to train on"),
        ({"tables": {"all": "a", "test": "b"}}, "all stands alone"),
        ({"tables": {}, "split_column": None}, "nothing is kept for testing"),
        ({"split_lists": {"test": "a"}}, "split_column and split_lists exclude each other"),
        ({"split_lists": {"train": "a"}, "split_column": None}, "split_lists: give one table and a list of the test"),
        ({"group_pattern": "p"}, "group_pattern: needs the group_column"),
        ({"group_pattern": "(", "group_column": "p"}, "is no regular expression"),
        ({"split_column": "tags"}, "'tags' cannot be two of image, label and split"),
    ],
)
def test_contradicting_settings_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        csv_table(tmp_path, **changes)


DELIMITERS = [",", ";", "\t", " ", '"', ""]
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(CELLS, max_size=5), max_size=6), st.sampled_from([",", ";", "\t", " ", '"', ""]), st.booleans()
)
def test_any_text_is_read_or_refused(tmp_path_factory, rows, delimiter, headed):
    folder = tmp_path_factory.mktemp("any")
    content = ("image_id,tags\n" if headed else "") + "\n".join(delimiter.join(row) for row in rows)
    read_or_refused(write(folder, {"t.csv": content}) / "t.csv")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    read_or_refused(write(tmp_path_factory.mktemp("any"), {"t.csv": content}) / "t.csv")


def read_or_refused(path):
    try:
        table = read_table(path, "tables", Dialect(), {"image_id", "tags"})
    except TrainableError as error:
        assert str(path) in str(error)
    else:
        assert table.rows and all(len(row) == len(table.columns) for row in table.rows)
        assert len(table.lines) == len(table.rows) and all(cell == cell.strip() for row in table.rows for cell in row)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(CELLS, CELLS).map(lambda t: [c.strip() for c in t]).filter(any), min_size=1, max_size=6),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_a_csv_writer_writes_is_what_is_read(tmp_path_factory, rows, delimiter):
    import csv
    import io

    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows([["image_id", "tags"], *rows])
    path = write(tmp_path_factory.mktemp("any"), {"t.csv": buffer.getvalue()}) / "t.csv"
    wanted = [row for row in rows if row != ["image_id", "tags"]]
    if wanted:
        assert read_table(path, "tables", Dialect(), {"image_id", "tags"}).rows == wanted


def test_a_table_of_other_columns_is_never_shifted(tmp_path):
    """pandas takes a column of its own for the index when rows end with a comma and the header does not."""
    six(tmp_path)
    rows = "".join(f"im{i},x,{int(i % 2 == 0)},{int(i % 3 == 0)},9,\n" for i in range(6))
    write(tmp_path, {"labels.csv": "left,right,cat,dog,age\n" + rows, "images/x.png": shade(9)})
    chosen = csv_table(tmp_path, image_column="left", label_columns=["cat", "dog"], test_fraction=0.4)
    assert load(chosen, 8, tmp_path / "cache").targets.tolist() == [[1, 1], [0, 0], [1, 0], [0, 1], [1, 0], [0, 0]]
