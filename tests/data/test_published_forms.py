"""The ten forms of docs/data.md: each block, literally, on a tiny set of that form."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data import data_set
from evenkeel.trainables.data.csv.listing import list_images
from evenkeel.trainables.data.csv.reading import read_rows
from evenkeel.trainables.data.load import load
from tests.data.makers import csv_table, shade, write, zipped

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
BLOCKS = dict(re.findall(r"^### ([^\n]+)\n[^#]*?^```yaml\n(.*?)^```", PAGE, flags=re.S | re.M))
N = 40
HOT = (np.random.default_rng(0).random((N, 3)) < [0.6, 0.4, 0.3]).astype(int)
HOT[HOT.sum(1) == 0, 0] = 1
ONE = HOT.argmax(1)
TEST = np.arange(N) >= 30


def lines(header, rows):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def chexpert():
    """Every fifth label is uncertain, other zeros are blank or 0.0."""
    mark = [["-1.0" if (i + c) % 5 == 0 else "1.0" if on else ["", "0.0"][i % 2] for c, on in enumerate(HOT[i])] for i in range(N)]  # fmt: skip  # noqa: E501
    path = [f"CheXpert-v1.0-small/{'valid' if TEST[i] else 'train'}/patient{i // 2:05d}/study1/view{i % 2}_frontal.jpg" for i in range(N)]  # fmt: skip  # noqa: E501
    header = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Pneumonia,Fracture"
    rows = [[path[i], "Male", 60, "Frontal", "AP", "", *mark[i]] for i in range(N)]
    files = {path[i]: shade(i) for i in range(N)}
    for name, part in (("train", ~TEST), ("valid", TEST)):
        files[f"CheXpert-v1.0-small/{name}.csv"] = lines(header, [rows[i] for i in np.flatnonzero(part)])
    known = np.array([[cell != "-1.0" for cell in row] for row in mark])
    return files, ["Edema", "Pneumonia", "Fracture"], HOT * known, TEST, known


def nih():
    names = ["Edema", "Mass", "Nodule"]
    labels = [
        "|".join(n for n, on in zip(names, HOT[i], strict=True) if on) if i % 4 else "No Finding" for i in range(N)
    ]
    targets = HOT * (np.arange(N) % 4 > 0)[:, None]
    files = [f"{i // 2:08d}_{i % 2:03d}.png" for i in range(N)]
    header = "Image Index,Finding Labels,Follow-up #,Patient ID,OriginalImage[Width,Height],"
    zips = [zipped({f"images/{files[i]}": shade(i) for i in range(k, N, 2)}) for k in range(2)]
    rows = [[files[i], labels[i], i % 2, i // 2, 1, 2, ""] for i in range(N)]
    return {
        "ChestX-ray14/Data_Entry_2017.csv": lines(header, rows),
        "ChestX-ray14/train_val_list.txt": "\n".join(files[i] for i in range(N) if not TEST[i]),
        "ChestX-ray14/test_list.txt": "\n".join(files[i] for i in range(N) if TEST[i]) + "\n",
        "ChestX-ray14/images_001.zip": zips[0],
        "ChestX-ray14/images_002.zip": zips[1],
    }, names, targets, TEST, None  # fmt: skip


def isic():
    names = ["MEL", "NV", "BCC"]
    rows = [[f"ISIC_{24306 + i:07d}", *(float(c == ONE[i]) for c in range(3))] for i in range(N)]
    images = {f"ISIC2018_Task3_Training_Input/{row[0]}.jpg": shade(i) for i, row in enumerate(rows)}
    images["ISIC2018_Task3_Training_Input/LICENSE.txt"] = "CC BY-NC"
    return {
        "ISIC2018/ISIC2018_Task3_Training_GroundTruth.csv": lines("image,MEL,NV,BCC", rows),
        "ISIC2018/ISIC2018_Task3_Training_Input.zip": zipped(images),
    }, names, np.eye(3)[ONE], None, None  # fmt: skip


def aptos():
    rows = [[f"{i:012x}", ONE[i]] for i in range(N)]
    images = {f"aptos2019/train_images/{row[0]}.png": shade(i) for i, row in enumerate(rows)}
    return (
        images | {"aptos2019/train.csv": lines("id_code,diagnosis", rows)},
        ["0", "1", "2"],
        np.eye(3)[ONE],
        None,
        None,
    )


def planet():
    names = ["clear", "primary", "water"]
    tags = [" ".join(n for n, on in zip(names, HOT[i], strict=True) if on) for i in range(N)]
    images = {f"planet/train-jpg/train_{i}.jpg": shade(i) for i in range(N)}
    table = lines("image_name,tags", [[f"train_{i}", tags[i]] for i in range(N)])
    return images | {"planet/train_v2.csv": table}, names, HOT, None, None


def hpa():
    target = [" ".join(str(16 - c) for c in range(3) if HOT[i, c]) for i in range(N)]
    images = {f"hpa/train/{i:08x}-bbad_{k}.png": shade(i) for i in range(N) for k in ("red", "green", "blue")}
    table = lines("Id,Target", [[f"{i:08x}-bbad", target[i]] for i in range(N)])
    names = lines("number,location", [[14, "Microtubules"], [15, "Microtubule ends"], [16, "Cytokinetic bridge"]])
    classes = ["Microtubules", "Microtubule ends", "Cytokinetic bridge"]
    return images | {"hpa/train.csv": table, "hpa/names.csv": names}, classes, HOT[:, ::-1], None, None


def coco():
    folder = np.where(TEST, "val2017", "train2017")
    images = {f"coco/{folder[i]}/{i:012d}.jpg": shade(i) for i in range(N)}
    lists = {
        f"coco/coco_01_{name}.txt": "".join(
            f"{folder[i]}/{i:012d}.jpg {' '.join(map(str, HOT[i]))}\n" for i in np.flatnonzero(part)
        )
        for name, part in (("train", ~TEST), ("test", TEST))
    }
    return images | lists, ["person", "bicycle", "car"], HOT, TEST, None


def posters():
    names = ["Action", "Comedy", "Drama"]
    rows = [[f"tt{i:07d}", f'"{[n for n, on in zip(names, HOT[i], strict=True) if on]}"', *HOT[i]] for i in range(N)]
    images = {f"posters/Images/tt{i:07d}.jpg": shade(i) for i in range(N)}
    return images | {"posters/train.csv": lines("Id,Genre,Action,Comedy,Drama", rows)}, names, HOT, None, None


def odir():
    names = list("NDGCAHMO")
    hot = np.eye(8)[np.arange(N) % 8]
    rows = [
        [i // 2, 60, "../input/0.jpg", *hot[i].astype(int), f"\"['{names[i % 8]}']\"", f"{i}_right.jpg"]
        for i in range(N)
    ]  # fmt: skip
    images = {f"ODIR-5K/preprocessed_images/{i}_right.jpg": shade(i) for i in range(N)}
    table = lines(f"ID,Patient Age,filepath,{','.join(names)},labels,filename", rows)
    return images | {"ODIR-5K/full_df.csv": table}, names, hot, None, None


def folders():
    names = ["cat", "dog", "owl"]
    order = sorted(range(N), key=lambda i: (TEST[i], names[ONE[i]], f"{i:03d}"))
    images = {f"pets/{'test' if TEST[i] else 'train'}/{names[ONE[i]]}/{i:03d}.jpg": shade(i) for i in range(N)}
    return images | {"pets/train/readme.txt": ""}, names, np.eye(3)[ONE][order], TEST[order], None


FORMS = {
    "CheXpert": chexpert,
    "NIH ChestX-ray14": nih,
    "ISIC 2018": isic,
    "APTOS 2019": aptos,
    "Planet": planet,
    "Human Protein Atlas": hpa,
    "VOC and COCO lists": coco,
    "Film posters": posters,
    "ODIR": odir,
    "Plain folders": folders,
}


def test_every_form_of_the_page_is_tried():
    assert set(BLOCKS) == set(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_is_read_as_the_page_says(form, tmp_path):
    files, classes, targets, test, known = FORMS[form]()
    write(tmp_path, files)
    given = yaml.safe_load(BLOCKS[form])["data"]
    chosen = data_set(given | {"root": str(tmp_path / given["root"])})
    found = load(chosen, 8, tmp_path / "cache")
    assert found.classes == classes and chosen.describe().refusal is None
    assert found.targets.tolist() == targets.astype(int).tolist()
    if test is None:
        assert 0.1 < (found.split == 2).mean() < 0.3
    else:
        assert (found.split == 2).tolist() == test.tolist()
    assert (found.label_mask is None) if known is None else (found.label_mask == known).all()
    if form != "Plain folders":
        assert np.abs(found.images[:, 4, 4, 0].astype(int) - np.arange(N)).max() <= 1
    assert found.images.shape[-1] == (1 if given.get("grey") else 3)


def test_groups_are_what_the_pattern_finds(tmp_path):
    files, *_ = chexpert()
    given = yaml.safe_load(BLOCKS["CheXpert"])["data"]
    found = load(data_set(given | {"root": str(write(tmp_path, files) / given["root"])}), 8, tmp_path / "cache")
    assert found.group[:3].tolist() == ["patient00000", "patient00000", "patient00001"]


LISTS = [
    ({"test": "im4\nim5.png\n"}, [0, 0, 0, 0, 2, 2], None),
    (
        {"train": "im0\nim1\n", "val": "im2\n", "test": "images/im4.png\n"},
        [0, 0, 1, 2],
        "2 rows that no list names: left out",
    ),
    ({"test": "im4\nim9\n"}, [0, 0, 0, 0, 2, 0], "1 listed id without a row: im9"),
    ({"test": "x\n"}, "no line is an image id", None),
    ({"train": "im0\n", "test": "im0\n"}, "'im0' is in the lists of train and test", None),
]


@pytest.mark.parametrize(("lists", "split", "odd"), LISTS)
def test_splits_by_lists_of_ids(lists, split, odd, tmp_path):
    from evenkeel.trainables import TrainableError
    from tests.data.makers import csv_table, six

    write(six(tmp_path), {f"{name}.txt": text for name, text in lists.items()})
    chosen = csv_table(tmp_path, split_column=None, split_lists={name: f"{name}.txt" for name in lists})
    if isinstance(split, str):
        with pytest.raises(TrainableError, match=split):
            chosen.describe()
        return
    assert chosen.load(8, tmp_path / "cache").split.tolist() == split
    assert odd is None or any(odd in str(each) for each in chosen.describe().odd)


FOLDERS = {
    "folders tell": ("a/0.png\nb/1\n", [2, 0, 0, 2]),
    "folders of another machine": ("/data/a/0.png\nC:\\b\\1.png\n", [2, 0, 0, 2]),
    "a name of two images": ("0.png\n", "'0.png' in test.txt may be a/0.png or b/0.png; write its folder"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_lists_and_groups_of_images_that_are_called_alike(name, tmp_path):
    lines, split = FOLDERS[name]
    ids = ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
    files = {f"images/{each}": shade(40 * i) for i, each in enumerate(ids)}
    table = "image_id,tags\n" + "".join(f"{each},{'cat' if i % 3 else 'dog'}\n" for i, each in enumerate(ids))
    homes = "image,home\n" + "".join(f"{each},h{i}\n" for i, each in enumerate(ids))
    write(tmp_path, files | {"labels.csv": table, "test.txt": lines, "homes.csv": homes})
    groups = {"file": "homes.csv", "image": "image", "group": "home"}
    chosen = csv_table(tmp_path, split_column=None, split_lists={"test": "test.txt"}, group_table=groups)
    if isinstance(split, str):
        with pytest.raises(TrainableError, match=split):
            chosen.describe()
        return
    found = read_rows(chosen, list_images(chosen))
    assert found.split.tolist() == split and found.group.tolist() == ["h0", "h1", "h2", "h3"]
    write(tmp_path, {"homes.csv": "image,home\na/0.png,h0\na/0.png,h1\n"})
    with pytest.raises(TrainableError, match="homes.csv gives image 'a/0.png' the groups 'h0', 'h1'"):
        chosen.describe()
