"""More forms in which people publish labels: read as what they say, said as odd, or refused in one line.

A row is what is written beside `images/im0.png` to `im5.png` and the keys that read it, as in `test_kinds`.
"""

import bz2
import gzip
import io
import json
import pickle

import numpy as np
import pytest

from evenkeel.trainables import TrainableError
from tests.data.makers import SIX_TARGETS, shade, six, write
from tests.data.test_kinds import (
    CLASSES,
    FRAME,
    IDS,
    IMAGES_OF_STUDIES,
    LABEL_STUDIO,
    LABELS,
    LISTS,
    PICTURES,
    SAMPLES,
    SPLIT_CODES,
    SPLITS,
    VALUES,
    check_refused,
    check_six,
    coco,
    parquet,
    read,
    tar,
    text,
)

ROW_A_LABEL = {"tables": {"all": "t.csv"}, "split_column": "split", "label_column": "name", "row_per": "label"}
CELLS = {"tables": {"all": "t.csv"}, **LISTS}
COCO = {"tables": {"all": "t.json"}, "image_column": "file_name", "label_column": "category", "test_fraction": 0.3}
SURE = text("image_id,name,confidence,split", [[IDS[i], CLASSES[c], (0.2, 0.7)[v], SPLITS[i]] for i, c, v in VALUES])
BY_SPLIT = {split: [IDS[i] for i in range(6) if SPLITS[i] == split] for split in SPLIT_CODES}


def cells(tags):
    """The table with other cells for the labels."""
    return {"t.csv": FRAME.assign(tags=tags).to_csv(index=False)}


def arrow(frame):
    import pyarrow as pa
    from pyarrow import feather

    buffer = io.BytesIO()
    feather.write_feather(pa.Table.from_pandas(frame), buffer)
    return buffer.getvalue()


def hub_objects():
    """Boxes as the library `datasets` writes them: an object of lists, with names noted for the class numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    boxes = [{"bbox": [[0.0, 1.0]] * len(row), "category": [CLASSES.index(n) for n in row]} for row in LABELS]
    noted = {"bbox": {"dtype": "float32"}, "category": {"names": CLASSES, "_type": "ClassLabel"}}
    info = {"info": {"features": {"objects": {"feature": noted, "_type": "Sequence"}, "file": {"_type": "Value"}}}}
    table = pa.table({"file": IDS, "objects": boxes, "split": SPLITS})
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"huggingface": json.dumps(info).encode()}), buffer)
    return buffer.getvalue()


def paths_alone():
    """A column of bytes and path, without bytes: images lie in files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pair = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": None, "path": f"images/{name}"} for name in IDS], pair)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": images, "tags": LABELS, "split": SPLITS}), buffer)
    return buffer.getvalue()


KINDS = {
    "numbers that are cut": ({"t.csv": SURE}, ROW_A_LABEL | {"value_column": "confidence", "value_from": 0.5}),
    "objects of Python": (cells([str({"labels": row}) for row in LABELS]), CELLS),
    "a path in objects of Python": (
        cells([str({"a": {"b": row}, "c": 1}) for row in LABELS]), CELLS | {"label_column": "tags.a.b"},
    ),
    "CelebA's own lists: the number of rows, and names of all columns but the first": (
        {"t.txt": "6\ncat dog \n" + "".join(
            f"{IDS[i]}  {' '.join(f'{2 * v - 1:2d}' for v in SIX_TARGETS[i])}\n" for i in range(6)),
         "p.txt": "".join(f"{IDS[i]} {SPLIT_CODES[SPLITS[i]]}\n" for i in range(6))},
        {"tables": {"all": "t.txt"}, "label_columns": CLASSES, "uncertain": "negative",
         "split_table": {"file": "p.txt", "header": ["image", "part"], "image": "image", "split": "part"},
         "split_values": {0: "train", 1: "val", 2: "test"}},
    ),
    "numbers of images, names and splits in lists without headers (CUB)": (
        {"t.csv": "number,tags\n" + "".join(f"{i + 1},{'|'.join(LABELS[i])}\n" for i in range(6)),
         "images.txt": "".join(f"{i + 1} {IDS[i]}\n" for i in range(6)),
         "split.txt": "".join(f"{i + 1} {SPLITS[i]}\n" for i in range(6))},
        {"tables": {"all": "t.csv"}, "image_column": "name", "label_column": "tags", "separator": "|",
         "split_column": "part",
         "join": [{"file": "images.txt", "header": ["id", "name"], "by": {"number": "id"}},
                  {"file": "split.txt", "header": ["id", "part"], "by": {"number": "id"}}]},
    ),
    "null beside lists": (
        {"t.csv": FRAME.assign(tags=list(map(json.dumps, LABELS))).to_csv(index=False) + "im6.png,null,train\n"},
        CELLS | {"on_bad_image": "skip"},
    ),
    "a key with points in it": (
        {"t.jsonl": "\n".join(json.dumps({"file": i, "tags": [{"name": n} for n in t], "of": {"a.org/use": s}})
                              for i, t, s in zip(IDS, LABELS, SPLITS, strict=True))},
        {"tables": {"all": "t.jsonl"}, "image_column": "file", "label_column": "tags.name",
         "split_column": "of.a.org/use"},
    ),
    "COCO's panoptic segments": (
        {"t.json": json.dumps(json.loads(coco(range(6))) | {"annotations": [
            {"image_id": 70 + i, "file_name": f"{i}.png",
             "segments_info": [{"id": 5, "category_id": 17 + CLASSES.index(n)} for n in LABELS[i]]}
            for i in range(6)]}),
         "p.json": json.dumps(BY_SPLIT)},
        {"tables": {"all": "t.json"}, "image_column": "file_name", "label_column": "category",
         "split_table": {"file": "p.json", "image": "value", "split": "key"}},
    ),
    "objects of a hub, whose class numbers have names": (
        {"t.parquet": hub_objects()},
        {"tables": {"all": "t.parquet"}, "image_column": "file", "label_column": "objects.category",
         "split_column": "split"},
    ),
    "JSON in texts of JSON": (cells([json.dumps(json.dumps(row)) for row in LABELS]), CELLS),
    "flags by name": (cells([json.dumps({n: n in row for n in CLASSES}) for row in LABELS]), CELLS),
    "flags in numbers": (cells([json.dumps({n: int(n in row) for n in CLASSES}) for row in LABELS]), CELLS),
    "rows of zeros and ones": (
        cells([str(row.tolist()) for row in SIX_TARGETS]) | {"names.txt": "cat\ndog\n"},
        CELLS | {"classes_table": {"file": "names.txt"}},
    ),
    "a folder of lists a class": (
        {f"{c}/{s}.txt": "".join(f"im{i}\n" for i in range(6) if SPLITS[i] == s and c in LABELS[i])
         for c in CLASSES for s in SPLIT_CODES},
        {"tables": {s: f"{{class}}/{s}.txt" for s in SPLIT_CODES}},
    ),
    "Parquet with paths alone": (
        {"t.parquet": paths_alone()},
        {"tables": {"all": "t.parquet"}, "image_column": "image", "label_column": "tags", "split_column": "split"},
    ),
    "a JSON map from class to images": (
        {"t.json": json.dumps({n: [IDS[i] for i in range(6) if n in LABELS[i]] for n in CLASSES}),
         "splits.json": json.dumps(BY_SPLIT)},
        {"tables": {"all": "t.json"}, "image_column": "value", "label_column": "key", "row_per": "label",
         "split_table": {"file": "splits.json", "image": "value", "split": "key"}},
    ),
    "lists of a split in JSON": (
        {"t.csv": FRAME.drop(columns="split").to_csv(index=False)}
        | {f"{split}.json": json.dumps(names) for split, names in BY_SPLIT.items()},
        {"tables": {"all": "t.csv"}, "image_column": "file", "label_column": "tags",
         "split_lists": {split: f"{split}.json" for split in SPLIT_CODES}},
    ),
    "addresses with a query": (
        {"t.csv": FRAME.assign(file=[f"https://a.org/b/{name}?size=large" for name in IDS]).to_csv(index=False)}, CELLS,
    ),
    "WebDataset with images of two kinds, and what is neither image nor text": (
        {"t.tar": tar({name.replace("png", "jpg") if name < "0003" else name: c for name, c in SAMPLES.items()}
                      | {f"{i:04d}.npy": b"\x93NUMPY\xff" for i in range(6)})},
        {"tables": {"all": "t.tar"}, "images": {}, "image_column": "image", "label_column": "json.labels",
         "split_column": "json.meta.split"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_read_as_what_it_says(kind, tmp_path):
    files, keys = KINDS[kind]
    check_six(read(write(six(tmp_path), files), keys), tmp_path / "cache")


def other(content, name="t.csv"):
    """A file that is no table."""
    return {name: content}, {"tables": {"all": name}, **LISTS}


ALIKE = json.loads(coco(range(6)))
ALIKE["categories"][1]["name"] = "cat"
SECRET = {name: value for name, value in json.loads(coco(range(6))).items() if name != "annotations"}
SENTENCES = {
    "images": [{"id": 1, "file_name": "im0.png"}],
    "annotations": [{"image_id": 1, "id": 2, "caption": "A cat."}],
}
REFUSED = {
    "a confidence that is not named": (
        {"t.csv": SURE}, ROW_A_LABEL,
        "column 'confidence' of numbers from 0.2 to 0.7; give data.value_column: confidence with data.value_from: 0.5",
    ),
    "a confidence in percents": (
        {"t.csv": SURE.replace("0.2", "20").replace("0.7", "70")}, ROW_A_LABEL,
        "column 'confidence' of numbers from 20 to 70; give data.value_column: confidence with data.value_from: 50",
    ),
    "-1 for what is absent": (
        {"t.csv": SURE.replace("confidence", "there").replace("0.2", "-1").replace("0.7", "1")}, ROW_A_LABEL,
        "column 'there' of -1 and 1, which is -1 in 4 rows; give data.value_column: there if -1 says",
    ),
    "objects of which one key holds names": (
        cells([json.dumps([{"x": 1, "boxlabels": [n]} for n in row]) for row in LABELS]), CELLS,
        "an object of JSON with the keys 'x', 'boxlabels'; .*as data.label_column: tags.boxlabels",
    ),
    "rows of -1 and 1": (
        cells([str((2 * row.astype(int) - 1).tolist()) for row in SIX_TARGETS]), CELLS,
        "tags has rows of -1, 1 .*a place a class; give a column a class with data.label_columns",
    ),
    "one name too few in some rows": (
        {"t.csv": "cat,dog\nim0.png,1,0\nim1.png,1\n"}, {"tables": {"all": "t.csv"}, "label_columns": CLASSES,
                                                       "test_fraction": 0.3},
        "line 2 has 3 fields, 2 expected",
    ),
    "a confidence in words": (
        {"t.csv": SURE.replace("0.7", "high")}, ROW_A_LABEL | {"value_column": "confidence", "value_from": 0.5},
        "data.value_from: t.csv line 2 has 'high', which is no number",
    ),
    "numbers without a cut": (
        {"t.csv": SURE}, ROW_A_LABEL | {"value_column": "confidence"}, "besides 0 and 1 .*data.value_from for numbers",
    ),
    "plain cells on the way of a path": (
        cells([json.dumps({"choices": row}) if len(row) > 1 else row[0] for row in LABELS]),
        CELLS | {"label_column": "tags.choices"},
        "4 cells in 'tags' without structure.*first in t.csv line 3: 'dog'.*give data.label_column: tags",
    ),
    "rows of zeros and ones without names": (
        cells([str(row.tolist()) for row in SIX_TARGETS]), CELLS, "rows of 2 zeros and ones.*data.classes_table",
    ),
    "COCO's captions as labels": (
        {"t.json": json.dumps(SENTENCES)}, COCO | {"label_column": "caption"},
        "holds sentences .captions of COCO., no labels; give the file of instances",
    ),
    "COCO's images of a test set": (
        {"t.json": json.dumps(SECRET)}, COCO, "lists images and categories and no annotations",
    ),
    "COCO's categories of one name": (
        {"t.json": json.dumps(ALIKE)}, COCO, "several categories called 'cat'; give each its own name",
    ),
    "images of which none is there": (
        {"t.csv": IMAGES_OF_STUDIES.replace(".png", "x.png")},
        {"tables": {"all": "t.csv"}, "label_column": "study", "test_fraction": 0.3},
        "data.images: 6 images of 6 cannot be had: images 'im0x.png'",
    ),
    "a table without a header": (
        {"t.csv": "im0.png,a|b|c\nim1.png,a\n"}, CELLS, "a table without one has its names from data.columns",
    ),
    "Arrow": (*other(arrow(FRAME), "t.arrow"), "is an Arrow .Feather. file, not a text; save it as CSV .* or Parquet"),
    "a pickle": (*other(pickle.dumps(RecursionError), "t.pkl"), "is a pickle of Python"),
    "bzip2": (*other(bz2.compress(b"file,tags")), "is compressed by bzip2"),
    "a compressed tar": (*other(gzip.compress(tar(SAMPLES)), "t.tar.gz"), "is a compressed tar, not a text; unpack it"),
    "a picture": (*other(PICTURES[0], "t.png"), "is a picture .PNG., not a text"),
    "TFRecords": (*other(b"\x0c" + b"\0" * 20, "t.tfrecord"), "is TFRecords, not a text"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_have_to_be_guessed_is_refused_in_one_line(kind, tmp_path):
    check_refused(tmp_path, *REFUSED[kind])


def arrays():
    buffer = io.BytesIO()
    np.savez(buffer, images=np.zeros((6, 4, 4), np.uint8))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89HDF\r\n", "is an HDF5 or MATLAB file; give a folder, a zip or a tar"),
        (b"\0" * 16 + b"\xde\xc0\xef\xbe", "is an LMDB database"),
        (b"Rar!\x1a\x07", "is a RAR archive"),
        (gzip.compress(tar(SAMPLES)), "is compressed by gzip"),
        (arrays(), "holds arrays of numpy; write them out as PNG files"),
    ],
)
def test_images_in_another_container_are_named(content, kind, tmp_path):
    write(six(tmp_path), {"t.csv": FRAME.to_csv(index=False), "images.bin": content})
    with pytest.raises(TrainableError, match=f"data.images: .*images.bin {kind}"):
        read(tmp_path, CELLS | {"images": {"all": "images.bin"}}).describe()


class TestFoldersInFolders:
    """`cat/young/im0.png`: the innermost is the class unless a level is named, which is said."""

    def data(self, folder, **keys):
        names = [f"{LABELS[i][0]}/{('young', 'old')[i % 2]}/im{i}.png" for i in range(6)]
        write(folder, {f"images/{name}": picture for name, picture in zip(names, PICTURES, strict=True)})
        return read(folder, {"label_column": "folder", "test_fraction": 0.3, "validation": {"fraction": 0.3}} | keys)

    def test_the_innermost_are_classes_and_the_others_are_named(self, tmp_path):
        said = self.data(tmp_path).describe()
        assert [count.name for count in said.classes] == ["old", "young"]
        (odd,) = [odd.text for odd in said.odd if "folders of folders" in odd.text]
        assert "innermost (old, young); folder.0 are the outermost (cat, dog), folder.1 the next" in odd

    def test_a_level_is_a_column(self, tmp_path):
        said = self.data(tmp_path, label_column="folder.0").describe()
        assert [count.name for count in said.classes] == ["cat", "dog"] and "folders of" not in str(said.odd)


@pytest.mark.parametrize("num", [1, 2])
def test_several_annotations_of_a_task_are_said(num, tmp_path):
    tasks = [task | {"annotations": task["annotations"] * num} for task in LABEL_STUDIO]
    keys = {"tables": {"all": "t.json"}, "image_column": "data.image", "split_column": "data.split"}
    data = read(
        write(six(tmp_path), {"t.json": json.dumps(tasks)}),
        keys | {"label_column": "annotations.result.value.choices"},
    )
    assert ("6 rows with several annotations" in str(data.describe().odd)) == (num > 1)


def test_a_second_separator_is_said(tmp_path):
    files = cells(["cat", "dog", "cat;dog", "cat", "cat|dog", "dog"])
    odd = read(write(six(tmp_path), files), CELLS | {"separator": "|"}).describe().odd
    assert any("1 class made of names of others: cat;dog" in each.text and each.key == "separator" for each in odd)


def test_images_that_cannot_be_used_are_said_before_any_is_decoded(tmp_path):
    folder = write(six(tmp_path), {"images/im3.png": b"no picture", "t.csv": FRAME.to_csv(index=False)})
    odd = read(folder, CELLS).describe().odd
    assert any("1 of 6 images looked at cannot be used (im3.png: cannot be decoded" in each.text for each in odd)


def test_a_list_of_pictures_in_a_cell_is_none_of_its_row(tmp_path):
    pictures = [[{"bytes": shade(i), "path": None}] for i in range(6)]
    folder = write(tmp_path, {"t.parquet": parquet(FRAME.assign(images=pictures))})
    keys = {"tables": {"all": "t.parquet"}, **LISTS, "images": {}, "image_column": "images"}
    with pytest.raises(TrainableError, match="has no column 'images'; valid: file, split, tags"):
        read(folder, keys).describe()
