"""Tars in webdataset's format: one pass, an index beside them or in the cache, which is made anew when they change."""

import io
import os
import tarfile

import pytest

from pycls.core.config import load_cfg
from pycls.dataset_tools.validation import splits_of_folder
from pycls.dataset_tools.validation.left_out import left_out_findings
from pycls.datasets import build_samples
from pycls.datasets.imagenet import build_imagenet
from pycls.datasets.sources import foreign_tars
from pycls.datasets.sources.foreign_tars import index_places
from tests.helpers.layouts import images, write_tars


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path / "cache"))


def build(root, phase="train"):
    return build_imagenet(load_cfg(None, ["DATA_DIR", str(root), "TRAIN.DATASET", "imagenet"]), phase)


def write_tar(file, members, mode="w"):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def no_scan(monkeypatch):
    monkeypatch.setattr(foreign_tars, "scan_tar", lambda *_: pytest.fail("indexed again"))


def test_the_index_is_kept_and_made_anew_when_a_tar_changes(tmp_path, monkeypatch):
    root = write_tars(tmp_path / "data")
    first = build(root)
    assert sorted(map(first.read, range(len(first)))) == sorted(data for _, _, data in images()["train"])
    assert index_places(root, "train")[0].is_dir()
    with monkeypatch.context() as patch:
        no_scan(patch)
        assert len(build(root)) == 18
        moved = root.rename(tmp_path / "moved")
        assert build(moved).read(0) == first.read(0)
    write_tar(moved / "train-000001.tar", [("x.png", b"new"), ("x.cls", b"1")])
    samples = build(moved)
    assert len(samples) == 10 and samples.read(9) == b"new"
    assert samples.name(9) == str(moved / "train-000001.tar" / "train-000001" / "x.png")


def test_the_cache_serves_where_nothing_can_be_written(tmp_path, monkeypatch):
    root = write_tars(tmp_path / "data")
    (root / foreign_tars.FOLDER).write_text("in the way")
    assert len(build(root)) == 18
    assert index_places(root, "train")[1].is_dir() and str(index_places(root, "train")[1]).startswith(
        str(tmp_path / "cache")
    )
    no_scan(monkeypatch)
    assert build(root).read(17) in [data for _, _, data in images()["train"]]


@pytest.mark.parametrize(
    "layout", ["a/train/{:05d}.tar", "a/imagenet-train-{:05d}.tar", "a/TRAIN_{}.tar", "a/train.{}.tar"]
)
def test_names_of_shards(tmp_path, layout):
    for number in range(2):
        write_tar(tmp_path / layout.format(number), [("a.jpg", b"%d" % number), ("a.cls", b"cat")])
    (tmp_path / "a/val").mkdir()
    samples = build(tmp_path / "a")
    assert sorted(samples.read(i) for i in range(len(samples))) == [b"0", b"1"]
    assert len({samples.key(i) for i in range(2)}) == 2  # members of one name in two tars
    assert samples.split.lower() == "train"


def test_members_of_every_kind(tmp_path):
    members = [
        ("./d/a.b.JPG", b"compound"),
        ("d/a.cls", b" 3\n"),
        ("d/a.txt", b"a caption"),
        ("d/c.png", b"by json"),
        ("d/c.json", b'{"label": 10}'),
        ("d/e.jpg", b"photo"),
        ("d/e.seg.png", b"mask"),
        ("d/e.cls", b"3"),
        ("d/._e.jpg", b"of a Mac"),
        ("d/f.txt", b"no image"),
    ]
    write_tar(tmp_path / "train-0.tar", members)
    samples = build(tmp_path)
    assert [samples.read(i) for i in range(len(samples))] == [b"compound", b"by json", b"photo"]
    assert samples.classes == ("3", "10") and samples.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.jpg", b"x")], "train-0.tar: sample a has no label: expected a member .cls"),
        ([("a.jpg", b"x"), ("a.cls", b" ")], "sample a has an empty label"),
        ([("a.jpg", b"x"), ("a.json", b"{")], "sample a: its .json is not valid"),
        ([("a.jpg", b"x"), ("a.json", b'"label"')], "sample a has an empty label"),
        ([("a.jpg", b"x"), ("a.png", b"y"), ("a.cls", b"1")], "sample a has 2 images, expected one"),
        ([("a.txt", b"x")], "holds no images with a label"),
        ([("a.heic", b"x"), ("a.seg.png", b"mask"), ("a.cls", b"1")], "holds no images .* 1 .heic "),
        ([("a.jpg", b"x"), ("a.json", b'{"label": [1, 2]}')], r"a: 'label' in its .json is \[1, 2\], expected a name"),
        ([("a.jpg", b"x"), ("a.json", b'{"label": true}')], "a: 'label' in its .json is true, expected a name or"),
        ([("a.jpg", b"x"), ("a.json", b'{"label": 1.5}')], "a: 'label' in its .json is 1.5, expected a name or"),
        ([("a.jpg", b"x"), ("a.json", b'{"label": null}')], "sample a has an empty label"),
    ],
)
def test_mistakes_are_one_line(tmp_path, members, message):
    write_tar(tmp_path / "train-0.tar", members)
    with pytest.raises(ValueError, match=message) as caught:
        build(tmp_path)
    assert "\n" not in str(caught.value) and not index_places(tmp_path, "train")[0].exists()


def test_damaged_and_compressed_tars_are_named(tmp_path):
    file = write_tar(tmp_path / "train-0.tar", [("a.jpg", b"x"), ("a.cls", b"1")], "w:gz")
    with pytest.raises(ValueError, match=r"train-0.tar: not a tar that can be read, damaged or compressed"):
        build(tmp_path)
    write_tar(file, [("a.jpg", bytes(5000)), ("a.cls", b"1")])
    os.truncate(file, 3000)
    with pytest.raises(ValueError, match=r"train-0.tar: not a tar that can be read, damaged or compressed"):
        build(tmp_path)


def test_damage_after_indexing_is_found_when_an_image_is_read(tmp_path):
    file = write_tar(tmp_path / "train-0.tar", [("a.jpg", b"photograph"), ("a.cls", b"1")])
    build(tmp_path)
    then = file.stat()
    file.write_bytes(file.read_bytes().replace(b"photograph", b"photograpy"))
    os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))
    with pytest.raises(ValueError, match="checksum of the packed image is wrong"):
        build(tmp_path).read(0)


def test_a_class_file_beside_the_tars_names_their_numbers(tmp_path):
    write_tar(tmp_path / "train" / "0.tar", [("a.jpg", b"x"), ("a.cls", b"2"), ("b.jpg", b"y"), ("b.cls", b"0")])
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\n")
    samples = build(tmp_path)
    assert samples.classes == ("ant", "cat") and samples.labels.tolist() == [1, 0]
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    with pytest.raises(ValueError, match=r"classes.txt names 2 classes, but the tars have label 2"):
        build(tmp_path)


def test_samples_without_an_image_that_can_be_read_are_counted_told_each_time_and_found(tmp_path, caplog):
    members = [
        *[("a.jpg", b"photo"), ("a.heic", b"the same"), ("a.cls", b"0")],
        *[("b.heic", b"x"), ("b.seg.png", b"mask"), ("b.cls", b"1")],
        *[("c.npy", b"x"), ("c.json", b'{"cls": null, "label": 1.0}')],
        *[("d.png", b"photo"), ("d.json", b'{"cls": null, "label": 1.0}')],
        *[("e.txt", b"a caption"), ("e.json", b'{"status": "failed"}')],
    ]
    with tarfile.open(write_tar(tmp_path / "train-0.tar", members), "a") as tar:
        link = tarfile.TarInfo("f.jpg")
        link.type, link.linkname = tarfile.LNKTYPE, "a.jpg"
        tar.addfile(link)
    for _ in range(2):  # indexed, and from the index
        caplog.clear()
        samples = build(tmp_path)
        assert [samples.read(i) for i in range(len(samples))] == [b"photo", b"photo"] and samples.classes == ("0", "1")
        assert "(train): left out 3 files that are no images: 1 .heic, 1 label without an image, 1 link" in caplog.text
    found = {(one.kind, one.name) for one in left_out_findings(samples)}
    lost, none = "train/train-0/", "no_file"
    assert found == {("left_out", f"{lost}b.heic"), (none, f"{lost}c.npy"), (none, f"{lost}f.jpg")}


def test_a_compressed_tar_among_others_is_an_error_unless_it_lies_there_unpacked(tmp_path):
    for folder in (tmp_path, tmp_path / "folders/train"):
        write_tar(folder / "train-0.tar", [("a.jpg", b"x"), ("a.cls", b"1")])
        (folder / "train-0.tar.gz").write_bytes(b"kept by gunzip -k")
        (folder / "val-1.tar.gz").write_bytes(b"of another split") if folder == tmp_path else None
        root = folder if folder == tmp_path else folder.parent
        assert len(build(root)) == 1
        (folder / "train-1.tar.gz").write_bytes(b"x")
        with pytest.raises(ValueError, match=r"train-1.tar.gz is compressed, unlike the tars beside it: unpack it"):
            build(root)


def test_tars_that_are_called_by_numbers_alone_are_one_set_to_divide(tmp_path):
    for number in range(2):
        pairs = [((f"{number}{i}.jpg", b"x"), (f"{number}{i}.cls", b"%d" % (i % 2))) for i in range(6)]
        members = [member for pair in pairs for member in pair]
        write_tar(tmp_path / f"mine/{number:04d}.tar", members)
    keys = ["TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet", "MODEL.NUM_CLASSES", "2"]
    cfg = load_cfg(None, ["DATA_DIR", str(tmp_path / "mine"), *keys, "DATA.VAL_FRACTION", "0.3"])
    train, test = (build_samples(cfg, phase) for phase in ("train", "test"))
    assert len(train) + len(test) == 12 and train.split == "mine"
    assert {train.key(i) for i in range(len(train))}.isdisjoint(test.key(i) for i in range(len(test)))
    ((samples,), found) = splits_of_folder(load_cfg(None), str(tmp_path / "mine"), False)
    assert len(samples) == 12 and not found
    write_tar(tmp_path / "mine/other-0.tar", members)
    with pytest.raises(ValueError, match=r"mine holds mine, other: set TRAIN.SPLIT to the one that is to be divided"):
        build_samples(cfg, "train")


def _header(name, size, kind=b"0"):
    info = tarfile.TarInfo(name)
    info.type = kind
    data = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    data[124:136] = size if isinstance(size, bytes) else b"%011o\0" % size
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)


TRAPS = {
    "a size below zero leads back": [_header("a.jpg", b"\xff" * 10 + b"\xfc\x00")] * 3,  # -1024
    "a terabyte": [_header("a.jpg", 0x80 << 24 | 7)],
    "sparse": [_header("a.jpg", 512, b"S"), bytes(512)],
    "a long name without an end": [_header("././@LongLink", 8 << 30, b"L")],
    "names of names of names": [_header("././@LongLink", 512, b"L") + bytes(512)] * 3000,
}


@pytest.mark.parametrize("name", TRAPS)
def test_tars_that_never_end_or_claim_much_are_named(tmp_path, name):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train-0.tar").write_bytes(b"".join(TRAPS[name]) + bytes(1024))
    with pytest.raises(ValueError, match=r"train-0\.tar: (not a tar that can be read|holds no images)") as caught:
        build(tmp_path / "data")
    assert "\n" not in str(caught.value)
