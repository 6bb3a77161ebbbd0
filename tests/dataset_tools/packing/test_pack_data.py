"""tools/pack_data.py as a user runs it: which folders it packs, what it prints, what it refuses."""

import shutil

import pytest

from pycls.dataset_tools.packing import find_splits, pack_folders, verify_folder
from pycls.dataset_tools.packing.options import PackOptions
from pycls.dataset_tools.packing.verify import size_text
from pycls.datasets.readers.tar import PackedSamples
from tests.helpers.arrays import write_tree
from tests.helpers.runs import run_tool, run_tool_here

TREE = {"a": ["1.jpg", "2.jpg"], "train": ["3.jpg"]}  # a class may well be called "train"


@pytest.fixture
def data(tmp_path):
    for split in ("train", "val", "extra"):
        write_tree(tmp_path / "data" / split, TREE)
    return tmp_path / "data"


def test_the_usual_splits_are_found_or_the_folder_is_one(data):
    assert [place.path for place in find_splits(data, [])] == [data / "train", data / "val"]
    assert [place.path for place in find_splits(data, ["extra"])] == [data / "extra"]
    (itself,) = find_splits(data / "train", [])
    assert (itself.path, itself.split) == (data / "train", "train")
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        find_splits(data / "nowhere", [])


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(0, "0 kB"), (10_240, "10.2 kB"), (999_000_000, "999 MB"), (146_790_000_000, "147 GB")]
)
def test_sizes_have_a_unit_that_shows_them(num_bytes, text):
    assert size_text(num_bytes) == text


def test_packing_and_verifying(data, tmp_path):
    done = run_tool("pack_data.py", data, "--split", "val", tmp_path / "packed", "--verify")
    assert done.returncode == 0 and done.stderr == ""
    index = tmp_path / "packed" / "val.index"
    summary, damaged, verified = done.stdout.splitlines()
    assert summary.startswith(f"{index}: 3 images in 2 classes, 10.2 kB in 1 shard (the files had 0.025 kB)")
    assert damaged == "  3 packed as they are, but not images that can be read: a/1.jpg, a/2.jpg, train/3.jpg"
    assert verified == f"{index}: verified"
    assert PackedSamples(index).read(2) == b"train/3.jpg"
    shard = tmp_path / "packed" / "val-000000.tar"
    shard.write_bytes(shard.read_bytes().replace(b"a/2.jpg", b"A/2.jpg"))
    done = run_tool_here("pack_data.py", tmp_path / "packed", "--verify")
    assert done.returncode == 1 and "a/2.jpg: the checksum of the packed image is wrong" in done.stdout


def test_splits_whose_numbers_mean_other_classes_are_warned_of(data, tmp_path, caplog):
    pack_folders(data, tmp_path / "alike", [], PackOptions(), 1)
    assert not any(record.levelname == "WARNING" for record in caplog.records)
    shutil.rmtree(data / "val" / "a")
    pack_folders(data, tmp_path / "packed", [], PackOptions(), 1)
    (message,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert message.startswith("val has other classes than train: training goes by their names, but the numbers in its")


def test_mistakes_are_one_line(data, tmp_path):
    done = run_tool_here("pack_data.py", data)
    assert done.returncode == 2
    assert done.stderr.startswith("tools/pack_data.py: error: two folders are needed") and done.stderr.count("\n") == 1


def test_a_target_with_the_folder_itself_or_without_data_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="holds the folder 'train' itself"):
        pack_folders(data, shutil.copytree(data, tmp_path / "copy"), [], None, 1)
    with pytest.raises(ValueError, match=r"holds no packed data"):
        verify_folder(data, 1)


@pytest.mark.parametrize("name", ["", ".", "..", "../data", "/tmp", "train/a"])
def test_a_split_is_a_bare_name(data, name):
    with pytest.raises(ValueError, match="expected the bare name of a folder in"):
        find_splits(data, [name])


def test_nothing_is_packed_into_what_is_packed(data):
    with pytest.raises(ValueError, match="is a folder of 'train', which is to be packed"):
        pack_folders(data, data / "train" / "packed", [], None, 1)
    assert not (data / "train" / "packed").exists()
