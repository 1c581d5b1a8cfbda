"""The forms in which people publish labels: six images and two classes in each, which must come out the same.

A row is what is written beside `images/im0.png` to `im5.png` and the keys that read it. Parquet, gzip and tars are
written by the libraries that others write them with.
"""

import gzip
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data import data_set
from evenkeel.trainables.data.csv.listing import list_images
from evenkeel.trainables.data.csv.reading import read_rows
from evenkeel.trainables.data.decoding import ImageFormat
from evenkeel.trainables.data.load import load
from tests.data.makers import SIX_TARGETS, shade, six, write

CLASSES = ["cat", "dog"]
LABELS = [[name for name, on in zip(CLASSES, row, strict=True) if on] for row in SIX_TARGETS]
SPLITS = ["train", "train", "val", "val", "test", "test"]
IDS = [f"im{i}.png" for i in range(6)]
RECORDS = [{"file": i, "tags": t, "split": s} for i, t, s in zip(IDS, LABELS, SPLITS, strict=True)]
LISTS = {"image_column": "file", "label_column": "tags", "split_column": "split"}
FRAME = pd.DataFrame(RECORDS)


def text(header, rows):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def parquet(frame, **options):
    buffer = io.BytesIO()
    frame.to_parquet(buffer, **options)
    return buffer.getvalue()


def tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            content = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def hub(images, labels, splits):
    """Parquet as the library `datasets` writes it: pictures as bytes and path, class numbers with names beside."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({
        "image": [{"bytes": image, "path": f"p{i}.png"} for i, image in enumerate(images)],
        "labels": pa.array(labels, pa.list_(pa.int64())),
        "split": splits,
    })  # fmt: skip
    feature = {"feature": {"names": CLASSES, "_type": "ClassLabel"}, "_type": "Sequence"}
    noted = {"info": {"features": {"image": {"_type": "Image"}, "labels": feature}}}
    buffer = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata({b"huggingface": json.dumps(noted).encode()}), buffer, row_group_size=2
    )
    return buffer.getvalue()


def coco(rows):
    return json.dumps({
        "images": [{"id": 70 + i, "file_name": IDS[i], "width": 12} for i in rows],
        "annotations": [
            {"id": 9 * i + c, "image_id": 70 + i, "category_id": 17 + c, "bbox": [0, 1, 2, 3]}
            for i in rows for c in (0, 1, 1) if SIX_TARGETS[i, c]
        ],
        "categories": [{"id": 17 + c, "name": name, "supercategory": "animal"} for c, name in enumerate(CLASSES)],
    })  # fmt: skip


def sentences(rows):
    """COCO's file of captions: two of each image, as annotations without a category."""
    return json.dumps({
        "info": {"year": 2017},
        "images": [{"id": 70 + i, "file_name": IDS[i], "width": 12} for i in rows],
        "annotations": [
            {"image_id": 70 + i, "id": 9 * i + n, "caption": f"Picture {i},\n {word}. "}
            for n, word in enumerate(("bright", "dark")) for i in rows
        ],
    })  # fmt: skip


VALUES = [(i, c, SIX_TARGETS[i, c]) for i in range(6) for c in range(2)]
PICTURES = [shade(40 * i) for i in range(6)]
SAMPLES = {
    f"{i:04d}.{suffix}": content
    for i in range(6)
    for suffix, content in (
        ("png", PICTURES[i]),
        ("json", json.dumps({"labels": LABELS[i], "meta": {"split": SPLITS[i]}})),
    )
}
LABEL_STUDIO = [
    {
        "id": 7 + i,
        "data": {"image": f"/data/upload/1/{IDS[i]}", "split": SPLITS[i]},
        "annotations": [{"id": 1, "result": [{"type": "choices", "value": {"choices": LABELS[i]}}]}],
    }
    for i in range(6)
]
VIA = {
    f"{IDS[i]}1234": {
        "filename": IDS[i],
        "regions": [{"shape_attributes": {"name": "rect"}, "region_attributes": {"kind": name}} for name in LABELS[i]],
        "file_attributes": {"split": SPLITS[i]},
    }
    for i in range(6)
}
READERS = [[i, r, *(SIX_TARGETS[i] ^ (r == 2 and i % 2, 0)), SPLITS[i]] for i in range(6) for r in range(3)]


def by_split(pattern, content):
    """A file of each split, and the key that names them."""
    names = {split: pattern.format(split) for split in ("train", "val", "test")}
    return {names[split]: content([i for i in range(6) if SPLITS[i] == split]) for split in names}, {"tables": names}


COCO_FILES, COCO_TABLES = by_split("annotations/instances_{}.json", coco)
YOLO_FILES = {
    f"labels/{SPLITS[i]}/im{i}.txt": "".join(f"{CLASSES.index(name)} 0.5 0.5 0.1 0.1\n" for name in LABELS[i]) * 2
    for i in range(6)
}
VOC_XML = {
    f"Annotations/{SPLITS[i]}/im{i}.xml": f"<annotation><filename>{IDS[i]}</filename>"
    + "".join(f"<object><name>{name}</name></object>" for name in LABELS[i]) + "</annotation>"
    for i in range(6)
}  # fmt: skip
CVAT = "<?xml version='1.0'?><annotations><version>1.1</version>" + "".join(
    f"<image id='{i}' name='{IDS[i]}'>" + "".join(f"<tag label='{name}'/>" for name in LABELS[i]) + "</image>"
    for i in range(6)
) + "</annotations>"  # fmt: skip
FOLDERS = {"train": "labels/train", "val": "labels/val", "test": "labels/test"}
XML_FOLDERS = {split: folder.replace("labels", "Annotations") for split, folder in FOLDERS.items()}
NAMES = {"file": "data.yaml", "label": "number", "name": "name"}
CLASS_LISTS = {
    f"Main/{name}_{split}.txt": "".join(
        f"im{i} {'1' if SIX_TARGETS[i, c] else '-1':>2}\n" for i in range(6) if SPLITS[i] == split
    )
    for c, name in enumerate(CLASSES)
    for split in ("train", "val", "test")
}
NUS_WIDE = {
    f"Groundtruth/Labels_{name}_{split}.txt": "".join(f"{SIX_TARGETS[i, c]}\n" for i in range(6) if SPLITS[i] == split)
    for c, name in enumerate(CLASSES)
    for split in ("train", "val", "test")
} | {f"ids_{split}.txt": "".join(f"x\\im{i}.png\n" for i in range(6) if SPLITS[i] == split) for split in set(SPLITS)}
SPLIT_CODES = {"train": 0, "val": 1, "test": 2}
SPLIT_TABLE = text("image_id,partition", [[IDS[i], SPLIT_CODES[SPLITS[i]]] for i in range(6)])
MEANS = {0: "train", 1: "val", 2: "test"}
WIDE = text("image_id,cat,dog", [[IDS[i], *SIX_TARGETS[i]] for i in range(6)])
STUDIES = text("study,cat,dog", [[f"s{i}", *SIX_TARGETS[i]] for i in range(6)])
IMAGES_OF_STUDIES = text("image_id,study,split", [[IDS[i], f"s{i}", SPLITS[i]] for i in range(6)])
COLUMNS = {"label_columns": CLASSES}

KINDS = {
    "Parquet with lists": ({"t.parquet": parquet(FRAME)}, {"tables": {"all": "t.parquet"}, **LISTS}),
    "Parquet in shards": (
        {f"t-{k}.parquet": parquet(FRAME[3 * k : 3 * k + 3]) for k in range(2)},
        {"tables": {"all": "t-*.parquet"}, **LISTS},
    ),
    "Parquet with pictures": (
        {"t.parquet": hub(PICTURES, [[CLASSES.index(n) for n in row] for row in LABELS], SPLITS)},
        {"tables": {"all": "t.parquet"}, "images": {}, "image_column": "image", "label_column": "labels",
         "split_column": "split"},
    ),
    "Parquet with pictures as bytes": (
        {"t.parquet": parquet(FRAME.assign(file=PICTURES))},
        {"tables": {"all": "t.parquet"}, "images": {}, **LISTS},
    ),
    "JSON records": ({"t.json": json.dumps(RECORDS)}, {"tables": {"all": "t.json"}, **LISTS}),
    "JSON Lines": ({"t.jsonl": "\n".join(map(json.dumps, RECORDS))}, {"tables": {"all": "t.jsonl"}, **LISTS}),
    "JSON by column": ({"t.json": FRAME.to_json()}, {"tables": {"all": "t.json"}, **LISTS}),
    "JSON under a key": ({"t.json": json.dumps({"v": 1, "data": RECORDS})}, {"tables": {"all": "t.json"}, **LISTS}),
    "a JSON map to labels": (
        {f"{s}.json": json.dumps({IDS[i]: LABELS[i] for i in range(6) if SPLITS[i] == s}) for s in set(SPLITS)},
        {"tables": {s: f"{s}.json" for s in set(SPLITS)}, "image_column": "key", "label_column": "value"},
    ),
    "a JSON map to objects": (
        {"t.json": json.dumps({r["file"]: r for r in RECORDS})},
        {"tables": {"all": "t.json"}, **LISTS, "image_column": "key"},
    ),
    "COCO instances": (COCO_FILES, {**COCO_TABLES, "image_column": "file_name", "label_column": "category"}),
    "Label Studio": (
        {"t.json": json.dumps(LABEL_STUDIO)},
        {"tables": {"all": "t.json"}, "image_column": "data.image", "split_column": "data.split",
         "label_column": "annotations.result.value.choices"},
    ),
    "choices in cells of JSON": (
        {"t.csv": FRAME.assign(tags=[json.dumps({"choices": row}) for row in LABELS]).to_csv(index=False)},
        {"tables": {"all": "t.csv"}, **LISTS},
    ),
    "one choice plain, several in JSON": (
        {"t.csv": FRAME.assign(
            tags=[json.dumps({"choices": row}) if len(row) > 1 else row[0] for row in LABELS]).to_csv(index=False)},
        {"tables": {"all": "t.csv"}, **LISTS},
    ),
    "boxes in cells of JSON": (
        {"t.csv": FRAME.assign(
            tags=[json.dumps([{"x": 1, "names": [n]} for n in row]) for row in LABELS]).to_csv(index=False)},
        {"tables": {"all": "t.csv"}, **LISTS, "label_column": "tags.names"},
    ),
    "VGG Image Annotator": (
        {"t.json": json.dumps({"_via_settings": {"ui": {}}, "_via_img_metadata": VIA})},
        {"tables": {"all": "t.json"}, "image_column": "filename", "split_column": "file_attributes.split",
         "label_column": "regions.region_attributes.kind"},
    ),
    "CVAT": (
        {"t.xml": CVAT, "p.csv": SPLIT_TABLE},
        {"tables": {"all": "t.xml"}, "image_column": "name", "label_column": "category", "split_values": MEANS,
         "split_table": {"file": "p.csv", "image": "image_id", "split": "partition"}},
    ),
    "YOLO": (
        YOLO_FILES | {"data.yaml": "nc: 2\nnames: [cat, dog]\n"},
        {"tables": FOLDERS, "image_column": "image", "label_column": "category", "classes_table": NAMES},
    ),
    "YOLO with a list of classes": (
        YOLO_FILES | {"classes.txt": "cat\ndog\n"},
        {"tables": FOLDERS, "image_column": "image", "label_column": "category",
         "classes_table": {"file": "classes.txt"}},
    ),
    "Pascal VOC's XML": (
        VOC_XML, {"tables": XML_FOLDERS, "image_column": "filename", "label_column": "category"},
    ),
    "gzip": (
        {"t.csv.gz": gzip.compress(WIDE.encode()), "p.tsv.gz": gzip.compress(SPLIT_TABLE.replace(",", "\t").encode())},
        {"tables": {"all": "t.csv.gz"}, **COLUMNS, "split_values": MEANS,
         "split_table": {"file": "p.tsv.gz", "image": "image_id", "split": "partition"}},
    ),
    "WebDataset": (
        {"t.tar": tar(SAMPLES)},
        {"tables": {"all": "t.tar"}, "images": {}, "image_column": "png", "label_column": "json.labels",
         "split_column": "json.meta.split"},
    ),
    "WebDataset by key, in shards": (
        {f"t-{k}.tar": tar(dict(list(SAMPLES.items())[6 * k : 6 * k + 6])) for k in range(2)},
        {"tables": {"all": "t-*.tar"}, "images": {}, "image_column": "__key__", "label_column": "json.labels",
         "split_column": "json.meta.split"},
    ),
    "a tar of images": (
        {"t.csv": FRAME.to_csv(index=False), "i.tar": tar({f"top/{n}": p for n, p in zip(IDS, PICTURES, strict=True)})},
        {"tables": {"all": "t.csv"}, "images": {"all": "i.tar"}, **LISTS},
    ),
    "the split in a second table": (
        {"t.csv": WIDE, "p.csv": SPLIT_TABLE},
        {"tables": {"all": "t.csv"}, **COLUMNS, "split_values": MEANS,
         "split_table": {"file": "p.csv", "image": "image_id", "split": "partition"}},
    ),
    "the split joined": (
        {"t.csv": WIDE, "p.csv": SPLIT_TABLE.replace(".png", "")},
        {"tables": {"all": "t.csv"}, **COLUMNS, "split_values": MEANS, "split_column": "partition",
         "join": [{"file": "p.csv", "by": "image_id"}]},
    ),
    "labels a study and images a table": (
        {"t.csv": IMAGES_OF_STUDIES, "s.csv": STUDIES},
        {"tables": {"all": "t.csv"}, **COLUMNS, "split_column": "split", "join": [{"file": "s.csv", "by": ["study"]}]},
    ),
    "columns that are called otherwise": (
        {"t.csv": IMAGES_OF_STUDIES, "s.csv": STUDIES.replace("study", "StudyID")},
        {"tables": {"all": "t.csv"}, **COLUMNS, "split_column": "split",
         "join": [{"file": "s.csv", "by": {"study": "StudyID"}}]},
    ),
    "images without labels left out": (
        {"t.csv": IMAGES_OF_STUDIES + "im9.png,s9,train\n", "s.csv": STUDIES},
        {"tables": {"all": "t.csv"}, **COLUMNS, "split_column": "split",
         "join": [{"file": "s.csv", "by": "study", "without_partner": "skip"}]},
    ),
    "a list a class": (
        CLASS_LISTS, {"tables": {s: f"Main/{{class}}_{s}.txt" for s in SPLIT_CODES}, "uncertain": "negative"},
    ),
    "a list of positives a class": (
        {f"{c}_{s}.txt": "".join(f"im{i}\n" for i in range(6) if SPLITS[i] == s and c in LABELS[i])
         for c in CLASSES for s in SPLIT_CODES},
        {"tables": {s: f"{{class}}_{s}.txt" for s in SPLIT_CODES}},
    ),
    "values a class, ids apart": (
        NUS_WIDE,
        {"tables": {s: f"Groundtruth/Labels_{{class}}_{s}.txt" for s in SPLIT_CODES},
         "image_lists": {s: f"ids_{s}.txt" for s in SPLIT_CODES}},
    ),
    "a row a label with a value": (
        {"t.csv": text("image_id,name,there,split", [[IDS[i], CLASSES[c], v, SPLITS[i]] for i, c, v in VALUES])},
        {"tables": {"all": "t.csv"}, "label_column": "name", "row_per": "label", "value_column": "there",
         "split_column": "split"},
    ),
    "a value in words": (
        {"t.csv": text("image_id,name,there,split",
                       [[IDS[i], CLASSES[c], ["no way", "sure"][v], SPLITS[i]] for i, c, v in VALUES])},
        {"tables": {"all": "t.csv"}, "label_column": "name", "row_per": "label", "value_column": "there",
         "split_column": "split", "label_values": {"sure": "positive", "no way": "negative"}},
    ),
    "image and label in one cell": (
        {"t.csv": text("ID,Label", [[f"im{i}_{CLASSES[c]}", v] for i, c, v in VALUES]), "p.csv": SPLIT_TABLE},
        {"tables": {"all": "t.csv"}, "image_column": "ID", "image_pattern": "^im[0-9]+", "label_column": "ID",
         "label_pattern": "[a-z]+$", "row_per": "label", "value_column": "Label", "split_values": MEANS,
         "split_table": {"file": "p.csv", "image": "image_id", "split": "partition"}},
    ),
    "several readers, the majority": (
        {"t.csv": text("image_id,rad,cat,dog,split", [[f"im{i}", *row] for i, *row in READERS])},
        {"tables": {"all": "t.csv"}, "label_columns": "all but [rad]", "readers": "majority", "split_column": "split"},
    ),
    "several readers, a row a finding": (
        {"t.csv": text("image_id,rad,name,split", [
            [f"im{i}", r, name, s] for i, r, cat, dog, s in READERS
            for name in [*["cat"] * cat, *["dog"] * dog, *["dog"] * dog] or ["none"]])},
        {"tables": {"all": "t.csv"}, "label_column": "name", "row_per": "label", "readers": "majority",
         "reader_column": "rad", "none_labels": ["none"], "split_column": "split"},
    ),
}  # fmt: skip


def read(folder, keys):
    return data_set({"name": "csv", "root": str(folder), "images": {"all": "images"}} | keys)


def check_six(data, cache):
    """Classes, labels and splits of the six images, by their shades, which are returned."""
    loaded = load(data, 8, cache)
    order = np.argsort(loaded.images[:, 4, 4, 0])
    assert loaded.classes == CLASSES and loaded.label_mask is None
    assert loaded.targets[order].tolist() == SIX_TARGETS.tolist()
    assert loaded.split[order].tolist() == [0, 0, 1, 1, 2, 2]
    return loaded.images[order, 4, 4, 0].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_read_as_what_it_says(kind, tmp_path):
    files, keys = KINDS[kind]
    data = read(write(six(tmp_path), files), keys)
    assert check_six(data, tmp_path / "cache") == [0, 40, 80, 120, 160, 200]
    assert data.describe().refusal is None and data.fingerprint() == data.fingerprint()


ONE_TABLE = {"tables": {"all": "t.csv"}, "split_column": "split"}
ROW_A_LABEL = ONE_TABLE | {"label_column": "name", "row_per": "label"}
VALUED = text("image_id,name,there,split", [[IDS[i], CLASSES[c], v, SPLITS[i]] for i, c, v in VALUES])
JOINED = {"tables": {"all": "t.csv"}, **COLUMNS, "split_column": "split"}
REFUSED = {
    "a value column that is not named": (
        {"t.csv": VALUED}, ROW_A_LABEL,
        "data.value_column: .*column 'there' of 0 and 1, which is 0 in 4 rows; give data.value_column: there",
    ),
    "rows that disagree": (
        {"t.csv": VALUED + "im0.png,cat,0,train\n"}, ROW_A_LABEL | {"value_column": "there"},
        "rows disagree on 1 label, image 'im0.png' of 'cat'.*data.readers",
    ),
    "readers that are not named": (
        {"t.csv": text("image_id,rad,cat,dog,split", [[f"im{i}", *row] for i, *row in READERS])},
        ONE_TABLE | {"label_columns": CLASSES}, "image 'im1' .*or data.readers: majority",
    ),
    "objects in cells": (
        {"t.csv": FRAME.assign(tags=['{"a": "cat", "b": 1}'] * 6).to_csv(index=False)},
        {"tables": {"all": "t.csv"}, **LISTS}, "an object of JSON with the keys 'a', 'b'.*data.label_column: tags.a",
    ),
    "a join without partners": (
        {"t.csv": IMAGES_OF_STUDIES, "s.csv": STUDIES.replace("s", "X")},
        JOINED | {"join": [{"file": "s.csv", "by": {"study": "Xtudy"}}]},
        "no partner for any row; .*'s0', there it is 'X0'",
    ),
    "a join that leaves rows alone": (
        {"t.csv": IMAGES_OF_STUDIES + "im9.png,s9,train\n", "s.csv": STUDIES},
        JOINED | {"join": [{"file": "s.csv", "by": "study"}]},
        "1 row of 7 have no partner in s.csv .t.csv line 8.*skip",
    ),
    "a join with two partners": (
        {"t.csv": IMAGES_OF_STUDIES, "s.csv": STUDIES + "s0,0,0\n"},
        JOINED | {"join": [{"file": "s.csv", "by": "study"}]},
        "'s0' has 2 partners that differ .s.csv line 2 and s.csv line 8",
    ),
    "a join with a column that both have": (
        {"t.csv": IMAGES_OF_STUDIES, "s.csv": STUDIES.replace("dog", "split")},
        JOINED | {"join": [{"file": "s.csv", "by": "study"}]}, "both have the column 'split'; .*columns: .'cat'.",
    ),
    "COCO's captions": (
        {"t.json": json.dumps({"images": [{"id": 1, "file_name": "im0.png"}], "annotations": [
            {"image_id": 1, "caption": "a cat"}]})},
        {"tables": {"all": "t.json"}, "image_column": "file_name", "label_column": "category", "test_fraction": 0.2},
        "holds sentences .captions of COCO., no labels; give the file of instances",
    ),
    "a COCO annotation of nothing": (
        {"t.json": json.dumps({"images": [{"id": 1}], "annotations": [{"image_id": 2}], "categories": []})},
        {"tables": {"all": "t.json"}, "label_column": "category", "test_fraction": 0.2},
        "annotation 1 is of image 2, which the file does not list",
    ),
    "values a class without ids": (
        NUS_WIDE, {"tables": {s: f"Groundtruth/Labels_{{class}}_{s}.txt" for s in SPLIT_CODES}},
        "hold values without image ids; give .* data.image_lists",
    ),
    "a broken Parquet file": (
        {"t.parquet": b"PAR1" + b"x" * 40}, {"tables": {"all": "t.parquet"}, **LISTS},
        "is no Parquet file that can be read",
    ),
    "a line of broken JSON": (
        {"t.jsonl": "\n".join(map(json.dumps, RECORDS)) + '\n{"file": '}, {"tables": {"all": "t.jsonl"}, **LISTS},
        "line 7 is broken JSON",
    ),
    "a folder without labels": ({"labels/readme": ""}, {"tables": {"all": "labels"}, **LISTS},
                                "folder without files of labels"),
}  # fmt: skip


def check_refused(folder, files, keys, message):
    """In one line, which begins with the key."""
    with pytest.raises(TrainableError, match=message) as error:
        read(write(six(folder), files), keys).describe()
    assert "\n" not in str(error.value) and str(error.value).startswith("data")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_have_to_be_guessed_is_refused_in_one_line(kind, tmp_path):
    check_refused(tmp_path, *REFUSED[kind])


class TestReaders:
    @pytest.mark.parametrize(("readers", "cats"), [("any", [1, 1, 1, 1, 1, 1]), ("all", [1, 0, 1, 0, 1, 0])])
    def test_any_and_all(self, readers, cats, tmp_path):
        table = text("image_id,rad,cat,dog,split", [[f"im{i}", *row] for i, *row in READERS])
        data = read(write(six(tmp_path), {"t.csv": table}), ONE_TABLE | {"label_columns": CLASSES, "readers": readers})
        assert load(data, 8, tmp_path / "cache").targets[:, 0].tolist() == cats
        assert any("readers differ on 3 labels" in str(odd) for odd in data.describe().odd)

    def test_a_tie_is_no_and_is_said(self, tmp_path):
        table = text("image_id,rad,cat,dog,split", [[f"im{i}", *row] for i, *row in READERS if row[0] < 2])
        table = table.replace("im0,1,1,1", "im0,1,1,0")
        keys = ONE_TABLE | {"label_columns": CLASSES, "readers": "majority"}
        data = read(write(six(tmp_path), {"t.csv": table}), keys)
        assert load(data, 8, tmp_path / "cache").targets[0].tolist() == [1, 0]
        assert any("as many readers say yes as no to 1 label" in str(odd) for odd in data.describe().odd)


@pytest.mark.parametrize(("unlisted", "missing"), [("missing", [[2, 1]]), ("negative", []), (None, [])])
def test_what_has_no_row_is_what_the_study_says(unlisted, missing, tmp_path):
    table = VALUED.replace("im2.png,dog,0,val\n", "")
    keys = ROW_A_LABEL | {"value_column": "there", "unlisted": unlisted}
    data = read(write(six(tmp_path), {"t.csv": table}), keys)
    loaded = load(data, 8, tmp_path / "cache")
    assert loaded.targets.tolist() == SIX_TARGETS.tolist()
    assert ([] if loaded.label_mask is None else np.argwhere(~loaded.label_mask).tolist()) == missing
    assert any("1 label of images without a row" in str(o) for o in data.describe().odd) == (unlisted is None)


def test_oddities_are_those_of_images_not_of_rows(tmp_path):
    """In a table with a row a label every row has one label; that every image has it would be said wrongly."""
    rows = [[IDS[i], name, SPLITS[i]] for i in range(6) for name in LABELS[i]]
    data = read(write(six(tmp_path), {"t.csv": text("image_id,name,split", rows)}), ROW_A_LABEL)
    assert ["every image of test is cat" in str(odd) for odd in data.describe().odd] == [True]
    rows = [[IDS[i], name, SPLITS[i]] for i in range(6) for name in ["bird", *LABELS[i]]]
    data = read(write(tmp_path, {"t.csv": text("image_id,name,split", rows)}), ROW_A_LABEL)
    assert ["is bird: " in str(odd) for odd in data.describe().odd] == [True, False]


def test_one_file_of_a_class_asks_for_the_others(tmp_path):
    keys = {"tables": {s: f"Main/cat_{s}.txt" for s in SPLIT_CODES}, "columns": ["image_id", "cat"]}
    odd = (
        read(write(six(tmp_path), CLASS_LISTS), keys | {"label_columns": ["cat"], "uncertain": "negative"})
        .describe()
        .odd
    )
    assert any("with a file a class name all, as {class}_train.txt (data.tables)" in str(each) for each in odd)


def test_plan_says_how_many_rows_found_a_partner(tmp_path):
    files, keys = KINDS["images without labels left out"]
    assert (
        "s.csv: 6 rows, joined by study: 6 of 7 rows found a partner"
        in read(write(six(tmp_path), files), keys).describe().tables
    )


def test_images_for_which_yolo_has_no_file_are_said(tmp_path):
    keys = yaml.safe_load(BLOCKS["YOLO"])["data"] | {"root": str(tmp_path)}
    write(tmp_path, PAGE_FILES["YOLO"]())
    assert not [odd for odd in data_set(keys).describe().odd if "without a file of labels" in odd.text]
    write(tmp_path, {"images/train/empty.jpg": PICTURES[0]})
    (odd,) = [odd for odd in data_set(keys).describe().odd if "without a file of labels" in odd.text]
    assert odd.text.startswith("1 image without a file of labels: not read (empty.jpg); give an empty file")
    write(tmp_path, {"labels/train/empty.txt": ""})
    summary = data_set(keys).describe()
    assert summary.rows["train"] == 5 and summary.labels_per_image[0] == 1


@pytest.mark.parametrize("separator", ["", "\n"])
def test_a_bare_bar_of_yaml_is_no_separator(separator):
    with pytest.raises(ValueError, match="separator\n.*is empty: a bare . or > begins a text of several lines"):
        read(".", {"label_column": "tags", "test_fraction": 0.2, "separator": separator})


PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
BLOCKS = dict(re.findall(r"^#### ([^\n]+)\n[^#]*?^```yaml\n(.*?)^```", PAGE, flags=re.S | re.M))
TRAIN, TEST = [0, 1, 2, 3], [4, 5]
SIDES = (("train", TRAIN), ("test", TEST))


def pictures(name):
    """The six images under names of their numbers and sides."""
    return {name(i, "train" if i in TRAIN else "test"): PICTURES[i] for i in range(6)}


def mimic_tables():
    splits = [[f"d{i}", f"s{i}", i, ["train", "validate", "test"][i // 2]] for i in range(6)]
    splits.append(["d6", "s6", 6, "train"])
    labels = [[i, f"s{i}", *([("", "1.0")[on] for on in SIX_TARGETS[i]])] for i in range(6)]
    return {
        "mimic-cxr-2.0.0-split.csv.gz": gzip.compress(text("dicom_id,study_id,subject_id,split", splits).encode()),
        "mimic-cxr-2.0.0-chexpert.csv.gz": gzip.compress(text("subject_id,study_id,Edema,Fracture", labels).encode()),
    } | pictures(lambda i, side: f"files/p1/p{i}/s{i}/d{i}.jpg")


PAGE_FILES = {
    "Open Images": lambda: (
        {
            f"{side}-labels.csv": text(
                "ImageID,Source,LabelName,Confidence",
                [[f"{i:04x}", "verification", f"/m/{c}", v] for i, c, v in VALUES if i in rows],
            )
            for side, rows in SIDES
        }
        | {"class-descriptions.csv": "LabelName,DisplayName\n/m/0,cat\n/m/1,dog\n"}
        | pictures(lambda i, side: f"{side}/{i:04x}.jpg")
    ),
    "Open Images by machine": lambda: (
        {
            f"{side}-machine.csv": text(
                "ImageID,Source,LabelName,Confidence",
                [[f"{i:04x}", "machine", CLASSES[c], (0.3, 0.8)[v]] for i, c, v in VALUES if i in rows],
            )
            for side, rows in SIDES
        }
        | pictures(lambda i, side: f"{side}/{i:04x}.jpg")
    ),
    "RSNA's hemorrhages": lambda: (
        {
            f"{side}.csv": text("ID,Label", [[f"ID_0a{i}_{CLASSES[c]}", v] for i, c, v in VALUES if i in rows])
            for side, rows in SIDES
        }
        | pictures(lambda i, side: f"images/ID_0a{i}.png")
    ),
    "VinDr-CXR": lambda: (
        {
            f"image_labels_{side}.csv": text(
                "image_id,rad_id,cat,dog", [[f"im{i}", f"R{r}", cat, dog] for i, r, cat, dog, _ in READERS if i in rows]
            )
            for side, rows in SIDES
        }
        | pictures(lambda i, side: f"{side}/im{i}.png")
    ),
    "CelebA": lambda: (
        {
            "list_attr_celeba.csv": text("image_id,cat,dog", [[IDS[i], *(2 * SIX_TARGETS[i] - 1)] for i in range(6)]),
            "list_eval_partition.csv": SPLIT_TABLE,
        }
        | pictures(lambda i, side: f"img_align_celeba/img_align_celeba/im{i}.png")
    ),
    "MIMIC-CXR-JPG": mimic_tables,
    "Pascal VOC's image sets": lambda: (
        {
            f"ImageSets/Main/{name}_{'train' if side == 'train' else 'val'}.txt": "".join(
                f"im{i} {'1' if SIX_TARGETS[i, c] else '-1':>2}\n" for i in rows
            )
            for c, name in enumerate(CLASSES)
            for side, rows in SIDES
        }
        | pictures(lambda i, side: f"JPEGImages/im{i}.jpg")
    ),
    "Parquet of a hub": lambda: {
        f"data/{side}-00000.parquet": hub(
            [PICTURES[i] for i in rows], [[CLASSES.index(n) for n in LABELS[i]] for i in rows], [side] * len(rows)
        )
        for side, rows in SIDES
    },
    "COCO's annotations": lambda: (
        {f"annotations/instances_{side}2017.json": coco(rows) for side, rows in (("train", TRAIN), ("val", TEST))}
        | pictures(lambda i, side: f"{'train2017' if side == 'train' else 'val2017'}/im{i}.png")
    ),
    "COCO's captions": lambda: (
        PAGE_FILES["COCO's annotations"]()
        | {f"annotations/captions_{side}2017.json": sentences(rows) for side, rows in (("train", TRAIN), ("val", TEST))}
    ),
    "YOLO": lambda: (
        {
            f"labels/{'train' if i in TRAIN else 'val'}/im{i}.txt": "".join(
                f"{CLASSES.index(name)} 0.5 0.5 0.1 0.1\n" for name in LABELS[i]
            )
            for i in range(6)
        }
        | {"data.yaml": "names: {0: cat, 1: dog}\n"}
        | pictures(lambda i, side: f"images/{'train' if side == 'train' else 'val'}/im{i}.jpg")
    ),
    "Label Studio": lambda: (
        {"project-1.json": json.dumps(LABEL_STUDIO)} | pictures(lambda i, side: f"upload/im{i}.png")
    ),
    "WebDataset": lambda: {
        f"{side}-0000.tar": tar(
            {
                f"{i:04d}.{suffix}": content
                for i in rows
                for suffix, content in (("jpg", PICTURES[i]), ("json", json.dumps({"labels": LABELS[i]})))
            }
        )
        for side, rows in SIDES
    },
}


def test_every_block_of_the_page_is_tried():
    assert set(BLOCKS) == set(PAGE_FILES)


@pytest.mark.parametrize("form", PAGE_FILES)
def test_a_block_of_the_page_reads_its_form(form, tmp_path):
    keys = yaml.safe_load(BLOCKS[form])["data"]
    write(tmp_path / keys["root"], PAGE_FILES[form]())
    data = data_set(keys | {"root": str(tmp_path / keys["root"])})
    rows = read_rows(data, list_images(data))
    images = data.available(rows.ids, rows.files, ImageFormat(8, True), tmp_path / "cache", tmp_path).images
    assert np.round(images[:, 4, 4, 0] / 40).tolist() == list(range(6))
    assert rows.labels.classes == (["Edema", "Fracture"] if form == "MIMIC-CXR-JPG" else CLASSES)
    assert rows.labels.targets.tolist() == SIX_TARGETS.tolist() and rows.labels.label_mask is None
    assert (rows.split == 2).tolist() == [False] * 4 + [True] * 2
