"""Image files as they are found in the field: read as a viewer shows them, or listed with the reason."""

import io
import json
import os
import re
import shutil
import threading
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from evenkeel.trainables import TrainableError
from evenkeel.trainables.data import decoding
from evenkeel.trainables.data.decoding import ImageFormat, decoded
from evenkeel.trainables.data.image_lookup import ImageFile, image_source
from evenkeel.trainables.data.jpeg_store import JPEG_QUALITY
from evenkeel.trainables.data.load import load
from evenkeel.trainables.data.prefetch import Reader
from evenkeel.trainables.data.settings import ClassGroups
from evenkeel.trainables.data.split_facts import DataSplits
from evenkeel.trainables.progress import being_made
from tests.data.makers import csv_table, encoded, shade, six, write, zipped

SIX = {f"im{i}": shade(40 * i) for i in range(6)}


def ids(names):
    splits = ["train", "train", "val", "val", "test", "test"]
    tags = ["cat;dog", "dog", "cat", "dog", "cat", "dog;cat"]
    rows = "".join(f'"{name}",{t},{s}\n' for name, t, s in zip(names, tags, splits, strict=True))
    return "image_id,tags,split\n" + rows


PLAIN = [f"im{i}" for i in range(6)]
FOUND = {
    "suffix in capitals": (PLAIN, {f"images/im{i}.PNG": shade(40 * i) for i in range(6)}, {}),
    "id in capitals": ([n.upper() for n in PLAIN], {f"images/{n}.png": b for n, b in SIX.items()}, {}),
    "id with suffix": ([f"{n}.png" for n in PLAIN], {f"images/{n}.png": b for n, b in SIX.items()}, {}),
    "id with another suffix": ([f"{n}.jpg" for n in PLAIN], {f"images/{n}.png": b for n, b in SIX.items()}, {}),
    "blanks around the id": ([f" {n}.png " for n in PLAIN], {f"images/{n}.png": b for n, b in SIX.items()}, {}),
    "file without suffix": (PLAIN, {f"images/{n}": b for n, b in SIX.items()}, {}),
    "sub-folders": (PLAIN, {f"images/part{i % 3}/im{i}.png": shade(40 * i) for i in range(6)}, {}),
    "folder in the id": ([f"images/{n}.png" for n in PLAIN], {f"images/{n}.png": b for n, b in SIX.items()}, {}),
    "the folder of another machine": (
        [f"/home/ann/set/images/{n}.png" for n in PLAIN], {f"images/{n}.png": b for n, b in SIX.items()}, {},
    ),
    "a folder of Windows": ([f"images\\{n}.png" for n in PLAIN], {f"images/{n}.png": b for n, b in SIX.items()}, {}),
    "the same name in two folders": (
        [f"{'ab'[i % 2]}/{i // 2}.png" for i in range(6)],
        {f"images/{'ab'[i % 2]}/{i // 2}.png": shade(40 * i) for i in range(6)}, {},
    ),
    "zeros in front": ([str(i) for i in range(6)], {f"images/{i:05d}.png": shade(40 * i) for i in range(6)}, {}),
    "numbers that pandas made real": (
        [f"{i}.0" for i in range(6)], {f"images/{i}.png": shade(40 * i) for i in range(6)}, {},
    ),
    "blanks as %20": ([f"a%20{n}" for n in PLAIN], {f"images/a {n}.png": b for n, b in SIX.items()}, {}),
    "accents in two encodings": (
        [f"e\u0301{n}" for n in PLAIN], {f"images/\u00e9{n}.png": b for n, b in SIX.items()}, {},
    ),
    "dots in the id": ([f"1.2.{n}" for n in PLAIN], {f"images/1.2.{n}.png": b for n, b in SIX.items()}, {}),
    "a pattern around the id": (
        PLAIN, {f"images/{n}_green.png": b for n, b in SIX.items()}, {"image_name": "{}_green.png"},
    ),
    "a zip": (PLAIN, {"images": zipped({f"{n}.png": b for n, b in SIX.items()})}, {}),
    "a zip with a top folder": (PLAIN, {"images": zipped({f"set/x/{n}.png": b for n, b in SIX.items()})}, {}),
    "a zip of a Mac": (
        PLAIN, {"images": zipped({f"{d}{n}.png": b for n, b in SIX.items() for d in ("set/", "__MACOSX/set/._")})}, {},
    ),
    "several folders": (
        PLAIN, {f"f{i % 2}/im{i}.png": shade(40 * i) for i in range(6)}, {"images": {"all": ["f0", "f1"]}},
    ),
    "folders and zips": (
        PLAIN,
        {"a.zip": zipped({f"x/{n}.png": SIX[n] for n in PLAIN[:3]}), "f/im3.png": SIX["im3"], "f/im4.jpg": SIX["im4"],
         "b.zip": zipped({"im5.png": SIX["im5"]})},
        {"images": {"all": ["a.zip", "f", "b.zip"]}},
    ),
    "a folder a split, the same names": (
        ["0", "1", "0", "1", "0", "1"],
        {f"{s}/{i}.png": shade(40 * (2 * k + i)) for k, s in enumerate(("train", "val", "test")) for i in range(2)},
        {"images": {"train": "train", "val": "val", "test": "test"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_is_found(name, tmp_path):
    names, files, keys = FOUND[name]
    write(tmp_path, {"labels.csv": ids(names)} | files)
    found = load(csv_table(tmp_path, **keys), 8, tmp_path / "cache")
    assert found.images[:, 4, 4, 0].tolist() == [0, 40, 80, 120, 160, 200]


def test_two_tables_may_name_their_files_alike_in_two_folders(tmp_path):
    rows = dict.fromkeys(("train", "val", "test"), "image_id,tags\n0,cat\n1,dog\n")
    files = {f"{part}/{i}.png": shade(40 * (2 * k + i)) for k, part in enumerate(rows) for i in range(2)}
    write(tmp_path, {f"{part}.csv": text for part, text in rows.items()} | files)
    chosen = csv_table(tmp_path, tables={p: f"{p}.csv" for p in rows}, images={p: p for p in rows})
    found = load(chosen, 8, tmp_path / "cache")
    assert found.images[:, 4, 4, 0].tolist() == [0, 40, 80, 120, 160, 200]
    shared = csv_table(tmp_path, tables={p: f"{p}.csv" for p in rows}, images={"all": "train"})
    with pytest.raises(TrainableError, match="2 images listed more than once.*train.csv line 2 and val.csv line 2"):
        shared.describe()


def gradient(mode="L", high=255):
    values = (np.arange(256).reshape(16, 16) * (high // 255)).astype(np.uint8 if high == 255 else np.uint16)
    return Image.fromarray(values) if mode == "L" else Image.fromarray(values).convert(mode)


def rgba(alpha):
    image = Image.new("RGBA", (16, 16), (200, 100, 50, alpha))
    image.putpixel((0, 0), (200, 100, 50, 255))
    return image


def palette(transparent):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    return encoded(image, "PNG", **({"transparency": 1} if transparent else {}))


def turned(orientation):
    """A picture whose left half is bright, stored so that EXIF has to turn it back."""
    image = Image.new("RGB", (16, 16))
    image.paste((255, 255, 255), (0, 0, 8, 16))
    undo = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270,
            2: Image.Transpose.FLIP_LEFT_RIGHT}[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image if undo is None else image.transpose(undo), "PNG", exif=exif)


FLAT = np.full((16, 16, 3), (200, 100, 50))
WHITE = np.full((16, 16, 3), 255)
GREY = np.repeat(np.arange(256).reshape(16, 16, 1), 3, 2)
LEFT = np.repeat(np.where(np.arange(16) < 8, 255, 0)[None, :, None].repeat(16, 0), 3, 2)
SHOWN = {
    "8 bits": (encoded(gradient()), GREY),
    "16 bits": (encoded(gradient(high=65535)), GREY),
    "16 bits, TIFF": (encoded(gradient(high=65535), "TIFF"), GREY),
    "32 bits that hold 16": (encoded(gradient(high=65535).convert("I"), "TIFF"), GREY),
    "1 bit": (encoded(Image.new("1", (16, 16), 1)), WHITE),
    "grey and opaque": (encoded(gradient("LA")), GREY),
    "palette": (palette(False), FLAT),
    "a transparent palette": (palette(True), WHITE),
    "opaque": (encoded(rgba(255)), FLAT),
    "transparent": (encoded(rgba(0)), np.where(np.arange(256).reshape(16, 16, 1) == 0, FLAT, WHITE)),
    "CMYK": (encoded(Image.new("CMYK", (16, 16), (55, 155, 205, 0)), "JPEG", quality=100), FLAT),
    "webp": (encoded(Image.new("RGB", (16, 16), (200, 100, 50)), "WEBP", lossless=True), FLAT),
    "gif": (encoded(Image.new("RGB", (16, 16), (200, 100, 50)), "GIF"), FLAT),
    "bmp": (encoded(Image.new("RGB", (16, 16), (200, 100, 50)), "BMP"), FLAT),
    **{f"EXIF orientation {o}": (turned(o), LEFT) for o in (1, 2, 3, 6, 8)},
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_is_read_as_a_viewer_shows_it(name, tmp_path):
    content, wanted = SHOWN[name]
    write(six(tmp_path), {"images/im0.png": content})
    pixels = load(csv_table(tmp_path), 16, tmp_path / "cache").images[0].astype(int)
    assert np.abs(pixels - wanted).max() <= (3 if name == "CMYK" else 1)


def broken_zip():
    content = bytearray(zipped({f"im{i}.png": shade(40 * i) for i in range(6)}))
    at = content.index(b"IDAT")
    content[at + 6] ^= 255
    return bytes(content)


BAD = {
    "empty": (b"", "im0.png is empty"),
    "cut off": (shade(0)[:-30], "im0.png cannot be decoded"),
    "cut off in the header": (shade(0)[:20], "im0.png cannot be decoded"),
    "a flipped byte": (shade(0)[:50] + b"\xff" + shade(0)[51:], "im0.png cannot be decoded"),
    "a page saved as an image": (b"<!DOCTYPE html>", "not an image file: it begins with b'<!DOCTYPE html>'"),
    "DICOM": (b"\0" * 128 + b"DICM" + b"\0" * 50, "DICOM file whose pixels cannot be decoded"),
    "floating point": (encoded(Image.new("F", (4, 4)), "TIFF"), "floating-point values; give data.intensity"),
    "32 bits": (encoded(Image.new("I", (4, 4), 1 << 20), "TIFF"), "32-bit values from 1048576"),
    "a bomb": (encoded(Image.new("1", (20000, 10000))), "im0.png has 200,000,000 pixels, more than are decoded"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_listed_with_the_reason(name, tmp_path):
    content, message = BAD[name]
    write(six(tmp_path), {"images/im0.png": content})
    with pytest.raises(TrainableError, match=message) as error:
        load(csv_table(tmp_path), 16, tmp_path / "cache")
    assert "on_bad_image: skip" in str(error.value) and "\n" not in str(error.value)


def test_all_bad_images_are_listed_together_and_may_be_skipped(tmp_path):
    write(six(tmp_path), {"images/im1.png": b"", "images/im3.png": b"x"})
    (tmp_path / "images" / "im5.png").unlink()
    with pytest.raises(TrainableError, match="3 images of 6 cannot be had: image 'im1': .*image 'im3'.*image 'im5'"):
        load(csv_table(tmp_path), 16, tmp_path / "cache")
    found = load(csv_table(tmp_path, on_bad_image="skip"), 16, tmp_path / "cache")
    assert found.images[:, 4, 4, 0].tolist() == [0, 80, 160]
    assert found.targets.tolist() == [[1, 1], [1, 0], [1, 0]] and found.split.tolist() == [0, 1, 2]
    assert any("1 image cannot be found" in str(odd) for odd in csv_table(tmp_path, on_bad_image="skip").describe().odd)
    with pytest.raises(TrainableError, match="3 images of 6 cannot be had"):
        load(csv_table(tmp_path), 16, tmp_path / "cache")


@pytest.mark.parametrize(
    ("files", "images", "message"),
    [
        ({"images/a/im0.png": shade(1), "images/b/im0.png": shade(2)}, "images", "may be .*a/im0.png or .*b/im0.png"),
        ({"images/IM0.png": shade(1), "images/iM0.png": shade(2)}, "images", "may be .*IM0.png or .*iM0.png"),
        ({"images/x.png": shade(1)}, "images", "no such file in .*images, which holds files such as"),
        ({"none/readme.txt": "", "none/.hidden": ""}, "none", "no such file in .*none"),
        ({"b.zip": b"no zip"}, "b.zip", "b.zip is not a zip file"),
        ({"b.zip": zipped({})}, "b.zip", "where there are no images"),
        ({"b.zip": broken_zip()}, "b.zip", "cannot be decoded|damaged inside the zip"),
        ({}, "nowhere", "nowhere does not exist"),
    ],
)
def test_what_cannot_be_found_says_where_it_was_looked_for(files, images, message, tmp_path):
    six(tmp_path)
    (tmp_path / "images" / "im0.png").unlink()
    write(tmp_path, files)
    with pytest.raises(TrainableError, match=message):
        load(csv_table(tmp_path, images={"all": images}), 8, tmp_path / "cache")


def test_an_unknown_place_is_named(tmp_path):
    with pytest.raises(TrainableError, match="data.images: 'tset' is no table or split; did you mean 'test'"):
        csv_table(six(tmp_path), images={"tset": "images"}).fingerprint()


class TestCache:
    def test_another_image_column_is_another_cache(self, tmp_path):
        six(tmp_path)
        lines = (tmp_path / "labels.csv").read_text().splitlines()
        left_right = [f"{line},im{5 - i}" for i, line in enumerate(lines[1:])]
        write(tmp_path, {"labels.csv": "\n".join([f"{lines[0]},other", *left_right])})
        one, two = (
            load(csv_table(tmp_path, image_column=c), 8, tmp_path / "cache").images for c in ("image_id", "other")
        )
        assert np.array_equal(one[::-1], two)

    @pytest.mark.parametrize("zip_it", [False, True])
    def test_a_file_replaced_by_one_of_the_same_size_is_seen(self, tmp_path, zip_it):
        six(tmp_path)
        chosen = csv_table(tmp_path, images={"all": "images.zip" if zip_it else "images"})

        def put(name, value):
            content = encoded(Image.new("RGB", (12, 12), (value,) * 3), "BMP")
            write(tmp_path, {f"images/{name}.png": content})
            files = {p.name: p.read_bytes() for p in sorted((tmp_path / "images").iterdir())}
            (tmp_path / "images.zip").write_bytes(zipped(files))

        put("im0", 10)
        before, shown = chosen.fingerprint(), load(chosen, 8, tmp_path / "cache").images[0, 0, 0, 0]
        put("im0", 20)
        assert chosen.fingerprint() != before and (shown, 20) == (
            10,
            load(chosen, 8, tmp_path / "cache").images[0, 0, 0, 0],
        )

    def test_labels_do_not_decode_anew_and_files_beside_the_table_do_not_count(self, tmp_path):
        chosen = csv_table(six(tmp_path))
        load(chosen, 8, tmp_path / "cache")
        before = chosen.fingerprint()
        write(tmp_path, {"images/other.png": shade(1)})
        assert chosen.fingerprint() == before
        write(tmp_path, {"labels.csv": (tmp_path / "labels.csv").read_text().replace("im1,dog", "im1,cat;dog")})
        load(chosen, 8, tmp_path / "cache")
        assert len(list((tmp_path / "cache").glob("images-*/images.npy"))) == 1 and chosen.fingerprint() != before

    def test_contents_are_read_once(self, tmp_path, monkeypatch):
        import os

        from evenkeel.trainables.data import checksums

        monkeypatch.setenv("EVENKEEL_CACHE", str(tmp_path / "cache"))
        chosen = csv_table(six(tmp_path))
        for file in (tmp_path / "images").iterdir():
            os.utime(file, (1e9, 1e9))
        before = chosen.fingerprint()
        read = []
        monkeypatch.setattr(checksums, "_crc", lambda path: read.append(path) or 0)
        assert chosen.fingerprint() == before and not read

    def test_decoding_holds_no_set_in_memory(self, tmp_path):
        import tracemalloc

        place = image_source(six(tmp_path) / "images", "images")
        tracemalloc.start()
        found = decoded([ImageFile(place, "im0.png")] * 128, ImageFormat(512, False), tmp_path / "cache")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.images.nbytes == 128 * 512 * 512 * 3 > 6 * peak


class TestDecodingForLong:
    """A large set: killed half-way it goes on, it says how far it is, and it wants its room before it starts."""

    @pytest.fixture
    def files(self, tmp_path, monkeypatch):
        monkeypatch.setattr(decoding, "NUM_IMAGES_DECODED_AT_ONCE", 2)
        place = image_source(six(tmp_path) / "images", "images")
        return [ImageFile(place, f"im{n}.png") for n in range(6)]

    @pytest.mark.parametrize("stored", ["pixels", "jpeg"])
    def test_goes_on_where_it_was_cut_off(self, stored, files, tmp_path, monkeypatch):
        form = ImageFormat(8, False, stored)
        whole = np.array(decoded(files, form, tmp_path / "undisturbed").images[:])
        read, said, real = [], [], decoding.pixels

        def cut(file, *how):
            read.append(file.name)
            said.extend(being_made(tmp_path / "cache"))
            if read.count(file.name) == 1 and file.name == "im4.png":
                for half in (tmp_path / "cache").glob("*.part/*/images.bin"):
                    half.write_bytes(half.read_bytes() + b"half an image")
                raise KeyboardInterrupt
            return real(file, *how)

        monkeypatch.setattr(decoding, "usable_cpus", lambda: 1)
        monkeypatch.setattr(decoding, "NUM_JPEGS_SAMPLED", 1)
        monkeypatch.setattr(decoding, "pixels", cut)
        with pytest.raises(KeyboardInterrupt):
            decoded(files, form, tmp_path / "cache")
        assert re.search(r"decoding images \(0.0 GB in .*cache\): 4 of 6", said[-1])
        found = decoded(files, form, tmp_path / "cache")
        assert [read.count(f"im{n}.png") for n in (1, 2, 3)] == [1] * 3, "blocks that were done are not decoded again"
        np.testing.assert_array_equal(found.images[:], whole)
        assert not being_made(tmp_path / "cache") and not list((tmp_path / "cache").glob("*.part"))

    @pytest.mark.parametrize(("stored", "way"), [("pixels", "data.stored: jpeg, or take"), ("jpeg", "disk, or take")])
    def test_wants_its_room_first(self, stored, way, files, tmp_path, monkeypatch):
        monkeypatch.setattr(decoding.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(TrainableError, match=rf"image_size: 6 images of 8 x 8 pixels.* EVENKEEL_CACHE.*{way}"):
            decoded(files, ImageFormat(8, False, stored), tmp_path / "cache")
        assert not list((tmp_path / "cache").glob("*.part"))

    def test_jpegs_cut_off_by_more_than_a_block_begin_anew(self, files, tmp_path):
        whole = decoded(files, ImageFormat(8, True, "jpeg"), tmp_path / "undisturbed")
        part = tmp_path / "cache" / f"{whole.folder.name.removeprefix('images-')}.part"
        shutil.copytree(whole.folder, part)
        (part / "done.json").write_text('{"done": 4, "bad": {}}')
        (part / "images.bin").write_bytes(b"")
        found = decoded(files, ImageFormat(8, True, "jpeg"), tmp_path / "cache")
        np.testing.assert_array_equal(found.images[:], whole.images[:])

    def test_what_nobody_goes_on_with_is_forgotten(self, files, tmp_path):
        left = tmp_path / "cache" / "0.part"
        left.mkdir(parents=True)
        os.utime(left, (0, 0))
        decoded(files, ImageFormat(8, False), tmp_path / "cache")
        assert not left.exists()


def test_what_was_skipped_is_said(tmp_path):
    write(six(tmp_path), {"images/im1.png": b"no image", "images/im2.png": b""})
    chosen = csv_table(tmp_path, on_bad_image="skip")
    images = load(chosen, 8, tmp_path / "cache")
    said = DataSplits.of("x", images, None, ClassGroups()).describe([0]).skipped
    assert [line.partition(":")[0] for line in images.skipped] == ["image 'im1'", "image 'im2'"]
    assert re.match("2 images left out: image 'im1': .*im1.png cannot be decoded.*'im2': .*im2.png is empty", said)


class Unseekable(io.RawIOBase):
    """A stream to which a zip is written with sizes behind its members."""

    def __init__(self):
        self.content = bytearray()

    def writable(self):
        return True

    def write(self, part):
        self.content += part
        return len(part)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("stream", [io.BytesIO, Unseekable])
def test_members_of_a_zip_are_as_zipfile_reads_them(method, stream, tmp_path):
    contents = {f"d/im{i}.png": shade(i) * i for i in range(3)}
    target = stream()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    write(tmp_path, {"b.zip": b"before" + bytes(getattr(target, "content", b"") or target.getvalue())})
    archive = image_source(tmp_path / "b.zip", "images").archive
    assert {name: archive.read(name) for name in archive.names} == contents


def test_a_member_that_unpacks_to_more_than_it_says_is_damaged(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("im0.png", b"\0" * 10_000)
    content = bytearray(buffer.getvalue())
    for place in (content.index(b"PK\x01\x02") + 24, 22):
        content[place : place + 4] = (100).to_bytes(4, "little")
    write(tmp_path, {"b.zip": bytes(content)})
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        image_source(tmp_path / "b.zip", "images").archive.read("im0.png")


def test_zip_members_of_a_foreign_method_are_listed(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in SIX.items():
            archive.writestr(f"{name}.png", content)
    content = bytearray(buffer.getvalue())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.index(signature)
        content[at + offset] = 97
    write(six(tmp_path), {"b.zip": bytes(content)})
    with pytest.raises(TrainableError, match="image 'im0': .*cannot be taken out of the zip"):
        load(csv_table(tmp_path, images={"all": "b.zip"}), 8, tmp_path / "cache")


def test_the_list_of_bad_images_is_kept_with_the_cache(tmp_path):
    write(six(tmp_path), {"images/im1.png": b"x"})
    load(csv_table(tmp_path, on_bad_image="skip"), 8, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").glob("images-*/bad.json")
    assert list(json.loads(kept.read_text())) == ["1"]


def test_a_link_that_leads_nowhere_is_listed(tmp_path):
    six(tmp_path)
    (tmp_path / "images" / "im1.png").unlink()
    (tmp_path / "images" / "im1.png").symlink_to(tmp_path / "gone.png")
    chosen = csv_table(tmp_path)
    assert "image 'im1': " in chosen.describe().refusal and "link that leads nowhere" in chosen.describe().refusal
    with pytest.raises(TrainableError, match="im1.png is a link that leads nowhere"):
        load(chosen, 8, tmp_path / "cache")
    assert len(load(csv_table(tmp_path, on_bad_image="skip"), 8, tmp_path / "cache").images) == 5


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    from evenkeel.trainables.data import checksums

    def locked(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checksums, "_crc", locked)
    with pytest.raises(TrainableError, match=r"im\d.png cannot be read .Permission denied.; make it readable"):
        csv_table(six(tmp_path)).fingerprint()


def test_a_folder_that_may_not_be_listed_is_named(tmp_path, monkeypatch):
    scandir = os.scandir

    def locked(path):
        if str(path).endswith("images"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", locked)
    with pytest.raises(TrainableError, match="no such file in .*; .*images cannot be listed: make it readable"):
        load(csv_table(six(tmp_path), images={"all": "."}), 8, tmp_path / "cache")


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(TrainableError, match=r"cannot hold the decoded images .No space left.*EVENKEEL_CACHE"):
        load(csv_table(six(tmp_path)), 8, tmp_path / "cache")


@pytest.mark.parametrize("key", ["tables", "classes_table", "split_lists"])
def test_a_folder_where_a_file_is_meant_is_named(key, tmp_path):
    given = {
        "tables": {"tables": {"all": "images"}, "split_column": "split"},
        "classes_table": {"classes_table": {"file": "images", "label": "a", "name": "b"}},
        "split_lists": {"split_lists": {"test": "images"}, "split_column": None},
    }
    reason = (
        "images is a folder without files of labels" if key == "tables" else "images cannot be read .Is a directory."
    )
    with pytest.raises(TrainableError, match=rf"data.{key}\S*: .*{reason}"):
        csv_table(six(tmp_path), **given[key]).describe()
    with pytest.raises(TrainableError, match=reason):
        csv_table(six(tmp_path), **given[key]).fingerprint()


class TestStoredAsJpegs:
    """A set whose pixels no disk would hold."""

    @pytest.mark.parametrize("grey", [False, True])
    def test_images_are_what_pillow_makes_of_them(self, grey, tmp_path):
        rng = np.random.default_rng(0)
        coarse = [rng.integers(0, 256, (4, 4, 3), dtype=np.uint8) for _ in range(6)]
        smooth = [Image.fromarray(image).resize((16, 16), Image.Resampling.BICUBIC) for image in coarse]
        write(six(tmp_path), {f"images/im{n}.png": encoded(image) for n, image in enumerate(smooth)})
        pixels = load(csv_table(tmp_path, grey=grey), 16, tmp_path / "cache")
        found = load(csv_table(tmp_path, grey=grey, stored="jpeg"), 16, tmp_path / "cache")
        assert found.images.shape == pixels.images.shape == (6, 16, 16, 1 if grey else 3)
        assert np.array_equal(found.targets, pixels.targets) and len(found.images) == 6
        for image, stored in zip(smooth, found.images[:], strict=True):
            jpeg = encoded(image.convert("L") if grey else image, "JPEG", quality=JPEG_QUALITY, subsampling=0)
            plain = np.asarray(Image.open(io.BytesIO(jpeg))).reshape(stored.shape)
            np.testing.assert_array_equal(stored, plain)
        assert 0 < np.abs(found.images[:].astype(int) - pixels.images[:]).mean() < 3

    def test_rows_are_indexed_as_those_of_an_array(self, tmp_path):
        images = load(csv_table(six(tmp_path), stored="jpeg"), 8, tmp_path / "cache").images
        whole = np.stack([images[row] for row in range(6)])
        assert whole[:, 4, 4, 0].tolist() == pytest.approx([40 * n for n in range(6)], abs=2)
        for at in (slice(1, 4), slice(None, None, -1), np.array([5, 0, 0]), np.arange(6) % 2 == 1, [2, 1], -1):
            np.testing.assert_array_equal(images[at], whole[at])

    def test_bad_ones_are_left_out(self, tmp_path):
        write(six(tmp_path), {"images/im1.png": b"x", "images/im5.png": b""})
        chosen = csv_table(tmp_path, on_bad_image="skip", stored="jpeg")
        for _ in range(2):
            found = load(chosen, 8, tmp_path / "cache")
            assert found.images[:][:, 4, 4, 0].tolist() == pytest.approx([0, 80, 120, 160], abs=2)
            assert len(found.skipped) == 2

    def test_they_are_other_data_than_pixels(self, tmp_path):
        plain, jpegs = csv_table(six(tmp_path)), csv_table(tmp_path, stored="jpeg")
        assert "stored" not in plain.identity() and jpegs.identity() == plain.identity() | {"stored": "jpeg"}

    def test_a_damaged_cache_is_made_again(self, tmp_path):
        chosen = csv_table(six(tmp_path), stored="jpeg")
        before = load(chosen, 8, tmp_path / "cache").images[:]
        (kept,) = (tmp_path / "cache").glob("images-*/images.bin")
        kept.write_bytes(kept.read_bytes()[:-9])
        np.testing.assert_array_equal(load(chosen, 8, tmp_path / "cache").images[:], before)


class TestReader:
    """Rows in the order in which they are asked for, whatever was said of the next."""

    IMAGES = np.random.default_rng(0).integers(0, 256, (9, 2, 2, 1), dtype=np.uint8)

    def test_gives_the_rows_that_are_asked_for(self):
        reader = Reader(self.IMAGES, "cpu")
        asked = [np.array(rows) for rows in ([0, 3], [3, 1], [3, 1], [2], [8, 8, 4])]
        said = [asked[1], asked[2], None, np.array([5]), np.array([], dtype=int)]
        for rows, then in zip(asked, said, strict=True):
            np.testing.assert_array_equal(reader(rows, then), self.IMAGES[rows])

    def test_reads_the_next_rows_meanwhile_and_once(self):
        read, gate = [], threading.Event()

        class Slow:
            shape = self.IMAGES.shape

            def __getitem__(_, rows):
                read.append(rows.tolist())
                if rows[0] == 4:
                    gate.set()
                return self.IMAGES[rows]

        reader = Reader(Slow(), "cpu")
        reader(np.array([1, 2]), np.array([4]))
        assert gate.wait(60), "read without being asked"
        np.testing.assert_array_equal(reader(np.array([4])), self.IMAGES[[4]])
        assert read == [[1, 2], [4]]

    def test_what_cannot_be_read_ahead_is_raised_where_it_is_asked_for(self):
        reader = Reader(self.IMAGES, "cpu")
        reader(np.array([1]), np.array([99]))
        with pytest.raises(IndexError):
            reader(np.array([99]))
        np.testing.assert_array_equal(reader(np.array([2])), self.IMAGES[[2]])

    @pytest.mark.parametrize("size", [2, 9, 50])
    def test_batches_are_all_rows_in_order(self, size):
        rows = np.array([5, 0, 8, 8, 1])
        parts = list(Reader(self.IMAGES, "cpu").batches(rows, size))
        assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
        np.testing.assert_array_equal(np.concatenate(parts), self.IMAGES[rows])
