"""Packing: what is in the shards, read by other programs; stopped at any point; and what is refused."""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from benchmarks.reliability.lists.image_attacks import make_sparse
from pycls.core import atomic_io
from pycls.dataset_tools.packing import options, writer
from pycls.dataset_tools.packing.verify import describe_packed, verify_packed
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.tar_index import load_index
from tests.helpers.paths import ROOT
from tests.helpers.photographs import encode
from tests.helpers.trees import pack, write_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def index(data, tmp_path_factory):
    return pack(data, tmp_path_factory.mktemp("packed"))


def _members(index):
    """Return [(image name, its bytes, label)] as Python's tarfile sees them, shard after shard."""
    found = []
    for shard in sorted(index.parent.glob("train-*.tar")):
        with tarfile.open(shard) as tar:
            files = [(member.name, tar.extractfile(member).read()) for member in tar]
        for (name, image), (label_name, label) in zip(files[::2], files[1::2], strict=True):
            assert label_name == os.path.splitext(name)[0] + ".cls"
            found.append((name, image, int(label)))
    return found


def test_every_file_is_there_once_with_its_bytes_and_label(data, index):
    members, samples = _members(index), load_folder(data, "train")
    assert len(members) == len(samples)
    for name, image, label in members:
        number = int(os.path.basename(name)[:8])
        assert image == samples.read(number) and label == samples.labels[number]
        assert name.split("/")[0] == samples.classes[label]


def test_the_order_is_mixed_and_extracting_restores_it(data, index, tmp_path):
    labels = [label for _, _, label in _members(index)]
    assert 8 < np.count_nonzero(np.diff(labels)) < len(labels)
    for shard in sorted(index.parent.glob("train-*.tar")):
        subprocess.run(["tar", "xf", shard], cwd=tmp_path, check=True)
    shutil.copytree(tmp_path, tmp_path / "root" / "train")
    again, samples = load_folder(tmp_path / "root", "train"), load_folder(data, "train")
    assert again.classes == samples.classes
    assert all(again.read(i) == samples.read(i) for i in range(len(samples)))


def test_tar_lists_the_shards(index):
    for shard in index.parent.glob("train-*.tar"):
        listed = subprocess.run(["tar", "tf", shard], check=True, capture_output=True).stdout.splitlines()
        with tarfile.open(shard) as tar:
            assert len(listed) == len(tar.getnames()) > 0
        assert shard.stat().st_size % tarfile.RECORDSIZE == 0


def test_webdataset_reads_the_shards(data, index):
    wds = pytest.importorskip("webdataset")
    shards = [str(shard) for shard in sorted(index.parent.glob("train-*.tar"))]
    fields = wds.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg;png;bmp", "cls")
    shown = list(fields)
    assert len(shown) == len(load_folder(data, "train"))
    assert [label for _, label in shown] == [label for _, _, label in _members(index)]


def test_the_index_tells_size_and_place(data, index):
    found, samples = load_index(index), load_folder(data, "train")
    for number, image in enumerate(found.images):
        shard = index.with_name(found.shards[image["shard"]][0]).read_bytes()
        assert shard[int(image["offset"]) :][: int(image["size"])] == samples.read(number)
        with Image.open(samples.name(number)) as opened:
            assert (image["width"], image["height"]) == opened.size
        assert found.path(number) == samples.paths[number]
    assert found.classes == samples.classes and found.labels.tolist() == samples.labels.tolist()


def test_the_documentation_describes_the_index(index, monkeypatch):
    page = (ROOT / "docs" / "PACKED.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(index.parent)
    found = {}
    exec(code, found)
    assert found["images"].tolist() == load_index(index).images.tolist()
    assert tuple(found["classes"]) == load_index(index).classes
    assert found["images"].dtype.itemsize == 40 and "40 bytes each" in page


def _contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


class _Stopped(BaseException):
    """As Ctrl-C."""


@pytest.mark.parametrize("count", range(12))
def test_stopped_before_any_renaming_it_goes_on_to_the_same_bytes(data, index, tmp_path, monkeypatch, count):
    replace, seen = os.replace, []

    def stop_at(source, target):
        if len(seen) == count:
            raise _Stopped
        seen.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(atomic_io.os, "replace", stop_at)
        try:
            pack(data, tmp_path)
        except _Stopped:
            assert not (tmp_path / index.name).exists()
    pack(data, tmp_path)
    assert _contents(tmp_path) == _contents(index.parent)


def test_killed_it_goes_on_to_the_same_bytes(data, index, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, str(ROOT / "tools/pack_data.py"), str(data), "--split", "train", "--shard-mb", "1"]
    command += ["--max-side", "1000", "--quality", "95"]
    process = subprocess.Popen([*command, str(killed)], cwd=ROOT)
    end = time.monotonic() + 60
    while not list(killed.glob("train-*.tar")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*command, str(killed)], cwd=ROOT, check=True)
    pack(data, whole, max_side=1000, quality=95)
    assert _contents(killed) == _contents(whole)


def test_a_finished_packing_is_left_alone(data, index, monkeypatch):
    before = {file: file.stat().st_mtime_ns for file in index.parent.iterdir()}
    monkeypatch.setattr(writer, "_write_shards", None)
    assert pack(data, index.parent) == index
    assert {file: file.stat().st_mtime_ns for file in index.parent.iterdir()} == before


def _error(*words, **options):
    with pytest.raises(ValueError) as caught:
        pack(*words, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_options_and_other_data_are_refused(data, index, tmp_path):
    assert "was packed with no --max-side, now it is --max-side 100" in _error(data, index.parent, max_side=100)
    assert "--shard-mb 1, now it is --shard-mb 2" in _error(data, index.parent, shard_mb=2)
    other = shutil.copytree(data, tmp_path / "other")
    (other / "train" / "cats" / "bmp.bmp").write_bytes(b"longer or shorter")
    assert f"{index} was packed from other data, " in _error(other, index.parent)


def test_a_packing_begun_otherwise_is_refused(data, tmp_path, monkeypatch):
    def stop(*words):
        raise _Stopped

    with monkeypatch.context() as patch, pytest.raises(_Stopped):
        patch.setattr(writer.Work, "save_record", stop)
        pack(data, tmp_path)
    assert "now it is --max-side 100" in _error(data, tmp_path, max_side=100)


def test_strange_shards_and_full_disks_are_refused(data, tmp_path, monkeypatch):
    (tmp_path / "train-000000.tar").write_bytes(b"mine")
    assert "holds train-000000.tar but no train.index" in _error(data, tmp_path)
    (tmp_path / "train-000000.tar").unlink()
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, 1_000_000))
    assert "0.0 GB free, 0.0 GB are needed" in _error(data, tmp_path)


def test_a_disk_that_fills_up_is_told_and_the_same_command_goes_on(data, index, tmp_path, monkeypatch):
    fsync, calls = os.fsync, []

    def full(file):
        calls.append(file)
        if len(calls) == 3:  # the recipe and its folder first, then the shard
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left; make room, and the same command"):
        patch.setattr(os, "fsync", full)
        pack(data, tmp_path)
    pack(data, tmp_path)
    assert _contents(tmp_path) == _contents(index.parent)


def test_two_processes_do_not_pack_into_one_folder(data, tmp_path, monkeypatch):
    def pack_again(*words):
        assert "another process is packing 'train' there" in _error(data, tmp_path)

    monkeypatch.setattr(writer, "_write_shards", pack_again)
    monkeypatch.setattr(writer, "_write_index", lambda *words: None)
    pack(data, tmp_path)


def test_options_out_of_range_and_long_class_names_are_refused(data, tmp_path):
    for option, value in (("max_side", 0), ("quality", 101), ("shard_mb", 0)):
        assert f"--{option.replace('_', '-')} {value}" in _error(data, tmp_path, **{option: value})
    (tmp_path / "train" / ("x" * 200)).mkdir(parents=True)
    (tmp_path / "train" / ("x" * 200) / "a.jpg").write_bytes(b"")
    assert "longer than the 155 bytes" in _error(tmp_path, tmp_path / "target")


@pytest.fixture(scope="module")
def resized(data, tmp_path_factory):
    return pack(data, tmp_path_factory.mktemp("resized"), max_side=300)


def test_only_larger_images_are_re_encoded(data, resized):
    samples = load_folder(data, "train")
    for name, image, _ in _members(resized):
        number = int(os.path.basename(name)[:8])
        original = Image.open(samples.name(number))
        if max(original.size) <= 300:
            assert image == samples.read(number)
            continue
        (resized.parent / "now.jpg").write_bytes(image)
        with Image.open(resized.parent / "now.jpg") as now:
            assert name.endswith(".jpg") and max(now.size) == 300 and now.format == "JPEG" and now.mode == "RGB"
            assert min(now.size) == max(1, round(min(original.size) * 300 / max(original.size)))
            expected = original.convert("RGB").resize(now.size, Image.Resampling.LANCZOS)
            if "16" not in name and "exif" not in name:
                assert np.abs(np.asarray(now, float) - np.asarray(expected, float)).mean() < 6  # what JPEG loses
    found = load_index(resized)
    assert found.images["width"].max() == 300 and found.images["height"].max() == 300


def test_all_may_be_re_encoded_where_that_saves_bytes(data, tmp_path):
    samples, found = load_folder(data, "train"), pack(data, tmp_path, reencode_all=True, quality=80)
    num_changed = num_reduced = 0
    for name, image, _ in _members(found):
        number = int(os.path.basename(name)[:8])
        assert len(image) <= len(samples.read(number))
        if image != samples.read(number):
            num_changed += 1
            num_reduced += any(kind in samples.name(number) for kind in ("alpha", "gray16"))
            (tmp_path / "now.jpg").write_bytes(image)
            with Image.open(tmp_path / "now.jpg") as now, Image.open(samples.name(number)) as original:
                assert now.format == "JPEG" and now.size == original.size and now.mode == "RGB"
    assert 0 < num_changed < len(samples)
    said = f"{num_changed} of {len(samples)} images re-encoded: JPEG quality 80"
    assert num_reduced == 2
    assert load_index(found).changes() == f"{said}; of 2 alpha, further pages or more than 8 bits are gone"
    assert load_index(pack(data, tmp_path / "as_is")).changes() == ""


def test_files_that_are_no_images_are_packed_and_reported(tmp_path):
    folder = tmp_path / "train" / "cats"
    folder.mkdir(parents=True)
    photo = encode(Image.effect_noise((90, 70), 60).convert("RGB"))
    files = {"empty.jpg": b"", "text.jpg": b"no image", "cut.jpg": photo[: len(photo) // 2], "good.jpg": photo}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    index = pack(tmp_path, tmp_path / "packed", max_side=50)
    assert "3 packed as they are, but not images that can be read: cats/cut.jpg, cats/empty" in describe_packed(index)
    names = [load_index(index).path(number) for number in range(4)]
    packed = {names[int(os.path.basename(name)[:8])]: image for name, image, _ in _members(index)}
    assert all(packed[f"cats/{name}"] == files[name] for name in ("empty.jpg", "text.jpg", "cut.jpg"))


def test_verifying_finds_every_damage(index, tmp_path):
    assert verify_packed(index, 2) == []
    packed = shutil.copytree(index.parent, tmp_path / "packed")
    found, shard = load_index(index), packed / "train-000001.tar"
    number = int(np.flatnonzero(found.images["shard"] == 1)[0])
    content = bytearray(shard.read_bytes())
    content[int(found.images[number]["offset"])] ^= 1
    content[:10] = b"0123456789"  # the header of the first member
    shard.write_bytes(content)
    problems = verify_packed(packed / index.name, 2)
    assert len(problems) == 2 and found.path(number) in problems[0] and "checksum" in problems[0]
    assert f"{shard}: tar" in problems[1]


def test_a_file_that_cannot_be_read_is_named(data, tmp_path, monkeypatch):
    root = shutil.copytree(data, tmp_path / "root")
    samples = load_folder(root, "train")
    sizes = options.file_sizes(samples)
    monkeypatch.setattr(writer, "file_sizes", lambda samples: sizes)
    (root / "train" / "cats" / "bmp.bmp").unlink()
    with pytest.raises(ValueError, match=r"bmp\.bmp: .*No such file"):
        writer.pack_split(samples, tmp_path / "packed", "train", options.PackOptions(), 2)


def test_what_an_interrupted_packing_left_is_checked(data, index, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_write_index", mock.Mock(side_effect=_Stopped))
        with pytest.raises(_Stopped):
            pack(data, tmp_path)
    record = tmp_path / ".packing-train" / "000000"
    content = record.read_bytes()
    record.write_bytes(content[:8] + bytes([content[8] ^ 1]) + content[9:])  # another offset
    recipe = record.with_name("recipe.json")
    begun = recipe.read_bytes()
    for damaged in (b"", b"[]", begun[:-9], b'{"options": 1}'):
        recipe.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"recipe\.json is damaged: remove .*packing-train, and pack again"):
            pack(data, tmp_path)
    recipe.write_bytes(begun)
    pack(data, tmp_path)
    assert _contents(tmp_path) == _contents(index.parent)


def test_a_file_too_long_for_an_image_is_named_before_anything_is_written(tmp_path):
    (tmp_path / "data/train/cats").mkdir(parents=True)
    make_sparse(tmp_path / "data/train/cats/long.jpg", 5 << 30)
    with pytest.raises(ValueError, match=r"cats/long\.jpg: it has more than 1,073,741,824 bytes"):
        pack(tmp_path / "data", tmp_path / "packed")
    assert not (tmp_path / "packed").exists()
